//! Answering questions.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Row as _, SqlSafeStr as _, SqlStr, ValueRef as _};
use waiterix_domain::{Row, Table};
use waiterix_ports::{Answer, Error, ErrorKind, Query, Result, Retry};

use crate::bind::{self, Sought};
use crate::connect::Database;
use crate::decode::{self, Unreadable};
use crate::fault::{self, Failure};
use crate::layout::Layout;
use crate::queries::{self, Plan, Shape};
use crate::session::{Mode, Session};

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// There was no connection, or what was read cannot be understood.
    Failed(Error),
    /// The statement failed.
    Statement(Failure),
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Unanswered {
    /// The error of the port.
    pub(crate) fn into_error(self, operation: &'static str) -> Error {
        match self {
            Self::Failed(error) => error,
            Self::Statement(failure) => fault::of_question(&failure, operation),
        }
    }
}

/// What is stored cannot be understood; the fault names columns and never their content.
fn corrupt(fault: &Unreadable, operation: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, operation).with("fault", fault)
}

/// Arguments could not be encoded: they are longer than the protocol allows.
pub(crate) fn too_long(operation: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).retry(Retry::No).with("fault", "longer than a statement may be")
}

pub(crate) fn arguments(values: &[Sought<'_>], operation: &'static str) -> Result<PgArguments> {
    bind::sought(values).map_err(|_| too_long(operation))
}

/// The bytes of a column, `None` for null.
pub(crate) fn bytes(row: &PgRow, column: usize) -> Result<Option<&[u8]>, Unreadable> {
    let value = row.try_get_raw(column).map_err(|_| Unreadable::CutOff)?;
    if value.is_null() { Ok(None) } else { value.as_bytes().map(Some).map_err(|_| Unreadable::CutOff) }
}

/// Answers a question in one statement, which sees one moment.
pub(crate) async fn answer(database: &Database, layout: Layout, query: &Query) -> Result<Answer, Unanswered> {
    const OPERATION: &str = "store.read";
    let items: Vec<&str> = match query {
        Query::OrderFacts { items, .. } => items.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    };
    let Plan { sql, arguments, shape } = queries::of(layout, query, &items);
    let arguments = self::arguments(&arguments, OPERATION)?;
    let sql = sql.into_sql_str();
    match shape {
        Shape::Each(table) => {
            let mut rows = Vec::new();
            each(database, sql, arguments, OPERATION, |bytes| {
                decode::row(bytes, table).map(|row| rows.push(row))
            })
            .await?;
            Ok(Answer::Rows(rows))
        }
        Shape::EachLabelled(table) => {
            let mut rows = Vec::new();
            each(database, sql, arguments, OPERATION, |bytes| {
                decode::row_labelled(bytes, table).map(|row| rows.push(row))
            })
            .await?;
            Ok(Answer::Labelled(rows))
        }
        Shape::Parts(_) | Shape::Labelled(_) | Shape::Counts => {
            let row = one(database, sql, arguments, OPERATION).await?;
            whole(&row, shape).map_err(|fault| corrupt(&fault, OPERATION).into())
        }
    }
}

/// Reads an answer that came as one row.
fn whole(row: &PgRow, shape: Shape) -> Result<Answer, Unreadable> {
    let first = bytes(row, 0)?.unwrap_or_default();
    Ok(match shape {
        Shape::Labelled(table) => Answer::Labelled(decode::labelled(first, table)?),
        Shape::Counts => Answer::Counts(decode::counts(first)?),
        Shape::Parts(parts) => Answer::Rows(gather(row, parts)?),
        Shape::Each(table) | Shape::EachLabelled(table) => Answer::Rows(gather(row, &[&[table]])?),
    })
}

fn gather(row: &PgRow, parts: &[&[Table]]) -> Result<Vec<Row>, Unreadable> {
    let mut rows = Vec::new();
    for (column, tables) in parts.iter().enumerate() {
        match bytes(row, column)? {
            Some(records) => decode::rows(records, tables, &mut rows)?,
            // Without the row that was asked for there is nothing to say about it.
            None if column == 0 => break,
            None => {}
        }
    }
    Ok(rows)
}

/// Runs a statement that answers with one row. The connection is free again when the row is read.
pub(crate) async fn one(
    database: &Database,
    sql: SqlStr,
    arguments: PgArguments,
    operation: &'static str,
) -> Result<PgRow, Unanswered> {
    let mut session = begin(database, operation).await?;
    let found = session.one(sql, arguments).await;
    end(session, found).await
}

/// Hands the first column of every row of a statement to `take`.
pub(crate) async fn each(
    database: &Database,
    sql: SqlStr,
    arguments: PgArguments,
    operation: &'static str,
    mut take: impl FnMut(&[u8]) -> Result<(), Unreadable> + Send,
) -> Result<(), Unanswered> {
    let mut session = begin(database, operation).await?;
    let mut unreadable = None;
    let found = session
        .each(sql, arguments, |row| {
            let taken = bytes(row, 0).and_then(|record| take(record.unwrap_or_default()));
            unreadable = taken.err();
            unreadable.is_none()
        })
        .await;
    end(session, found).await?;
    match unreadable {
        Some(fault) => Err(corrupt(&fault, operation).into()),
        None => Ok(()),
    }
}

async fn begin(database: &Database, operation: &'static str) -> Result<Session, Unanswered> {
    let mut session = Session::borrow(database, operation).await?;
    if session.needs_transaction()
        && let Err(failure) = session.begin(Mode::Read).await
    {
        session.recover(&failure);
        return Err(Unanswered::Statement(failure));
    }
    Ok(session)
}

async fn end<T>(mut session: Session, found: Result<T, Failure>) -> Result<T, Unanswered> {
    let transaction = session.needs_transaction();
    match &found {
        Ok(_) if !transaction => session.release(),
        // The answer is there; whether the transaction ends well matters only to the connection.
        Ok(_) => match session.commit().await {
            Ok(()) => session.release(),
            Err(failure) => session.discard(&failure),
        },
        Err(failure) if !transaction => session.recover(failure),
        Err(failure) => session.abandon(failure).await,
    }
    found.map_err(Unanswered::Statement)
}
