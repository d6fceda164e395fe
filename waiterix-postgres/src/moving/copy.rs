//! Copying a table: cutting it, reading a range, writing one.
//!
//! A table is read in the order in which its rows lie, which needs no index and touches each page once. A row that is updated
//! meanwhile may be read where it was and where it is, or in neither place: it is in the journal, and [`super::aside`] leaves
//! one of two. When the whole table is rewritten meanwhile (`VACUUM FULL`, `TRUNCATE`), places mean nothing any more; then all
//! of its keys are noted in the journal, and what is left of the cut is empty.

use sqlx::Row as _;
use waiterix_ports::moving::{Hashing, Leaf, Parcel};
use waiterix_ports::{Error, ErrorKind, KeyRange, Result};

use super::PostgresSide;
use super::hold::following;
use super::leaves::{leaf, literal};
use super::standing::signed;
use super::tables::{SideTable, ident};
use super::triggers::note;
use super::tuples::{self, Tuples};
use super::work::{BULK, Bound, Limit, Trouble, Work};
use crate::session::Mode;

/// Where it is not known how many rows there are: so many on a page.
const ROWS_ON_A_PAGE: u64 = 40;

/// How many pages before the end of a table somebody may find room who begins to write. Several who write at a time add pages for
/// each other, up to 512 at once.
const LOOSE: i64 = 1024;

const SIZE: &str = "SELECT pg_relation_filenode(oid)::bigint, \
    pg_relation_size(oid) / current_setting('block_size')::bigint, greatest(reltuples, 0)::float8, \
    current_setting('block_size')::bigint \
    FROM pg_catalog.pg_class WHERE oid = $1::regclass";
const KEEP_CUT: &str = "INSERT INTO waiterix_migration.cuts (tab, rows, file, pages) VALUES ($1, $2, $3, $4) \
    ON CONFLICT DO NOTHING";
const KEPT_CUT: &str = "SELECT file, pages FROM waiterix_migration.cuts WHERE tab = $1";
const FILE: &str = "SELECT pg_relation_filenode($1::regclass)::bigint";
const IS_REWRITTEN: &str =
    "UPDATE waiterix_migration.cuts SET rewritten = true WHERE tab = $1 AND NOT rewritten RETURNING 1";
const NOTE_RANGE: &str = "INSERT INTO waiterix_migration.ranges (tab, after, up_to, rows, hash, sum) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING 1";
const RANGES: &str = "SELECT after, up_to FROM waiterix_migration.ranges WHERE tab = $1";
const FIRST: &str = "SELECT pg_advisory_xact_lock(hashtextextended('first range of ' || $1, 0))";
const BEFORE: &str = "SELECT EXISTS (SELECT 1 FROM waiterix_migration.ranges WHERE tab = $1), \
    greatest(pg_relation_size($2::regclass) / current_setting('block_size')::bigint - 1, 0)";

/// The part of a table that a range means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Extent {
    /// These keys.
    Keys(KeyRange),
    /// These pages of this file: from one on, to before another.
    Pages { file: i64, from: i64, to: Option<i64> },
}

/// Marks a bound that is no key: none has that character.
const PAGES: &str = "\0pages ";

impl Extent {
    fn bound(file: i64, page: i64) -> String {
        format!("{PAGES}{file} {page}")
    }

    fn range(file: i64, from: i64, to: Option<i64>) -> KeyRange {
        KeyRange { after: Some(Self::bound(file, from)), up_to: to.map(|to| Self::bound(file, to)) }
    }

    /// What a range means.
    pub(super) fn of(range: &KeyRange, operation: &'static str) -> Result<Self> {
        let parsed = |bound: &str| -> Option<(i64, i64)> {
            let (file, page) = bound.strip_prefix(PAGES)?.split_once(' ')?;
            Some((file.parse().ok()?, page.parse().ok()?))
        };
        match &range.after {
            Some(after) if after.starts_with(PAGES) => {
                let begin = parsed(after);
                let end = range.up_to.as_deref().map(parsed);
                match (begin, end) {
                    (Some((file, from)), None) => Ok(Self::Pages { file, from, to: None }),
                    (Some((file, from)), Some(Some((other, to)))) if other == file => {
                        Ok(Self::Pages { file, from, to: Some(to) })
                    }
                    _ => Err(Error::new(ErrorKind::Invalid, operation).with("fault", "no range of a cut")),
                }
            }
            _ => Ok(Self::Keys(range.clone())),
        }
    }

