//! A change set, one change at a time: the way that knows what it was that did not hold.

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use waiterix_domain::{Table, UniqueRule};
use waiterix_ports::{Error, ErrorKind, Result, Retry, Violation};

use super::bound::{self, Bound};
use super::fault;
use super::program::{self, OPERATION, Program, RECORD, Step, texts};
use super::writer::Trouble;

/// Performs a set under the savepoint that is open.
pub(super) async fn perform(program: &Program, connection: &mut SqliteConnection) -> Result<(), Trouble> {
    if let Some(record) = &program.record
        && execute(connection, RECORD, bound::arguments(record), None).await? == 0
    {
        return Ok(());
    }
    for (place, step) in &program.steps {
        match step {
            Step::Insert { table, rows } => {
                for (row, place) in rows.iter().zip(*place..) {
                    insert(connection, *table, row, place).await?;
                }
            }
            step => perform_one(connection, step, *place).await?,
        }
    }
    Ok(())
}

async fn perform_one(connection: &mut SqliteConnection, step: &Step, place: usize) -> Result<(), Trouble> {
    let holds = match step {
        Step::Update { table, set, before, after } => {
            let arguments = program::update_arguments(set, before, after);
            let sql = AssertSqlSafe(program::update(*table, set));
            execute(connection, sql, arguments, Some(place)).await? == 1
        }
        Step::Delete { table, id } => {
            let sql = texts(*table).delete.as_str();
            execute(connection, sql, bound::arguments([id]), Some(place)).await?;
            true
        }
        Step::Add { counter, id, by } => {
            let sql = AssertSqlSafe(program::add(*counter));
            let added = execute(connection, sql, bound::arguments([by, id, by]), Some(place)).await? == 1;
            if !added && finds(connection, &texts(counter.table()).present, [id]).await? {
                return Err(Trouble::Refused(
                    Error::new(ErrorKind::Invalid, OPERATION)
                        .with("change", place)
                        .with("fault", "the count would leave 32 bits"),
                ));
            }
            added
        }
        Step::Unchanged { table, row } => finds(connection, &texts(*table).same, row).await?,
        Step::Absent { table, id } => !finds(connection, &texts(*table).present, [id]).await?,
        Step::Present { table, id } => finds(connection, &texts(*table).present, [id]).await?,
        Step::Insert { .. } => true,
    };
    if holds { Ok(()) } else { Err(conflict(Violation::Requirement { place }, None)) }
}

async fn insert(
    connection: &mut SqliteConnection,
    table: Table,
    row: &[Bound],
    place: usize,
) -> Result<(), Trouble> {
    let sql = AssertSqlSafe(program::insert(table, 1));
    let inserted = execute(connection, sql, bound::arguments(row), Some(place)).await? == 1;
    // The very same row counts as done.
    if inserted || finds(connection, &texts(table).same, row).await? {
        return Ok(());
    }
    Err(conflict(Violation::Unique(UniqueRule::PrimaryKey(table)), Some(place)))
}

fn conflict(violation: Violation, place: Option<usize>) -> Trouble {
    let mut error = Error::new(ErrorKind::Conflict, OPERATION).violating(violation);
    if let Some(place) = place {
        error = error.with("change", place);
    }
    Trouble::Refused(error)
}

/// How many rows a statement changed.
async fn execute(
    connection: &mut SqliteConnection,
    sql: impl SqlSafeStr,
    arguments: SqliteArguments,
    place: Option<usize>,
) -> Result<u64, Trouble> {
    match sqlx::query_with(sql, arguments).execute(connection).await {
        Ok(result) => Ok(result.rows_affected()),
        Err(error) => Err(match fault::violation(&error) {
            Some(violation) => conflict(violation, place),
            None if fault::is_about_content(&error) => {
                Trouble::Refused(fault::of(&error, OPERATION, Retry::No))
            }
            None => Trouble::Broken(error),
        }),
    }
}

async fn finds<'a>(
    connection: &mut SqliteConnection,
    sql: &'static str,
    arguments: impl IntoIterator<Item = &'a Bound>,
) -> Result<bool, Trouble> {
    let arguments = bound::arguments(arguments);
    Ok(sqlx::query_with(sql, arguments).fetch_optional(connection).await?.is_some())
}
