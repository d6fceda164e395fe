//! Counting and hashing what is there, for comparison.

use std::collections::BTreeSet;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use waiterix_ports::moving::{Hashing, Leaf, RowHash};
use waiterix_ports::{Error, ErrorKind, KeyRange, Result};

use super::PostgresSide;
use super::copy::{Size, within};
use super::tables::SideTable;
use super::work::{BULK, Bound, Trouble, Work};
use crate::session::Mode;

/// How many keys are looked at per range, so that ranges are about as large as they should be, and at most altogether.
const SAMPLE: u64 = 200;
const SAMPLES: u64 = 200_000;

/// A key as SQL writes it. Nothing follows a U+0000 that a key could have.
pub(super) fn literal(key: &str) -> String {
    let key = key.split('\0').next().unwrap_or_default();
    format!("E'{}'", key.replace('\\', "\\\\").replace('\'', "''"))
}

fn decoded(row: &PgRow, first: usize, operation: &'static str) -> Result<Leaf, Trouble> {
    let (rows, hash): (i64, i64) = (row.try_get_unchecked(first)?, row.try_get_unchecked(first + 1)?);
    let sum: String = row.try_get_unchecked(first + 2)?;
    match (u64::try_from(rows), sum.parse::<i128>()) {
        // A sum of signed numbers is, but for multiples of 2^64, that of the unsigned ones.
        (Ok(rows), Ok(sum)) => Ok(Leaf { rows, hash: hash as u64, sum: sum as u64 }),
        _ => Err(Error::new(ErrorKind::Corrupt, operation).with("fault", "a sum is no number").into()),
    }
}

const SUMS: &str = "count(*), coalesce(bit_xor(h), 0), coalesce(sum(h), 0)::text";

/// Counts the rows that a condition on `t` holds for.
pub(super) async fn leaf(work: &mut Work, table: &SideTable, condition: &str) -> Result<Leaf, Trouble> {
    // Without the fence of `OFFSET 0` every hash would be computed twice.
    let sql = format!(
        "SELECT {SUMS} FROM (SELECT {} AS h FROM {} t WHERE {condition} OFFSET 0) s",
        table.hash(Hashing::Record),
        table.sql(),
    );
    let row = work.row(sql, Bound::default()).await?;
    decoded(&row, 0, work.operation)
}

/// Cuts a table into ranges of keys.
pub(super) async fn ranges(side: &PostgresSide, name: &str, rows: u64) -> Result<Vec<KeyRange>> {
    const OPERATION: &str = "side.ranges";
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let table = tables.named(name, OPERATION)?;
    let mut work = Work::begin(&side.database, Mode::Read, BULK, "", OPERATION).await?;
    let outcome = cut(&mut work, table, rows).await;
    work.end(outcome).await
}

async fn cut(work: &mut Work, table: &SideTable, rows: u64) -> Result<Vec<KeyRange>, Trouble> {
    let size = Size::of(work, table).await?;
    let parts = size.parts(rows);
    if parts == 1 {
        return Ok(vec![KeyRange::default()]);
    }
    // A sample of whole pages: which keys it has matters little, and the bounds hold whatever is written afterwards.
    let wanted = (parts * SAMPLE).min(SAMPLES) as f64;
    let percent = (100.0 * wanted / size.rows as f64).clamp(0.01, 100.0);
    let sql = format!(
        "SELECT {}::text FROM {} t TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)",
        table.key_sql(),
        table.sql()
    );
    let rows = work.rows(sql, Bound::default()).await?;
    let keys: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get_unchecked(0)).collect();
    Ok(contiguous(keys?, usize::try_from(parts).unwrap_or(usize::MAX)))
}

/// Ranges with about as many of the keys each, one after the other.
fn contiguous(mut keys: Vec<String>, parts: usize) -> Vec<KeyRange> {
    // In the order of their bytes, which is that of the collation "C".
    keys.sort_unstable();
    let mut bounds: Vec<String> =
        (1..parts).filter_map(|part| keys.get(keys.len() * part / parts).cloned()).collect();
    bounds.dedup();
    let begins = [None].into_iter().chain(bounds.iter().cloned().map(Some));
    let ends = bounds.iter().cloned().map(Some).chain([None]);
    begins.zip(ends).map(|(after, up_to)| KeyRange { after, up_to }).collect()
}

