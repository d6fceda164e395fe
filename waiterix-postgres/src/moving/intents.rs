//! The journal of what moves without triggers: a table in one database that all processes share.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use waiterix_ports::Result;
use waiterix_ports::moving::{Backlog, Entry, EntryId, Journal, JournalKey, LONGEST_WRITE};

use super::{corrupt, error_of};
use crate::connect::Database;
use crate::statement::{self, Argument};

/// The lock keeps two that begin at once from making the same schema; it ends with the statement.
pub(super) const INSTALL: &str = "DO $do$ BEGIN \
    PERFORM pg_advisory_xact_lock(hashtext('waiterix_migration')); \
    CREATE SCHEMA IF NOT EXISTS waiterix_migration; \
    CREATE TABLE IF NOT EXISTS waiterix_migration.intents ( \
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
        port text NOT NULL, key text NOT NULL, open boolean NOT NULL, \
        at timestamptz NOT NULL DEFAULT clock_timestamp()); \
    CREATE INDEX IF NOT EXISTS intents_of_key ON waiterix_migration.intents (port, key); \
    END $do$";
const BEGIN: &str =
    "INSERT INTO waiterix_migration.intents (port, key, open) VALUES ($1, $2, true) RETURNING id";
const ADD: &str =
    "INSERT INTO waiterix_migration.intents (port, key, open) VALUES ($1, $2, false) RETURNING id";
const ENDED: &str = "UPDATE waiterix_migration.intents SET open = false \
    WHERE port = $1 AND id = ANY ($2::text[]::bigint[])";
const ENTRIES: &str = "SELECT id, key, open AND at > clock_timestamp() - $4::bigint * interval '1 second' \
    FROM waiterix_migration.intents WHERE port = $1 AND id > $2 ORDER BY id LIMIT $3";
const DONE: &str =
    "DELETE FROM waiterix_migration.intents WHERE port = $1 AND id = ANY ($2::text[]::bigint[])";
const HOLDS: &str = "SELECT EXISTS (SELECT 1 FROM waiterix_migration.intents WHERE port = $1 AND key = $2)";
const BACKLOG: &str = "SELECT count(*), \
    coalesce(extract(epoch FROM clock_timestamp() - min(at)) * 1000, 0)::bigint \
    FROM waiterix_migration.intents WHERE port = $1";

/// A [`Journal`] in a table of the schema `waiterix_migration`, which every process of the service shares.
///
/// An entry is committed when it is added, and outlives whoever added it. Keys stand in it as they are, ids of sessions
/// included, so its database must be as well guarded as the store of sessions.
pub struct PostgresJournal<K> {
    database: Database,
    keys: PhantomData<fn() -> K>,
}

impl<K: JournalKey> fmt::Debug for PostgresJournal<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresJournal").field("port", &K::PORT).finish_non_exhaustive()
    }
}

impl<K: JournalKey> PostgresJournal<K> {
    /// The journal of keys of this kind. Nothing is asked of the database yet.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database, keys: PhantomData }
    }

    /// Makes the table, which all kinds share, unless it is there.
    ///
    /// # Errors
    /// `Denied` without the privilege to make a schema; `Unavailable`, `Timeout`.
    pub async fn install(&self) -> Result<()> {
        const OPERATION: &str = "journal.install";
        statement::write(&self.database, INSTALL, &[], OPERATION).await.map(drop).map_err(error_of)
    }

    async fn insert(&self, sql: &'static str, key: &K, operation: &'static str) -> Result<EntryId> {
        let text = key.to_text();
        let arguments = [Argument::Bound(Some(K::PORT)), Argument::Bound(Some(&text))];
        let rows = statement::write(&self.database, sql, &arguments, operation).await.map_err(error_of)?;
        rows.first().ok_or_else(|| corrupt(operation)).and_then(|row| id(row, operation))
    }

    async fn change(&self, sql: &'static str, entries: &[EntryId], operation: &'static str) -> Result<()> {
        let ids = texts(entries);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let arguments = [Argument::Bound(Some(K::PORT)), Argument::Texts(&ids)];
        statement::write(&self.database, sql, &arguments, operation).await.map(drop).map_err(error_of)
    }
}

