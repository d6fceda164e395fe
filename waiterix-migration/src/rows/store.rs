//! The port of rows, while they move.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use waiterix_domain::change::{Change, Requirement};
use waiterix_domain::digest::Digest;
use waiterix_domain::{ChangeSet, Row, Table, Timestamp};
use waiterix_ports::moving::MovingKey;
use waiterix_ports::{Answer, Error, ErrorKind, KeyRange, Query, Result, Retry, Store, Violation};

use super::acts;
use super::converge::Converger;
use super::lead::Lead;
use crate::phase::{Leader, Mirroring};

/// How a [`DualStore`] works.
#[derive(Debug, Clone, PartialEq)]
pub struct DualSettings {
    /// Whether the other side follows before a write is answered, or later; until [`DualStore::mirror`] says otherwise.
    pub mirroring: Mirroring,
    /// How long a write waits for the other side to follow. 250 ms.
    pub inline: Duration,
    /// How long nothing follows inline after the other side failed or was late: it is left to the relay. 5 s.
    pub rest: Duration,
    /// How long a write waits while no side takes it. 10 s; more than the pause of a cutover by far.
    pub patience: Duration,
    /// After which time without a change a writer that waits ends a change of the leader itself: who began it is dead. 4 s;
    /// more than the pause of a cutover.
    pub overdue: Duration,
}

impl Default for DualSettings {
    fn default() -> Self {
        Self {
            mirroring: Mirroring::Background,
            inline: Duration::from_millis(250),
            rest: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            overdue: Duration::from_secs(4),
        }
    }
}

/// How often a set is sent whose outcome is unknown.
const SENDS: u32 = 3;
/// How long the pauses between looks are at most while no side takes writes.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// How long a step waits for the writes before it that ends what somebody else began.
const STEP: Duration = Duration::from_secs(1);
/// The table of remembered commits, which moves like the others.
const COMMITS: &str = "waiterix_commits";

/// Rows in two databases, of which one leads: reads and writes are the leader's, and the other one follows.
///
/// - A write that the side refuses because it does not lead goes to the one that does. While neither takes writes, in the pause
///   of a cutover, it waits; it fails only when that lasts longer than [`DualSettings::patience`].
/// - A set whose outcome is unknown is sent again (**S19**), to whichever side leads by then. What the first side had taken
///   before it gave the lead away is on the other one, with the ids of its commits.
/// - The other side being down fails nothing: the journal of the leader keeps the keys.
#[derive(Debug)]
pub struct DualStore {
    old: Arc<dyn Store>,
    new: Arc<dyn Store>,
    lead: Arc<Lead>,
    converger: Arc<Converger>,
    settings: DualSettings,
    /// Whether the other side follows before a write is answered.
    is_inline: AtomicBool,
    resting_until: Mutex<Option<Instant>>,
}

impl DualStore {
    /// The rows of two databases; `lead` and `converger` are those of this process.
    #[must_use]
    pub fn new(
        old: Arc<dyn Store>,
        new: Arc<dyn Store>,
        lead: Arc<Lead>,
        converger: Arc<Converger>,
        settings: DualSettings,
    ) -> Self {
        let is_inline = AtomicBool::new(settings.mirroring == Mirroring::Inline);
        Self { old, new, lead, converger, settings, is_inline, resting_until: Mutex::default() }
    }

    /// Changes when the other side follows, from the next write on.
    pub fn mirror(&self, mirroring: Mirroring) {
        self.is_inline.store(mirroring == Mirroring::Inline, Ordering::Relaxed);
    }

    fn of(&self, side: Leader) -> &dyn Store {
        match side {
            Leader::Old => &*self.old,
            Leader::New => &*self.new,
        }
    }