/// The ranges there are between bounds, of which those that are asked about are made up.
#[derive(Debug, PartialEq, Eq)]
struct Grid {
    /// In order. Number `n` of the pieces ends at the bound of that number; the last one has no end.
    bounds: Vec<String>,
    /// The pieces of each range: from one, to before another.
    pieces: Vec<(usize, usize)>,
}

impl Grid {
    fn of(ranges: &[KeyRange]) -> Self {
        // Nothing follows a U+0000 that a key could have.
        let bound = |key: &String| key.split('\0').next().unwrap_or_default().to_owned();
        let bounds: BTreeSet<String> =
            ranges.iter().flat_map(|range| range.after.iter().chain(&range.up_to)).map(bound).collect();
        let bounds: Vec<String> = bounds.into_iter().collect();
        let place = |key: &String| bounds.partition_point(|other| *other < bound(key));
        let pieces = ranges
            .iter()
            .map(|range| {
                let from = range.after.as_ref().map_or(0, |key| place(key) + 1);
                let to = range.up_to.as_ref().map_or(bounds.len() + 1, |key| place(key) + 1);
                (from, to.max(from))
            })
            .collect();
        Self { bounds, pieces }
    }

    /// The pieces that any range has, in runs: from one, to before another.
    fn runs(&self) -> Vec<(usize, usize)> {
        let mut pieces = self.pieces.clone();
        pieces.retain(|(from, to)| from < to);
        pieces.sort_unstable();
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (from, to) in pieces {
            match runs.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => runs.push((from, to)),
            }
        }
        runs
    }

    /// What lies between the two ends of a run.
    fn extent(&self, (from, to): (usize, usize)) -> KeyRange {
        let after = from.checked_sub(1).and_then(|place| self.bounds.get(place));
        KeyRange { after: after.cloned(), up_to: self.bounds.get(to - 1).cloned() }
    }

    /// The bounds within a run, each as the least text that is above it: the server counts from one on, and bounds belong
    /// to what ends there.
    fn thresholds(&self, (from, to): (usize, usize)) -> Vec<String> {
        self.bounds
            .get(from..to - 1)
            .unwrap_or_default()
            .iter()
            .map(|bound| format!("{bound}\u{1}"))
            .collect()
    }
}

/// Counts and hashes ranges.
pub(super) async fn leaves(
    side: &PostgresSide,
    name: &str,
    ranges: &[KeyRange],
    hashing: Hashing,
) -> Result<Vec<Leaf>> {
    const OPERATION: &str = "side.leaves";
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let table = tables.named(name, OPERATION)?;
    let grid = Grid::of(ranges);
    let mut pieces = vec![Leaf::default(); grid.bounds.len() + 1];
    let mut work = Work::begin(&side.database, Mode::Read, BULK, "", OPERATION).await?;
    let outcome = async {
        for run in grid.runs() {
            count(&mut work, table, &grid, run, hashing, &mut pieces).await?;
        }
        Ok::<_, Trouble>(())
    }
    .await;
    work.end(outcome).await?;
    let whole = |(from, to): &(usize, usize)| {
        pieces.get(*from..*to).unwrap_or_default().iter().fold(Leaf::default(), |sum, piece| Leaf {
            rows: sum.rows + piece.rows,
            hash: sum.hash ^ piece.hash,
            sum: sum.sum.wrapping_add(piece.sum),
        })
    };
    Ok(grid.pieces.iter().map(whole).collect())
}

/// Counts all pieces of a run in one pass over what lies between its ends.
async fn count(
    work: &mut Work,
    table: &SideTable,
    grid: &Grid,
    run: (usize, usize),
    hashing: Hashing,
    pieces: &mut [Leaf],
) -> Result<(), Trouble> {
    let operation = work.operation;
    let sql = format!(
        "SELECT b, {SUMS} FROM (SELECT width_bucket({key}::text COLLATE \"C\", $1::text[]) AS b, {hash} AS h \
         FROM {of} t WHERE {condition} OFFSET 0) s GROUP BY b",
        key = table.key_sql(),
        hash = table.hash(hashing),
        of = table.sql(),
        condition = within(table, &grid.extent(run)),
    );
    for row in work.rows(sql, Bound::default().and(grid.thresholds(run), operation)?).await? {
        let bucket: i32 = row.try_get_unchecked(0)?;
        let piece = usize::try_from(bucket).ok().and_then(|bucket| pieces.get_mut(run.0 + bucket));
        if let Some(piece) = piece {
            *piece = decoded(&row, 1, operation)?;
        }
    }
    Ok(())
}

