//! Answering questions.

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Executor, Row as _, SqlSafeStr};
use waiterix_domain::{Row, Table};
use waiterix_ports::{Answer, Error, ErrorKind, Query, Result};

use super::bound;
use super::connect::Readers;
use super::decode;
use super::queries::{self, Plan, Shape};

/// What is stored cannot be understood; the fault names kinds and never content.
fn corrupt(error: &serde_json::Error, operation: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, operation).with("fault", error)
}

fn text(row: &SqliteRow, column: usize) -> sqlx::Result<Option<&str>> {
    row.try_get_unchecked(column)
}

/// Answers a question in one statement, which sees one moment.
pub(super) async fn answer(readers: &Readers, query: &Query) -> Result<Answer> {
    const OPERATION: &str = "store.read";
    let Plan { sql, arguments, shape } = queries::of(query);
    let arguments = bound::arguments(&arguments);
    match shape {
        Shape::Each(table) => {
            let mut rows = Vec::new();
            each(readers, sql, arguments, OPERATION, |json| {
                decode::row(json, table, false).map(|(row, _)| rows.push(row))
            })
            .await?;
            Ok(Answer::Rows(rows))
        }
        Shape::EachLabelled(table) => {
            let mut rows = Vec::new();
            each(readers, sql, arguments, OPERATION, |json| {
                decode::row(json, table, true).map(|row| rows.push(row))
            })
            .await?;
            Ok(Answer::Labelled(rows))
        }
        Shape::Parts(_) | Shape::Labelled(_) | Shape::Counts => {
            let mut reader = readers.borrow(OPERATION).await?;
            let found = match reader.connection() {
                Ok(connection) => connection.fetch_one(sqlx::query_with(sql, arguments)).await,
                Err(error) => Err(error),
            };
            let row = found.map_err(|error| reader.failed(&error, OPERATION))?;
            // The connection is free for others while the texts are read.
            drop(reader);
            whole(&row, shape, OPERATION)
        }
    }
}

/// Reads an answer that came as one row.
fn whole(row: &SqliteRow, shape: Shape, operation: &'static str) -> Result<Answer> {
    let first =
        text(row, 0).map_err(|error| super::fault::of(&error, operation, waiterix_ports::Retry::No))?;
    let bad = |error: serde_json::Error| corrupt(&error, operation);
    Ok(match shape {
        Shape::Labelled(table) => Answer::Labelled(
            first.map(|json| decode::labelled(json, table)).transpose().map_err(bad)?.unwrap_or_default(),
        ),
        Shape::Counts => {
            Answer::Counts(first.map(decode::counts).transpose().map_err(bad)?.unwrap_or_default())
        }
        Shape::Parts(parts) => Answer::Rows(gather(row, parts, operation)?),
        Shape::Each(table) | Shape::EachLabelled(table) => Answer::Rows(gather(row, &[&[table]], operation)?),
    })
}

fn gather(row: &SqliteRow, parts: &[&[Table]], operation: &'static str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (column, tables) in parts.iter().enumerate() {
        let json = text(row, column)
            .map_err(|error| super::fault::of(&error, operation, waiterix_ports::Retry::No))?;
        match json {
            Some(json) => {
                decode::rows(json, tables, &mut rows).map_err(|error| corrupt(&error, operation))?;
            }
            // Without the row that was asked for there is nothing to say about it.
            None if column == 0 => break,
            None => {}
        }
    }
    Ok(rows)
}

/// Hands the text of every row of a statement to `take`.
pub(super) async fn each(
    readers: &Readers,
    sql: impl SqlSafeStr + Send,
    arguments: SqliteArguments,
    operation: &'static str,
    mut take: impl FnMut(&str) -> Result<(), serde_json::Error> + Send,
) -> Result<()> {
    let mut reader = readers.borrow(operation).await?;
    let outcome = async {
        let mut rows = reader.connection()?.fetch(sqlx::query_with(sql, arguments));
        while let Some(row) = rows.try_next().await? {
            let json = text(&row, 0)?.ok_or(sqlx::Error::RowNotFound)?;
            if let Err(error) = take(json) {
                return Ok(Err(corrupt(&error, operation)));
            }
        }
        Ok(Ok(()))
    }
    .await;
    outcome.unwrap_or_else(|error: sqlx::Error| Err(reader.failed(&error, operation)))
}

/// A statement whose text was made for this call.
pub(super) const fn made(sql: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql)
}

/// Proves that the file can be read.
pub(super) async fn check(readers: &Readers, operation: &'static str) -> Result<()> {
    let mut reader = readers.borrow(operation).await?;
    let found = match reader.connection() {
        Ok(connection) => sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(connection).await,
        Err(error) => Err(error),
    };
    found.map(drop).map_err(|error| reader.failed(&error, operation))
}
