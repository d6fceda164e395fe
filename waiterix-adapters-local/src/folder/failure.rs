//! What failures of the file system and of the index mean to callers.

use std::io;

use waiterix_ports::{Error, ErrorKind, Retry};

/// A failure of the file system. Its text names no path and no key.
pub(crate) fn io_failure(operation: &'static str, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::InvalidData => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    };
    let retry = if kind == ErrorKind::Unavailable { Retry::Safe } else { Retry::No };
    Error::new(kind, operation).retry(retry).because(PlainIo(error.kind()))
}

/// The kind of an I/O error without its text, which may contain a path.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct PlainIo(io::ErrorKind);

/// A failure of the index while reading, or before anything was written.
pub(super) fn index_failure(operation: &'static str, error: sqlx::Error) -> Error {
    // The primary result code is in the low byte: https://www.sqlite.org/rescode.html
    let code = match &error {
        sqlx::Error::Database(database) => {
            database.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xFF)
        }
        _ => None,
    };
    let (kind, retry) = match (&error, code) {
        (_, Some(3 | 8 | 23)) => (ErrorKind::Denied, Retry::No),
        (_, Some(11 | 26)) | (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_), _) => {
            (ErrorKind::Corrupt, Retry::No)
        }
        _ => (ErrorKind::Unavailable, Retry::Safe),
    };
    Error::new(kind, operation).retry(retry).because(error)
}

/// A failure of the index at a commit: whether it took place is unknown.
pub(super) fn commit_failure(operation: &'static str, error: sqlx::Error) -> Error {
    let error = index_failure(operation, error);
    if error.kind() == ErrorKind::Unavailable { error.retry(Retry::Ambiguous) } else { error }
}
