//! The ordered index of all objects: an SQLite file that says, for every key, which file holds its bytes and what
//! else is known about it. What it says is true; files it does not name do not exist for readers.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::{BlobMeta, Error, ErrorKind, PutMode, Result, Visibility};

use super::failure::{commit_failure, index_failure};

const SCHEMA_VERSION: i64 = 1;
/// How long to wait for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS object (
    key BLOB PRIMARY KEY NOT NULL,
    body TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    cache_control TEXT,
    etag TEXT NOT NULL,
    modified_at_s INTEGER NOT NULL,
    owner TEXT,
    is_public INTEGER NOT NULL
) STRICT, WITHOUT ROWID";

const UPSERT: &str = "INSERT INTO object
    (key, body, size, content_type, cache_control, etag, modified_at_s, owner, is_public)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (key) DO UPDATE SET body = excluded.body, size = excluded.size,
    content_type = excluded.content_type, cache_control = excluded.cache_control, etag = excluded.etag,
    modified_at_s = excluded.modified_at_s, owner = excluded.owner, is_public = excluded.is_public";

/// An object as the index knows it.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// The file that holds the bytes, relative to the folder of bodies.
    pub(super) body: String,
    pub(super) meta: BlobMeta,
}

/// Two pools on one file: a single writer, so that writes of this process queue up fairly instead of polling for the
/// lock of the file, and a few readers that never wait for it.
#[derive(Debug)]
pub(super) struct Index {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// Connects for writing. Of several that make a new file a write-ahead log at once, SQLite turns the others away without
/// waiting for the busy time-out, so they come again.
async fn connect_writer(options: &SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    let deadline = tokio::time::Instant::now() + BUSY_TIMEOUT;
    loop {
        match SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await {
            Err(error) if is_busy(&error) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return connected,
        }
    }
}

/// Whether another connection held the file (`SQLITE_BUSY` and its kinds).
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

impl Index {
    /// Opens or makes the index.
    pub(super) async fn open(file: &Path) -> Result<Self> {
        const OPERATION: &str = "folder.open";
        let failure = |error| index_failure(OPERATION, error);
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = connect_writer(&options).await.map_err(failure)?;
        let mut tx = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        let version: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *tx).await.map_err(failure)?;
        if version > SCHEMA_VERSION {
            return Err(Error::new(ErrorKind::Unsupported, OPERATION).with("index_version", version));
        }
        sqlx::query(CREATE_TABLE).execute(&mut *tx).await.map_err(failure)?;
        sqlx::query("CREATE INDEX IF NOT EXISTS object_body ON object (body)")
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        sqlx::query("PRAGMA user_version = 1").execute(&mut *tx).await.map_err(failure)?;
        tx.commit().await.map_err(failure)?;
        let readers =
            SqlitePoolOptions::new().max_connections(4).connect_with(options).await.map_err(failure)?;
        Ok(Self { writer, readers })
    }

