//! Rows in a SQLite file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use waiterix_domain::digest::Digest;
use waiterix_domain::{ChangeSet, Row, Table, Timestamp};
use waiterix_ports::{Answer, Clock, Error, ErrorKind, KeyRange, Query, Result, Retry, Store};

use super::bound::Bound;
use super::connect::{self, Readers};
use super::program::{self, Program};
use super::schema::{self, Layout};
use super::statement::Statements;
use super::writer::{Trouble, Work, Writer};
use super::{bound, decode, fault, queries, reading};

const MAX_PAGE: u32 = 10_000;

/// A [`Store`] in one SQLite file. Several of them, also in several processes of one machine, may share the file.
pub struct SqliteStore {
    readers: Readers,
    writer: Writer<Write>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("writer", &self.writer).finish_non_exhaustive()
    }
}

/// What the writing task of a store does.
enum Write {
    Commit(Program),
    Other(Statements),
}

impl Work for Write {
    /// How many rows the last statement of other work changed.
    type Answer = u64;

    fn operation(&self) -> &'static str {
        match self {
            Self::Commit(_) => program::OPERATION,
            Self::Other(statements) => statements.operation(),
        }
    }

    async fn perform(&mut self, connection: &mut SqliteConnection) -> Result<u64, Trouble> {
        match self {
            Self::Commit(program) => program.perform(connection).await.map(|()| 0),
            Self::Other(statements) => {
                statements.perform(connection).await.map(|done| done.last().map_or(0, |last| last.changed))
            }
        }
    }
}

/// Opens a file of a layout for reading and writing, makes it if it is not there and adds what it lacks.
pub(super) async fn open_file(
    path: &Path,
    layout: &Layout,
    operation: &'static str,
) -> Result<(SqliteConnection, Readers)> {
    let failed = |error: sqlx::Error| fault::of(&error, operation, Retry::Safe).with("path", path.display());
    // A file of something else, or of a newer version, is looked at without a chance to change it.
    if tokio::fs::metadata(path).await.is_ok_and(|file| file.len() > 0) {
        let mut connection = connect::reader(path).await.map_err(failed)?;
        schema::check(&mut connection, layout, operation)
            .await
            .map_err(|e| e.with("path", path.display()))?;
        connection.close().await.map_err(failed)?;
    }
    connect::make_private(path, operation).await?;
    let mut connection = connect::writer(path).await.map_err(failed)?;
    schema::upgrade(&mut connection, layout, operation).await.map_err(|e| e.with("path", path.display()))?;
    let readers = Readers::open(path).await.map_err(failed)?;
    Ok((connection, readers))
}

impl SqliteStore {
    /// Opens a file, which is made if it is not there, readable by its owner alone; an older one gets the tables,
    /// columns and indexes it lacks. The clock says when commits were recorded. Needs a running Tokio runtime, on which
    /// it starts its writing task.
    ///
    /// # Errors
    /// `Unsupported` for a file that belongs to something else or was made by a newer version, which stays as it is;
    /// `Denied` or `Unavailable` when it cannot be opened; `Corrupt` when it is no database.
    pub async fn open(path: impl AsRef<Path> + Send, clock: Arc<dyn Clock>) -> Result<Self> {
        let path = path.as_ref();
        let (connection, readers) = open_file(path, &schema::store(), "store.open").await?;
        Ok(Self { readers, writer: Writer::start(path, connection), clock })
    }

    /// Finishes what was handed over, copies the log into the database and lets go of the file. Everything afterwards
    /// is `Unavailable`. Without it nothing that was committed is lost either.
    pub async fn close(&self) {
        // The last connection tidies up the log, and only one that may write can do so.
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn read(&self, query: &Query) -> Result<Answer> {
        reading::answer(&self.readers, query).await
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        let program = Program::of(changes, self.clock.now())?;
        if changes.is_empty() {
            return Ok(());
        }
        self.writer.submit(Write::Commit(program)).await.map(drop)
    }

    async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        const OPERATION: &str = "store.scan";
        if limit == 0 || limit > MAX_PAGE {
            return Err(Error::new(ErrorKind::Invalid, OPERATION).with("limit", limit));
        }
        let (sql, arguments) = queries::page(table, range, Some(limit));
        let mut rows = Vec::new();
        reading::each(&self.readers, reading::made(sql), bound::arguments(&arguments), OPERATION, |json| {
            decode::row(json, table, false).map(|(row, _)| rows.push(row))
        })
        .await?;
        Ok(rows)
    }

    async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest> {
        let (sql, arguments) = queries::page(table, range, None);
        let mut digest = Digest::default();
        reading::each(
            &self.readers,
            reading::made(sql),
            bound::arguments(&arguments),
            "store.digest",
            |json| decode::row(json, table, false).map(|(row, _)| digest.add(&row)),
        )
        .await?;
        Ok(digest)
    }

    async fn forget_commits(&self, before: Timestamp, limit: u32) -> Result<u32> {
        let statements = Statements::new(
            "store.forget_commits",
            "RELEASE work; SAVEPOINT work; DELETE FROM waiterix_commits WHERE id IN \
             (SELECT id FROM waiterix_commits WHERE recorded_at < ? ORDER BY recorded_at LIMIT ?)",
            &[Bound::Int(before.as_micros()), Bound::Int(limit.into())],
        );
        let forgotten = self.writer.submit(Write::Other(statements)).await?;
        Ok(u32::try_from(forgotten).unwrap_or(limit))
    }

    async fn check(&self) -> Result<()> {
        reading::check(&self.readers, "store.check").await
    }
}
