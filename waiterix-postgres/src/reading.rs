//! Answering questions.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Row as _, SqlSafeStr as _, SqlStr};
use waiterix_domain::{Row, Table};
use waiterix_ports::{Answer, Error, ErrorKind, Query, Result, Retry};

use crate::bind::{self, Sought};
use crate::connect::Database;
use crate::decode::{self, Unreadable};
use crate::fault::{self, Failure};
use crate::layout::Layout;
use crate::queries::{self, Plan, Shape};
use crate::session::{Mode, Session};

const OPERATION: &str = "store.read";

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

/// The bytes of a column that is not null.
pub(crate) fn bytes(row: &PgRow, column: usize) -> Result<&[u8], Unreadable> {
    let value = row.try_get_raw(column).map_err(|_| Unreadable::CutOff)?;
    value.as_bytes().map_err(|_| Unreadable::CutOff)
}

/// How often a question is asked on connections that prepared it before a column got another type. Idle ones are replaced at the first
/// failure; the others were at work then.
const STALE: u32 = 8;

/// Answers a question in one statement, which sees one moment.
pub(crate) async fn answer(database: &Database, layout: Layout, query: &Query) -> Result<Answer, Unanswered> {
    let mut stale = 0;
    loop {
        match ask(database, layout, query).await {
            Err(Unanswered::Statement(failure)) if failure.is_of_plan() && stale < STALE => stale += 1,
            done => return done,
        }
    }
}

async fn ask(database: &Database, layout: Layout, query: &Query) -> Result<Answer, Unanswered> {
    let items: Vec<&str> = match query {
        Query::OrderFacts { items, .. } => items.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    };
    let Plan { sql, arguments, shape } = queries::of(layout, query, &items);
    let arguments = self::arguments(&arguments, OPERATION)?;
    let sql = sql.into_sql_str();
    let mut rows = Vec::new();
    match shape {
        Shape::One(table) => {
            each(database, sql, arguments, OPERATION, |found| {
                rows.push(decode::columns(found, table)?);
                Ok(())
            })
            .await?;
        }
        Shape::Parts(tables) => return answer_parts(database, tables, sql, arguments).await,
        Shape::Pair(tables) => {
            each(database, sql, arguments, OPERATION, |found| {
                for (column, table) in tables.into_iter().enumerate() {
                    rows.push(decode::row(bytes(found, column)?, table)?);
                }
                Ok(())
            })
            .await?;
        }
        Shape::Labelled(table) => {
            let mut rows = Vec::new();
            each(database, sql, arguments, OPERATION, |found| {
                rows.push(decode::row_labelled(bytes(found, 0)?, table)?);
                Ok(())
            })
            .await?;
            return Ok(Answer::Labelled(rows));
        }
        Shape::Counts => {
            let mut counts = Vec::new();
            each(database, sql, arguments, OPERATION, |found| {
                counts.push(decode::count(bytes(found, 0)?)?);
                Ok(())
            })
            .await?;
            return Ok(Answer::Counts(counts));
        }
    }
    Ok(Answer::Rows(rows))
}

/// Answers with the rows of all parts in their order, or with nothing where the first part is empty.
async fn answer_parts(
    database: &Database,
    tables: &[Table],
    sql: SqlStr,
    arguments: PgArguments,
) -> Result<Answer, Unanswered> {
    let mut parts: Vec<(usize, Row)> = Vec::new();
    each(database, sql, arguments, OPERATION, |found| {
        let part = decode::part(bytes(found, 0)?)?;
        let table = tables.get(part).ok_or(Unreadable::CutOff)?;
        parts.push((part, decode::row(bytes(found, 1)?, *table)?));
        Ok(())
    })
    .await?;
    // The server performs the parts of a union as it likes, each in its own order.
    parts.sort_by_key(|(part, _)| *part);
    // Without the row that was asked for there is nothing to say about it.
    if parts.first().is_none_or(|(part, _)| *part > 0) {
        parts.clear();
    }
    Ok(Answer::Rows(parts.into_iter().map(|(_, row)| row).collect()))
}

/// Runs a statement that answers with one row. The connection is free again when the row is read.
pub(crate) async fn one(
    database: &Database,
    mode: Mode,
    sql: SqlStr,
    arguments: PgArguments,
    operation: &'static str,
) -> Result<PgRow, Unanswered> {
    let mut session = begin(database, mode, operation).await?;
    let found = session.one(sql, arguments).await;
    end(session, mode, found).await
}

/// Hands every row of a statement to `take`.
pub(crate) async fn each(
    database: &Database,
    sql: SqlStr,
    arguments: PgArguments,
    operation: &'static str,
    mut take: impl FnMut(&PgRow) -> Result<(), Unreadable> + Send,
) -> Result<(), Unanswered> {
    let mut session = begin(database, Mode::Read, operation).await?;
    let mut unreadable = None;
    let found = session
        .each(sql, arguments, |row| {
            unreadable = take(row).err();
            unreadable.is_none()
        })
        .await;
    end(session, Mode::Read, found).await?;
    match unreadable {
        Some(fault) => Err(corrupt(&fault, operation).into()),
        None => Ok(()),
    }
}

async fn begin(database: &Database, mode: Mode, operation: &'static str) -> Result<Session, Unanswered> {
    let mut session = Session::borrow(database, operation).await?;
    if session.needs_transaction()
        && let Err(failure) = session.begin(mode).await
    {
        session.recover(&failure);
        return Err(Unanswered::Statement(failure));
    }
    Ok(session)
}

async fn end<T>(mut session: Session, mode: Mode, found: Result<T, Failure>) -> Result<T, Unanswered> {
    let transaction = session.needs_transaction();
    match &found {
        Ok(_) if !transaction => session.release(),
        Ok(_) => match session.commit().await {
            Ok(()) => session.release(),
            Err(failure) => {
                session.recover(&failure);
                // What was read was read, whether or not the transaction ended well.
                if mode == Mode::Write {
                    return Err(Unanswered::Statement(failure));
                }
            }
        },
        Err(failure) if !transaction => session.recover(failure),
        Err(failure) => session.abandon(failure).await,
    }
    found.map_err(Unanswered::Statement)
}
