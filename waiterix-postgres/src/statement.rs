//! Single statements for what else is kept in PostgreSQL beside the rows of the schema, such as sessions: borrowing a
//! connection, the ways of poolers, limits of time and the meaning of failures are the same as for rows.

use sqlx::postgres::PgRow;
use sqlx::{Row as _, SqlSafeStr as _};
use waiterix_domain::Timestamp;
use waiterix_ports::{Error, Result};

pub use crate::bind::Sought as Argument;
use crate::bind::{self, EPOCH_MICROS};
use crate::connect::Database;
use crate::fault::{self, Effect, Failure};
use crate::reading;
use crate::session::{Mode, Session};

/// Why a statement has no answer.
#[derive(Debug)]
pub struct Refusal {
    /// The error of the port.
    pub error: Error,
    /// What the server calls it, if it was the server that refused; five characters.
    pub sqlstate: Option<String>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, sqlstate: None }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

impl Refusal {
    fn of(failure: &Failure, operation: &'static str, effect: Effect) -> Self {
        Self { error: fault::of(failure, operation, effect), sqlstate: failure.code().map(str::to_owned) }
    }
}

/// Runs a statement that changes nothing and answers all its rows.
///
/// # Errors
/// Those of [`Database::acquire`]; `Timeout`, `Unavailable`, `Throttled`, `Denied`, `Unsupported` of the server. Sending it
/// again does no harm.
pub async fn read(
    database: &Database,
    sql: &'static str,
    arguments: &[Argument<'_>],
    operation: &'static str,
) -> Result<Vec<PgRow>, Refusal> {
    run(database, Mode::Read, sql, arguments, operation).await
}

/// Runs a statement that changes something, by itself or in a transaction of its own, and answers all its rows.
///
/// # Errors
/// As [`read`], and `Invalid` for values that the server does not take. The advice is `Ambiguous` where it may have been
/// done.
pub async fn write(
    database: &Database,
    sql: &'static str,
    arguments: &[Argument<'_>],
    operation: &'static str,
) -> Result<Vec<PgRow>, Refusal> {
    run(database, Mode::Write, sql, arguments, operation).await
}

async fn run(
    database: &Database,
    mode: Mode,
    sql: &'static str,
    arguments: &[Argument<'_>],
    operation: &'static str,
) -> Result<Vec<PgRow>, Refusal> {
    let arguments = bind::sought(arguments).map_err(|_| reading::too_long(operation))?;
    let mut session = Session::borrow(database, operation).await?;
    let in_transaction = session.needs_transaction();
    if in_transaction && let Err(failure) = session.begin(mode).await {
        session.recover(&failure);
        return Err(Refusal::of(&failure, operation, Effect::None));
    }
    // What stands alone lasts as soon as it is done; within a transaction nothing does before its end.
    let (of_statement, of_end) = match mode {
        Mode::Read => (Effect::None, Effect::None),
        Mode::Write if in_transaction => (Effect::None, Effect::Unknown),
        Mode::Write => (Effect::Unknown, Effect::Unknown),
    };
    let rows = match session.all(sql.into_sql_str(), arguments).await {
        Ok(rows) => rows,
        Err(failure) => {
            let refusal = Refusal::of(&failure, operation, of_statement);
            if in_transaction {
                session.abandon(&failure).await;
            } else {
                session.recover(&failure);
            }
            return Err(refusal);
        }
    };
    if in_transaction && let Err(failure) = session.commit().await {
        session.recover(&failure);
        // What was read was read, whether or not the transaction ended well.
        return if mode == Mode::Write { Err(Refusal::of(&failure, operation, of_end)) } else { Ok(rows) };
    }
    session.release();
    Ok(rows)
}

/// An instant in a column of type `timestamp`, taken as UTC. What lies outside of the years 1 to 9999, such as
/// `infinity`, is held within them.
///
/// # Errors
/// When the column is null or of another type.
pub fn instant(row: &PgRow, column: usize) -> sqlx::Result<Timestamp> {
    // In the binary form of the protocol a timestamp is a number of microseconds since 2000.
    let micros: i64 = row.try_get_unchecked(column)?;
    let bound = if micros < 0 { i64::MIN } else { i64::MAX };
    let at = micros.checked_add(EPOCH_MICROS).and_then(Timestamp::from_micros);
    Ok(at.unwrap_or_else(|| Timestamp::EPOCH.plus_millis(bound)))
}
