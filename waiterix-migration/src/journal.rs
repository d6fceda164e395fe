//! Which keys are dirty: the other side may not be equal to the leader there.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use waiterix_ports::moving::{Backlog, Entry, EntryId, Journal};
use waiterix_ports::{Error, ErrorKind, Result, Retry};

/// What one walk of a relay through the journal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pass {
    /// Keys that are equal on both sides now.
    pub converged: u32,
    /// Keys that stay dirty.
    pub failed: u32,
    /// Keys that stay in the journal although they are equal, because something may still come.
    pub waiting: u32,
}

impl Pass {
    /// Counts a key.
    pub(crate) const fn count(&mut self, converged: bool) {
        if converged {
            self.converged += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Whether there was nothing to do, and nothing failed.
    #[must_use]
    pub const fn found_all_equal(&self) -> bool {
        self.converged == 0 && self.failed == 0
    }
}

/// A [`Journal`] that ends with the process: for tests, and for trying a move where nothing depends on it.
pub struct MemoryJournal<K>(Mutex<State<K>>);

struct State<K> {
    entries: BTreeMap<EntryId, (K, Instant)>,
    last: u64,
}

impl<K> Default for MemoryJournal<K> {
    fn default() -> Self {
        Self(Mutex::new(State { entries: BTreeMap::new(), last: 0 }))
    }
}

impl<K> fmt::Debug for MemoryJournal<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryJournal").field("entries", &self.len()).finish_non_exhaustive()
    }
}

impl<K> MemoryJournal<K> {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().entries.len()
    }

    /// Whether nothing is dirty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A panic elsewhere while the lock was held leaves the map whole, so the poison is of no interest.
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<K: Clone + PartialEq + Send + Sync + 'static> Journal<K> for MemoryJournal<K> {
    async fn add(&self, key: &K) -> Result<EntryId> {
        let mut state = self.state();
        state.last += 1;
        let id = EntryId(state.last);
        state.entries.insert(id, (key.clone(), Instant::now()));
        Ok(id)
    }

    async fn entries(&self, after: Option<EntryId>, limit: u32) -> Result<Vec<Entry<K>>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        let found = state.entries.range((from, Bound::Unbounded)).take(limit as usize);
        Ok(found.map(|(id, (key, _))| Entry { id: *id, key: key.clone() }).collect())
    }

    async fn done(&self, entries: &[EntryId]) -> Result<()> {
        let mut state = self.state();
        for id in entries {
            state.entries.remove(id);
        }
        Ok(())
    }

    async fn holds(&self, key: &K) -> Result<bool> {
        Ok(self.state().entries.values().any(|(held, _)| held == key))
    }

    async fn backlog(&self) -> Result<Backlog> {
        let state = self.state();
        let age = state.entries.values().map(|(_, since)| since.elapsed()).max().unwrap_or_default();
        Ok(Backlog { entries: state.entries.len() as u64, quarantined: 0, age })
    }
}

/// How many entries are looked at together.
const PAGE: u32 = 200;

/// The dirty keys, each with all of its entries there are now: a key that was written a hundred times is converged once.
///
/// An entry whose number becomes visible behind this walk is found by the next one.
pub(crate) async fn dirty<K: Clone + Eq + Hash + 'static>(
    journal: &dyn Journal<K>,
) -> Result<Vec<(K, Vec<EntryId>)>> {
    let (mut keys, mut after): (Vec<(K, Vec<EntryId>)>, _) = (Vec::new(), None);
    let mut places: HashMap<K, usize> = HashMap::new();
    loop {
        let page = journal.entries(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(keys) };
        after = Some(last.id);
        for Entry { id, key } in page {
            match places.get(&key) {
                Some(place) => keys[*place].1.push(id),
                None => {
                    places.insert(key.clone(), keys.len());
                    keys.push((key, vec![id]));
                }
            }
        }
    }
}

/// Whether a refusal says that nothing was written.
pub(crate) fn had_no_effect(error: &Error) -> bool {
    match error.retry_advice() {
        Retry::Ambiguous => false,
        Retry::Safe | Retry::After(_) => true,
        Retry::No => {
            matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Invalid)
        }
    }
}