    /// Whether it is the whole table, wherever its rows lie.
    const fn is_whole(&self) -> bool {
        matches!(self, Self::Pages { from: 0, to: None, .. })
    }

    /// Whether it is a part of a table by where its rows lie, which means something for as long as they lie there.
    pub(super) const fn is_placed(&self) -> bool {
        matches!(self, Self::Pages { .. }) && !self.is_whole()
    }

    /// Whether it still means what it meant when it was cut, in a transaction that locks the table.
    pub(super) async fn is_there(&self, work: &mut Work, table: &SideTable) -> Result<bool, Trouble> {
        let Self::Pages { file, .. } = self else { return Ok(true) };
        if self.is_whole() {
            return Ok(true);
        }
        let row = work.row(FILE, Bound::default().and(table.sql(), work.operation)?).await?;
        Ok(row.try_get_unchecked::<i64, _>(0)? == *file)
    }

    /// The condition on a row called `t`.
    pub(super) fn condition(&self, table: &SideTable) -> String {
        match self {
            Self::Keys(range) => within(table, range),
            Self::Pages { .. } if self.is_whole() => "true".to_owned(),
            Self::Pages { from, to, .. } => {
                let end = to.map(|to| format!(" AND t.ctid < '({to},0)'::tid")).unwrap_or_default();
                format!("t.ctid >= '({from},0)'::tid{end}")
            }
        }
    }
}

/// The condition on a row called `t` to have a key of a range, as text.
fn within(table: &SideTable, range: &KeyRange) -> String {
    let key = table.key_sql();
    let mut conditions = Vec::new();
    if let Some(after) = &range.after {
        conditions.push(format!("{key} COLLATE \"C\" > {}", literal(after)));
    }
    if let Some(up_to) = &range.up_to {
        conditions.push(format!("{key} COLLATE \"C\" <= {}", literal(up_to)));
    }
    if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") }
}

/// How large a table is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// The file it is in, another one whenever it is rewritten.
    file: i64,
    pages: u64,
    page_bytes: u64,
    /// About how many rows it has.
    pub(super) rows: u64,
}

impl Size {
    /// Looks.
    pub(super) async fn of(work: &mut Work, table: &SideTable) -> Result<Self, Trouble> {
        let row = work.row(SIZE, Bound::default().and(table.sql(), work.operation)?).await?;
        let (pages, rows): (i64, f64) = (row.try_get_unchecked(1)?, row.try_get_unchecked(2)?);
        let page: i64 = row.try_get_unchecked(3)?;
        let (pages, page_bytes) = (u64::try_from(pages).unwrap_or(0), u64::try_from(page).unwrap_or(0));
        // Nobody has counted yet.
        let rows = if rows < 1.0 { pages * ROWS_ON_A_PAGE } else { rows as u64 };
        Ok(Self { file: row.try_get_unchecked(0)?, pages, page_bytes, rows })
    }

    /// How many parts of so many rows it has.
    pub(super) fn parts(self, rows: u64) -> u64 {
        self.rows.div_ceil(rows.max(1)).max(1)
    }

    /// How many bytes its rows take.
    pub(super) const fn bytes(self) -> u64 {
        self.pages * self.page_bytes
    }

    /// The pages at which parts of it begin, about equally many of each.
    fn begins(self, parts: u64, operation: &'static str) -> Result<Vec<i64>> {
        let parts = parts.clamp(1, self.pages.max(1));
        (0..parts).map(|part| signed(self.pages * part / parts, operation)).collect()
    }

    /// Parts of it, about equally large.
    pub(super) fn cut(self, parts: u64, operation: &'static str) -> Result<Vec<KeyRange>> {
        Ok(extents(self.file, &self.begins(parts, operation)?))
    }
}

/// From each of these pages to the next, and from the last to the end.
fn extents(file: i64, begins: &[i64]) -> Vec<KeyRange> {
    let ends = begins.iter().skip(1).copied().map(Some).chain([None]);
    begins.iter().zip(ends).map(|(from, to)| Extent::range(file, *from, to)).collect()
}

/// Cuts a table; what was cut before stays as it was.
pub(super) async fn cut(side: &PostgresSide, name: &str, rows: u64) -> Result<Vec<KeyRange>> {
    const OPERATION: &str = "side.cut";
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let table = tables.named(name, OPERATION)?;
    let mut work = Work::begin(&side.database, Mode::Write, Limit::Usual, "", OPERATION).await?;
    let outcome = cut_within(&mut work, table, rows).await;
    work.end(outcome).await
}

