//! A borrowed connection and the statements on it, each within its time.

use std::future::Future;
use std::time::Duration;

use futures_util::{TryStream, TryStreamExt as _};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Executor as _, SqlSafeStr, SqlStr};
use waiterix_ports::Result;

use crate::connect::{Database, Lease};
use crate::fault::Failure;

/// How much longer than the server this side waits, so that mostly the server is the one to say that it took too long.
const GRACE: Duration = Duration::from_secs(1);

/// How long a piece of a copy may keep the other end waiting, however long the whole of it may take.
const FLOWING: Duration = Duration::from_secs(60);

/// How many rows must come within one time: a clock that is wound up for every row costs more than the row.
const PIECES: usize = 1_000;

/// Hands everything to `take` that comes, [`PIECES`] at a time within `patience`.
async fn in_pieces<T>(
    patience: Duration,
    coming: &mut (impl TryStream<Ok = T, Error = sqlx::Error> + Unpin + Send),
    mut take: impl FnMut(T) + Send,
) -> Result<(), Failure> {
    loop {
        let some = async {
            for _ in 0..PIECES {
                match coming.try_next().await? {
                    Some(piece) => take(piece),
                    None => return Ok(true),
                }
            }
            Ok(false)
        };
        if Session::in_time(patience, some).await? {
            return Ok(());
        }
    }
}

/// What a transaction may do. Defaults of the server or the role, such as another isolation, are overruled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

impl Mode {
    const fn begin(self) -> &'static str {
        match self {
            Self::Read => "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
            Self::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        }
    }
}

/// A borrowed connection. One that is dropped and not [released](Self::release) is closed.
#[derive(Debug)]
pub(crate) struct Session {
    lease: Lease,
    pooled: bool,
    patience: Duration,
}

impl Session {
    /// Borrows a connection.
    pub(crate) async fn borrow(database: &Database, operation: &'static str) -> Result<Self> {
        let settings = database.settings();
        let (pooled, patience) = (settings.pooled, settings.statement_timeout + GRACE);
        Ok(Self { lease: database.acquire(operation).await?, pooled, patience })
    }

    /// Whether a statement that stands alone needs a transaction around it all the same. Behind a pooler it does: the
    /// driver first has a statement parsed and then runs it, and in between the pooler may hand the server's connection to
    /// somebody else, whose statement would then run instead.
    pub(crate) const fn needs_transaction(&self) -> bool {
        self.pooled
    }

