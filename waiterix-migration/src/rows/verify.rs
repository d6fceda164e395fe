//! Whether both sides hold the same rows, and making it so.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use waiterix_domain::Timestamp;
use waiterix_ports::moving::{Hashing, MovingKey, RowHash, Shares};
use waiterix_ports::{Clock, Error, ErrorKind, KeyRange, Result, Retry};

use super::converge::{Converger, LARGEST};
use super::differ::{Difference, Patience, judge};
use super::progress::{Event, Progress};
use super::sides::Direction;

/// How rows are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifySettings {
    /// About how many rows a leaf has: so many are looked at one by one where a row differs. 1 000.
    pub leaf_rows: u64,
    /// About how many rows are hashed by one statement; a table of fewer is read in one pass. 4 000 000.
    pub range_rows: u64,
    /// About how many keys are held in memory at once of leaves that are not equal. 250 000.
    pub held_keys: u64,
    /// How many statements each side answers at once. 2.
    pub at_once: usize,
    /// How rows are hashed.
    pub hashing: Hashing,
    /// How often a key that is written meanwhile is looked at again. 10.
    pub rounds: u32,
    /// The pause between these looks. 200 ms.
    pub pause: Duration,
    /// How many differences of a table are named; the rest is only counted. 10 000.
    pub most: usize,
}

impl Default for VerifySettings {
    fn default() -> Self {
        Self {
            leaf_rows: 1_000,
            range_rows: 4_000_000,
            held_keys: 250_000,
            at_once: 2,
            hashing: Hashing::Record,
            rounds: 10,
            pause: Duration::from_millis(200),
            most: 10_000,
        }
    }
}

/// Leaves that were not equal at first sight, for one reason or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unequal {
    /// Of which they are.
    pub shares: Shares,
    /// Their numbers, in order.
    pub some: Vec<u32>,
}

/// What was found in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// How many rows the leader has.
    pub rows: u64,
    /// How many leaves were compared.
    pub leaves: u64,
    /// Those that were not equal.
    pub unequal: Vec<Unequal>,
    /// What is wrong.
    pub differences: Vec<Difference>,
    /// Keys that were written all the time. Each of these writes makes them equal anew, and a cutover compares them in its
    /// pause, when nobody writes.
    pub busy: Vec<MovingKey>,
    /// How many keys could not be judged because there were too many to look at.
    pub restless: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Who led.
    pub direction: Direction,
    /// How rows were hashed.
    pub hashing: Hashing,
    /// Table by table.
    pub tables: Vec<TableReport>,
}

impl Report {
    /// Whether both sides hold the same rows, but for what is busy.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.tables.iter().all(|table| table.differences.is_empty() && table.restless == 0)
    }

    /// What is to be compared when nobody writes.
    pub fn busy(&self) -> impl Iterator<Item = &MovingKey> {
        self.tables.iter().flat_map(|table| &table.busy)
    }

    /// Everything that is wrong.
    pub fn differences(&self) -> impl Iterator<Item = &Difference> {
        self.tables.iter().flat_map(|table| &table.differences)
    }
}

/// Compares both sides, while others write.
#[derive(Debug)]
pub struct Verifier {
    converger: Arc<Converger>,
    settings: VerifySettings,
    progress: Arc<dyn Progress>,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// One that looks into suspicions with a converger.
    #[must_use]
    pub fn new(
        converger: Arc<Converger>,
        settings: VerifySettings,
        progress: Arc<dyn Progress>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { converger, settings, progress, clock }
    }

    /// From where to where keys are made equal now.
    async fn direction(&self) -> Result<Direction> {
        let not_yet = |fault| Error::new(ErrorKind::Conflict, "moving.verify").with("fault", fault);
        let seen = self.converger.sides().look().await?;
        let direction = seen.converging().ok_or_else(|| not_yet("no side follows"))?;
        if !self.converger.is_ready(direction).await? {
            return Err(not_yet("the copy is not complete"));
        }
        Ok(direction)
    }