async fn cut_within(work: &mut Work, table: &SideTable, rows: u64) -> Result<Vec<KeyRange>, Trouble> {
    let operation = work.operation;
    let there = Size::of(work, table).await?;
    let begins = there.begins(there.parts(rows), operation)?;
    let size = signed(rows, operation)?;
    let bound = Bound::default()
        .and(&*table.name, operation)?
        .and(size, operation)?
        .and(there.file, operation)?
        .and(begins, operation)?;
    work.rows(KEEP_CUT, bound).await?;
    // The first one stays, whatever size was asked for then: what is copied is noted by its ranges.
    let bound = Bound::default().and(&*table.name, operation)?;
    let row = work.row(KEPT_CUT, bound).await?;
    let (file, begins): (i64, Vec<i64>) = (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?);
    Ok(extents(file, &begins))
}

/// Reads a range.
pub(super) async fn copy_out(side: &PostgresSide, name: &str, range: &KeyRange) -> Result<Parcel> {
    const OPERATION: &str = "side.copy_out";
    let extent = Extent::of(range, OPERATION)?;
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let table = tables.named(name, OPERATION)?;
    // Until the transaction ends nobody can rewrite the table.
    let lock = table.lock();
    let mut work = Work::begin(&side.database, Mode::Read, BULK, &lock, OPERATION).await?;
    let outcome = read(&mut work, table, &extent).await;
    let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    if let Some((leaf, data)) = work.end(outcome).await? {
        return Ok(Parcel { leaf, columns, data: data.into() });
    }
    let mut work = Work::begin(&side.database, Mode::Write, BULK, &lock, OPERATION).await?;
    let outcome = note_all(&mut work, table).await;
    work.end(outcome).await?;
    Ok(Parcel { leaf: Leaf::default(), columns, data: tuples::none().into() })
}

/// Reads rows; nothing when the table is not the one any more that was cut.
async fn read(
    work: &mut Work,
    table: &SideTable,
    extent: &Extent,
) -> Result<Option<(Leaf, Vec<u8>)>, Trouble> {
    let operation = work.operation;
    if !extent.is_there(work, table).await? {
        return Ok(None);
    }
    let sql = format!(
        "COPY (SELECT {}, {} FROM {} t WHERE {}) TO STDOUT (FORMAT binary)",
        table
            .columns
            .iter()
            .map(|column| format!("t.{}", ident(&column.name)))
            .collect::<Vec<_>>()
            .join(", "),
        table.hash(Hashing::Record),
        table.sql(),
        extent.condition(table),
    );
    let mut tuples = Tuples::default();
    let copied = work.session.copy_out(&sql, |piece| tuples.take(piece)).await;
    copied.map_err(Trouble::Broken)?;
    let taken = tuples.finish().map_err(|_| {
        Error::new(ErrorKind::Corrupt, operation).with("fault", "the server's copy cannot be understood")
    })?;
    Ok(Some(taken))
}

/// Notes all keys of a table, once.
async fn note_all(work: &mut Work, table: &SideTable) -> Result<(), Trouble> {
    let operation = work.operation;
    let first = work.rows(IS_REWRITTEN, Bound::default().and(&*table.name, operation)?).await?;
    if first.is_empty() {
        return Ok(());
    }
    tracing::warn!(table = %table.name, "the table was rewritten while it was copied; all of its keys are made equal one by one");
    let sql = note!("$1::text", "KEY", " FROM ").replace("KEY", &table.key_sql()) + &table.sql() + " t";
    work.rows(sql, Bound::default().and(&*table.name, operation)?).await.map(drop)
}

/// Whether a range of a table is noted, and the page after which what is written now lies, as a rule.
async fn before(work: &mut Work, table: &SideTable) -> Result<(bool, i64), Trouble> {
    let bound = Bound::default().and(&*table.name, work.operation)?.and(table.sql(), work.operation)?;
    let row = work.row(BEFORE, bound).await?;
    let last: i64 = row.try_get_unchecked(1)?;
    Ok((row.try_get_unchecked(0)?, (last - LOOSE).max(0)))
}

/// Writes a range, unless it is noted already.
pub(super) async fn copy_in(
    side: &PostgresSide,
    epoch: u64,
    name: &str,
    range: &KeyRange,
    parcel: Parcel,
) -> Result<()> {
    const OPERATION: &str = "side.copy_in";
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let table = tables.named(name, OPERATION)?;
    // Rows and note are lost together or not at all, so nobody need wait for the disk.
    let opening = format!("{}; SET LOCAL synchronous_commit = off", following(epoch, OPERATION)?);
    let mut work = Work::begin(&side.database, Mode::Write, BULK, &opening, OPERATION).await?;
    let outcome = write(&mut work, table, range, &parcel).await;
    work.end(outcome).await
}

