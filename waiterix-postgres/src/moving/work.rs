//! A transaction on one side of a move.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, Encode, Postgres, Type};
use waiterix_ports::{Error, ErrorKind, Result};

use crate::connect::Database;
use crate::fault::{self, Effect, Failure};
use crate::reading::too_long;
use crate::session::{Mode, Session, made};

/// Why work did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A statement failed.
    Failed(Failure),
    /// A copy failed, and what else may come from the server is anybody's guess.
    Broken(Failure),
    /// Nothing failed, and yet it must not be done.
    Refused(Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// A transaction. Dropped, it is undone, and its connection is closed.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) session: Session,
    pub(super) operation: &'static str,
}

/// How long statements of a kind may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// As long as those of requests.
    Usual,
    /// This long.
    Of(Duration),
}

/// What reads or writes a whole range or table.
pub(super) const BULK: Limit = Limit::Of(Duration::from_secs(15 * 60));

/// Arguments of a statement, in their order.
#[derive(Default)]
pub(super) struct Bound(PgArguments);

impl Bound {
    /// One more.
    pub(super) fn and<'a, T>(mut self, value: T, operation: &'static str) -> Result<Self>
    where
        T: Encode<'a, Postgres> + Type<Postgres>,
    {
        self.0.add(value).map_err(|_| too_long(operation))?;
        Ok(self)
    }

    pub(super) fn done(self) -> PgArguments {
        self.0
    }
}

impl Work {
    /// Begins, with statements that belong to the beginning.
    pub(super) async fn begin(
        database: &Database,
        mode: Mode,
        limit: Limit,
        statements: &str,
        operation: &'static str,
    ) -> Result<Self> {
        let mut session = Session::borrow(database, operation).await?;
        let timeouts = match limit {
            Limit::Usual => String::new(),
            Limit::Of(limit) => {
                session.allow(limit);
                let ms = limit.as_millis();
                // To compile the thousand bounds of a comparison takes the server twenty times as long as to compare.
                format!(
                    "SET LOCAL statement_timeout = {ms}; SET LOCAL idle_in_transaction_session_timeout = {ms}; \
                     SET LOCAL jit = off;"
                )
            }
        };
        if let Err(failure) = session.begin_with(mode, &format!("{timeouts} {statements}")).await {
            let error = of(&failure, operation, Effect::None);
            session.abandon(&failure).await;
            return Err(error);
        }
        Ok(Self { session, operation })
    }

    /// Runs a statement and gathers its answer.
    pub(super) async fn rows(&mut self, sql: impl Into<String>, bound: Bound) -> Result<Vec<PgRow>, Trouble> {
        Ok(self.session.all(made(sql.into()), bound.done()).await?)
    }

    /// Runs a statement that has its values in itself and is not worth remembering.
    pub(super) async fn once(&mut self, sql: String) -> Result<Vec<PgRow>, Trouble> {
        Ok(self.session.once(made(sql)).await?)
    }

    /// Runs a statement that answers one row.
    pub(super) async fn row(&mut self, sql: impl Into<String>, bound: Bound) -> Result<PgRow, Trouble> {
        Ok(self.session.one(made(sql.into()), bound.done()).await?)
    }

    /// Runs statements without arguments.
    pub(super) async fn run(&mut self, sql: impl Into<String>) -> Result<(), Trouble> {
        Ok(self.session.run(made(sql.into())).await?)
    }

    /// Ends it with statements, in one round trip.
    pub(super) async fn end_with(mut self, statements: &str) -> Result<()> {
        match self.session.run(made(format!("{statements}; COMMIT"))).await {
            Ok(()) => {
                self.session.release();
                Ok(())
            }
            Err(failure) => {
                let error = of(&failure, self.operation, Effect::Unknown);
                self.session.abandon(&failure).await;
                Err(error)
            }
        }
    }

    /// Ends it: makes it lasting if it went well, else undoes it.
    pub(super) async fn end<T>(mut self, outcome: Result<T, Trouble>) -> Result<T> {
        match outcome {
            Ok(done) => match self.session.commit().await {
                Ok(()) => {
                    self.session.release();
                    Ok(done)
                }
                Err(failure) => {
                    let error = of(&failure, self.operation, Effect::Unknown);
                    self.session.recover(&failure);
                    Err(error)
                }
            },
            Err(Trouble::Failed(failure)) => {
                let error = of(&failure, self.operation, Effect::None);
                self.session.abandon(&failure).await;
                Err(error)
            }
            Err(Trouble::Broken(failure)) => {
                let error = of(&failure, self.operation, Effect::None);
                self.session.discard(&failure);
                Err(error)
            }
            Err(Trouble::Refused(error)) => {
                self.session.undo().await;
                Err(error)
            }
        }
    }
}

/// The error of a statement of a move.
pub(super) fn of(failure: &Failure, operation: &'static str, effect: Effect) -> Error {
    match failure.code() {
        // The schema of moves, its functions or its tables are not there.
        Some("3F000" | "42883" | "42P01") => not_installed(operation),
        // So PostgreSQL says that no primary key is there to decide by.
        Some("42P10") => Error::new(ErrorKind::Unavailable, operation)
            .retry(waiterix_ports::Retry::Safe)
            .with("fault", "keys and indexes are put aside for the copy"),
        // Before it ends a transaction has no effect, so whoever waited for others may wait again.
        Some("55P03") => Error::new(ErrorKind::Timeout, operation)
            .retry(waiterix_ports::Retry::Safe)
            .with("fault", "others did not end in time"),
        _ => fault::of(failure, operation, effect),
    }
}

/// The database has nothing that a move needs.
pub(super) fn not_installed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, operation)
        .with("fault", "nothing of a move is installed in this database, or one of its tables is missing")
}
