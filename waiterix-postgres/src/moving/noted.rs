//! The journal that triggers fill, for one table.

use async_trait::async_trait;
use waiterix_ports::Result;
use waiterix_ports::moving::{Backlog, Entry, EntryId, Journal};

use super::intents::{backlog, flag, id, number, text, texts};
use super::triggers::note;
use super::{error_of, install};
use crate::connect::Database;
use crate::statement::{self, Argument};

const ADD: &str = note!("$1::text", "$2::text", " RETURNING id");
const ENTRIES: &str = "SELECT id, key FROM waiterix_migration.journal \
    WHERE of_sessions AND tab = $1 AND id > $2 ORDER BY id LIMIT $3";
const DONE: &str = "DELETE FROM waiterix_migration.journal \
    WHERE of_sessions AND tab = $1 AND id = ANY ($2::text[]::bigint[])";
/// Keys are found by their hash, which has the index: the keys themselves may be too long for one.
const HOLDS: &str = "SELECT EXISTS (SELECT 1 FROM waiterix_migration.journal \
    WHERE hash = hashtextextended($2::text, 0) AND tab = $1 AND key = $2)";
const BACKLOG: &str = "SELECT count(*), \
    coalesce(extract(epoch FROM clock_timestamp() - min(at)) * 1000, 0)::bigint \
    FROM waiterix_migration.journal WHERE of_sessions AND tab = $1";

/// What was noted of one table in the transactions of its writers, whoever they are: a [`Journal`] of the keys of its rows.
///
/// It is how the mirror of sessions hears of the old application, which writes the table `sessions` and knows of no mirror.
#[derive(Debug)]
pub struct TriggerJournal {
    database: Database,
    table: &'static str,
}

impl TriggerJournal {
    /// What is noted of a table. Nothing is asked of the database yet.
    #[must_use]
    pub const fn new(database: Database, table: &'static str) -> Self {
        Self { database, table }
    }

    /// Puts the triggers in place by which the table is noted, unless they are there. It waits for every transaction that has
    /// written to it, so that none is half noted. Nobody is kept from writing.
    ///
    /// # Errors
    /// `Unsupported` without the table, or behind a pooler; `Denied` without the privileges; `Timeout` when a transaction does
    /// not end; `Unavailable`.
    pub async fn install(&self) -> Result<()> {
        install::install_noting(&self.database, self.table).await
    }

    /// Takes triggers and journal away again. Where the rows of the database move too, they belong to that and stay.
    ///
    /// # Errors
    /// As [`TriggerJournal::install`].
    pub async fn uninstall(&self) -> Result<()> {
        install::uninstall_noting(&self.database).await
    }
}

#[async_trait]
impl Journal<String> for TriggerJournal {
    /// What triggers note is committed with its write, so no entry is ever open.
    async fn begin(&self, key: &String) -> Result<EntryId> {
        self.add(key).await
    }

    async fn ended(&self, _: &[EntryId]) -> Result<()> {
        Ok(())
    }

    async fn add(&self, key: &String) -> Result<EntryId> {
        const OPERATION: &str = "journal.add";
        let arguments = [Argument::Bound(Some(self.table)), Argument::Bound(Some(key))];
        let rows = statement::write(&self.database, ADD, &arguments, OPERATION).await.map_err(error_of)?;
        rows.first().ok_or_else(|| super::corrupt(OPERATION)).and_then(|row| id(row, OPERATION))
    }

    async fn entries(&self, after: Option<EntryId>, limit: u32) -> Result<Vec<Entry<String>>> {
        const OPERATION: &str = "journal.entries";
        let after = after.map_or(-1, number);
        let arguments =
            [Argument::Bound(Some(self.table)), Argument::Number(after), Argument::Number(limit.into())];
        let rows = statement::read(&self.database, ENTRIES, &arguments, OPERATION).await.map_err(error_of)?;
        rows.iter()
            .map(|row| {
                let key = text(row, 1, OPERATION)?.to_owned();
                Ok(Entry { id: id(row, OPERATION)?, key, is_open: false })
            })
            .collect()
    }

    async fn done(&self, entries: &[EntryId]) -> Result<()> {
        const OPERATION: &str = "journal.done";
        let ids = texts(entries);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let arguments = [Argument::Bound(Some(self.table)), Argument::Texts(&ids)];
        statement::write(&self.database, DONE, &arguments, OPERATION).await.map(drop).map_err(error_of)
    }

    async fn holds(&self, key: &String) -> Result<bool> {
        const OPERATION: &str = "journal.holds";
        let arguments = [Argument::Bound(Some(self.table)), Argument::Bound(Some(key))];
        let rows = statement::read(&self.database, HOLDS, &arguments, OPERATION).await.map_err(error_of)?;
        flag(&rows, OPERATION)
    }

    async fn backlog(&self) -> Result<Backlog> {
        const OPERATION: &str = "journal.backlog";
        let arguments = [Argument::Bound(Some(self.table))];
        let rows = statement::read(&self.database, BACKLOG, &arguments, OPERATION).await.map_err(error_of)?;
        backlog(&rows, OPERATION)
    }
}
