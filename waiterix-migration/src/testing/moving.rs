//! The side as the engine of a move sees it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use async_trait::async_trait;
use waiterix_ports::moving::{
    Backlog, Claim, Claiming, Forgetting, Hashing, Hold, Instance, Leaf, Mode, MovingKey, Parcel,
    Quarantined, RowHash, RowSide, Shares, Standing, Survey, Wanted,
};
use waiterix_ports::{Error, ErrorKind, KeyRange, Result, Retry, Violation};

use super::claim::{MemoryClaim, MemoryHold, images};
use super::rows::{Columns, ROW_BYTES, is_in};
use super::side::{Heard, MemorySide};
use crate::protocol::guard::{self, Writer};

fn hash_of(id: &str, row: &Columns, hashing: Hashing) -> u64 {
    let mut hasher = DefaultHasher::new();
    matches!(hashing, Hashing::Text).hash(&mut hasher);
    id.hash(&mut hasher);
    serde_json::Value::Object(row.clone()).to_string().hash(&mut hasher);
    hasher.finish()
}

fn share_of(id: &str, shares: Shares) -> u32 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    shares.of_hash(hasher.finish())
}

fn leaf_of(rows: &[(String, Columns)], hashing: Hashing) -> Leaf {
    rows.iter().fold(Leaf::default(), |leaf, (id, row)| {
        let hash = hash_of(id, row, hashing);
        Leaf {
            rows: leaf.rows + 1,
            hash: leaf.hash ^ hash,
            sum: leaf.sum.wrapping_add(hash.wrapping_mul(0x9E37_79B9)),
        }
    })
}

impl MemorySide {
    async fn range_of(&self, table: &str, range: &KeyRange) -> Result<Vec<(String, Columns)>> {
        let _moment = self.inner.moment.read().await;
        self.inner.rows.range(table, range).await
    }

    async fn ranges_of(&self, table: &str, rows: u64) -> Result<Vec<KeyRange>> {
        let all = self.range_of(table, &KeyRange::default()).await?;
        let size = usize::try_from(rows.max(1)).unwrap_or(usize::MAX);
        let (mut ranges, mut after) = (Vec::new(), None);
        for (id, _) in all.iter().skip(size - 1).step_by(size) {
            ranges.push(KeyRange { after: after.replace(id.clone()), up_to: Some(id.clone()) });
        }
        ranges.push(KeyRange { after, up_to: None });
        Ok(ranges)
    }
}

#[async_trait]
impl RowSide for MemorySide {
    async fn survey(&self) -> Result<Survey> {
        let survey = async {
            Ok(Survey {
                identity: self.inner.name.clone(),
                version: "memory".to_owned(),
                clock_ahead_ms: 0,
                tables: self.inner.rows.tables(),
                faults: Vec::new(),
                unguarded: Vec::new(),
                standing: self.stands(),
            })
        };
        self.call("survey", survey).await
    }

    async fn install(&self, first: Standing) -> Result<()> {
        let install = async {
            let _gate = self.inner.gate.write().await;
            let mut state = self.inner.state();
            if state.standing.is_none() {
                state.set(first);
            }
            Ok(())
        };
        self.call("install", install).await
    }

    async fn uninstall(&self) -> Result<()> {
        let uninstall = async {
            let _gate = self.inner.gate.write().await;
            *self.inner.state() = super::side::State::default();
            Ok(())
        };
        self.call("uninstall", uninstall).await
    }

    async fn standing(&self) -> Result<Option<Standing>> {
        self.call("standing", async { Ok(self.stands()) }).await
    }

    async fn shift(&self, seen: Standing, mode: Mode, epoch: u64, patience: Duration) -> Result<bool> {
        let shift = async {
            let _gate = if guard::shuts_out(seen, mode, epoch) {
                let waited = tokio::time::timeout(patience, self.inner.gate.write()).await;
                Some(waited.map_err(|_| {
                    Error::new(ErrorKind::Timeout, "memory.shift")
                        .retry(Retry::Safe)
                        .with("fault", "writes did not end")
                })?)
            } else {
                None
            };
            let next = Standing { epoch, mode, turn: seen.turn + 1 };
            let mut state = self.inner.state();
            if state.standing == Some(next) {
                return Ok(true);
            }
            if state.standing != Some(seen) {
                return Ok(false);
            }
            if !guard::may_follow(seen, mode, epoch) {
                return Err(Error::new(ErrorKind::Invalid, "memory.shift"));
            }
            state.set(next);
            Ok(true)
        };
        self.call("shift", shift).await
    }