    /// Compares all tables.
    ///
    /// # Errors
    /// `Conflict` while no side follows or the copy is not complete, or when the leader changes meanwhile; `Unavailable`,
    /// `Timeout`.
    pub async fn verify(&self) -> Result<Report> {
        let (began, direction) = (self.clock.now(), self.direction().await?);
        let from = self.converger.sides().of(direction.leader);
        let mut tables = Vec::new();
        for table in from.survey().await?.tables {
            // Whatever a server that has never looked into it estimates.
            let rows = table.rows.max(table.bytes / ROW_BYTES);
            let ranges = if rows <= self.settings.range_rows {
                vec![KeyRange::default()]
            } else {
                from.ranges(&table.name, self.settings.range_rows).await?
            };
            let each = rows / ranges.len().max(1) as u64;
            let part = |range| (Shares::of(range, each, self.settings.leaf_rows), None);
            let parts = ranges.into_iter().map(part).collect();
            tables.push(self.table(direction, &table.name, parts).await?);
        }
        self.report(began, direction, tables).await
    }

    /// Makes equal what a report names, and compares the leaves again in which it lay.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub async fn repair(&self, report: &Report) -> Result<Report> {
        let (began, direction) = (self.clock.now(), self.direction().await?);
        let from = self.converger.sides().of(direction.leader);
        let keys: Vec<MovingKey> = report.differences().map(|difference| difference.key.clone()).collect();
        for keys in keys.chunks(LARGEST) {
            // Marked first: a crash leaves them to the relay.
            from.mark(keys).await?;
            self.converger.keys(direction, keys.to_vec()).await?;
        }
        let mut tables = Vec::new();
        for table in report.tables.iter().filter(|table| !table.unequal.is_empty()) {
            let part = |unequal: &Unequal| (unequal.shares.clone(), Some(unequal.some.clone()));
            let parts = table.unequal.iter().map(part).collect();
            tables.push(self.table(direction, &table.table, parts).await?);
        }
        self.report(began, direction, tables).await
    }

    async fn report(
        &self,
        began: Timestamp,
        direction: Direction,
        tables: Vec<TableReport>,
    ) -> Result<Report> {
        if self.direction().await? != direction {
            let changed = Error::new(ErrorKind::Conflict, "moving.verify").retry(Retry::Safe);
            return Err(changed.with("fault", "the leader changed meanwhile"));
        }
        Ok(Report { began, ended: self.clock.now(), direction, hashing: self.settings.hashing, tables })
    }

    /// Compares parts of a table: all shares of each, or some.
    async fn table(
        &self,
        direction: Direction,
        table: &str,
        parts: Vec<(Shares, Option<Vec<u32>>)>,
    ) -> Result<TableReport> {
        let looked = stream::iter(parts).map(|(shares, only)| self.part(direction, table, shares, only));
        let looked: Vec<Looked> = looked.buffered(self.settings.at_once.max(1)).try_collect().await?;
        let rows = looked.iter().map(|part| part.rows).sum();
        let leaves = looked.iter().map(|part| part.leaves).sum();
        let (mut unequal, mut suspects) = (Vec::new(), Vec::new());
        for part in looked {
            suspects.extend(part.suspects);
            unequal.extend(Some(part.unequal).filter(|unequal| !unequal.some.is_empty()));
        }
        let beyond = suspects.len().saturating_sub(self.settings.most);
        suspects.truncate(self.settings.most);
        let patience = Patience { rounds: self.settings.rounds.max(2), pause: self.settings.pause };
        let judged = judge(&self.converger, direction, suspects, patience).await?;
        let mut busy = judged.restless;
        let beyond = beyond + busy.len().saturating_sub(LARGEST);
        busy.truncate(LARGEST);
        let report = TableReport {
            table: table.to_owned(),
            rows,
            leaves,
            unequal,
            differences: judged.differences,
            busy,
            restless: beyond as u64,
        };
        let differences = report.differences.len() as u64;
        self.progress.tell(&Event::Compared { table: report.table.clone(), rows, differences });
        Ok(report)
    }
}

/// About how many bytes a row takes with what belongs to it, where nobody has counted. Too many leaves do no harm.
const ROW_BYTES: u64 = 400;

