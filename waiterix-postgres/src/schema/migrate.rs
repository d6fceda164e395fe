//! Adding what is missing.

use std::fmt;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use waiterix_domain::UniqueRule;
use waiterix_ports::{Error, ErrorKind, Retry};

use super::catalog::Catalog;
use super::compare::{Deviation, Report, compare};
use super::duplicates::{self, Duplicates};
use super::plan::{Step, steps};
use super::target::{Target, quoted};
use crate::connect::{Database, fault};

const OPERATION: &str = "schema.migrate";

/// Two migrations of one database exclude each other by this number, which means nothing.
const LOCK: i64 = 0x5741_4954_4552;
/// How often a lock that others hold is tried, and for how long.
const LOCK_EVERY: Duration = Duration::from_millis(200);
const LOCK_PATIENCE: Duration = Duration::from_secs(30 * 60);

/// How long a statement waits for a table. While it waits, everybody who comes later waits behind it, so it gives way
/// and tries again.
const TABLE_WAIT: &str = "1s";
const TABLE_PAUSE: Duration = Duration::from_millis(500);
const TABLE_ATTEMPTS: u32 = 60;

/// What a migration is doing, for people who wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another migration is at work, or somebody builds one of the indexes.
    Waiting {
        /// For what.
        what: String,
    },
    /// A step begins.
    Step {
        /// Its number, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// In words.
        what: String,
    },
    /// A table is in use; the step is tried again.
    Again {
        /// In words.
        what: String,
        /// How often it has been tried.
        attempt: u32,
    },
    /// A step is done.
    Done {
        /// In words.
        what: String,
        /// How long it took.
        took: Duration,
    },
    /// A rule cannot be enforced for now.
    Unmet(Duplicates),
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { what } => write!(f, "waiting: {what}"),
            Self::Step { number, of, what } => write!(f, "{number} of {of}: {what}"),
            Self::Again { what, attempt } => write!(f, "{what}: in use, attempt {attempt} failed"),
            Self::Done { what, took } => write!(f, "{what}: done after {:.1} s", took.as_secs_f64()),
            Self::Unmet(duplicates) => duplicates.fmt(f),
        }
    }
}

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// What was there before.
    pub before: Report,
    /// The steps done, in words; none if nothing was missing.
    pub done: Vec<String>,
    /// Rules that existing rows break. Everything else is in place.
    pub unmet: Vec<Duplicates>,
    /// Foreign keys that existing rows break. They hold for new rows.
    pub unchecked: Vec<String>,
    /// What is there now.
    pub after: Report,
}

impl Migration {
    /// Whether everything is as it must be now.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.after.is_complete()
    }
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.done.is_empty() {
            f.write_str("nothing to do")?;
        } else {
            write!(f, "{} steps done", self.done.len())?;
        }
        for what in &self.done {
            write!(f, "\n  {what}")?;
        }
        for duplicates in &self.unmet {
            write!(f, "\n  {duplicates}")?;
        }
        for name in &self.unchecked {
            write!(f, "\n  foreign key {name} holds for new rows only: some old ones refer to nothing")?;
        }
        write!(f, "\n{}", self.after)
    }
}

/// Why a migration did not come to its end.
#[derive(Debug)]
pub enum MigrateError {
    /// The database is not one that can be completed. Nothing was changed.
    Refused(Report),
    /// Something failed on the way. What was done until then is whole; run it again.
    Failed(Error),
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(report) => {
                f.write_str(
                    "the database was left as it is, because nothing can be added to make it right:",
                )?;
                for deviation in report.refusals() {
                    write!(f, "\n  {deviation}")?;
                }
                Ok(())
            }
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MigrateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Failed(error) => Some(error),
        }
    }
}

impl From<Error> for MigrateError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Compares a database with what must be there. Reads only, and works through a pooler.
///
/// # Errors
/// Those of the connection. A database that is not as it must be is no error but a [`Report`].
pub async fn check(database: &Database) -> Result<Report, Error> {
    const OPERATION: &str = "schema.check";
    let mut lease = database.acquire(OPERATION).await?;
    // One transaction, because a pooler may otherwise let a statement be parsed by one server process and run by another.
    execute(&mut lease, "BEGIN READ ONLY").await.map_err(|error| fault::of(&error, OPERATION))?;
    let catalog = Catalog::read(&mut lease, OPERATION).await?;
    execute(&mut lease, "COMMIT").await.map_err(|error| fault::of(&error, OPERATION))?;
    lease.release();
    Ok(compare(&catalog, &Target::current()))
}

