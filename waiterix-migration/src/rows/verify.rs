//! Whether both sides hold the same rows, and making it so.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use waiterix_domain::Timestamp;
use waiterix_ports::moving::{Hashing, MovingKey, RowHash};
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
    /// How many leaves are hashed by one statement. Keys lie anywhere in a table, so it is read as a whole for each statement. 4 096.
    pub leaves: usize,
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
            leaves: 4_096,
            at_once: 2,
            hashing: Hashing::Record,
            rounds: 10,
            pause: Duration::from_millis(200),
            most: 10_000,
        }
    }
}

/// What was found in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// How many rows the leader has.
    pub rows: u64,
    /// How many ranges were compared.
    pub leaves: u64,
    /// Those that were not equal at first sight, for one reason or another.
    pub unequal: Vec<KeyRange>,
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
            let ranges = from.ranges(&table.name, self.settings.leaf_rows).await?;
            tables.push(self.table(direction, &table.name, ranges, self.settings.leaves).await?);
        }
        self.report(began, direction, tables).await
    }

    /// Makes equal what a report names, and compares the ranges again in which it lay.
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
            // These lie apart, and each is read by its index.
            let share = table.unequal.len().div_ceil(self.settings.at_once.max(1));
            tables.push(self.table(direction, &table.table, table.unequal.clone(), share).await?);
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

    /// Compares ranges of a table, so many by one statement.
    async fn table(
        &self,
        direction: Direction,
        table: &str,
        ranges: Vec<KeyRange>,
        share: usize,
    ) -> Result<TableReport> {
        let sides = self.converger.sides();
        let (from, to) = (sides.of(direction.leader), sides.of(direction.leader.other()));
        let hashing = self.settings.hashing;
        let chunks: Vec<Vec<KeyRange>> = ranges.chunks(share.max(1)).map(<[_]>::to_vec).collect();
        let compared = stream::iter(chunks).map(|chunk| async move {
            let (ours, theirs) =
                try_join(from.leaves(table, &chunk, hashing), to.leaves(table, &chunk, hashing)).await?;
            let rows: u64 = ours.iter().map(|leaf| leaf.rows).sum();
            let unequal: Vec<KeyRange> = chunk
                .into_iter()
                .zip(ours.into_iter().zip(theirs))
                .filter(|(_, (ours, theirs))| ours != theirs)
                .map(|(range, _)| range)
                .collect();
            Ok::<_, Error>((rows, unequal))
        });
        let compared: Vec<_> = compared.buffered(self.settings.at_once.max(1)).try_collect().await?;
        let rows = compared.iter().map(|(rows, _)| rows).sum();
        let unequal: Vec<KeyRange> = compared.into_iter().flat_map(|(_, unequal)| unequal).collect();
        let looked = stream::iter(unequal.clone()).map(|range| async move {
            let (ours, theirs) =
                try_join(from.hashes(table, &range, hashing), to.hashes(table, &range, hashing)).await?;
            let key = |id| MovingKey { table: table.into(), id };
            Ok::<_, Error>(unlike(&ours, &theirs).into_iter().map(key).collect::<Vec<_>>())
        });
        let suspects: Vec<Vec<MovingKey>> =
            looked.buffered(self.settings.at_once.max(1)).try_collect().await?;
        let mut suspects = suspects.concat();
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
            leaves: ranges.len() as u64,
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
