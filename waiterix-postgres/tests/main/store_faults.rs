//! Bad networks, dying servers and other hands on the same rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use waiterix_backends::postgres::{self, Options};
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given};
use waiterix_contract::eventually;
use waiterix_contract::store::sample::{faq, line, order, restaurant, user};
use waiterix_domain::schema::{Faq, User};
use waiterix_domain::{ChangeSet, CommitId, Counter, Row, Table};
use waiterix_ports::{Answer, ErrorKind, KeyRange, Query, Retry, Store};
use waiterix_postgres::PostgresStore;
use waiterix_postgres::testing::Scratch;

use crate::stores;

/// How long a statement may take in these tests.
const LIMIT: Duration = Duration::from_secs(1);

fn set(name: &str) -> ChangeSet {
    ChangeSet::new(CommitId::new(name))
}

fn named(id: &str, name: &str) -> User {
    User { first_name: Some(name.to_owned()), ..user(id) }
}

async fn ids(store: &dyn Store, table: Table) -> Vec<String> {
    let rows = store.scan(table, &KeyRange::default(), 1_000).await.unwrap();
    rows.iter().map(|row| row.key().to_owned()).collect()
}

/// A user, a restaurant and an FAQ.
async fn small_house(store: &dyn Store) {
    let rows: [Row; 3] = [user("u").into(), restaurant("r", "u").into(), faq("f", "r", 0).into()];
    store.commit(&set("house").insert_all(rows)).await.unwrap();
}

/// An order with lines and a count: one statement. And a set that needs several.
fn placed(id: &str) -> ChangeSet {
    let lines = (0..3).map(|place| line(&format!("{id}-{place}"), id, Some(place)));
    set(&format!("place {id}")).insert(order(id, "r", 0)).insert_all(lines).add(
        Counter::RestaurantAiUsage,
        "r",
        1,
    )
}

fn in_steps(id: &str) -> ChangeSet {
    placed(id).delete(Table::Faqs, "f").insert(Faq { question: "asked anew".to_owned(), ..faq("f", "r", 0) })
}

/// What must be there after an order was placed once.
async fn assert_placed_once(store: &dyn Store, id: &str) {
    assert_eq!(ids(store, Table::Orders).await, [id]);
    assert_eq!(ids(store, Table::OrderItems).await.len(), 3);
    let Answer::Rows(rows) = store.read(&Query::Restaurant("r".into())).await.unwrap() else {
        panic!("rows")
    };
    let [Row::Restaurant(found)] = &rows[..] else { panic!("one restaurant") };
    assert_eq!(found.ai_usage_count, 1, "counted once");
}

/// Gives a store a proxy in front of a fresh database with a small house.
async fn behind_proxy() -> Option<(Scratch, Proxy, PostgresStore)> {
    let server = given(Backend::Postgres)?;
    let scratch = Scratch::migrated(&server).await.unwrap();
    let proxy = Proxy::to(&server).await.unwrap();
    let store = stores::with(&proxy.url(&scratch.url()), |settings| {
        settings.statement_timeout = LIMIT;
        settings.connect_timeout = LIMIT;
    });
    small_house(&store).await;
    Some((scratch, proxy, store))
}

#[test]
fn a_commit_that_was_done_before_the_connection_broke_is_done_once() {
    waiterix_contract::run(|| async {
        for (changes, needle) in [(placed("o"), "place o"), (in_steps("o"), "COMMIT\0")] {
            let Some((_scratch, proxy, store)) = behind_proxy().await else { return };
            proxy.cut_on(needle);
            let error = store.commit(&changes).await.unwrap_err();
            assert!(proxy.has_cut());
            assert_eq!(
                (error.kind(), error.retry_advice()),
                (ErrorKind::Unavailable, Retry::Ambiguous),
                "{error}"
            );
            // It was done.
            assert_placed_once(&store, "o").await;
            store.commit(&changes).await.unwrap();
            assert_placed_once(&store, "o").await;
        }
    });
}

#[test]
fn a_commit_that_never_arrived_is_done_once() {
    waiterix_contract::run(|| async {
        for changes in [placed("o"), in_steps("o")] {
            let Some((_scratch, proxy, store)) = behind_proxy().await else { return };
            store.check().await.unwrap();
            // The request leaves here and stays in the proxy, which then cuts the connection.
            proxy.set(Mode::Hold);
            let begin = Instant::now();
            let cut = async {
                eventually(LIMIT, "a moment passes", || async { begin.elapsed() > LIMIT / 4 }).await;
                proxy.cut();
            };
            let (done, ()) = tokio::join!(store.commit(&changes), cut);
            let error = done.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
            assert_ne!(error.retry_advice(), Retry::No, "{error}");
            proxy.set(Mode::Pass);
            assert_eq!(ids(&store, Table::Orders).await, Vec::<String>::new());
            store.commit(&changes).await.unwrap();
            assert_placed_once(&store, "o").await;
        }
    });
}

