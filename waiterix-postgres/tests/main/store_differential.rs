//! Random steps against memory, SQLite and PostgreSQL, which must agree on every answer and every row.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use waiterix_adapters_local::memory::MemoryStore;
use waiterix_adapters_local::sqlite::SqliteStore;
use waiterix_backends::{Backend, given};
use waiterix_contract::ManualClock;
use waiterix_contract::store::differential;
use waiterix_ports::Store;
use waiterix_postgres::PostgresStore;
use waiterix_postgres::testing::Scratch;

use crate::stores;

/// The seed of this run: given by `WAITERIX_SEED` at build time, or always the same.
fn seed() -> u64 {
    option_env!("WAITERIX_SEED").and_then(|seed| seed.parse().ok()).unwrap_or(20_250_131)
}

/// Runs the same random steps against memory, SQLite and a PostgreSQL store.
#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
async fn agree(postgres: PostgresStore, seed: u64, steps: usize) {
    eprintln!("WAITERIX_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    let sqlite: Arc<dyn Store> =
        Arc::new(SqliteStore::open(folder.path().join("waiterix.db"), clock).await.unwrap());
    let stores =
        [("memory", memory), ("sqlite", sqlite), ("postgresql", Arc::new(postgres) as Arc<dyn Store>)];
    let tally = differential::run(&stores, seed, steps).await;
    eprintln!("{tally:?}");
    assert!(
        tally.committed > steps / 10 && tally.refused > 0 && tally.repeated > 0 && tally.read > 0,
        "{tally:?}"
    );
}

#[test]
fn memory_sqlite_and_postgresql_agree_on_ten_thousand_steps() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let scratch = Scratch::migrated(&server).await.unwrap();
        agree(stores::direct(&scratch), seed(), 10_000).await;
    });
}

#[test]
fn they_agree_through_a_pooler() {
    waiterix_contract::run(|| async {
        let (Some(server), Some(pooler)) = (given(Backend::Postgres), given(Backend::PgBouncer)) else {
            return;
        };
        let scratch = Scratch::migrated(&server).await.unwrap();
        agree(stores::pooled(&scratch, &pooler), seed() + 1, 1_000).await;
    });
}

/// Settings a database or a session may come with, none of which may have a say.
const ODD: &[(&str, &str)] = &[
    ("timezone", "'Asia/Kolkata'"),
    ("datestyle", "'SQL, DMY'"),
    ("intervalstyle", "'sql_standard'"),
    ("bytea_output", "'escape'"),
    ("extra_float_digits", "-15"),
    ("standard_conforming_strings", "off"),
    ("backslash_quote", "off"),
    ("array_nulls", "off"),
    ("search_path", "'nowhere'"),
    ("default_transaction_isolation", "'repeatable read'"),
    ("transform_null_equals", "on"),
    ("xmloption", "'document'"),
    ("enable_nestloop", "off"),
];

#[test]
fn the_settings_of_a_database_make_no_difference() {
    waiterix_contract::run(|| async {
        let (Some(server), Some(pooler)) = (given(Backend::Postgres), given(Backend::PgBouncer)) else {
            return;
        };
        for by_way_of_pooler in [false, true] {
            let scratch = Scratch::migrated(&server).await.unwrap();
            let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
            for (name, value) in ODD {
                let sql = format!("ALTER DATABASE {} SET {name} = {value}", scratch.name());
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
            }
            admin.close().await.unwrap();
            let store =
                if by_way_of_pooler { stores::pooled(&scratch, &pooler) } else { stores::direct(&scratch) };
            agree(store, seed() + 2, 1_000).await;
        }
    });
}

/// What the driver asks for when it connects is no part of the bargain either.
#[test]
fn the_settings_of_a_session_make_no_difference() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let scratch = Scratch::migrated(&server).await.unwrap();
        let store = stores::with(&scratch.url(), |settings| settings.pool_max = 1);
        let mut only = store.database().acquire("test").await.unwrap();
        for (name, value) in ODD {
            sqlx::raw_sql(AssertSqlSafe(format!("SET {name} = {value}"))).execute(&mut *only).await.unwrap();
        }
        only.release();
        let opened = store.database().snapshot().opened;
        let database = store.database().clone();
        agree(store, seed() + 3, 1_000).await;
        assert_eq!(database.snapshot().opened, opened, "the odd session was replaced");
    });
}
