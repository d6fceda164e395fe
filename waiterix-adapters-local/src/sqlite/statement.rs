//! Work that is a fixed text of statements.

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Either, Executor};
use waiterix_ports::{Result, Retry};

use super::bound::{self, Bound};
use super::fault;
use super::writer::{Trouble, Work};

/// Statements that are performed together. Every parameter is a plain `?`.
#[derive(Debug)]
pub(super) struct Statements {
    operation: &'static str,
    sql: &'static str,
    arguments: SqliteArguments,
}

/// What one statement did.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The rows it answered with.
    pub(super) rows: Vec<SqliteRow>,
    /// How many rows it changed; only meaningful for statements that change.
    pub(super) changed: u64,
}

impl Statements {
    /// Statements whose text begins with [`NEXT`](super::writer::NEXT), with their arguments in order.
    pub(super) fn new(operation: &'static str, sql: &'static str, arguments: &[Bound]) -> Self {
        Self { operation, sql, arguments: bound::arguments(arguments) }
    }
}

impl Work for Statements {
    /// What each statement did, without the two that mark the beginning.
    type Answer = Vec<Done>;

    fn operation(&self) -> &'static str {
        self.operation
    }

    async fn perform(&mut self, connection: &mut SqliteConnection) -> Result<Vec<Done>, Trouble> {
        let arguments = std::mem::take(&mut self.arguments);
        let mut all = Vec::new();
        let mut current = Done::default();
        let outcome = async {
            let mut answers = connection.fetch_many(sqlx::query_with(self.sql, arguments));
            while let Some(answer) = answers.try_next().await? {
                match answer {
                    Either::Right(row) => current.rows.push(row),
                    Either::Left(result) => {
                        current.changed = result.rows_affected();
                        all.push(std::mem::take(&mut current));
                    }
                }
            }
            Ok(())
        };
        match outcome.await {
            Ok(()) => Ok(all.split_off(2.min(all.len()))),
            Err(error) if fault::is_about_content(&error) => {
                Err(Trouble::Refused(fault::of(&error, self.operation, Retry::No)))
            }
            Err(error) => Err(Trouble::Broken(error)),
        }
    }
}
