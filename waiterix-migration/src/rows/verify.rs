//! Whether both sides hold the same rows, and making it so.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use waiterix_domain::Timestamp;
use waiterix_ports::moving::{Hashing, Leaf, MovingKey, RowHash, RowSide, Shares};
use waiterix_ports::{Clock, Error, ErrorKind, KeyRange, Result, Retry};

use super::converge::{Converger, LARGEST};
use super::differ::{Difference, Patience, judge};
use super::progress::{Event, Progress};
use super::sides::Direction;
use super::stretches::{Role, Stretches};
use super::throttle::{Governor, Latency, ThrottleSettings};

/// How rows are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifySettings {
    /// About how many rows a leaf has: so many are looked at one by one where a row differs. 500.
    pub leaf_rows: u64,
    /// About how many bytes of a table are read by one statement: a server has to do with them for a fraction of a second. 64 MiB.
    pub stretch_bytes: u64,
    /// About how many keys are held in memory at once of leaves that are not equal. 500 000.
    pub held_keys: u64,
    /// How many statements both sides together answer at once.
    pub throttle: ThrottleSettings,
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
            leaf_rows: 500,
            stretch_bytes: 64 << 20,
            held_keys: 500_000,
            throttle: ThrottleSettings::default(),
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
    /// How it was told apart into leaves.
    pub shares: Shares,
    /// How many leaves were compared.
    pub leaves: u64,
    /// The numbers of those that were not equal at first sight, for one reason or another, in order.
    pub unequal: Vec<u32>,
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
pub struct Verifier {
    converger: Arc<Converger>,
    settings: VerifySettings,
    progress: Arc<dyn Progress>,
    clock: Arc<dyn Clock>,
    latency: Latency,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("converger", &self.converger)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// How far a comparison is.
struct Walk<'a> {
    direction: Direction,
    stretches: Stretches<'a>,
    began: Instant,
    /// Rows of the leader that were counted.
    rows: u64,
    /// About how many there are.
    of: u64,
}

impl Verifier {
    /// One that looks into suspicions with a converger, and gives way to an application that takes long to answer.
    #[must_use]
    pub fn new(
        converger: Arc<Converger>,
        settings: VerifySettings,
        progress: Arc<dyn Progress>,
        clock: Arc<dyn Clock>,
        latency: Latency,
    ) -> Self {
        Self { converger, settings, progress, clock, latency }
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

    fn walk(&self, direction: Direction, of: u64) -> Walk<'_> {
        let (sides, throttle) = (self.converger.sides(), self.settings.throttle.clone());
        let governor = Governor::new(sides.clone(), throttle, self.progress.clone(), self.latency.clone());
        let stretches = Stretches::new(sides, direction, self.settings.stretch_bytes, governor);
        Walk { direction, stretches, began: Instant::now(), rows: 0, of }
    }

