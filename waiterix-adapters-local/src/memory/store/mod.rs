//! The model of a store: the contract in its plainest form, against which the others are compared.

mod answer;
mod apply;
mod state;

use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use waiterix_domain::digest::Digest;
use waiterix_domain::{ChangeSet, Row, Table, Timestamp};
use waiterix_ports::store::fault_of;
use waiterix_ports::{Answer, Clock, Error, ErrorKind, KeyRange, Query, Result, Store};

use state::State;

/// The most rows a page may have.
const MAX_PAGE_ROWS: u32 = 10_000;

/// All rows in the memory of this process, gone with it.
///
/// One lock makes commits and reads take turns. A commit works on a copy of the state, which shares every table it
/// does not touch, and the copy takes the place of the state only when all changes succeeded.
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let rows: usize = Table::ALL.iter().map(|table| state.table(*table).len()).sum();
        f.debug_struct("MemoryStore").field("rows", &rows).finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store. The clock tells when a commit was recorded, see [`Store::forget_commits`].
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::default(), clock }
    }

    /// The state is replaced in one step, so a poisoned lock still guards a sound one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of a range, in key order.
fn in_range<'a>(state: &'a State, table: Table, range: &KeyRange) -> impl Iterator<Item = &'a Row> {
    let after = range.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let up_to = range.up_to.clone();
    state
        .table(table)
        .range::<str, _>((after, Bound::Unbounded))
        .take_while(move |(key, _)| up_to.as_ref().is_none_or(|last| *key <= last))
        .map(|(_, row)| row)
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(&self, query: &Query) -> Result<Answer> {
        Ok(answer::answer(&self.state(), query))
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        if let Some(fault) = fault_of(changes) {
            return Err(Error::new(ErrorKind::Invalid, "store.commit").with("fault", fault));
        }
        let mut state = self.state();
        if state.is_recorded(changes.id()) {
            return Ok(());
        }
        let mut next = state.clone();
        apply::apply_all(&mut next, changes)?;
        if changes.needs_record() {
            next.record(changes.id(), self.clock.now());
        }
        *state = next;
        Ok(())
    }

    async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        if limit == 0 || limit > MAX_PAGE_ROWS {
            return Err(Error::new(ErrorKind::Invalid, "store.scan").with("limit", limit));
        }
        Ok(in_range(&self.state(), table, range).take(limit as usize).cloned().collect())
    }

    async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest> {
        Ok(Digest::of(in_range(&self.state(), table, range)))
    }

    async fn forget_commits(&self, before: Timestamp, limit: u32) -> Result<u32> {
        Ok(self.state().forget(before, limit))
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}
