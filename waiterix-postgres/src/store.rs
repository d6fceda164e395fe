//! Rows in PostgreSQL.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{Row as _, SqlSafeStr as _};
use waiterix_domain::digest::Digest;
use waiterix_domain::{ChangeSet, Row, Table, Timestamp};
use waiterix_ports::{Answer, Clock, Error, ErrorKind, KeyRange, Query, Result, Store};

use crate::bind::Sought;
use crate::commit::{self, Texts, Uncommitted};
use crate::connect::Database;
use crate::layout::{self, Layout};
use crate::reading::{self, Unanswered};
use crate::session::{Mode, made};
use crate::{decode, walk};

const MAX_PAGE: u32 = 10_000;
// The ids are collected into an array first: joined with them, the whole table would be read for each batch.
const FORGET: &str = "WITH gone AS (DELETE FROM public.waiterix_commits WHERE id = ANY (ARRAY (\
    SELECT id FROM public.waiterix_commits WHERE recorded_at < $1 \
    ORDER BY recorded_at LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1) \
    SELECT count(*) FROM gone";

/// A [`Store`] in a PostgreSQL database that has the [schema](crate::schema), reached directly or through a pooler in
/// transaction mode.
pub struct PostgresStore {
    database: Database,
    clock: Arc<dyn Clock>,
    texts: Texts,
    layout: Known,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("database", &self.database).finish_non_exhaustive()
    }
}

/// The layout of the database, once it is known.
#[derive(Debug, Default)]
struct Known(AtomicU32);

impl Known {
    fn get(&self) -> Option<Layout> {
        Layout::unpack(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, layout: Option<Layout>) {
        self.0.store(layout.map_or(0, Layout::pack), Ordering::Relaxed);
    }
}

impl PostgresStore {
    /// A store of the rows of a database; nothing is asked of it yet. The clock says when commits were recorded.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock, texts: Texts::default(), layout: Known::default() }
    }

    /// The database, for those who look after its connections.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Finishes what is running and lets go of the connections, within a time; answers whether that was enough.
    /// Everything afterwards is `Unavailable`.
    pub async fn close(&self, within: Duration) -> bool {
        self.database.close(within).await
    }

    /// The layout of the database, which is looked up once.
    async fn layout(&self, operation: &'static str) -> Result<Layout> {
        if let Some(layout) = self.layout.get() {
            return Ok(layout);
        }
        let row = self.row(Mode::Read, layout::PROBE, &[], operation).await?;
        let read = || -> sqlx::Result<Layout> {
            let indexes: Vec<String> = row.try_get_unchecked(1)?;
            Ok(Layout::new(row.try_get_unchecked(0)?, &indexes))
        };
        let layout = read().map_err(|error| Unanswered::Statement(error.into()).into_error(operation))?;
        for rule in layout.unguarded() {
            tracing::warn!(?rule, "no index enforces this rule; only this program does, and at a price");
        }
        self.layout.set(Some(layout));
        Ok(layout)
    }

