//! A side in memory: what it holds, and how anybody writes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio::time::Instant;
use waiterix_ports::moving::{Image, JournalEntry, MovingKey, Quarantined, Standing, Wanted};
use waiterix_ports::{Error, ErrorKind, KeyRange, Result, Violation};

use super::faults::{Faults, Wire, befall};
use super::rows::Rows;
use crate::protocol::guard::{self, Writer};

/// An entry of the journal.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) key: MovingKey,
    pub(super) at: Instant,
}

/// What an instance said.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) old_turn: u64,
    pub(super) new_turn: u64,
    pub(super) at: Instant,
    pub(super) is_forgotten: bool,
}

/// What is there beside the rows.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) standing: Option<Standing>,
    pub(super) journal: BTreeMap<u64, Noted>,
    pub(super) claimed: BTreeSet<u64>,
    pub(super) last_entry: u64,
    pub(super) cuts: BTreeMap<String, Vec<KeyRange>>,
    pub(super) ranges: Vec<(String, KeyRange)>,
    pub(super) quarantine: BTreeMap<MovingKey, String>,
    pub(super) instances: BTreeMap<String, Heard>,
    /// Every standing there was, for tests that ask what happened.
    pub(super) history: Vec<Standing>,
    pub(super) rules_are_off: bool,
}

impl State {
    pub(super) fn note(&mut self, keys: impl IntoIterator<Item = MovingKey>) {
        for key in keys {
            self.last_entry += 1;
            self.journal.insert(self.last_entry, Noted { key, at: Instant::now() });
        }
    }

    pub(super) fn set(&mut self, standing: Standing) {
        self.standing = Some(standing);
        self.history.push(standing);
    }

    /// Claims entries nobody else has.
    pub(super) fn claim(&mut self, limit: usize, wanted: impl Fn(&MovingKey) -> bool) -> Vec<JournalEntry> {
        let free = self.journal.iter().filter(|(id, noted)| !self.claimed.contains(id) && wanted(&noted.key));
        let entries: Vec<_> =
            free.take(limit).map(|(id, noted)| JournalEntry { id: *id, key: noted.key.clone() }).collect();
        self.claimed.extend(entries.iter().map(|entry| entry.id));
        entries
    }
}

/// What all handles of a side share.
pub(super) struct Inner {
    pub(super) name: String,
    pub(super) rows: Arc<dyn Rows>,
    /// Held while rows and journal are read or written, so that both are of one moment.
    pub(super) moment: RwLock<()>,
    /// Shared by writes until they end, and exclusive for a change of the standing that shuts out some of them.
    pub(super) gate: Arc<RwLock<()>>,
    pub(super) locks: Mutex<HashMap<MovingKey, Arc<tokio::sync::Mutex<()>>>>,
    state: Mutex<State>,
}

impl Inner {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody may write, as the standing is now.
    pub(super) fn admit(&self, writer: Writer, call: &'static str) -> Result<()> {
        match (self.state().standing, writer) {
            (None, Writer::Anyone) => Ok(()),
            (Some(standing), writer) if guard::admits(standing, writer) => Ok(()),
            _ => Err(Error::new(ErrorKind::Unavailable, call).violating(Violation::NotLeading)),
        }
    }
}

/// A side in memory. Clones are the same side; each handle may have faults of its own.
#[derive(Clone)]
pub struct MemorySide {
    pub(super) inner: Arc<Inner>,
    pub(super) faults: Arc<dyn Faults>,
}

impl fmt::Debug for MemorySide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemorySide").field(&self.inner.name).finish()
    }
}

impl MemorySide {
    /// A side with a name, over rows, in which nothing is installed.
    #[must_use]
    pub fn new(name: &str, rows: Arc<dyn Rows>) -> Self {
        let inner = Inner {
            name: name.to_owned(),
            rows,
            moment: RwLock::default(),
            gate: Arc::default(),
            locks: Mutex::default(),
            state: Mutex::default(),
        };
        Self { inner: Arc::new(inner), faults: Arc::new(Wire::default()) }
    }

    /// The same side, reached by a way of its own.
    #[must_use]
    pub fn through(&self, faults: Arc<dyn Faults>) -> Self {
        Self { inner: self.inner.clone(), faults }
    }