#[test]
fn nothing_is_left_of_a_transaction_whose_connection_broke_before_its_end() {
    waiterix_contract::run(|| async {
        let Some((_scratch, proxy, store)) = behind_proxy().await else { return };
        // The last insert of the set, which is not yet the end of its transaction.
        proxy.cut_on("asked anew");
        let error = store.commit(&in_steps("o")).await.unwrap_err();
        assert!(proxy.has_cut());
        // The end was never sent, so the fate is known.
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_ne!(error.retry_advice(), Retry::Ambiguous, "{error}");
        assert_eq!(ids(&store, Table::Orders).await, Vec::<String>::new());
        store.commit(&in_steps("o")).await.unwrap();
        assert_placed_once(&store, "o").await;
    });
}

#[test]
fn a_half_open_socket_ends_in_a_timeout_in_time() {
    waiterix_contract::run(|| async {
        for mode in [Mode::Hold, Mode::Swallow] {
            let Some((_scratch, proxy, store)) = behind_proxy().await else { return };
            // What is idle for long is asked for a sign of life; this is about what is in use.
            store.check().await.unwrap();
            proxy.set(mode);
            let begin = Instant::now();
            let error = store.commit(&placed("o")).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.retry_advice()),
                (ErrorKind::Timeout, Retry::Ambiguous),
                "{error}"
            );
            assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
            proxy.set(Mode::Pass);
            store.check().await.unwrap();
            proxy.set(mode);
            let error = store.read(&Query::Restaurant("r".into())).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error}");
            assert!(!matches!(error.retry_advice(), Retry::Ambiguous | Retry::No), "{error}");
            proxy.set(Mode::Pass);
            store.commit(&placed("o")).await.unwrap();
            assert_placed_once(&store, "o").await;
        }
    });
}

#[test]
fn a_server_that_refuses_is_unavailable_and_nothing_was_done() {
    waiterix_contract::run(|| async {
        let Some((_scratch, proxy, store)) = behind_proxy().await else { return };
        proxy.set(Mode::Refuse);
        proxy.cut();
        for _ in 0..2 {
            let error = store.check().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(!matches!(error.retry_advice(), Retry::Ambiguous | Retry::No), "{error}");
        }
        let error = store.commit(&placed("o")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(!matches!(error.retry_advice(), Retry::Ambiguous | Retry::No), "nothing was sent: {error}");
        proxy.set(Mode::Pass);
        eventually(Duration::from_secs(5), "it is back", || async { store.check().await.is_ok() }).await;
        store.commit(&placed("o")).await.unwrap();
        assert_placed_once(&store, "o").await;
    });
}

#[test]
fn what_was_acknowledged_survives_a_killed_server() {
    waiterix_contract::run(|| async {
        if given(Backend::Postgres).is_none() {
            return;
        }
        // A server that does not wait for its log loses what it acknowledged last when it is killed.
        let mut server = postgres::start(&Options { durable: true, ..Options::default() }).unwrap();
        let scratch = Scratch::migrated(&server.url().clone()).await.unwrap();
        let store = Arc::new(stores::direct(&scratch));
        small_house(&*store).await;
        let writing = tokio::spawn({
            let store = store.clone();
            async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    let id = format!("v{number}");
                    let changes = set(&id).insert(user(&id)).add(Counter::FaqUsage, "f", 1);
                    match store.commit(&changes).await {
                        Ok(()) => acknowledged.push(id),
                        Err(error) => return (acknowledged, changes, error),
                    }
                }
                unreachable!("it goes on until it fails");
            }
        });
        eventually(Duration::from_secs(10), "some are there", || async {
            ids(&*store, Table::Users).await.len() > 20
        })
        .await;
        server.kill();
        let (mut acknowledged, last, error) = writing.await.unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_ne!(error.retry_advice(), Retry::No, "{error}");
        assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
        server.start_again().unwrap();
        eventually(Duration::from_secs(10), "it is back", || async { store.check().await.is_ok() }).await;
        // The one whose fate was unknown is sent again and is there once.
        store.commit(&last).await.unwrap();
        acknowledged.push(last.id().as_str().to_owned());
        let found = ids(&*store, Table::Users).await;
        assert!(acknowledged.iter().all(|id| found.contains(id)), "{acknowledged:?} but {found:?}");
        let Answer::Rows(rows) = store.read(&Query::Faq("f".into())).await.unwrap() else { panic!("rows") };
        let [Row::Faq(faq)] = &rows[..] else { panic!("one FAQ") };
        assert_eq!(usize::try_from(faq.usage_count), Ok(acknowledged.len()), "each was counted once");
    });
}