    pub(crate) async fn in_time<T>(
        patience: Duration,
        work: impl Future<Output = sqlx::Result<T>> + Send,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(patience, work).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(Failure::Silent),
        }
    }

    async fn plain(&mut self, sql: &'static str) -> Result<(), Failure> {
        let connection: &mut PgConnection = &mut self.lease;
        Self::in_time(self.patience, connection.execute(sqlx::raw_sql(sql))).await.map(drop)
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&mut self, mode: Mode) -> Result<(), Failure> {
        self.plain(mode.begin()).await.map_err(|failure| of_standby(failure, mode))
    }

    /// Begins a transaction and runs statements in it, in one round trip.
    pub(crate) async fn begin_with(&mut self, mode: Mode, statements: &str) -> Result<(), Failure> {
        let begun = self.run(made(format!("{}; {statements}", mode.begin()))).await;
        begun.map_err(|failure| of_standby(failure, mode))
    }

    /// Statements and pieces of an answer may take this long from now on. The server is told by the transaction.
    pub(crate) fn allow(&mut self, limit: Duration) {
        self.patience = limit + GRACE;
    }

    /// The connection, for what reads the catalog.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.lease
    }

    /// Sends the answer of a `COPY … TO STDOUT` to `take`, piece by piece. After a failure the connection is not to be used.
    pub(crate) async fn copy_out(
        &mut self,
        sql: &str,
        mut take: impl FnMut(&[u8]) + Send,
    ) -> Result<(), Failure> {
        let patience = self.patience.min(FLOWING);
        let connection: &mut PgConnection = &mut self.lease;
        let mut pieces = Self::in_time(patience, connection.copy_out_raw(sql)).await?;
        in_pieces(patience, &mut pieces, |piece| take(&piece)).await
    }

    /// Sends data to a `COPY … FROM STDIN`. After a failure the connection is not to be used.
    pub(crate) async fn copy_in(&mut self, sql: &str, data: &[u8]) -> Result<(), Failure> {
        /// The driver has a copy of what is under way.
        const PIECE: usize = 256 * 1_024;
        let patience = self.patience.min(FLOWING);
        let connection: &mut PgConnection = &mut self.lease;
        let mut copy = Self::in_time(patience, connection.copy_in_raw(sql)).await?;
        for piece in data.chunks(PIECE) {
            Self::in_time(patience, copy.send(piece)).await?;
        }
        Self::in_time(patience, copy.finish()).await.map(drop)
    }

    /// Runs statements without arguments and without an answer that anybody wants.
    pub(crate) async fn run(&mut self, sql: SqlStr) -> Result<(), Failure> {
        let connection: &mut PgConnection = &mut self.lease;
        Self::in_time(self.patience, connection.execute(sqlx::raw_sql(sql))).await.map(drop)
    }

    /// Makes what the transaction did lasting.
    pub(crate) async fn commit(&mut self) -> Result<(), Failure> {
        self.plain("COMMIT").await
    }

    /// Undoes what the transaction did.
    pub(crate) async fn roll_back(&mut self) -> Result<(), Failure> {
        self.plain("ROLLBACK").await
    }

    /// Runs a statement that answers with one row.
    pub(crate) async fn one(&mut self, sql: SqlStr, arguments: PgArguments) -> Result<PgRow, Failure> {
        let query = sqlx::query_with(sql, arguments).persistent(!self.pooled);
        let connection: &mut PgConnection = &mut self.lease;
        Self::in_time(self.patience, query.fetch_one(connection)).await
    }

    /// Runs a statement and gathers its whole answer, which must come in time.
    pub(crate) async fn all(&mut self, sql: SqlStr, arguments: PgArguments) -> Result<Vec<PgRow>, Failure> {
        let query = sqlx::query_with(sql, arguments).persistent(!self.pooled);
        let connection: &mut PgConnection = &mut self.lease;
        Self::in_time(self.patience, query.fetch_all(connection)).await
    }

    /// The same for a statement without arguments that will not come again as it is.
    pub(crate) async fn once(&mut self, sql: SqlStr) -> Result<Vec<PgRow>, Failure> {
        let query = sqlx::query_with(sql, PgArguments::default()).persistent(false);
        let connection: &mut PgConnection = &mut self.lease;
        Self::in_time(self.patience, query.fetch_all(connection)).await
    }

    /// Runs a statement and hands over every row of its answer, each [`PIECES`] of which must come in time.
    pub(crate) async fn each(
        &mut self,
        sql: SqlStr,
        arguments: PgArguments,
        mut take: impl FnMut(&PgRow) -> bool + Send,
    ) -> Result<(), Failure> {
        let query = sqlx::query_with(sql, arguments).persistent(!self.pooled);
        let connection: &mut PgConnection = &mut self.lease;
        let mut rows = query.fetch(connection);
        let mut wanted = true;
        in_pieces(self.patience, &mut rows, |row| wanted = wanted && take(&row)).await
    }

    /// Gives the connection back; only outside of a transaction.
    pub(crate) fn release(self) {
        self.lease.release();
    }

    /// Gives up the connection because of a failure.
    pub(crate) fn discard(self, failure: &Failure) {
        match failure {
            // Those that are idle have prepared the same statements.
            _ if failure.is_of_plan() => self.lease.outlived(),
            Failure::Said(error) | Failure::Standby(error) => self.lease.discard(error),
            Failure::Silent => self.lease.outlived(),
        }
    }

    /// After a failure outside of a transaction, or one that could not begin or end: gives the connection back if it is
    /// still good.
    pub(crate) fn recover(self, failure: &Failure) {
        if failure.is_harmless() {
            self.release();
        } else {
            self.discard(failure);
        }
    }

    /// After a failure within a transaction: undoes it and gives the connection back if it is still good.
    pub(crate) async fn abandon(mut self, failure: &Failure) {
        if !failure.is_harmless() {
            self.discard(failure);
        } else if self.roll_back().await.is_ok() {
            self.release();
        }
    }

    /// Undoes the transaction and gives the connection back.
    pub(crate) async fn undo(mut self) {
        match self.roll_back().await {
            Ok(()) => self.release(),
            Err(failure) => self.discard(&failure),
        }
    }
}

fn of_standby(failure: Failure, mode: Mode) -> Failure {
    match failure {
        // So a standby says that it cannot begin a transaction that writes.
        Failure::Said(error) if mode == Mode::Write && is_unsupported(&error) => Failure::Standby(error),
        failure => failure,
    }
}

fn is_unsupported(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "0A000")
}

/// A text made by this crate, from the names of its schema and nothing else.
pub(crate) fn made(sql: String) -> SqlStr {
    sqlx::AssertSqlSafe(sql).into_sql_str()
}
