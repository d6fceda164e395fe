//! Broken stores.

mod answers;
mod sets;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use waiterix_domain::digest::Digest;
use waiterix_domain::{ChangeSet, Row, Table, Timestamp};
use waiterix_ports::{Answer, Error, ErrorKind, KeyRange, Query, Result, Store};

use super::held;

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers the wrong way round.
    Reverses,
    /// Answers with as many rows as there are.
    IgnoresQueryLimits,
    /// Refuses to answer about what is not there.
    UnknownIsAnError,
    /// Takes the first row of an answer from an older one.
    TornAnswers,
    /// Counts how often a restaurant is read.
    ReadingCounts,
    /// Keeps milliseconds.
    CutsMicroseconds,
    /// Does not tell the empty text from null, as some databases do not.
    EmptyIsNull,
    /// Keeps arrays as sets.
    SortsArrays,
    /// Takes JSON null for null.
    JsonNullIsNull,
    /// Refuses a query with U+0000.
    RefusesNulInQueries,
    /// Answers from a cache.
    CachesAnswers,
    /// Commits one change after the other.
    NotAtomic,
    /// Records the id before the commit.
    RemembersFailures,
    /// Inserts over what is there.
    InsertReplaces,
    /// Refuses a row that it has.
    InsertsOnce,
    /// Updates whatever is there.
    IgnoresBefore,
    /// Compares all columns but the last.
    ComparesAllButOneColumn,
    /// Takes what another commit made of a row for its own doing.
    TakesEqualForDone,
    /// Says that the first change failed, whichever it was.
    BlamesTheFirst,
    /// Refuses to delete a row that others refer to.
    Restricts,
    /// Deletes where it should set null.
    DeletesForNull,
    /// Refuses to delete what is gone.
    DeletesOnce,
    /// Counts by reading and writing.
    AddReadsThenWrites,
    /// Counts up to the limit and stays there.
    AddSaturates,
    /// Counts nothing when the row is not there.
    AddSkipsAbsent,
    /// Does not look at requirements.
    IgnoresRequirements,
    /// Blames the primary key for every duplicate.
    BlamesTheKey,
    /// Says yes to a duplicate, and does nothing.
    SwallowsDuplicates,
    /// Says yes to an orphan, and does nothing.
    SwallowsOrphans,
    /// Does not recognise a set it has seen.
    ForgetsIds,
    /// Applies deletes at the end, as some mappers do.
    DeletesLast,
    /// Applies the last change first.
    BackToFront,
    /// Takes one change less than it should.
    OneTooFew,
    /// Takes longer sets, part by part.
    SplitsLongSets,
    /// Drops U+0000 from texts.
    DropsNul,
    /// Refuses to do nothing.
    RefusesEmptySets,
    /// Looks first whether requirements hold, and writes then.
    ChecksThenWrites,
    /// Leaves out the first row of every page but the first.
    SkipsBoundary,
    /// Sorts a page without regard to case.
    LocaleOrder,
    /// Takes the upper bound for exclusive.
    ExclusiveEnd,
    /// Finds its place by counting rows.
    PagesByOffset,
    /// Makes the best of an impossible limit.
    ClampsLimit,
    /// Leaves a column out of the digest.
    DigestSkipsAColumn,
    /// Always digests the whole table.
    DigestIgnoresRange,
    /// Forgets young ids too.
    ForgetsTheYoung,
    /// Never forgets.
    NeverForgets,
    /// Forgets all that is old at once.
    ForgetsBeyondLimit,
    /// Is never well.
    CheckFails,
    /// Leaves a row behind when it is checked.
    CheckWrites,
}