#[async_trait]
impl<K: JournalKey> Journal<K> for PostgresJournal<K> {
    async fn begin(&self, key: &K) -> Result<EntryId> {
        self.insert(BEGIN, key, "journal.begin").await
    }

    async fn ended(&self, entries: &[EntryId]) -> Result<()> {
        self.change(ENDED, entries, "journal.ended").await
    }

    async fn add(&self, key: &K) -> Result<EntryId> {
        self.insert(ADD, key, "journal.add").await
    }

    async fn entries(&self, after: Option<EntryId>, limit: u32) -> Result<Vec<Entry<K>>> {
        const OPERATION: &str = "journal.entries";
        let mut after = after.map_or(-1, number);
        loop {
            let arguments = [
                Argument::Bound(Some(K::PORT)),
                Argument::Number(after),
                Argument::Number(limit.into()),
                Argument::Number(i64::try_from(LONGEST_WRITE.as_secs()).unwrap_or(i64::MAX)),
            ];
            let rows =
                statement::read(&self.database, ENTRIES, &arguments, OPERATION).await.map_err(error_of)?;
            let mut known = Vec::with_capacity(rows.len());
            for row in &rows {
                let id = id(row, OPERATION)?;
                after = number(id);
                if let Some(key) = K::of_text(text(row, 1, OPERATION)?) {
                    known.push(Entry { id, key, is_open: flag_at(row, 2, OPERATION)? });
                }
            }
            // A page of nothing but unknown keys is not the end.
            if rows.is_empty() || !known.is_empty() {
                return Ok(known);
            }
        }
    }

    async fn done(&self, entries: &[EntryId]) -> Result<()> {
        self.change(DONE, entries, "journal.done").await
    }

    async fn holds(&self, key: &K) -> Result<bool> {
        const OPERATION: &str = "journal.holds";
        let text = key.to_text();
        let arguments = [Argument::Bound(Some(K::PORT)), Argument::Bound(Some(&text))];
        let rows = statement::read(&self.database, HOLDS, &arguments, OPERATION).await.map_err(error_of)?;
        flag(&rows, OPERATION)
    }

    async fn backlog(&self) -> Result<Backlog> {
        const OPERATION: &str = "journal.backlog";
        let arguments = [Argument::Bound(Some(K::PORT))];
        let rows = statement::read(&self.database, BACKLOG, &arguments, OPERATION).await.map_err(error_of)?;
        backlog(&rows, OPERATION)
    }
}

/// A name as the server counts. The server itself made it, so it fits.
pub(super) fn number(id: EntryId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

pub(super) fn texts(entries: &[EntryId]) -> Vec<String> {
    entries.iter().map(|id| number(*id).to_string()).collect()
}

pub(super) fn id(row: &PgRow, operation: &'static str) -> Result<EntryId> {
    let id: i64 = row.try_get_unchecked(0).map_err(|_| corrupt(operation))?;
    u64::try_from(id).map(EntryId).map_err(|_| corrupt(operation))
}

pub(super) fn text<'r>(row: &'r PgRow, column: usize, operation: &'static str) -> Result<&'r str> {
    row.try_get_unchecked(column).map_err(|_| corrupt(operation))
}

pub(super) fn flag_at(row: &PgRow, column: usize, operation: &'static str) -> Result<bool> {
    row.try_get_unchecked(column).map_err(|_| corrupt(operation))
}

pub(super) fn flag(rows: &[PgRow], operation: &'static str) -> Result<bool> {
    let row = rows.first().ok_or_else(|| corrupt(operation))?;
    row.try_get_unchecked(0).map_err(|_| corrupt(operation))
}

pub(super) fn backlog(rows: &[PgRow], operation: &'static str) -> Result<Backlog> {
    let number = |column| -> Result<u64> {
        let row = rows.first().ok_or_else(|| corrupt(operation))?;
        let number: i64 = row.try_get_unchecked(column).map_err(|_| corrupt(operation))?;
        // A clock that was set back makes an entry younger than nothing.
        Ok(u64::try_from(number).unwrap_or(0))
    };
    Ok(Backlog { entries: number(0)?, quarantined: 0, age: Duration::from_millis(number(1)?) })
}