    pub(super) async fn call<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        befall(&*self.faults, call, work).await
    }

    /// Begins a transaction of anybody: the standing is asked now, and is not replaced before the transaction ends.
    ///
    /// # Errors
    /// `Unavailable` with `NotLeading`, or what befalls `begin`.
    pub async fn begin(&self) -> Result<Writing> {
        let begin = async {
            let gate = self.inner.gate.clone().read_owned().await;
            self.inner.admit(Writer::Anyone, "memory.write")?;
            Ok(Writing { side: self.clone(), _gate: gate })
        };
        self.call("begin", begin).await
    }

    /// Writes rows in one transaction of anybody.
    ///
    /// # Errors
    /// As [`MemorySide::begin`] and [`Writing::commit`].
    pub async fn write(&self, wanted: &[Wanted]) -> Result<()> {
        self.begin().await?.commit(wanted).await
    }

    /// Writes one row in a transaction of anybody.
    ///
    /// # Errors
    /// As [`MemorySide::write`].
    pub async fn put(&self, table: &str, id: &str, columns: serde_json::Value) -> Result<()> {
        let key = MovingKey { table: table.into(), id: id.to_owned() };
        self.write(&[Wanted { key, image: Some(Image(columns.to_string())) }]).await
    }

    /// Deletes one row in a transaction of anybody.
    ///
    /// # Errors
    /// As [`MemorySide::write`].
    pub async fn delete(&self, table: &str, id: &str) -> Result<()> {
        let key = MovingKey { table: table.into(), id: id.to_owned() };
        self.write(&[Wanted { key, image: None }]).await
    }

    /// Writes past the guard, the journal and the rules, as a fault of a disk would.
    ///
    /// # Errors
    /// Where rows are kept elsewhere.
    pub async fn spoil(&self, table: &str, id: &str, columns: Option<serde_json::Value>) -> Result<()> {
        let key = MovingKey { table: table.into(), id: id.to_owned() };
        let image = columns.map(|columns| Image(columns.to_string()));
        let _moment = self.inner.moment.write().await;
        self.inner.rows.apply(&[Wanted { key, image }], false).await.map(drop)
    }

    /// Every row as text by table and key, whatever befalls calls.
    pub async fn everything(&self) -> BTreeMap<(String, String), String> {
        let _moment = self.inner.moment.read().await;
        let mut all = BTreeMap::new();
        for table in self.inner.rows.tables() {
            let rows = self.inner.rows.range(&table.name, &KeyRange::default()).await.unwrap_or_default();
            all.extend(
                rows.into_iter().map(|(id, row)| {
                    ((table.name.to_string(), id), serde_json::Value::Object(row).to_string())
                }),
            );
        }
        all
    }

    /// What it enforces, whatever befalls calls.
    #[must_use]
    pub fn stands(&self) -> Option<Standing> {
        self.inner.state().standing
    }

    /// Every standing there was, in order.
    #[must_use]
    pub fn history(&self) -> Vec<Standing> {
        self.inner.state().history.clone()
    }

    /// The dirty keys, in the order in which they were noted.
    #[must_use]
    pub fn journal(&self) -> Vec<MovingKey> {
        self.inner.state().journal.values().map(|noted| noted.key.clone()).collect()
    }

    /// What is in quarantine.
    #[must_use]
    pub fn in_quarantine(&self) -> Vec<Quarantined> {
        let state = self.inner.state();
        let all = state.quarantine.iter();
        all.map(|(key, reason)| Quarantined { key: key.clone(), reason: reason.clone() }).collect()
    }
}

/// A transaction of anybody. Dropped, it has changed nothing.
#[derive(Debug)]
pub struct Writing {
    side: MemorySide,
    _gate: OwnedRwLockReadGuard<()>,
}

impl Writing {
    /// Writes rows and notes their keys in the journal, all or nothing.
    ///
    /// # Errors
    /// `Conflict` when a rule is broken, or what befalls `write`.
    pub async fn commit(self, wanted: &[Wanted]) -> Result<()> {
        let work = async { self.side.inner.rows.apply(wanted, true).await };
        self.with(work).await
    }

    /// Lets somebody else do the writing, and notes the keys that are said to be others then.
    ///
    /// # Errors
    /// Those of the work, or what befalls `write`.
    pub async fn with(&self, work: impl Future<Output = Result<Vec<MovingKey>>> + Send) -> Result<()> {
        let inner = &self.side.inner;
        let write = async {
            let _moment = inner.moment.write().await;
            let changed = work.await?;
            let mut state = inner.state();
            if state.standing.is_some() {
                state.note(changed);
            }
            Ok(())
        };
        self.side.call("write", write).await
    }
}