    /// Has the side that leads do something that does nothing twice.
    async fn write<'a, T: Send>(
        &'a self,
        operation: &'static str,
        write: impl Fn(&'a dyn Store) -> futures_util::future::BoxFuture<'a, Result<T>> + Send + Sync,
    ) -> Result<T> {
        let (began, mut pause) = (Instant::now(), Duration::from_millis(1));
        let mut sent = 0;
        let mut unknown = None;
        loop {
            // A look that fails now may succeed when it is taken again below.
            let leader = self.lead.to_write().await.unwrap_or_default();
            if let Some(leader) = leader {
                match write(self.of(leader)).await {
                    Ok(done) => return Ok(done),
                    Err(error) if error.violation() == Some(&Violation::NotLeading) => {}
                    Err(error) if error.retry_advice() == Retry::Ambiguous => {
                        sent += 1;
                        if sent >= SENDS {
                            return Err(error);
                        }
                        unknown = Some(error);
                    }
                    // After an unknown outcome, "no effect" is said of the last attempt only.
                    Err(error) if unknown.is_some() => return Err(error.retry(Retry::Ambiguous)),
                    Err(error) => return Err(error),
                }
            }
            if began.elapsed() >= self.settings.patience {
                let late = || Error::new(ErrorKind::Unavailable, operation).retry(Retry::After(STEP));
                return Err(unknown.unwrap_or_else(|| late().with("fault", "no side takes writes")));
            }
            if self.look_for_another(leader).await {
                continue;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Looks who takes writes now; whether that is another side than the one that was asked.
    async fn look_for_another(&self, asked: Option<Leader>) -> bool {
        let Ok(seen) = self.lead.look().await else { return false };
        if let Some(leader) = seen.writes() {
            return asked != Some(leader);
        }
        if self.lead.is_overdue(seen, self.settings.overdue) {
            // Whether it succeeds is seen by the next look.
            let _ = acts::settle(self.lead.sides(), STEP).await;
        }
        false
    }

    /// Has the other side follow, if it is to before the answer. Whatever comes of it, the write is done.
    async fn follow(&self, changes: &ChangeSet) {
        if !self.is_inline.load(Ordering::Relaxed) || self.is_resting() {
            return;
        }
        let Some(direction) = self.lead.known().and_then(|seen| seen.converging()) else { return };
        let follows = self.converger.keys(direction, touched(changes));
        let followed = match tokio::time::timeout(self.settings.inline, follows).await {
            Ok(Ok(_)) => true,
            // The leader changes; that is no failure of a side.
            Ok(Err(error)) => error.violation() == Some(&Violation::NotLeading),
            Err(_) => false,
        };
        if !followed {
            let until = Instant::now() + self.settings.rest;
            *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
    }

    fn is_resting(&self) -> bool {
        let until = *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }
}

/// The keys a set names. What hangs on deleted rows is in the journal all the same, and left to the relay.
fn touched(changes: &ChangeSet) -> Vec<MovingKey> {
    let key = |table: Table, id: &str| MovingKey { table: table.name().into(), id: id.to_owned() };
    let mut keys: Vec<MovingKey> = changes
        .changes()
        .iter()
        .filter_map(|change| match change {
            Change::Insert(row) | Change::Update { after: row, .. } => Some(key(row.table(), row.key())),
            Change::Delete(row) => Some(key(row.table, &row.id)),
            Change::Add { id, counter, .. } => Some(key(counter.table(), id)),
            Change::Require(Requirement::Unchanged(_) | Requirement::Absent(_) | Requirement::Present(_)) => {
                None
            }
        })
        .collect();
    if changes.needs_record() {
        keys.push(MovingKey { table: COMMITS.into(), id: changes.id().as_str().to_owned() });
    }
    keys
}

#[async_trait]
impl Store for DualStore {
    async fn read(&self, query: &Query) -> Result<Answer> {
        self.of(self.lead.to_read().await?).read(query).await
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        self.write("store.commit", |store| store.commit(changes)).await?;
        self.follow(changes).await;
        Ok(())
    }

    async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        self.of(self.lead.to_read().await?).scan(table, range, limit).await
    }

    async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest> {
        self.of(self.lead.to_read().await?).digest(table, range).await
    }

    async fn forget_commits(&self, before: Timestamp, limit: u32) -> Result<u32> {
        self.write("store.forget_commits", |store| store.forget_commits(before, limit)).await
    }

    async fn check(&self) -> Result<()> {
        self.of(self.lead.to_read().await?).check().await
    }
}