/// Which clause each fault breaks.
pub const FAULTS: &[(&str, Fault)] = &[
    ("S1", Fault::Reverses),
    ("S1", Fault::IgnoresQueryLimits),
    ("S2", Fault::UnknownIsAnError),
    ("S3", Fault::TornAnswers),
    ("S4", Fault::ReadingCounts),
    ("S5", Fault::CutsMicroseconds),
    ("S5", Fault::EmptyIsNull),
    ("S5", Fault::SortsArrays),
    ("S5", Fault::JsonNullIsNull),
    ("S6", Fault::RefusesNulInQueries),
    ("S10", Fault::CachesAnswers),
    ("S11", Fault::NotAtomic),
    ("S11", Fault::RemembersFailures),
    ("S12", Fault::InsertReplaces),
    ("S12", Fault::InsertsOnce),
    ("S13", Fault::IgnoresBefore),
    ("S13", Fault::ComparesAllButOneColumn),
    ("S13", Fault::TakesEqualForDone),
    ("S13", Fault::BlamesTheFirst),
    ("S14", Fault::Restricts),
    ("S14", Fault::DeletesForNull),
    ("S14", Fault::DeletesOnce),
    ("S15", Fault::AddReadsThenWrites),
    ("S15", Fault::AddSaturates),
    ("S15", Fault::AddSkipsAbsent),
    ("S16", Fault::IgnoresRequirements),
    ("S16", Fault::BlamesTheFirst),
    ("S17", Fault::BlamesTheKey),
    ("S17", Fault::SwallowsDuplicates),
    ("S18", Fault::SwallowsOrphans),
    ("S19", Fault::ForgetsIds),
    ("S20", Fault::IgnoresBefore),
    ("S21", Fault::DeletesLast),
    ("S21", Fault::BackToFront),
    ("S22", Fault::OneTooFew),
    ("S22", Fault::SplitsLongSets),
    ("S23", Fault::DropsNul),
    ("S24", Fault::RefusesEmptySets),
    ("S25", Fault::ChecksThenWrites),
    ("S30", Fault::SkipsBoundary),
    ("S30", Fault::LocaleOrder),
    ("S30", Fault::ExclusiveEnd),
    ("S31", Fault::PagesByOffset),
    ("S32", Fault::ClampsLimit),
    ("S40", Fault::DigestSkipsAColumn),
    ("S40", Fault::DigestIgnoresRange),
    ("S50", Fault::ForgetsTheYoung),
    ("S50", Fault::NeverForgets),
    ("S50", Fault::ForgetsBeyondLimit),
    ("S60", Fault::CheckFails),
    ("S60", Fault::CheckWrites),
];

/// A sound store behind a fault.
#[derive(Debug)]
pub struct BrokenStore {
    sound: Arc<dyn Store>,
    fault: Option<Fault>,
    memory: Mutex<Memory>,
}

/// What some faults remember.
#[derive(Debug, Default)]
struct Memory {
    answers: Vec<(Query, Answer)>,
    failed: Vec<String>,
    offsets: Vec<(Table, String, usize)>,
    count: u64,
}

impl BrokenStore {
    /// A store with one fault, or with none.
    #[must_use]
    pub fn new(sound: Arc<dyn Store>, fault: Option<Fault>) -> Self {
        Self { sound, fault, memory: Mutex::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// A number that was not there before.
    fn next(&self) -> u64 {
        let mut memory = held(&self.memory);
        memory.count += 1;
        memory.count
    }

    /// The rows of a range, however many there are.
    async fn all(&self, table: Table, range: &KeyRange) -> Result<Vec<Row>> {
        let mut range = range.clone();
        let mut rows = Vec::new();
        loop {
            let page = self.sound.scan(table, &range, 10_000).await?;
            let is_last = page.len() < 10_000;
            range.after = page.last().map(|row| row.key().to_owned());
            rows.extend(page);
            if is_last {
                return Ok(rows);
            }
        }
    }
}

#[async_trait]
impl Store for BrokenStore {
    async fn read(&self, query: &Query) -> Result<Answer> {
        self.read_badly(query).await
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        self.commit_badly(changes).await
    }

    async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        self.scan_badly(table, range, limit).await
    }

    async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest> {
        match self.fault {
            Some(Fault::DigestSkipsAColumn) => {
                let rows = self.all(table, range).await?;
                Ok(Digest::of(&rows.iter().map(answers::without_last_column).collect::<Vec<_>>()))
            }
            Some(Fault::DigestIgnoresRange) => self.sound.digest(table, &KeyRange::default()).await,
            _ => self.sound.digest(table, range).await,
        }
    }

    async fn forget_commits(&self, before: Timestamp, limit: u32) -> Result<u32> {
        match self.fault {
            Some(Fault::ForgetsTheYoung) => {
                let ever = before.plus_seconds(1_000_000);
                self.sound.forget_commits(ever, limit).await
            }
            Some(Fault::NeverForgets) => Ok(0),
            Some(Fault::ForgetsBeyondLimit) => self.sound.forget_commits(before, u32::MAX).await,
            _ => self.sound.forget_commits(before, limit).await,
        }
    }

    async fn check(&self) -> Result<()> {
        match self.fault {
            Some(Fault::CheckFails) => Err(Error::new(ErrorKind::Unavailable, "store.check")),
            Some(Fault::CheckWrites) => {
                let id = format!("check {}", self.next());
                let row = crate::store::sample::user(&id);
                self.sound.commit(&crate::store::probe::set(&id).insert(row)).await
            }
            _ => self.sound.check().await,
        }
    }
}
