//! Two databases between which rows move, and people with psql.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};
use url::Url;
use waiterix_backends::{Backend, given};
use waiterix_domain::Secret;
use waiterix_ports::SystemClock;
use waiterix_ports::moving::{Claiming, Image, Mode, MovingKey, RowSide, Standing, Wanted};
use waiterix_postgres::connect::{Database, FixedPassword, PostgresSettings};
use waiterix_postgres::moving::PostgresSide;
use waiterix_postgres::testing::{Scratch, settings};

use crate::common::{ROWS, connect};

pub(crate) const OPEN: Standing = Standing { epoch: 1, mode: Mode::Open, turn: 1 };
pub(crate) const MIRROR: Standing = Standing { epoch: 1, mode: Mode::Mirror, turn: 1 };
pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const NOT_LEADING: &str = "WX001";

pub(crate) struct Side {
    pub(crate) scratch: Scratch,
    pub(crate) side: PostgresSide,
}

pub(crate) fn reached(url: &Url, change: impl FnOnce(&mut PostgresSettings)) -> PostgresSide {
    let mut settings = settings(url).unwrap();
    change(&mut settings);
    let password = settings.password.clone().unwrap_or_else(|| Secret::new(""));
    let clock = Arc::new(SystemClock);
    let database = Database::new(settings, Arc::new(FixedPassword::new(password)), clock.clone()).unwrap();
    PostgresSide::new(database, clock)
}

impl Side {
    /// A database with the schema and nothing else.
    pub(crate) async fn bare() -> Option<Self> {
        let server = given(Backend::Postgres)?;
        let scratch = Scratch::migrated(&server).await.unwrap();
        let side = reached(&scratch.url(), |_| {});
        Some(Self { scratch, side })
    }

    pub(crate) async fn standing(first: Standing) -> Option<Self> {
        let side = Self::bare().await?;
        side.side.install(first).await.unwrap();
        Some(side)
    }

    pub(crate) async fn psql(&self) -> PgConnection {
        connect(&self.scratch.url()).await
    }

    /// What somebody does with psql.
    pub(crate) async fn run(&self, sql: &str) {
        let mut psql = self.psql().await;
        crate::common::execute(&mut psql, sql).await;
    }

    /// The code somebody with psql is refused with.
    pub(crate) async fn refusal(&self, sql: &str) -> Option<String> {
        let mut psql = self.psql().await;
        refusal(&mut psql, sql).await
    }

    /// The keys in the journal, sorted, each once.
    pub(crate) async fn noted(&self) -> Vec<String> {
        let sql = "SELECT DISTINCT tab || ' ' || key AS k FROM waiterix_migration.journal ORDER BY k";
        sqlx::query_scalar(sql).fetch_all(&mut self.psql().await).await.unwrap()
    }

    /// Every row of a table as text, sorted.
    pub(crate) async fn rows(&self, table: &str) -> Vec<String> {
        let sql = format!("SELECT t::text AS k FROM {table} t ORDER BY k");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut self.psql().await).await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let sql = sql.to_owned();
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.psql().await).await.unwrap()
    }

    /// Makes this side equal to another one in everything its journal says, as one that follows would; in one set.
    pub(crate) async fn follow(&self, leader: &PostgresSide, epoch: u64) -> waiterix_ports::Result<()> {
        let mut claim = leader.claim(&Claiming::Oldest(1_000)).await.unwrap();
        let mut keys: Vec<MovingKey> = claim.entries().iter().map(|entry| entry.key.clone()).collect();
        keys.sort();
        keys.dedup();
        let hold = self.side.hold(epoch, &keys).await?;
        let wanted = claim.images(&keys).await.unwrap();
        hold.make(&wanted).await?;
        claim.forget(&keys).await
    }
}

/// Copies the ranges of a table that are not noted yet.
pub(crate) async fn copy(from: &Side, to: &Side, table: &str, rows: u64) {
    let copied = to.side.copied(table).await.unwrap();
    for range in from.side.cut(table, rows).await.unwrap() {
        if !copied.contains(&range) {
            let parcel = from.side.copy_out(table, &range).await.unwrap();
            to.side.copy_in(1, table, &range, parcel).await.unwrap();
        }
    }
}

pub(crate) async fn refusal(psql: &mut PgConnection, sql: &str) -> Option<String> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(psql).await;
    done.err().map(|error| error.as_database_error().unwrap().code().unwrap().into_owned())
}

/// One that leads and one that follows, without rows.
pub(crate) async fn empty_pair() -> Option<(Side, Side)> {
    Some((Side::standing(OPEN).await?, Side::standing(MIRROR).await?))
}

/// One that leads and has rows in every table, all of them noted, and one that follows and has none.
pub(crate) async fn pair() -> Option<(Side, Side)> {
    let (leader, follower) = empty_pair().await?;
    leader.run(ROWS).await;
    Some((leader, follower))
}

pub(crate) fn key(table: &str, id: &str) -> MovingKey {
    MovingKey { table: table.into(), id: id.to_owned() }
}

pub(crate) fn wanted(table: &str, id: &str, image: Option<&str>) -> Wanted {
    Wanted { key: key(table, id), image: image.map(|image| Image(image.to_owned())) }
}

pub(crate) const TABLES: [&str; 19] = [
    "users",
    "restaurants",
    "restaurant_tables",
    "menu_items",
    "menu_item_translations",
    "extended_menu_details",
    "restaurant_knowledge",
    "orders",
    "order_items",
    "ratings",
    "assistance_requests",
    "pending_questions",
    "chef_answers",
    "faq_knowledge_base",
    "table_scan_events",
    "ai_api_call_events",
    "idempotency_keys",
    "uploads",
    "waiterix_commits",
];

pub(crate) async fn assert_equal(one: &Side, other: &Side) {
    for table in TABLES {
        assert_eq!(one.rows(table).await, other.rows(table).await, "{table}");
    }
}