    async fn claim(&self, what: &Claiming) -> Result<Box<dyn Claim>> {
        let claim = async {
            let claim = match what {
                Claiming::Oldest(limit) => MemoryClaim::new(self, *limit as usize, |_| true),
                Claiming::Keys(keys) => {
                    let keys: BTreeSet<&MovingKey> = keys.iter().collect();
                    MemoryClaim::new(self, usize::MAX, |key| keys.contains(key))
                }
            };
            Ok(Box::new(claim) as Box<dyn Claim>)
        };
        self.call("claim", claim).await
    }

    async fn backlog(&self) -> Result<Backlog> {
        let backlog = async {
            let state = self.inner.state();
            let age = state.journal.values().map(|noted| noted.at.elapsed()).max().unwrap_or_default();
            let (entries, quarantined) = (state.journal.len() as u64, state.quarantine.len() as u64);
            Ok(Backlog { entries, quarantined, age })
        };
        self.call("backlog", backlog).await
    }

    async fn mark(&self, keys: &[MovingKey]) -> Result<()> {
        let mark = async {
            self.inner.state().note(keys.iter().cloned());
            Ok(())
        };
        self.call("mark", mark).await
    }

    async fn dirty(&self, keys: &[MovingKey]) -> Result<Vec<MovingKey>> {
        let dirty = async {
            let state = self.inner.state();
            let noted: BTreeSet<&MovingKey> = state.journal.values().map(|noted| &noted.key).collect();
            Ok(keys.iter().filter(|key| noted.contains(key)).cloned().collect())
        };
        self.call("dirty", dirty).await
    }

    async fn quarantine(&self, keys: &[Quarantined]) -> Result<()> {
        let quarantine = async {
            let mut state = self.inner.state();
            state.quarantine.extend(keys.iter().map(|put| (put.key.clone(), put.reason.clone())));
            Ok(())
        };
        self.call("quarantine", quarantine).await
    }

    async fn quarantined(&self, limit: u32) -> Result<Vec<Quarantined>> {
        let quarantined = async { Ok(self.in_quarantine().into_iter().take(limit as usize).collect()) };
        self.call("quarantined", quarantined).await
    }

    async fn release(&self) -> Result<u64> {
        let release = async {
            let mut state = self.inner.state();
            let keys = std::mem::take(&mut state.quarantine);
            let count = keys.len() as u64;
            state.note(keys.into_keys());
            Ok(count)
        };
        self.call("release", release).await
    }

    async fn report(&self, id: &str, old_turn: u64, new_turn: u64) -> Result<()> {
        let report = async {
            let mut state = self.inner.state();
            if state.instances.get(id).is_some_and(|heard| heard.is_forgotten) {
                let error = Error::new(ErrorKind::Unavailable, "memory.report");
                return Err(error.violating(Violation::Forgotten));
            }
            let at = tokio::time::Instant::now();
            let heard = Heard { old_turn, new_turn, at, is_forgotten: false };
            state.instances.insert(id.to_owned(), heard);
            Ok(())
        };
        self.call("report", report).await
    }

    async fn leave(&self, id: &str) -> Result<()> {
        let leave = async {
            self.inner.state().instances.remove(id);
            Ok(())
        };
        self.call("leave", leave).await
    }

    async fn forget(&self, id: &str, silent: Duration) -> Result<Forgetting> {
        let forget = async {
            let mut state = self.inner.state();
            let Some(heard) = state.instances.get_mut(id) else { return Ok(Forgetting::Unknown) };
            let since = heard.at.elapsed();
            if !heard.is_forgotten && since < silent {
                return Ok(Forgetting::Heard(since));
            }
            heard.is_forgotten = true;
            Ok(Forgetting::Done)
        };
        self.call("forget", forget).await
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        let instances = async {
            let state = self.inner.state();
            let instance = |(id, heard): (&String, &Heard)| Instance {
                id: id.clone(),
                old_turn: heard.old_turn,
                new_turn: heard.new_turn,
                silent_for: heard.at.elapsed(),
                is_forgotten: heard.is_forgotten,
            };
            Ok(state.instances.iter().map(instance).collect())
        };
        self.call("instances", instances).await
    }

    async fn hold(&self, epoch: u64, keys: &[MovingKey]) -> Result<Box<dyn Hold>> {
        let hold = async { Ok(Box::new(MemoryHold::new(self, epoch, keys).await?) as Box<dyn Hold>) };
        self.call("hold", hold).await
    }

    async fn ranges(&self, table: &str, rows: u64) -> Result<Vec<KeyRange>> {
        self.call("ranges", self.ranges_of(table, rows)).await
    }

    async fn cut(&self, table: &str, rows: u64) -> Result<Vec<KeyRange>> {
        let cut = async {
            if let Some(ranges) = self.inner.state().cuts.get(table) {
                return Ok(ranges.clone());
            }
            let ranges = self.ranges_of(table, rows).await?;
            Ok(self.inner.state().cuts.entry(table.to_owned()).or_insert(ranges).clone())
        };
        self.call("cut", cut).await
    }

