//! What failures of the connection mean to a caller.

use std::time::Duration;

use sqlx::Error as SqlxError;
use waiterix_ports::{Error, ErrorKind, Retry};

/// After which time a server that is starting, failing over or full is worth another try.
const LATER: Retry = Retry::After(Duration::from_millis(250));

/// A failure while connecting, or of a statement that changes no row. Whatever failed had no effect that sending it
/// again would double.
pub(crate) fn of(error: &SqlxError, operation: &'static str) -> Error {
    match error {
        SqlxError::Database(refusal) => {
            let code = refusal.code().unwrap_or_default();
            let error = refused(&code, operation).with("sqlstate", &code);
            if is_about_values(&code) { error } else { error.with("fault", refusal.message()) }
        }
        SqlxError::Io(cause) => io(cause, operation),
        SqlxError::Tls(cause) => Error::new(ErrorKind::Denied, operation).with("fault", cause),
        SqlxError::Configuration(cause) => Error::new(ErrorKind::Invalid, operation).with("fault", cause),
        SqlxError::Decode(_) | SqlxError::ColumnDecode { .. } => {
            Error::new(ErrorKind::Corrupt, operation).with("fault", "an answer cannot be understood")
        }
        other => Error::new(ErrorKind::Unavailable, operation).retry(Retry::Safe).with("fault", other),
    }
}

fn io(cause: &std::io::Error, operation: &'static str) -> Error {
    match cause.kind() {
        // So TLS reports a certificate it does not accept.
        std::io::ErrorKind::InvalidData => Error::new(ErrorKind::Denied, operation).with("fault", cause),
        // Sockets know nothing of files, so this is about the file of authorities.
        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Invalid, operation)
                .with("fault", format_args!("the file of certificate authorities cannot be read: {cause}"))
        }
        _ => Error::new(ErrorKind::Unavailable, operation).retry(LATER).with("fault", cause),
    }
}

fn refused(code: &str, operation: &'static str) -> Error {
    let said = |kind, retry| Error::new(kind, operation).retry(retry);
    match code {
        // A pooler refuses settings of the session like this.
        "08P01" => said(ErrorKind::Invalid, Retry::No)
            .with("hint", "is a pooler in between? then set DB_POOLED=true, or use the server's own address"),
        // A database that became a standby: the new primary answers at the same name in a moment.
        "25006" => said(ErrorKind::Unavailable, LATER),
        "57014" => said(ErrorKind::Timeout, Retry::Safe),
        "55P03" | "40001" | "40P01" => said(ErrorKind::Conflict, LATER),
        "42501" => said(ErrorKind::Denied, Retry::No),
        _ => match code.get(..2) {
            Some("28") => said(ErrorKind::Denied, Retry::No),
            Some("3D") => said(ErrorKind::NotFound, Retry::No),
            Some("08" | "53" | "57" | "58") => said(ErrorKind::Unavailable, LATER),
            Some("22" | "23") => said(ErrorKind::Conflict, Retry::No),
            Some("0A" | "42") => said(ErrorKind::Unsupported, Retry::No),
            _ => said(ErrorKind::Unavailable, Retry::Safe),
        },
    }
}

/// Messages of these classes may repeat what was to be written.
fn is_about_values(code: &str) -> bool {
    code.starts_with("22") || code.starts_with("23")
}

/// Whether a failure is one of the network or the server rather than of the statement, so that the connection must not
/// be used again and others may have met the same fate. Includes a server that has become a standby: it answers reads
/// for a while and refuses every write.
pub(crate) fn is_of_the_connection(error: &SqlxError) -> bool {
    match error {
        SqlxError::Io(_) | SqlxError::Tls(_) | SqlxError::Protocol(_) | SqlxError::WorkerCrashed => true,
        SqlxError::Database(refusal) => refusal.code().is_some_and(|code| {
            code == "25006" || code.starts_with("08") || (code.starts_with("57P") && code != "57P04")
        }),
        _ => false,
    }
}

/// A connection was asked for after the end.
pub(super) fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation).with("fault", "the store was closed")
}

/// No connection became free in time. Nothing was sent.
pub(super) fn exhausted(operation: &'static str, pool_max: u32) -> Error {
    Error::new(ErrorKind::Unavailable, operation)
        .retry(LATER)
        .with("fault", "no connection became free in time")
        .with("pool_max", pool_max)
}

/// Whether a server that could not be reached may be waking up. Neon says by one and the same code that an endpoint is
/// suspended, being started and disabled, so only time can tell.
pub(super) fn may_pass(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Throttled | ErrorKind::Conflict)
}

/// The server did not answer in time. Nothing but the greeting was sent.
pub(super) fn slow(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation).retry(LATER).with("fault", "no connection was made in time")
}