async fn write(work: &mut Work, table: &SideTable, range: &KeyRange, parcel: &Parcel) -> Result<(), Trouble> {
    let operation = work.operation;
    let (mut begun, mut page) = before(work, table).await?;
    if !begun {
        // Of several first ranges of a table, one finds it empty; to the others its rows would be those of somebody else.
        work.row(FIRST, Bound::default().and(&*table.name, operation)?).await?;
        (begun, page) = before(work, table).await?;
    }
    let bound = Bound::default()
        .and(&*table.name, operation)?
        .and(range.after.as_ref().map(String::as_bytes), operation)?
        .and(range.up_to.as_ref().map(String::as_bytes), operation)?
        .and(signed(parcel.leaf.rows, operation)?, operation)?
        // Only their bits matter.
        .and(parcel.leaf.hash as i64, operation)?
        .and(parcel.leaf.sum as i64, operation)?;
    if work.rows(NOTE_RANGE, bound).await?.is_empty() {
        return Ok(());
    }
    if !begun {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", table.sql());
        if work.row(sql, Bound::default()).await?.try_get_unchecked(0)? {
            return Err(Error::new(ErrorKind::Conflict, operation)
                .with("table", &table.name)
                .with("fault", "there are rows in it before anything was copied; it must be empty")
                .into());
        }
    }
    let columns: Vec<_> = parcel.columns.iter().map(|column| ident(column)).collect();
    let sql = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.sql(), columns.join(", "));
    work.session.copy_in(&sql, &parcel.data).await.map_err(Trouble::Broken)?;
    // What this transaction has written. It lies at the end of the table unless there were gaps, and the whole is much to look through.
    let mine = "t.xmin = pg_current_xact_id()::xid";
    let mut found = leaf(work, table, &format!("t.ctid >= '({page},0)'::tid AND {mine}")).await?;
    if found.rows != parcel.leaf.rows {
        found = leaf(work, table, mine).await?;
    }
    if found != parcel.leaf {
        return Err(Error::new(ErrorKind::Corrupt, operation)
            .with("table", &table.name)
            .with("rows_read", parcel.leaf.rows)
            .with("rows_there", found.rows)
            .with("fault", "what is there is not what was read")
            .into());
    }
    Ok(())
}

/// The ranges that are noted.
pub(super) async fn copied(side: &PostgresSide, name: &str) -> Result<Vec<KeyRange>> {
    const OPERATION: &str = "side.copied";
    let bound = Bound::default().and(name, OPERATION)?;
    let mut work = Work::begin(&side.database, Mode::Read, Limit::Usual, "", OPERATION).await?;
    let outcome = async {
        let corrupt = |_| Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "a bound is no text");
        let mut ranges = Vec::new();
        for row in work.rows(RANGES, bound).await? {
            let text = |bytes: Option<Vec<u8>>| bytes.map(String::from_utf8).transpose().map_err(corrupt);
            let (after, up_to) = (text(row.try_get_unchecked(0)?)?, text(row.try_get_unchecked(1)?)?);
            ranges.push(KeyRange { after, up_to });
        }
        Ok::<_, Trouble>(ranges)
    }
    .await;
    work.end(outcome).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_pages_is_told_from_one_of_keys() {
        for (from, to) in [(0, None), (0, Some(7)), (7, None), (7, Some(9))] {
            let range = Extent::range(42, from, to);
            assert_eq!(Extent::of(&range, "test").unwrap(), Extent::Pages { file: 42, from, to });
        }
        for (after, up_to) in
            [(None, None), (Some("pages 1 2"), None), (None, Some("x")), (Some(""), Some("\0"))]
        {
            let range = KeyRange { after: after.map(str::to_owned), up_to: up_to.map(str::to_owned) };
            assert_eq!(Extent::of(&range, "test").unwrap(), Extent::Keys(range));
        }
        for (after, up_to) in [
            ("\0pages 1", None),
            ("\0pages 1 x", None),
            ("\0pages 1 2", Some("\0pages 2 3")),
            ("\0pages 1 2", Some("a")),
        ] {
            let range = KeyRange { after: Some(after.to_owned()), up_to: up_to.map(str::to_owned) };
            assert_eq!(Extent::of(&range, "test").unwrap_err().kind(), ErrorKind::Invalid, "{range:?}");
        }
    }
}