/// Brings an empty database, or one in any of the states the old system left behind, to what must be there. Adds and
/// never takes away; can be run again at any time, by several at once, while others read and write.
///
/// `progress` is called between the steps.
///
/// # Errors
/// [`MigrateError::Refused`] for a database in which something is different rather than missing, or in which old
/// tables or columns are missing; it is not changed. [`MigrateError::Failed`] with `Unsupported` behind a pooler,
/// `Denied` without permission, `Unavailable` when the connection fails or a table is in use all the time.
pub async fn migrate(
    database: &Database,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Migration, MigrateError> {
    let mut connection = database.maintenance(OPERATION).await?;
    let result = run(&mut connection, &mut progress).await;
    // The lock goes with the session, and so would it if this failed.
    let _ = connection.close().await;
    result
}

async fn run(
    connection: &mut PgConnection,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Migration, MigrateError> {
    lock(connection, progress).await?;
    let target = Target::current();
    let before = settled(connection, &target, progress).await?;
    if before.refusals().next().is_some() {
        return Err(MigrateError::Refused(before));
    }
    let steps = steps(&before, &target);
    let mut migration = Migration {
        after: before.clone(),
        before,
        done: Vec::new(),
        unmet: Vec::new(),
        unchecked: Vec::new(),
    };
    let of = steps.len();
    for (place, step) in steps.into_iter().enumerate() {
        let what = step.what();
        progress(Progress::Step { number: place + 1, of, what: what.clone() });
        let begin = Instant::now();
        if perform(connection, step, &mut migration, progress).await? {
            progress(Progress::Done { what: what.clone(), took: begin.elapsed() });
            migration.done.push(what);
        }
    }
    migration.after = compare(&Catalog::read(connection, OPERATION).await?, &target);
    Ok(migration)
}

/// Takes the lock by which migrations exclude each other.
///
/// It is tried again and again instead of being waited for: a waiting statement is a running transaction, and whoever
/// builds an index waits for all of those, so both would wait for ever.
async fn lock(
    connection: &mut PgConnection,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), Error> {
    let begin = Instant::now();
    let mut told = false;
    loop {
        let got: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| fault::of(&error, OPERATION))?;
        if got {
            return Ok(());
        }
        if begin.elapsed() > LOCK_PATIENCE {
            return Err(Error::new(ErrorKind::Unavailable, OPERATION)
                .retry(Retry::Safe)
                .with("fault", "another migration of this database does not end"));
        }
        if !told {
            progress(Progress::Waiting { what: "another migration of this database is at work".to_owned() });
            told = true;
        }
        tokio::time::sleep(LOCK_EVERY).await;
    }
}

/// What is there, once nobody builds one of the indexes any more.
async fn settled(
    connection: &mut PgConnection,
    target: &Target,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, Error> {
    let mut told = false;
    loop {
        let report = compare(&Catalog::read(connection, OPERATION).await?, target);
        let building =
            |deviation: &&Deviation| matches!(deviation, Deviation::InvalidIndex { building: true, .. });
        let Some(deviation) = report.deviations.iter().find(building) else { return Ok(report) };
        if !told {
            progress(Progress::Waiting { what: deviation.to_string() });
            told = true;
        }
        tokio::time::sleep(LOCK_EVERY).await;
    }
}

/// Performs a step; whether it came to its end.
async fn perform(
    connection: &mut PgConnection,
    step: Step,
    migration: &mut Migration,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<bool, Error> {
    match step {
        Step::Together { what, statements } => {
            together(connection, &what, &statements, progress).await?;
            Ok(true)
        }
        Step::Index { name, rule, leftover, statement, .. } => {
            let found = index(connection, &name, rule, leftover, &statement)
                .await
                .map_err(|error| fault::of(&error, OPERATION).with("index", name))?;
            let Some(duplicates) = found else { return Ok(true) };
            progress(Progress::Unmet(duplicates.clone()));
            migration.unmet.push(duplicates);
            Ok(false)
        }
        Step::Validate { name, table } => {
            let statement = format!("ALTER TABLE public.{table} VALIDATE CONSTRAINT {}", quoted(&name));
            match execute(connection, &statement).await {
                Ok(()) => Ok(true),
                Err(error) if has_code(&error, FOREIGN_KEY_VIOLATION) => {
                    migration.unchecked.push(name);
                    Ok(false)
                }
                Err(error) => Err(fault::of(&error, OPERATION).with("foreign_key", name)),
            }
        }
    }
}

const LOCK_NOT_AVAILABLE: &str = "55P03";
const DEADLOCK: &str = "40P01";
const UNIQUE_VIOLATION: &str = "23505";
const FOREIGN_KEY_VIOLATION: &str = "23503";

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(|refusal| refusal.code()).is_some_and(|found| found == code)
}

async fn execute(connection: &mut PgConnection, statement: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

/// Performs statements in one transaction that gives way to others.
async fn together(
    connection: &mut PgConnection,
    what: &str,
    statements: &[String],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        match transaction(connection, statements).await {
            Ok(()) => return Ok(()),
            Err(error) if has_code(&error, LOCK_NOT_AVAILABLE) || has_code(&error, DEADLOCK) => {
                if attempt >= TABLE_ATTEMPTS {
                    return Err(fault::of(&error, OPERATION).with("step", what));
                }
                progress(Progress::Again { what: what.to_owned(), attempt });
                tokio::time::sleep(TABLE_PAUSE).await;
                attempt += 1;
            }
            Err(error) => return Err(fault::of(&error, OPERATION).with("step", what)),
        }
    }
}

async fn transaction(connection: &mut PgConnection, statements: &[String]) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    execute(&mut transaction, &format!("SET LOCAL lock_timeout = '{TABLE_WAIT}'")).await?;
    for statement in statements {
        execute(&mut transaction, statement).await?;
    }
    transaction.commit().await
}

/// Builds an index while others go on writing; answers the rows that a rule does not allow.
async fn index(
    connection: &mut PgConnection,
    name: &str,
    rule: Option<UniqueRule>,
    leftover: bool,
    statement: &str,
) -> sqlx::Result<Option<Duplicates>> {
    // Debris of a build: never read, but it slows down writing, and that of a unique index refuses some rows.
    let clear = format!("DROP INDEX CONCURRENTLY IF EXISTS public.{}", quoted(name));
    if leftover {
        execute(connection, &clear).await?;
    }
    if let Some(rule) = rule {
        let found = duplicates::find(connection, rule).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    match (execute(connection, statement).await, rule) {
        (Ok(()), _) => Ok(None),
        // Somebody wrote a second row in the meantime.
        (Err(error), Some(rule)) if has_code(&error, UNIQUE_VIOLATION) => {
            execute(connection, &clear).await?;
            let found = duplicates::find(connection, rule).await?;
            // And took it away again: the next run builds it.
            Ok(Some(found.unwrap_or(Duplicates { rule, groups: 0, rows: 0, sample: Vec::new() })))
        }
        (Err(error), _) => Err(error),
    }
}