/// What was seen of a part of a table.
struct Looked {
    rows: u64,
    leaves: u64,
    unequal: Unequal,
    suspects: Vec<MovingKey>,
}

impl Verifier {
    /// Compares shares, and the keys of those that are not equal.
    async fn part(
        &self,
        direction: Direction,
        table: &str,
        shares: Shares,
        only: Option<Vec<u32>>,
    ) -> Result<Looked> {
        let sides = self.converger.sides();
        let (from, to) = (sides.of(direction.leader), sides.of(direction.leader.other()));
        let hashing = self.settings.hashing;
        let (ours, theirs) =
            try_join(from.leaves(table, &shares, hashing), to.leaves(table, &shares, hashing)).await?;
        let (mut rows, mut leaves, mut unequal) = (0, 0, Vec::new());
        for (number, (our, their)) in (0_u32..).zip(ours.iter().zip(&theirs)) {
            if only.as_ref().is_some_and(|only| only.binary_search(&number).is_err()) {
                continue;
            }
            (rows, leaves) = (rows + our.rows, leaves + 1);
            if our != their {
                unequal.push((number, our.rows.max(their.rows)));
            }
        }
        let mut suspects = Vec::new();
        for some in held(&unequal, self.settings.held_keys) {
            let (ours, theirs) = try_join(
                from.hashes(table, &shares, &some, hashing),
                to.hashes(table, &shares, &some, hashing),
            )
            .await?;
            suspects
                .extend(unlike(&ours, &theirs).into_iter().map(|id| MovingKey { table: table.into(), id }));
        }
        let some = unequal.into_iter().map(|(number, _)| number).collect();
        Ok(Looked { rows, leaves, unequal: Unequal { shares, some }, suspects })
    }
}

/// Leaves with their rows in groups of so many rows, or of one leaf that has more.
fn held(unequal: &[(u32, u64)], most: u64) -> Vec<Vec<u32>> {
    let (mut groups, mut rows) = (Vec::<Vec<u32>>::new(), 0);
    for (number, of_it) in unequal {
        rows += of_it;
        match groups.last_mut() {
            Some(group) if rows <= most => group.push(*number),
            _ => {
                rows = *of_it;
                groups.push(vec![*number]);
            }
        }
    }
    groups
}

/// The keys of which only one list knows, or whose hashes are not the same. Both are in key order.
fn unlike(ours: &[RowHash], theirs: &[RowHash]) -> Vec<String> {
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    let mut unlike = Vec::new();
    loop {
        let side = match (ours.peek(), theirs.peek()) {
            (None, None) => return unlike,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(our), Some(their)) => our.id.cmp(&their.id),
        };
        let our = side.is_le().then(|| ours.next()).flatten();
        let their = side.is_ge().then(|| theirs.next()).flatten();
        if our.map(|row| row.hash) != their.map(|row| row.hash)
            && let Some(row) = our.or(their)
        {
            unlike.push(row.id.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_keys_are_held_at_once_than_is_said() {
        let groups = held(&[(1, 4), (2, 4), (5, 4), (7, 30), (8, 0), (9, 10)], 10);
        assert_eq!(groups, [vec![1, 2], vec![5], vec![7], vec![8, 9]]);
        assert_eq!(held(&[], 10), Vec::<Vec<u32>>::new());
    }

    #[test]
    fn keys_of_one_list_and_keys_with_two_hashes_are_unlike() {
        let rows = |rows: &[(&str, u64)]| -> Vec<RowHash> {
            rows.iter().map(|(id, hash)| RowHash { id: (*id).to_owned(), hash: *hash }).collect()
        };
        let ours = rows(&[("a", 1), ("b", 2), ("d", 4), ("f", 6)]);
        let theirs = rows(&[("a", 1), ("b", 3), ("c", 3), ("d", 4), ("g", 7)]);
        assert_eq!(unlike(&ours, &theirs), ["b", "c", "f", "g"]);
        assert_eq!(unlike(&ours, &ours), Vec::<String>::new());
        assert_eq!(unlike(&[], &theirs).len(), 5);
    }
}