    /// The one row a statement answers with.
    async fn row(
        &self,
        mode: Mode,
        sql: &'static str,
        arguments: &[Sought<'_>],
        operation: &'static str,
    ) -> Result<PgRow> {
        let arguments = reading::arguments(arguments, operation)?;
        let row = reading::one(&self.database, mode, sql.into_sql_str(), arguments, operation).await;
        row.map_err(|unanswered| unanswered.into_error(operation))
    }

    /// Whether something failed because the layout is another than it was, so that it is worth looking again, once.
    fn is_outdated(&self, unanswered: &Unanswered, layout: Layout) -> bool {
        let is_outdated = matches!(unanswered, Unanswered::Statement(failure) if failure.is_of_layout())
            && layout.has_table_of_question;
        if is_outdated {
            self.layout.set(None);
        }
        is_outdated
    }

    async fn page(
        &self,
        layout: Layout,
        table: Table,
        range: &KeyRange,
        limit: u32,
    ) -> Result<Vec<Row>, Unanswered> {
        let (sql, arguments) = walk::page(layout, table, range, limit);
        let arguments = reading::arguments(&arguments, "store.scan")?;
        let mut rows = Vec::new();
        reading::each(&self.database, made(sql), arguments, "store.scan", |found| {
            rows.push(decode::row(reading::bytes(found, 0)?, table)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    async fn sums(&self, layout: Layout, table: Table, range: &KeyRange) -> Result<Digest, Unanswered> {
        const OPERATION: &str = "store.digest";
        let (sql, arguments) = walk::digest(layout, table, range);
        let arguments = reading::arguments(&arguments, OPERATION)?;
        let row = reading::one(&self.database, Mode::Read, made(sql), arguments, OPERATION).await?;
        let read = || -> sqlx::Result<(i64, String, String)> {
            Ok((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?, row.try_get_unchecked(2)?))
        };
        let (rows, high, low) = read().map_err(|error| Unanswered::Statement(error.into()))?;
        // A sum of signed numbers is, but for multiples of 2^64, that of the unsigned ones.
        let sum = |text: &str| text.parse::<i128>().map(|sum| sum as u64);
        match (u64::try_from(rows), sum(&high), sum(&low)) {
            (Ok(rows), Ok(high), Ok(low)) => Ok(Digest { rows, sums: [high, low] }),
            _ => Err(Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "a sum is no number").into()),
        }
    }
}

/// Asks with the layout that is known, and once more if the database has another.
macro_rules! with_layout {
    ($self:ident, $operation:expr, $layout:ident => $work:expr) => {{
        let $layout = $self.layout($operation).await?;
        match $work.await {
            Err(unanswered) if $self.is_outdated(&unanswered, $layout) => {
                let $layout = $self.layout($operation).await?;
                $work.await
            }
            done => done,
        }
        .map_err(|unanswered| unanswered.into_error($operation))
    }};
}

#[async_trait]
impl Store for PostgresStore {
    async fn read(&self, query: &Query) -> Result<Answer> {
        with_layout!(self, "store.read", layout => reading::answer(&self.database, layout, query))
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        const OPERATION: &str = "store.commit";
        let now = self.clock.now();
        let layout = self.layout(OPERATION).await?;
        match commit::commit(&self.database, &self.texts, layout, changes, now).await {
            Err(Uncommitted::Layout(_)) if layout.has_table_of_question => {
                self.layout.set(None);
                let layout = self.layout(OPERATION).await?;
                commit::commit(&self.database, &self.texts, layout, changes, now).await
            }
            done => done,
        }
        .map_err(|uncommitted| match uncommitted {
            Uncommitted::Failed(error) | Uncommitted::Layout(error) => error,
        })
    }

    async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        const OPERATION: &str = "store.scan";
        if limit == 0 || limit > MAX_PAGE {
            return Err(Error::new(ErrorKind::Invalid, OPERATION).with("limit", limit));
        }
        with_layout!(self, OPERATION, layout => self.page(layout, table, range, limit))
    }

    async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest> {
        with_layout!(self, "store.digest", layout => self.sums(layout, table, range))
    }

    async fn forget_commits(&self, before: Timestamp, limit: u32) -> Result<u32> {
        const OPERATION: &str = "store.forget_commits";
        let arguments = [Sought::Instant(Some(before)), Sought::Number(limit.into())];
        let row = self.row(Mode::Write, FORGET, &arguments, OPERATION).await?;
        let forgotten: i64 = row
            .try_get_unchecked(0)
            .map_err(|error| Unanswered::Statement(error.into()).into_error(OPERATION))?;
        Ok(u32::try_from(forgotten).unwrap_or(limit))
    }

    async fn check(&self) -> Result<()> {
        self.row(Mode::Read, "SELECT 1", &[], "store.check").await.map(drop)
    }
}