    pub(super) async fn record(&self, operation: &'static str, key: &str) -> Result<Option<Record>> {
        let row = sqlx::query("SELECT * FROM object WHERE key = ?1")
            .bind(key.as_bytes())
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| index_failure(operation, error))?;
        row.map(|row| read(&row)).transpose().map_err(|error| index_failure(operation, error))
    }

    /// Records an object; answers the file that nothing names any more. `Conflict` when the mode forbids it.
    pub(super) async fn put(&self, key: &str, record: &Record, mode: &PutMode) -> Result<Option<String>> {
        const OPERATION: &str = "folder.put";
        let failure = |error| index_failure(OPERATION, error);
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        let old = find(&mut tx, key).await.map_err(failure)?;
        if !is_allowed(mode, old.as_ref()) {
            return Err(Error::new(ErrorKind::Conflict, OPERATION));
        }
        upsert(&mut tx, key, record).await.map_err(failure)?;
        let freed = freed(&mut tx, old).await.map_err(failure)?;
        tx.commit().await.map_err(|error| commit_failure(OPERATION, error))?;
        Ok(freed)
    }

    /// Forgets an object; answers the file that nothing names any more.
    pub(super) async fn delete(&self, key: &str) -> Result<Option<String>> {
        const OPERATION: &str = "folder.delete";
        let failure = |error| index_failure(OPERATION, error);
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        let old = find(&mut tx, key).await.map_err(failure)?;
        sqlx::query("DELETE FROM object WHERE key = ?1")
            .bind(key.as_bytes())
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        let freed = freed(&mut tx, old).await.map_err(failure)?;
        tx.commit().await.map_err(|error| commit_failure(OPERATION, error))?;
        Ok(freed)
    }

    /// Gives another key the same object: bodies never change, so two keys may share one.
    pub(super) async fn copy(&self, from: &str, to: &str, now: Timestamp) -> Result<Option<String>> {
        const OPERATION: &str = "folder.copy";
        let failure = |error| index_failure(OPERATION, error);
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        let Some(mut record) = find(&mut tx, from).await.map_err(failure)? else {
            return Err(Error::new(ErrorKind::NotFound, OPERATION));
        };
        if from == to {
            return Ok(None);
        }
        record.meta.modified_at = now;
        let old = find(&mut tx, to).await.map_err(failure)?;
        upsert(&mut tx, to, &record).await.map_err(failure)?;
        let freed = freed(&mut tx, old).await.map_err(failure)?;
        tx.commit().await.map_err(|error| commit_failure(OPERATION, error))?;
        Ok(freed)
    }

    pub(super) async fn set_access(
        &self,
        key: &str,
        owner: Option<&UserId>,
        visibility: Visibility,
    ) -> Result<()> {
        const OPERATION: &str = "folder.set_access";
        let done = sqlx::query("UPDATE object SET owner = ?2, is_public = ?3 WHERE key = ?1")
            .bind(key.as_bytes())
            .bind(owner.map(UserId::as_str))
            .bind(visibility == Visibility::Public)
            .execute(&self.writer)
            .await
            .map_err(|error| commit_failure(OPERATION, error))?;
        if done.rows_affected() == 0 { Err(Error::new(ErrorKind::NotFound, OPERATION)) } else { Ok(()) }
    }

    /// The keys with a prefix, from one on, in bytewise order, with their sizes.
    pub(super) async fn keys(&self, prefix: &str, from: &str, limit: u32) -> Result<Vec<(String, u64)>> {
        const OPERATION: &str = "folder.list";
        let failure = |error| index_failure(OPERATION, error);
        let first = prefix.as_bytes().max(from.as_bytes());
        // No byte of UTF-8 is above F4, so adding one to the last byte of the prefix never carries; and every key
        // with any prefix is below a lone FF.
        let mut end = prefix.as_bytes().to_vec();
        match end.last_mut() {
            Some(last) => *last += 1,
            None => end.push(0xFF),
        }
        let rows =
            sqlx::query("SELECT key, size FROM object WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3")
                .bind(first)
                .bind(end)
                .bind(i64::from(limit))
                .fetch_all(&self.readers)
                .await
                .map_err(failure)?;
        rows.iter()
            .map(|row| Ok((text(row.try_get("key")?)?, unsigned(row.try_get("size")?)?)))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failure)
    }

    /// Every file that is named.
    pub(super) async fn bodies(&self) -> Result<HashSet<String>> {
        sqlx::query_scalar("SELECT body FROM object")
            .fetch(&self.readers)
            .try_collect()
            .await
            .map_err(|error| index_failure("folder.open", error))
    }

    /// Whether a file is named.
    pub(super) async fn names(&self, body: &str) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM object WHERE body = ?1)")
            .bind(body)
            .fetch_one(&self.readers)
            .await
            .map_err(|error| index_failure("folder.open", error))
    }

    #[cfg(test)]
    pub(super) const fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    pub(super) async fn check(&self) -> Result<()> {
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM (SELECT 1 FROM object LIMIT 1)")
            .fetch_one(&self.readers)
            .await
            .map(|_| ())
            .map_err(|error| index_failure("folder.check", error))
    }
}

fn is_allowed(mode: &PutMode, old: Option<&Record>) -> bool {
    match mode {
        PutMode::Overwrite => true,
        PutMode::Create => old.is_none(),
        PutMode::IfMatch(etag) => old.is_some_and(|old| old.meta.etag == *etag),
    }
}

async fn find(tx: &mut SqliteConnection, key: &str) -> Result<Option<Record>, sqlx::Error> {
    let row =
        sqlx::query("SELECT * FROM object WHERE key = ?1").bind(key.as_bytes()).fetch_optional(tx).await?;
    row.map(|row| read(&row)).transpose()
}

async fn upsert(tx: &mut SqliteConnection, key: &str, record: &Record) -> Result<(), sqlx::Error> {
    let meta = &record.meta;
    sqlx::query(UPSERT)
        .bind(key.as_bytes())
        .bind(&record.body)
        .bind(i64::try_from(meta.size).map_err(|error| sqlx::Error::Encode(error.into()))?)
        .bind(&meta.content_type)
        .bind(&meta.cache_control)
        .bind(&meta.etag)
        .bind(meta.modified_at.as_seconds())
        .bind(meta.owner.as_ref().map(UserId::as_str))
        .bind(meta.visibility == Visibility::Public)
        .execute(tx)
        .await?;
    Ok(())
}

/// The file of a record that was replaced or deleted, unless another key shares it.
async fn freed(tx: &mut SqliteConnection, old: Option<Record>) -> Result<Option<String>, sqlx::Error> {
    let Some(old) = old else { return Ok(None) };
    let is_shared: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM object WHERE body = ?1)")
        .bind(&old.body)
        .fetch_one(tx)
        .await?;
    Ok((!is_shared).then_some(old.body))
}

fn read(row: &SqliteRow) -> Result<Record, sqlx::Error> {
    let modified_at_s: i64 = row.try_get("modified_at_s")?;
    let is_public: bool = row.try_get("is_public")?;
    Ok(Record {
        body: row.try_get("body")?,
        meta: BlobMeta {
            size: unsigned(row.try_get("size")?)?,
            content_type: row.try_get("content_type")?,
            cache_control: row.try_get("cache_control")?,
            etag: row.try_get("etag")?,
            modified_at: Timestamp::EPOCH.plus_seconds(modified_at_s),
            owner: row.try_get::<Option<String>, _>("owner")?.map(UserId::new),
            visibility: if is_public { Visibility::Public } else { Visibility::Private },
        },
    })
}

fn text(bytes: Vec<u8>) -> Result<String, sqlx::Error> {
    String::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn unsigned(number: i64) -> Result<u64, sqlx::Error> {
    u64::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))
}
