//! Opening database files.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use super::fault;

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages a reading connection keeps, in KiB. Every connection has its own cache, so this bounds the memory.
const READER_CACHE_KIB: u32 = 2048;
/// Pages the writing connection keeps, in KiB.
const WRITER_CACHE_KIB: u32 = 4096;
/// After how many pages of 4 KiB the log is copied into the database. Pages that changed often are copied once.
const LOG_PAGES: u32 = 4096;
/// To how many bytes the log file is cut back after that.
const LOG_LIMIT_BYTES: u32 = 32 * 1024 * 1024;

fn options(path: &Path, thread: &'static str, cache_kib: u32) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("cache_size", format!("-{cache_kib}"))
        .pragma("temp_store", "MEMORY")
        .thread_name(move |_| thread.to_owned())
        .disable_statement_logging()
}

/// Connects for writing; the file is made when it is not there.
///
/// With a write-ahead log and full synchronisation a commit that was answered survives the end of the process and the
/// loss of power. One commit carries many change sets, which is what makes that affordable.
pub(super) async fn writer(path: &Path) -> sqlx::Result<SqliteConnection> {
    options(path, "sqlite-writer", WRITER_CACHE_KIB)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", LOG_PAGES.to_string())
        .pragma("journal_size_limit", LOG_LIMIT_BYTES.to_string())
        .statement_cache_capacity(64)
        .connect()
        .await
}

/// Connects for reading; nothing can be changed through the connection.
pub(super) async fn reader(path: &Path) -> sqlx::Result<SqliteConnection> {
    options(path, "sqlite-reader", READER_CACHE_KIB)
        .read_only(true)
        .pragma("query_only", "ON")
        .statement_cache_capacity(64)
        .connect()
        .await
}

/// Makes the file, and the folders above it, unless they are there, readable by its owner alone. SQLite gives the
/// same permissions to the log beside it.
pub(super) async fn make_private(path: &Path, operation: &'static str) -> Result<()> {
    let failed = |error: std::io::Error| {
        let kind = match error.kind() {
            std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, operation).with("path", path.display()).because(error)
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        tokio::fs::create_dir_all(folder).await.map_err(failed)?;
    }
    let mut options = tokio::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    options.mode(0o600);
    let file = options.open(path).await.map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let permissions = file.metadata().await.map_err(failed)?.permissions();
        if permissions.mode() & 0o077 != 0 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600)).await.map_err(failed)?;
        }
    }
    drop(file);
    Ok(())
}

/// A few reading connections, handed out one caller at a time.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    permits: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A reading connection on loan; it goes back when dropped, unless it was discarded.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    connection: Option<SqliteConnection>,
    readers: &'a Readers,
    _permit: SemaphorePermit<'a>,
}

impl Readers {
    /// Readers of a file that has its tables already.
    pub(super) async fn open(path: &Path) -> sqlx::Result<Self> {
        let first = reader(path).await?;
        let count = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
        let idle = Mutex::new(vec![first]);
        Ok(Self { path: path.to_owned(), permits: Semaphore::new(count), idle })
    }

    /// Borrows a connection, waiting until one is free.
    pub(super) async fn borrow(&self, operation: &'static str) -> Result<Reader<'_>> {
        let permit = self.permits.acquire().await.map_err(|_| fault::closed(operation))?;
        // The one used last has the warmest cache.
        let idle = self.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => reader(&self.path).await.map_err(|error| fault::of(&error, operation, Retry::Safe))?,
        };
        Ok(Reader { connection: Some(connection), readers: self, _permit: permit })
    }

    /// Closes what is idle and refuses new loans; those on loan close when they come back.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.lock());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a reading connection did not close properly");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader<'_> {
    /// The connection; an error if it was discarded before.
    pub(super) fn connection(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        self.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    /// Turns a failure into an error of the port, and lets go of a connection that may be broken.
    pub(super) fn failed(&mut self, error: &sqlx::Error, operation: &'static str) -> Error {
        self.connection = None;
        fault::of(error, operation, Retry::Safe)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.readers.permits.is_closed()
        {
            self.readers.lock().push(connection);
        }
    }
}
