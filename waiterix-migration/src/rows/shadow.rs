//! Asking the other side what the leader was asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use waiterix_domain::digest::Digest;
use waiterix_domain::{ChangeSet, Row, Table, Timestamp};
use waiterix_ports::{Answer, Clock, KeyRange, Query, Result, Store};

use super::lead::Lead;
use crate::phase::Leader;

/// How shadows are cast.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowSettings {
    /// Which share of the reads is compared, from 0 to 1. 0.01.
    pub rate: f64,
    /// How long the other side may take. 2 s.
    pub deadline: Duration,
    /// How many comparisons there are at once, at most; beyond that reads are not compared. 4.
    pub at_once: usize,
    /// How often a mismatch is looked at again before it counts: the other side may follow later. 3.
    pub rechecks: u32,
    /// The pause before each of these looks. 500 ms.
    pub pause: Duration,
    /// How many mismatches are kept for those who ask. 100; older ones go.
    pub kept: usize,
    /// Kinds of questions that are not compared, by the name of the variant of [`Query`].
    pub ignored: BTreeSet<String>,
}

impl Default for ShadowSettings {
    fn default() -> Self {
        Self {
            rate: 0.01,
            deadline: Duration::from_secs(2),
            at_once: 4,
            rechecks: 3,
            pause: Duration::from_millis(500),
            kept: 100,
            ignored: BTreeSet::new(),
        }
    }
}

/// What was found of one kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shadowing {
    /// Both sides answered the same, at once or when looked at again.
    pub equal: u64,
    /// They did not.
    pub different: u64,
    /// The other side failed or was too late, or the question changed its answer all the time.
    pub unknown: u64,
}

/// Two answers that are not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// When it was found.
    pub at: Timestamp,
    /// What kind of question.
    pub kind: String,
    /// Who led.
    pub leader: Leader,
    /// How many rows the leader answered, and how many the other side.
    pub rows: (u64, u64),
    /// The tables and columns that differ, never what is in them.
    pub columns: BTreeSet<String>,
}

/// Answers like the store below it. Some reads are asked of the side that does not lead as well, afterwards, and compared; that
/// neither delays nor changes an answer.
pub struct ShadowStore {
    below: Arc<dyn Store>,
    shared: Arc<Shared>,
    random: Mutex<fastrand::Rng>,
}

impl fmt::Debug for ShadowStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShadowStore").field("below", &self.below).finish_non_exhaustive()
    }
}

struct Shared {
    old: Arc<dyn Store>,
    new: Arc<dyn Store>,
    lead: Arc<Lead>,
    clock: Arc<dyn Clock>,
    settings: ShadowSettings,
    permits: Arc<Semaphore>,
    tally: Mutex<BTreeMap<String, Shadowing>>,
    mismatches: Mutex<VecDeque<Mismatch>>,
}

/// What is counted is whole also after a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ShadowStore {
    /// Shadows of what is read `below`. `seed` chooses which reads are compared.
    #[must_use]
    pub fn new(
        below: Arc<dyn Store>,
        (old, new): (Arc<dyn Store>, Arc<dyn Store>),
        lead: Arc<Lead>,
        clock: Arc<dyn Clock>,
        settings: ShadowSettings,
        seed: u64,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(settings.at_once));
        let (tally, mismatches) = (Mutex::default(), Mutex::default());
        let shared = Shared { old, new, lead, clock, settings, permits, tally, mismatches };
        Self { below, shared: Arc::new(shared), random: Mutex::new(fastrand::Rng::with_seed(seed)) }
    }

    /// What was found so far, by kind of question.
    #[must_use]
    pub fn tally(&self) -> BTreeMap<String, Shadowing> {
        lock(&self.shared.tally).clone()
    }

    /// The last mismatches, the oldest first.
    #[must_use]
    pub fn mismatches(&self) -> Vec<Mismatch> {
        lock(&self.shared.mismatches).iter().cloned().collect()
    }

    fn is_chosen(&self, kind: &str) -> bool {
        let chance = lock(&self.random).f64();
        chance < self.shared.settings.rate && !self.shared.settings.ignored.contains(kind)
    }
}

