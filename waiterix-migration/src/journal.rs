//! Which keys are dirty: the other side may not be equal to the leader there.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use waiterix_ports::moving::{Backlog, Entry, EntryId, Journal, LONGEST_WRITE};
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use crate::plan::Held;

/// What one walk of a relay through the journal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pass {
    /// Keys that are equal on both sides now.
    pub converged: u32,
    /// Keys that stay dirty.
    pub failed: u32,
    /// Keys that stay in the journal although they are equal, because something may still come.
    pub waiting: u32,
    /// Keys that stay dirty because somebody changed them each time they were to be made equal. That is no failure of a side: it
    /// ends when they are left alone for a moment.
    pub busy: u32,
}

impl Pass {
    /// Forgets the entries of a key that was converged, but for those whose writes are under way, and counts it.
    pub(crate) async fn close<K: Clone + Eq + Hash + 'static>(
        &mut self,
        journal: &dyn Journal<K>,
        dirty: &Dirty<K>,
        settled: Result<()>,
    ) {
        let is_busy =
            |error: &Error| error.kind() == ErrorKind::Conflict && error.retry_advice() == Retry::Safe;
        if settled.as_ref().is_err_and(is_busy) {
            self.busy += 1;
            return;
        }
        let settled = settled.is_ok();
        let is_closed = settled && (dirty.ended.is_empty() || journal.done(&dirty.ended).await.is_ok());
        if !is_closed {
            self.failed += 1;
        } else if dirty.open.is_empty() {
            self.converged += 1;
        } else {
            self.waiting += 1;
        }
    }

    /// Whether there was nothing to do, and nothing failed.
    #[must_use]
    pub const fn found_all_equal(&self) -> bool {
        self.converged == 0 && self.failed == 0 && self.busy == 0
    }
}

/// A [`Journal`] that ends with the process: for tests, and for trying a move where nothing depends on it.
pub struct MemoryJournal<K>(Mutex<State<K>>);

struct State<K> {
    entries: BTreeMap<EntryId, Kept<K>>,
    last: u64,
}

struct Kept<K> {
    key: K,
    since: Instant,
    is_open: bool,
}

impl<K: Clone> Kept<K> {
    fn entry(&self, id: EntryId) -> Entry<K> {
        let is_open = self.is_open && self.since.elapsed() < LONGEST_WRITE;
        Entry { id, key: self.key.clone(), is_open }
    }
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

    /// As if the longest time a write can take had passed: whoever has not said that its write ended is gone.
    pub fn give_up_writes(&self) {
        self.state().entries.values_mut().for_each(|held| held.is_open = false);
    }

    fn keep(&self, key: K, is_open: bool) -> EntryId {
        let mut state = self.state();
        state.last += 1;
        let id = EntryId(state.last);
        state.entries.insert(id, Kept { key, since: Instant::now(), is_open });
        id
    }

    /// A panic elsewhere while the lock was held leaves the map whole, so the poison is of no interest.
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<K: Clone + PartialEq + Send + Sync + 'static> Journal<K> for MemoryJournal<K> {
    async fn begin(&self, key: &K) -> Result<EntryId> {
        Ok(self.keep(key.clone(), true))
    }

    async fn ended(&self, entries: &[EntryId]) -> Result<()> {
        let mut state = self.state();
        for id in entries {
            if let Some(held) = state.entries.get_mut(id) {
                held.is_open = false;
            }
        }
        Ok(())
    }

    async fn add(&self, key: &K) -> Result<EntryId> {
        Ok(self.keep(key.clone(), false))
    }

    async fn entries(&self, after: Option<EntryId>, limit: u32) -> Result<Vec<Entry<K>>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        let found = state.entries.range((from, Bound::Unbounded)).take(limit as usize);
        Ok(found.map(|(id, held)| held.entry(*id)).collect())
    }

    async fn done(&self, entries: &[EntryId]) -> Result<()> {
        let mut state = self.state();
        for id in entries {
            state.entries.remove(id);
        }
        Ok(())
    }

    async fn holds(&self, key: &K) -> Result<bool> {
        Ok(self.state().entries.values().any(|held| held.key == *key))
    }

    async fn backlog(&self) -> Result<Backlog> {
        let state = self.state();
        let age = state.entries.values().map(|held| held.since.elapsed()).max().unwrap_or_default();
        Ok(Backlog { entries: state.entries.len() as u64, quarantined: 0, age })
    }
}

/// How many entries are looked at together.
const PAGE: u32 = 200;

/// A dirty key with all of its entries there are now: a key that was written a hundred times is converged once.
pub(crate) struct Dirty<K> {
    /// The key.
    pub(crate) key: K,
    /// Entries whose writes have ended: they can be forgotten when the key has been converged.
    pub(crate) ended: Vec<EntryId>,
    /// Entries whose writes may be under way: what they write may come after the key was converged.
    pub(crate) open: Vec<EntryId>,
}

impl<K> Dirty<K> {
    /// Takes every write for ended, for whoever knows that none is under way.
    fn with_all_ended(mut self) -> Self {
        self.ended.append(&mut self.open);
        self
    }
}

/// The dirty keys. An entry whose number becomes visible behind this walk is found by the next one.
pub(crate) async fn dirty<K: Clone + Eq + Hash + 'static>(journal: &dyn Journal<K>) -> Result<Vec<Dirty<K>>> {
    let (mut keys, mut after): (Vec<Dirty<K>>, _) = (Vec::new(), None);
    let mut places: HashMap<K, usize> = HashMap::new();
    loop {
        let page = journal.entries(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(keys) };
        after = Some(last.id);
        for Entry { id, key, is_open } in page {
            let place = *places.entry(key.clone()).or_insert_with(|| {
                keys.push(Dirty { key, ended: Vec::new(), open: Vec::new() });
                keys.len() - 1
            });
            if is_open { &mut keys[place].open } else { &mut keys[place].ended }.push(id);
        }
    }
}

/// The dirty keys, for whoever is about to change the leader. While writes are held none is under way, so no entry is kept for one.
pub(crate) async fn dirty_while<K: Clone + Eq + Hash + 'static>(
    journal: &dyn Journal<K>,
    held: Option<&Held>,
) -> Result<Vec<Dirty<K>>> {
    let keys = dirty(journal).await?;
    // Asked when they are listed: if the hold was turned back before, some may be of writes that have begun since.
    let nobody_writes = match held {
        Some(held) => held.stands().await?,
        None => false,
    };
    Ok(if nobody_writes { keys.into_iter().map(Dirty::with_all_ended).collect() } else { keys })
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

/// What becomes of the entry of a write: it goes when both sides are equal, and is left to the relay otherwise, because the write has
/// ended. (One that nobody heard of may come about even later. That is rare enough for a comparison to find it.)
///
/// An entry too many costs a repeat, which is harmless; so that it could not be settled is no error of the write, which is done.
pub(crate) async fn settle_entry<K: 'static>(journal: &dyn Journal<K>, entry: EntryId, is_equal: bool) {
    let _ = if is_equal { journal.done(&[entry]).await } else { journal.ended(&[entry]).await };
}
