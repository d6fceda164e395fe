//! Counting and hashing what is there, for comparison.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use waiterix_ports::moving::{Hashing, Leaf, RowHash, Shares};
use waiterix_ports::{Error, ErrorKind, KeyRange, Result, Retry};

use super::PostgresSide;
use super::copy::{Extent, Size};
use super::tables::SideTable;
use super::work::{BULK, Limit, Trouble, Work};
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

/// Cuts a table by where its rows lie.
pub(super) async fn stretches(side: &PostgresSide, name: &str, bytes: u64) -> Result<Vec<KeyRange>> {
    const OPERATION: &str = "side.stretches";
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let table = tables.named(name, OPERATION)?;
    let mut work = Work::begin(&side.database, Mode::Read, Limit::Usual, "", OPERATION).await?;
    let outcome = async {
        let size = Size::of(&mut work, table).await?;
        Ok::<_, Trouble>(size.cut(size.bytes().div_ceil(bytes.max(1)), OPERATION)?)
    }
    .await;
    work.end(outcome).await
}

/// The share that a key belongs to, as SQL. The server's hash of a text is the same on machines of one byte order. Between others all
/// shares would differ, and every key would be looked at: slower, and nothing is missed.
fn share(key: &str, shares: Shares) -> String {
    format!("(hashtextextended({key}, 0) & {})::int", shares.count() - 1)
}

/// Begins to read what a stretch means, if it still means that.
async fn begun(
    side: &PostgresSide,
    table: &SideTable,
    extent: &Extent,
    operation: &'static str,
) -> Result<Work> {
    // Until the transaction ends nobody can rewrite the table.
    let lock = if extent.is_placed() { table.lock() } else { String::new() };
    let mut work = Work::begin(&side.database, Mode::Read, BULK, &lock, operation).await?;
    match extent.is_there(&mut work, table).await {
        Ok(true) => Ok(work),
        Ok(false) => {
            let moved = Error::new(ErrorKind::Conflict, operation).retry(Retry::Safe);
            let moved = moved.with("table", &table.name).with("fault", "the table was rewritten meanwhile");
            work.end(Err(moved.into())).await
        }
        Err(trouble) => work.end(Err(trouble)).await,
    }
}

/// Counts and hashes shares.
pub(super) async fn leaves(
    side: &PostgresSide,
    name: &str,
    range: &KeyRange,
    shares: Shares,
    hashing: Hashing,
) -> Result<Vec<Leaf>> {
    const OPERATION: &str = "side.leaves";
    let extent = Extent::of(range, OPERATION)?;
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let table = tables.named(name, OPERATION)?;
    let sql = format!(
        "SELECT b, {SUMS} FROM (SELECT {share} AS b, {hash} AS h FROM {of} t WHERE {condition} OFFSET 0) s GROUP BY b",
        share = share(&table.key_sql(), shares),
        hash = table.hash(hashing),
        of = table.sql(),
        condition = extent.condition(table),
    );
    let mut work = begun(side, table, &extent, OPERATION).await?;
    let outcome = async {
        let mut leaves = vec![Leaf::default(); shares.count() as usize];
        for row in work.once(sql).await? {
            let share: i32 = row.try_get_unchecked(0)?;
            let leaf = usize::try_from(share).ok().and_then(|share| leaves.get_mut(share));
            if let Some(leaf) = leaf {
                *leaf = decoded(&row, 1, OPERATION)?;
            }
        }
        Ok::<_, Trouble>(leaves)
    }
    .await;
    work.end(outcome).await
}

/// The keys of some shares with their hashes.
pub(super) async fn hashes(
    side: &PostgresSide,
    name: &str,
    range: &KeyRange,
    shares: Shares,
    some: &[u32],
    hashing: Hashing,
) -> Result<Vec<RowHash>> {
    const OPERATION: &str = "side.hashes";
    let extent = Extent::of(range, OPERATION)?;
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let table = tables.named(name, OPERATION)?;
    let numbers: Vec<String> = some.iter().map(u32::to_string).collect();
    let sql = format!(
        "SELECT {key}::text, {hash} FROM {of} t WHERE {condition} AND {share} = ANY ('{{{some}}}'::int[])",
        key = table.key_sql(),
        hash = table.hash(hashing),
        of = table.sql(),
        condition = extent.condition(table),
        share = share(&table.key_sql(), shares),
        some = numbers.join(","),
    );
    let mut work = begun(side, table, &extent, OPERATION).await?;
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
    fn a_key_is_written_so_that_it_means_itself() {
        assert_eq!(literal(r"it's \n"), r"E'it''s \\n'");
        assert_eq!(literal("a\0b"), "E'a'");
    }
}