#[test]
fn a_connection_the_administrator_ended_is_replaced() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let scratch = Scratch::migrated(&server).await.unwrap();
        let store = stores::direct(&scratch);
        small_house(&store).await;
        let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
            .bind(scratch.name())
            .execute(&mut admin)
            .await
            .unwrap();
        // The connection is found dead when it is used, or before.
        if let Err(error) = store.commit(&placed("o")).await {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert_ne!(error.retry_advice(), Retry::No, "{error}");
            store.commit(&placed("o")).await.unwrap();
        }
        assert_placed_once(&store, "o").await;
    });
}

/// Another session on the same database.
async fn other(scratch: &Scratch, sql: &str) -> PgConnection {
    let mut other = PgConnection::connect(scratch.url().as_str()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut other).await.unwrap();
    other
}

async fn waiting(scratch: &Scratch) -> bool {
    let mut watcher = PgConnection::connect(scratch.url().as_str()).await.unwrap();
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock')",
    )
    .bind(scratch.name())
    .fetch_one(&mut watcher)
    .await
    .unwrap()
}

#[test]
fn the_victim_of_a_deadlock_tries_again() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let scratch = Scratch::migrated(&server).await.unwrap();
        let store = Arc::new(stores::direct(&scratch));
        store.commit(&set("two").insert_all([user("a"), user("b")])).await.unwrap();
        let touch = |id: &str| format!("UPDATE users SET first_name = first_name WHERE id = '{id}'");
        // The other one looks for deadlocks later, so this one finds it and is its victim.
        let mut other =
            other(&scratch, &format!("SET deadlock_timeout = '20s'; BEGIN; {}", touch("b"))).await;
        let committing = tokio::spawn({
            let store = store.clone();
            let changes =
                set("both").update(user("a"), named("a", "Ann")).update(user("b"), named("b", "Bea"));
            async move { store.commit(&changes).await }
        });
        // Now the store holds `a` and waits for `b`, and the other waits for `a`.
        eventually(Duration::from_secs(5), "the commit waits", || waiting(&scratch)).await;
        sqlx::raw_sql(AssertSqlSafe(touch("a"))).execute(&mut other).await.unwrap();
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
        committing.await.unwrap().unwrap();
        let users = [named("a", "Ann"), named("b", "Bea")].map(Row::from);
        assert_eq!(store.scan(Table::Users, &KeyRange::default(), 10).await.unwrap(), users);
        // The server counts with some delay.
        eventually(Duration::from_secs(10), "there was a deadlock", || deadlocked(&scratch)).await;
    });
}

async fn deadlocked(scratch: &Scratch) -> bool {
    let mut watcher = PgConnection::connect(scratch.url().as_str()).await.unwrap();
    sqlx::query_scalar("SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = $1")
        .bind(scratch.name())
        .fetch_one(&mut watcher)
        .await
        .unwrap()
}

#[test]
fn a_commit_that_waits_too_long_for_a_row_has_no_effect() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let scratch = Scratch::migrated(&server).await.unwrap();
        let store = stores::with(&scratch.url(), |settings| settings.statement_timeout = LIMIT);
        small_house(&store).await;
        let mut other = other(&scratch, "BEGIN; UPDATE restaurants SET name = name WHERE id = 'r'").await;
        for changes in [placed("o"), in_steps("o")] {
            let error = store.commit(&changes).await.unwrap_err();
            assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Timeout, Retry::Safe), "{error}");
        }
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
        assert_eq!(ids(&store, Table::Orders).await, Vec::<String>::new());
        store.commit(&placed("o")).await.unwrap();
        assert_placed_once(&store, "o").await;
    });
}

#[test]
fn a_server_that_takes_no_writes_is_unavailable_and_nothing_was_done() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let scratch = Scratch::migrated(&server).await.unwrap();
        small_house(&stores::direct(&scratch)).await;
        let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
        let sql = format!("ALTER DATABASE {} SET default_transaction_read_only = on", scratch.name());
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        let store = stores::direct(&scratch);
        store.check().await.unwrap();
        let discarded = store.database().snapshot().discarded;
        let error = store.commit(&placed("o")).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe), "{error}");
        assert!(store.database().snapshot().discarded > discarded, "the connection to it is given up");
    });
}

#[test]
fn a_question_given_up_halfway_leaves_no_connection_in_a_strange_state() {
    waiterix_contract::run(|| async {
        let Some(server) = given(Backend::Postgres) else { return };
        let scratch = Scratch::migrated(&server).await.unwrap();
        let store = stores::with(&scratch.url(), |settings| settings.pool_max = 2);
        small_house(&store).await;
        for number in 0..200_u32 {
            let changes = in_steps(&format!("o{number}"));
            // Callers go away at any moment, as browsers do.
            let _ =
                tokio::time::timeout(Duration::from_micros(u64::from(number) * 40), store.commit(&changes))
                    .await;
            store.check().await.unwrap();
        }
        let (orders, lines) =
            (ids(&store, Table::Orders).await.len(), ids(&store, Table::OrderItems).await.len());
        assert_eq!(lines, orders * 3, "whole orders only");
    });
}
