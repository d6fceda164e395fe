//! Entries of the journal that somebody works on, and reading rows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row as _;
use waiterix_ports::moving::{Claim, Claiming, Image, JournalEntry, MovingKey, Wanted};
use waiterix_ports::{Error, ErrorKind, Result};

use super::PostgresSide;
use super::notes::arrays;
use super::tables::Tables;
use super::triggers::SESSIONS;
use super::work::{Bound, Limit, Trouble, Work};
use crate::session::Mode;

/// How long the other side may take meanwhile. The server ends a transaction that is idle for longer, and the entries are
/// anybody's again.
const IDLE: Duration = Duration::from_secs(120);

/// By number, because an old entry is likely to be of what others wait for; never from a number on, because numbers may
/// become visible out of order.
const OLDEST: &str = "SELECT id, tab, key FROM waiterix_migration.journal WHERE NOT of_sessions \
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED";
const OF_KEYS: &str = "SELECT j.id, j.tab, j.key FROM waiterix_migration.journal j \
    JOIN (SELECT DISTINCT k.tab, k.key FROM unnest($1::text[], $2::text[]) AS k (tab, key)) AS k \
      ON j.hash = hashtextextended(k.key, 0) AND j.tab = k.tab AND j.key = k.key \
    ORDER BY j.id FOR UPDATE OF j SKIP LOCKED";

/// Claimed entries. The transaction that has locked them is open until it is dropped.
#[derive(Debug)]
pub(super) struct PostgresClaim {
    side: PostgresSide,
    entries: Vec<JournalEntry>,
    /// None when there are no entries: then nothing is held.
    work: Option<Work>,
}

/// Claims entries.
pub(super) async fn claim(side: &PostgresSide, what: &Claiming) -> Result<PostgresClaim> {
    const OPERATION: &str = "side.claim";
    let (sql, bound) = match what {
        Claiming::Oldest(limit) => (OLDEST, Bound::default().and(i64::from(*limit), OPERATION)?),
        Claiming::Keys(keys) => {
            let (tables, keys) = arrays(keys);
            (OF_KEYS, Bound::default().and(tables, OPERATION)?.and(keys, OPERATION)?)
        }
    };
    // A crash that brings forgotten entries back does no harm, so nobody waits for the disk.
    let idle = format!(
        "SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL synchronous_commit = off",
        IDLE.as_millis()
    );
    let mut work = Work::begin(&side.database, Mode::Write, Limit::Usual, &idle, OPERATION).await?;
    let found = async {
        let rows = work.rows(sql, bound).await?;
        let entry = |row: &sqlx::postgres::PgRow| -> Result<JournalEntry, Trouble> {
            let (id, table): (i64, String) = (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?);
            let id = u64::try_from(id)
                .map_err(|_| Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "a negative entry"))?;
            let key = MovingKey { table: table.into(), id: row.try_get_unchecked(2)? };
            Ok(JournalEntry { id, key })
        };
        rows.iter().map(entry).collect::<Result<Vec<_>, Trouble>>()
    }
    .await;
    match found {
        Ok(entries) if !entries.is_empty() => {
            Ok(PostgresClaim { side: side.clone(), entries, work: Some(work) })
        }
        found => {
            let entries = work.end(found).await?;
            Ok(PostgresClaim { side: side.clone(), entries, work: None })
        }
    }
}

#[async_trait]
impl Claim for PostgresClaim {
    fn entries(&self) -> &[JournalEntry] {
        &self.entries
    }

    async fn images(&mut self, keys: &[MovingKey]) -> Result<Vec<Wanted>> {
        const OPERATION: &str = "side.images";
        let Some(work) = &mut self.work else { return images(&self.side, keys).await };
        let tables = self.side.tables.get(&self.side.database, OPERATION).await?;
        let outcome = read(work, &tables, keys, OPERATION).await;
        match outcome {
            Ok(found) => Ok(found),
            // The transaction is lost with its entries, which are anybody's again.
            Err(trouble) => match self.work.take() {
                Some(work) => work.end(Err(trouble)).await,
                None => Ok(Vec::new()),
            },
        }
    }

    async fn forget(mut self: Box<Self>, made: &[MovingKey]) -> Result<()> {
        const OPERATION: &str = "side.forget";
        let made: HashSet<&MovingKey> = made.iter().collect();
        let Some(mut work) = self.work.take() else {
            // Either there was nothing, or the connection that held it is lost.
            return if self.entries.is_empty() { Ok(()) } else { Err(lost(OPERATION)) };
        };
        work.operation = OPERATION;
        // Both kinds have numbers of one sequence, and whoever says the kind finds them by the index.
        let mut deletions = Vec::new();
        for (is_session, kind) in [(false, "NOT of_sessions"), (true, "of_sessions")] {
            let ids: Vec<String> = self
                .entries
                .iter()
                .filter(|entry| made.contains(&entry.key) && (&*entry.key.table == SESSIONS) == is_session)
                .map(|entry| entry.id.to_string())
                .collect();
            if !ids.is_empty() {
                let ids = ids.join(", ");
                deletions
                    .push(format!("DELETE FROM waiterix_migration.journal WHERE {kind} AND id IN ({ids})"));
            }
        }
        work.end_with(&deletions.join("; ")).await
    }
}

fn lost(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation)
        .retry(waiterix_ports::Retry::Safe)
        .with("fault", "the connection that held the entries is lost")
}

/// Reads rows by their keys, in one snapshot.
pub(super) async fn images(side: &PostgresSide, keys: &[MovingKey]) -> Result<Vec<Wanted>> {
    const OPERATION: &str = "side.images";
    let tables = side.tables.get(&side.database, OPERATION).await?;
    let mut work = Work::begin(&side.database, Mode::Read, Limit::Usual, "", OPERATION).await?;
    let outcome = read(&mut work, &tables, keys, OPERATION).await;
    work.end(outcome).await
}

/// One statement for all tables, because a statement sees one moment.
async fn read(
    work: &mut Work,
    tables: &Tables,
    keys: &[MovingKey],
    operation: &'static str,
) -> Result<Vec<Wanted>, Trouble> {
    let mut by_table: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for key in keys.iter().filter(|key| !key.id.contains('\0')) {
        by_table.entry(&key.table).or_default().push(&key.id);
    }
    if by_table.is_empty() {
        return Ok(keys.iter().map(|key| Wanted { key: key.clone(), image: None }).collect());
    }
    let mut parts = Vec::new();
    let mut bound = Bound::default();
    let names: Vec<&str> = by_table.keys().copied().collect();
    for (place, (name, ids)) in by_table.into_iter().enumerate() {
        let table = tables.named(name, operation)?;
        parts.push(format!(
            "SELECT {place} AS tab, {key}::text, {image} FROM {of} t WHERE {key} = ANY(${})",
            place + 1,
            key = table.key_sql(),
            image = table.image(),
            of = table.sql(),
        ));
        bound = bound.and(ids, operation)?;
    }
    let rows = work.rows(parts.join(" UNION ALL "), bound).await?;
    let mut found: HashMap<(i32, String), String> = HashMap::new();
    for row in &rows {
        let key = (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?);
        found.insert(key, row.try_get_unchecked(2)?);
    }
    let wanted = |key: &MovingKey| {
        let place = names.iter().position(|name| *name == &*key.table);
        let place = place.and_then(|place| i32::try_from(place).ok());
        let image = place.and_then(|place| found.get(&(place, key.id.clone())));
        Wanted { key: key.clone(), image: image.cloned().map(Image) }
    };
    Ok(keys.iter().map(wanted).collect())
}