    /// Compares all tables.
    ///
    /// # Errors
    /// `Conflict` while no side follows or the copy is not complete, or when the leader changes meanwhile; `Unavailable`,
    /// `Timeout`.
    pub async fn verify(&self) -> Result<Report> {
        let (began, direction) = (self.clock.now(), self.direction().await?);
        let there = self.converger.sides().of(direction.leader).survey().await?.tables;
        let mut walk = self.walk(direction, there.iter().map(|table| table.rows).sum());
        let mut tables = Vec::new();
        for table in there {
            // Whatever a server that has never looked into it estimates.
            let rows = table.rows.max(table.bytes / ROW_BYTES);
            let shares = Shares::of(rows, self.settings.leaf_rows);
            tables.push(self.table(&mut walk, &table.name, shares, None).await?);
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
        let unequal = || report.tables.iter().filter(|table| !table.unequal.is_empty());
        let mut walk = self.walk(direction, unequal().map(|table| table.rows).sum());
        let mut tables = Vec::new();
        for table in unequal() {
            tables.push(self.table(&mut walk, &table.table, table.shares, Some(&table.unequal)).await?);
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

    /// Compares a table: all shares of it, or some.
    async fn table(
        &self,
        walk: &mut Walk<'_>,
        table: &str,
        shares: Shares,
        only: Option<&[u32]>,
    ) -> Result<TableReport> {
        let (before, mut tries) = (walk.rows, 0);
        let looked = loop {
            match self.look(walk, table, shares, only).await {
                // Somebody has rewritten the table while it was read.
                Err(error) if error.kind() == ErrorKind::Conflict && tries < REWRITTEN => {
                    (walk.rows, tries) = (before, tries + 1);
                    self.progress.tell(&Event::TriedAgain { what: "comparison", why: error.to_string() });
                }
                looked => break looked?,
            }
        };
        let mut suspects = looked.suspects;
        let beyond = suspects.len().saturating_sub(self.settings.most);
        suspects.truncate(self.settings.most);
        let patience = Patience { rounds: self.settings.rounds.max(2), pause: self.settings.pause };
        let judged = judge(&self.converger, walk.direction, suspects, patience).await?;
        let mut busy = judged.restless;
        let beyond = beyond + busy.len().saturating_sub(LARGEST);
        busy.truncate(LARGEST);
        let report = TableReport {
            table: table.to_owned(),
            rows: looked.rows,
            shares,
            leaves: looked.leaves,
            unequal: looked.unequal,
            differences: judged.differences,
            busy,
            restless: beyond as u64,
        };
        let (table, differences) = (report.table.clone(), report.differences.len() as u64);
        self.progress.tell(&Event::Compared { table, rows: report.rows, differences });
        Ok(report)
    }
}

/// About how many bytes a row takes with what belongs to it, where nobody has counted. Too many leaves do no harm.
const ROW_BYTES: u64 = 400;

/// How often a table may be rewritten while it is compared.
const REWRITTEN: u32 = 3;

/// What was seen of a table.
struct Looked {
    rows: u64,
    leaves: u64,
    unequal: Vec<u32>,
    suspects: Vec<MovingKey>,
}

impl Verifier {
    /// Compares shares, and the keys of those that are not equal.
    async fn look(
        &self,
        walk: &mut Walk<'_>,
        table: &str,
        shares: Shares,
        only: Option<&[u32]>,
    ) -> Result<Looked> {
        let [ours, theirs] = self.leaves(walk, table, shares).await?;
        let (mut rows, mut leaves, mut unequal) = (0, 0, Vec::new());
        for (number, (our, their)) in (0_u32..).zip(ours.iter().zip(&theirs)) {
            if only.is_some_and(|only| only.binary_search(&number).is_err()) {
                continue;
            }
            (rows, leaves) = (rows + our.rows, leaves + 1);
            if our != their {
                unequal.push((number, our.rows.max(their.rows)));
            }
        }
        let mut suspects = Vec::new();
        for some in held(&unequal, self.settings.held_keys) {
            let [ours, theirs] = self.hashes(walk, table, shares, &some).await?;
            let key = |id| MovingKey { table: table.into(), id };
            suspects.extend(unlike(&ours, &theirs).into_iter().map(key));
        }
        let unequal = unequal.into_iter().map(|(number, _)| number).collect();
        Ok(Looked { rows, leaves, unequal, suspects })
    }

    /// The leaves of both sides. A row that is written meanwhile may be counted twice or not at all, and then its leaf is not equal.
    async fn leaves<'a>(&self, walk: &mut Walk<'a>, table: &str, shares: Shares) -> Result<[Vec<Leaf>; 2]> {
        let none = || vec![Leaf::default(); shares.count() as usize];
        let (mut ours, mut theirs) = (none(), none());
        let (began, of, hashing) = (walk.began, walk.of, self.settings.hashing);
        let counted = &mut walk.rows;
        let take = |role, leaves: Vec<Leaf>| {
            let all = match role {
                Role::Leader => &mut ours,
                Role::Other => &mut theirs,
            };
            for (all, of_it) in all.iter_mut().zip(&leaves) {
                *all = all.and(*of_it);
            }
            if role == Role::Leader {
                *counted += leaves.iter().map(|leaf| leaf.rows).sum::<u64>();
                self.tell(*counted, of, began.elapsed());
            }
        };
        let read = |side: &'a dyn RowSide, range: KeyRange| async move {
            side.leaves(table, &range, shares, hashing).await
        };
        walk.stretches.read(table, read, take).await?;
        Ok([ours, theirs])
    }

    /// The keys of some shares of both sides, in order.
    async fn hashes<'a>(
        &self,
        walk: &mut Walk<'a>,
        table: &str,
        shares: Shares,
        some: &[u32],
    ) -> Result<[Vec<RowHash>; 2]> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let hashing = self.settings.hashing;
        let take = |role, mut hashes: Vec<RowHash>| match role {
            Role::Leader => ours.append(&mut hashes),
            Role::Other => theirs.append(&mut hashes),
        };
        let read = |side: &'a dyn RowSide, range: KeyRange| async move {
            side.hashes(table, &range, shares, some, hashing).await
        };
        walk.stretches.read(table, read, take).await?;
        for side in [&mut ours, &mut theirs] {
            side.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        }
        Ok([ours, theirs])
    }

    fn tell(&self, rows: u64, of: u64, past: Duration) {
        let per_second = (rows as f64 / past.as_secs_f64().max(0.001)) as u64;
        let left = of.saturating_sub(rows).checked_div(per_second).map(Duration::from_secs);
        self.progress.tell(&Event::Comparing { rows, of: of.max(rows), per_second, left });
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

/// The keys of which only one list knows, or whose hashes are not the same, each once. Both are in key order; a key that one knows twice
/// was written while it was read.
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
            && unlike.last() != Some(&row.id)
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
        let twice = rows(&[("a", 1), ("a", 7), ("b", 2), ("b", 2), ("b", 3), ("c", 3)]);
        assert_eq!(unlike(&twice, &rows(&[("a", 1), ("b", 2), ("c", 3)])), ["a", "b"]);
    }
}
