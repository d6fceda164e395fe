//! Counting and hashing what is there, for comparison.

use std::collections::BTreeSet;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use waiterix_ports::moving::{Hashing, Leaf, RowHash};
use waiterix_ports::{Error, ErrorKind, KeyRange, Result};

use super::PostgresSide;
use super::copy::{Size, within};
use super::tables::SideTable;
use super::work::{BULK, Trouble, Work};
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
    let rows = work.once(sql).await?;
    rows.first().map_or_else(|| Ok(Leaf::default()), |row| decoded(row, 0, work.operation))
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
    let rows = work.once(sql).await?;
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

    /// The bounds within a run.
    fn within(&self, (from, to): (usize, usize)) -> &[String] {
        self.bounds.get(from..to - 1).unwrap_or_default()
    }
}

/// The number of the piece a key is in, counted from `first`, as SQL: a tree of comparisons. The server's own function for
/// this walks through all bounds that are texts, for every row.
fn tree(key: &str, bounds: &[String], first: usize) -> String {
    let middle = bounds.len() / 2;
    let Some(bound) = bounds.get(middle) else { return first.to_string() };
    format!(
        "CASE WHEN {key} COLLATE \"C\" <= {} THEN {} ELSE {} END",
        literal(bound),
        tree(key, &bounds[..middle], first),
        tree(key, &bounds[middle + 1..], first + middle + 1),
    )
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
        "SELECT b, {SUMS} FROM (SELECT {piece} AS b, {hash} AS h FROM {of} t WHERE {condition} OFFSET 0) s GROUP BY b",
        piece = tree(&table.key_sql(), grid.within(run), run.0),
        hash = table.hash(hashing),
        of = table.sql(),
        condition = within(table, &grid.extent(run)),
    );
    for row in work.once(sql).await? {
        let piece: i32 = row.try_get_unchecked(0)?;
        let piece = usize::try_from(piece).ok().and_then(|piece| pieces.get_mut(piece));
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
        work.once(sql).await?.iter().map(found).collect::<Result<_, _>>()
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
        assert_eq!(grid.within((0, 5)).len(), 4);
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
        assert!(grid.within((0, 1)).is_empty());
        // One within another one.
        let grid = Grid::of(&[range(Some("a"), Some("z")), range(Some("c"), Some("d"))]);
        assert_eq!((&grid.pieces, grid.runs()), (&vec![(1, 4), (2, 3)], vec![(1, 4)]));
        assert_eq!(grid.within((1, 4)), ["c", "d"]);
    }

    #[test]
    fn the_piece_of_a_key_is_found_by_few_comparisons() {
        let bounds = |count: usize| (0..count).map(|n| format!("{n:04}")).collect::<Vec<_>>();
        assert_eq!(tree("t.id", &[], 7), "7");
        assert_eq!(
            tree("k", &bounds(2), 1),
            "CASE WHEN k COLLATE \"C\" <= E'0001' THEN CASE WHEN k COLLATE \"C\" <= E'0000' THEN 1 ELSE 2 END ELSE 3 END"
        );
        let whole = tree("k", &bounds(1_000), 0);
        assert!((0..=1_000).all(|piece| whole.contains(&format!(" {piece} "))));
        let mut depth = 0_i32;
        let deepest = whole.split(' ').map(|word| {
            depth += i32::from(word == "CASE") - i32::from(word == "END");
            depth
        });
        assert_eq!(deepest.max(), Some(10));
    }

    #[test]
    fn a_key_is_written_so_that_it_means_itself() {
        assert_eq!(literal(r"it's \n"), r"E'it''s \\n'");
        assert_eq!(literal("a\0b"), "E'a'");
    }
}