    async fn copy_out(&self, table: &str, range: &KeyRange) -> Result<Parcel> {
        let copy = async {
            let rows = self.range_of(table, range).await?;
            let leaf = leaf_of(&rows, Hashing::Record);
            let data = serde_json::to_vec(&rows)
                .map_err(|error| Error::new(ErrorKind::Corrupt, "memory.copy_out").because(error))?;
            Ok(Parcel { leaf, columns: Vec::new(), data: data.into() })
        };
        self.call("copy_out", copy).await
    }

    async fn copy_in(&self, epoch: u64, table: &str, range: &KeyRange, parcel: Parcel) -> Result<()> {
        let copy = async {
            let _gate = self.inner.gate.read().await;
            self.inner.admit(Writer::Converger { epoch }, "memory.copy_in")?;
            let noted = (table.to_owned(), range.clone());
            if self.inner.state().ranges.contains(&noted) {
                return Ok(());
            }
            let corrupt = || Error::new(ErrorKind::Corrupt, "memory.copy_in");
            let rows: Vec<(String, Columns)> =
                serde_json::from_slice(&parcel.data).map_err(|error| corrupt().because(error))?;
            if leaf_of(&rows, Hashing::Record) != parcel.leaf || rows.iter().any(|(id, _)| !is_in(range, id))
            {
                return Err(corrupt());
            }
            let _moment = self.inner.moment.write().await;
            if !self.inner.rows.range(table, range).await?.is_empty() {
                return Err(Error::new(ErrorKind::Conflict, "memory.copy_in").with("fault", "there are rows"));
            }
            let image = |row| waiterix_ports::moving::Image(serde_json::Value::Object(row).to_string());
            let wanted: Vec<Wanted> = rows
                .into_iter()
                .map(|(id, row)| Wanted {
                    key: MovingKey { table: table.into(), id },
                    image: Some(image(row)),
                })
                .collect();
            let is_strict = !self.inner.state().rules_are_off;
            self.inner.rows.apply(&wanted, is_strict).await?;
            self.inner.state().ranges.push(noted);
            Ok(())
        };
        self.call("copy_in", copy).await
    }

    async fn copied(&self, table: &str) -> Result<Vec<KeyRange>> {
        let copied = async {
            let state = self.inner.state();
            let ranges = state.ranges.iter().filter(|(of, _)| of == table);
            Ok(ranges.map(|(_, range)| range.clone()).collect())
        };
        self.call("copied", copied).await
    }

    async fn before_copy(&self) -> Result<()> {
        let before = async {
            self.inner.state().rules_are_off = true;
            Ok(())
        };
        self.call("before_copy", before).await
    }

    async fn after_copy(&self) -> Result<()> {
        let after = async {
            self.inner.rows.check().await?;
            self.inner.state().rules_are_off = false;
            Ok(())
        };
        self.call("after_copy", after).await
    }

    async fn stretches(&self, table: &str, bytes: u64) -> Result<Vec<KeyRange>> {
        self.call("stretches", self.ranges_of(table, bytes / ROW_BYTES)).await
    }

    async fn leaves(
        &self,
        table: &str,
        range: &KeyRange,
        shares: Shares,
        hashing: Hashing,
    ) -> Result<Vec<Leaf>> {
        let leaves = async {
            let rows = self.range_of(table, range).await?;
            let leaf = |share| {
                let of_it: Vec<_> =
                    rows.iter().filter(|(id, _)| share_of(id, shares) == share).cloned().collect();
                leaf_of(&of_it, hashing)
            };
            Ok((0..shares.count()).map(leaf).collect())
        };
        self.call("leaves", leaves).await
    }

    async fn hashes(
        &self,
        table: &str,
        range: &KeyRange,
        shares: Shares,
        some: &[u32],
        hashing: Hashing,
    ) -> Result<Vec<RowHash>> {
        let hashes = async {
            let mut rows = self.range_of(table, range).await?;
            rows.retain(|(id, _)| some.contains(&share_of(id, shares)));
            let hash = |(id, row): (String, Columns)| RowHash { hash: hash_of(&id, &row, hashing), id };
            Ok(rows.into_iter().map(hash).collect())
        };
        self.call("hashes", hashes).await
    }

    async fn images(&self, keys: &[MovingKey]) -> Result<Vec<Wanted>> {
        self.call("images", images(self, keys)).await
    }

    async fn pressure(&self) -> Result<Duration> {
        self.call("pressure", async { Ok(Duration::ZERO) }).await
    }
}
