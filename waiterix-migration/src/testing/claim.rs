//! Claims of the journal, and keys that are held.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};
use waiterix_ports::Result;
use waiterix_ports::moving::{Claim, Hold, Image, JournalEntry, MovingKey, Wanted};

use super::side::MemorySide;
use crate::protocol::guard::Writer;

#[derive(Debug)]
pub(super) struct MemoryClaim {
    side: MemorySide,
    entries: Vec<JournalEntry>,
}

impl MemoryClaim {
    pub(super) fn new(side: &MemorySide, limit: usize, wanted: impl Fn(&MovingKey) -> bool) -> Self {
        let entries = side.inner.state().claim(limit, wanted);
        Self { side: side.clone(), entries }
    }
}

impl Drop for MemoryClaim {
    fn drop(&mut self) {
        let mut state = self.side.inner.state();
        for entry in &self.entries {
            state.claimed.remove(&entry.id);
        }
    }
}

/// Rows by their keys, all of one moment.
pub(super) async fn images(side: &MemorySide, keys: &[MovingKey]) -> Result<Vec<Wanted>> {
    let _moment = side.inner.moment.read().await;
    let mut images = Vec::with_capacity(keys.len());
    for key in keys {
        let row = side.inner.rows.row(key).await?;
        let image = row.map(|row| Image(serde_json::Value::Object(row).to_string()));
        images.push(Wanted { key: key.clone(), image });
    }
    Ok(images)
}

#[async_trait]
impl Claim for MemoryClaim {
    fn entries(&self) -> &[JournalEntry] {
        &self.entries
    }

    async fn images(&mut self, keys: &[MovingKey]) -> Result<Vec<Wanted>> {
        self.side.call("claim.images", images(&self.side, keys)).await
    }

    async fn forget(self: Box<Self>, made: &[MovingKey]) -> Result<()> {
        let made: BTreeSet<&MovingKey> = made.iter().collect();
        let forget = async {
            let mut state = self.side.inner.state();
            for entry in self.entries.iter().filter(|entry| made.contains(&entry.key)) {
                state.journal.remove(&entry.id);
            }
            Ok(())
        };
        self.side.call("claim.forget", forget).await
    }
}

pub(super) struct MemoryHold {
    side: MemorySide,
    _gate: OwnedRwLockReadGuard<()>,
    _keys: Vec<OwnedMutexGuard<()>>,
}

impl fmt::Debug for MemoryHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryHold").field("keys", &self._keys.len()).finish_non_exhaustive()
    }
}

impl MemoryHold {
    pub(super) async fn new(side: &MemorySide, epoch: u64, keys: &[MovingKey]) -> Result<Self> {
        let gate = side.inner.gate.clone().read_owned().await;
        side.inner.admit(Writer::Converger { epoch }, "memory.hold")?;
        let mut held = Vec::new();
        // In one order, so that two who want the same keys do not wait for one another.
        for key in keys.iter().collect::<BTreeSet<_>>() {
            let lock = {
                let mut locks = side.inner.locks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                locks.entry(key.clone()).or_default().clone()
            };
            held.push(lock.lock_owned().await);
        }
        Ok(Self { side: side.clone(), _gate: gate, _keys: held })
    }
}

#[async_trait]
impl Hold for MemoryHold {
    async fn make(self: Box<Self>, wanted: &[Wanted]) -> Result<()> {
        let inner = &self.side.inner;
        let make = async {
            let _moment = inner.moment.write().await;
            let is_strict = !inner.state().rules_are_off;
            inner.rows.apply(wanted, is_strict).await.map(drop)
        };
        self.side.call("hold.make", make).await
    }
}