/// The keys of a range with their hashes.
pub(super) async fn hashes(
    side: &PostgresSide,
    name: &str,
    range: &KeyRange,
    hashing: Hashing,
) -> Result<Vec<RowHash>> {
    const OPERATION: &str = "side.hashes";
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let table = tables.named(name, OPERATION)?;
    let sql = format!(
        "SELECT {key}::text, {hash} FROM {of} t WHERE {condition} ORDER BY {key} COLLATE \"C\"",
        key = table.key_sql(),
        hash = table.hash(hashing),
        of = table.sql(),
        condition = within(table, range),
    );
    let mut work = Work::begin(&side.database, Mode::Read, BULK, "", OPERATION).await?;
    let outcome = async {
        let found = |row: &PgRow| -> Result<RowHash, Trouble> {
            let hash: i64 = row.try_get_unchecked(1)?;
            Ok(RowHash { id: row.try_get_unchecked(0)?, hash: hash as u64 })
        };
        work.rows(sql, Bound::default()).await?.iter().map(found).collect::<Result<_, _>>()
    }
    .await;
    work.end(outcome).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(after: Option<&str>, up_to: Option<&str>) -> KeyRange {
        KeyRange { after: after.map(str::to_owned), up_to: up_to.map(str::to_owned) }
    }

    #[test]
    fn ranges_follow_on_each_other_and_hold_everything() {
        let keys = || ["b", "a", "é", "Z", "b", "c"].map(str::to_owned).to_vec();
        let cut = contiguous(keys(), 3);
        assert_eq!(cut, [range(None, Some("b")), range(Some("b"), Some("c")), range(Some("c"), None)]);
        assert_eq!(contiguous(Vec::new(), 3), [range(None, None)]);
        assert_eq!(contiguous(vec!["a".to_owned(); 9], 3), [range(None, Some("a")), range(Some("a"), None)]);
        assert_eq!(contiguous(keys(), 1), [range(None, None)]);
    }

    #[test]
    fn what_lies_together_is_read_together() {
        let cut = contiguous(('a'..='z').map(String::from).collect(), 5);
        let grid = Grid::of(&cut);
        assert_eq!(grid.runs(), [(0, 5)]);
        assert_eq!(grid.extent((0, 5)), KeyRange::default());
        assert_eq!(grid.thresholds((0, 5)).len(), 4);
        // Two that lie apart, the second of them twice, and one that is empty.
        let apart = [
            range(None, Some("b")),
            range(Some("x"), None),
            range(Some("x"), None),
            range(Some("d"), Some("c")),
        ];
        let grid = Grid::of(&apart);
        assert_eq!(grid.bounds, ["b", "c", "d", "x"]);
        assert_eq!(grid.pieces, [(0, 1), (4, 5), (4, 5), (3, 3)]);
        assert_eq!(grid.runs(), [(0, 1), (4, 5)]);
        assert_eq!(grid.extent((0, 1)), range(None, Some("b")));
        assert_eq!(grid.extent((4, 5)), range(Some("x"), None));
        assert!(grid.thresholds((0, 1)).is_empty());
        // One within another one.
        let grid = Grid::of(&[range(Some("a"), Some("z")), range(Some("c"), Some("d"))]);
        assert_eq!(grid.pieces, [(1, 4), (2, 3)]);
        assert_eq!(
            (grid.runs(), grid.thresholds((1, 4))),
            (vec![(1, 4)], vec!["c\u{1}".to_owned(), "d\u{1}".to_owned()])
        );
    }

    #[test]
    fn a_key_is_written_so_that_it_means_itself() {
        assert_eq!(literal(r"it's \n"), r"E'it''s \\n'");
        assert_eq!(literal("a\0b"), "E'a'");
    }
}