/// What kind of question it is: the name of the variant, without anything that is asked for.
fn kind_of(query: &Query) -> String {
    let text = format!("{query:?}");
    text.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// The rows of an answer.
fn rows_of(answer: &Answer) -> Vec<&Row> {
    match answer {
        Answer::Rows(rows) => rows.iter().collect(),
        Answer::Labelled(rows) => rows.iter().map(|(row, _)| row).collect(),
        Answer::Counts(_) => Vec::new(),
    }
}

fn count_of(answer: &Answer) -> u64 {
    match answer {
        Answer::Rows(rows) => rows.len() as u64,
        Answer::Labelled(rows) => rows.len() as u64,
        Answer::Counts(counts) => counts.len() as u64,
    }
}

/// The names of what differs between two answers: columns of rows that both have, and tables of rows that one has.
fn names(leader: &Answer, other: &Answer) -> BTreeSet<String> {
    let by_key = |answer| -> BTreeMap<_, &Row> {
        rows_of(answer).into_iter().map(|row| ((row.table(), row.key()), row)).collect()
    };
    let (ours, theirs): (BTreeMap<_, _>, BTreeMap<_, _>) = (by_key(leader), by_key(other));
    let mut names = BTreeSet::new();
    for key in ours.keys().chain(theirs.keys()) {
        let table = key.0;
        match (ours.get(key), theirs.get(key)) {
            (Some(our), Some(their)) => {
                let values = our.to_values().into_iter().zip(their.to_values());
                let differing = table.columns().iter().zip(values).filter(|(_, (our, their))| our != their);
                names.extend(differing.map(|(column, _)| format!("{}.{}", table.name(), column.name)));
            }
            _ => {
                names.insert(table.name().to_owned());
            }
        }
    }
    names
}

/// How a comparison ended.
enum Verdict {
    Equal,
    Different(Mismatch),
    Unknown,
}

impl Shared {
    fn of(&self, side: Leader) -> &dyn Store {
        match side {
            Leader::Old => &*self.old,
            Leader::New => &*self.new,
        }
    }

    async fn ask(&self, side: Leader, query: &Query) -> Option<Answer> {
        timeout(self.settings.deadline, self.of(side).read(query)).await.ok()?.ok()
    }

    /// Compares what the leader answered with what the other side answers. A mismatch counts when it is there still after some
    /// time, while the leader's answer stays the same.
    async fn compare(&self, kind: &str, query: &Query, mut ours: Answer) -> Verdict {
        let Some(leader) = self.lead.known().and_then(|seen| seen.reads()) else { return Verdict::Unknown };
        let mut is_restless = false;
        for round in 0..=self.settings.rechecks {
            if round > 0 {
                tokio::time::sleep(self.settings.pause).await;
            }
            let Some(theirs) = self.ask(leader.other(), query).await else { return Verdict::Unknown };
            if ours == theirs {
                return Verdict::Equal;
            }
            let Some(again) = self.ask(leader, query).await else { return Verdict::Unknown };
            is_restless = again != ours;
            if round == self.settings.rechecks && !is_restless {
                let rows = (count_of(&ours), count_of(&theirs));
                let columns = names(&ours, &theirs);
                let at = self.clock.now();
                return Verdict::Different(Mismatch { at, kind: kind.to_owned(), leader, rows, columns });
            }
            ours = again;
        }
        debug_assert!(is_restless, "every other way has returned");
        Verdict::Unknown
    }

    fn count(&self, kind: String, verdict: Verdict) {
        let mut tally = lock(&self.tally);
        let counted = tally.entry(kind).or_default();
        match verdict {
            Verdict::Equal => counted.equal += 1,
            Verdict::Unknown => counted.unknown += 1,
            Verdict::Different(mismatch) => {
                counted.different += 1;
                let mut mismatches = lock(&self.mismatches);
                mismatches.push_back(mismatch);
                while mismatches.len() > self.settings.kept {
                    mismatches.pop_front();
                }
            }
        }
    }
}

#[async_trait]
impl Store for ShadowStore {
    async fn read(&self, query: &Query) -> Result<Answer> {
        let answer = self.below.read(query).await?;
        let kind = kind_of(query);
        if self.is_chosen(&kind)
            && let Ok(permit) = self.shared.permits.clone().try_acquire_owned()
        {
            let (shared, query, ours) = (self.shared.clone(), query.clone(), answer.clone());
            tokio::spawn(async move {
                let verdict = shared.compare(&kind, &query, ours).await;
                shared.count(kind, verdict);
                drop(permit);
            });
        }
        Ok(answer)
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        self.below.commit(changes).await
    }

    async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        self.below.scan(table, range, limit).await
    }

    async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest> {
        self.below.digest(table, range).await
    }

    async fn forget_commits(&self, before: Timestamp, limit: u32) -> Result<u32> {
        self.below.forget_commits(before, limit).await
    }

    async fn check(&self) -> Result<()> {
        self.below.check().await
    }
}
