//! Connections are made when they are needed, and what is broken is noticed before somebody relies on it.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use url::Url;
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given, postgres};
use waiterix_contract::{ManualClock, eventually};
use waiterix_domain::Secret;
use waiterix_ports::{ErrorKind, Result, Retry, SystemClock};
use waiterix_postgres::connect::{Database, FixedPassword, Password, PostgresSettings};
use waiterix_postgres::testing::{Scratch, settings};

use crate::common::{connect, execute};

const OPERATION: &str = "test.use";
/// No failure of a connection may cost more than this.
const BOUND: Duration = Duration::from_secs(5);

fn database(url: &Url, change: impl FnOnce(&mut PostgresSettings)) -> Database {
    let mut settings = settings(url).unwrap();
    change(&mut settings);
    let password = FixedPassword::new(settings.password.clone().unwrap());
    Database::new(settings, Arc::new(password), Arc::new(SystemClock)).unwrap()
}

/// The server's process behind a connection.
async fn process(connection: &mut PgConnection) -> sqlx::Result<i32> {
    sqlx::query_scalar("SELECT pg_backend_pid()").persistent(false).fetch_one(connection).await
}

/// One use; which server process served it.
async fn used(database: &Database) -> i32 {
    let mut lease = database.acquire(OPERATION).await.unwrap();
    let process = process(&mut lease).await.unwrap();
    lease.release();
    process
}

/// Opens this many connections and leaves them idle; their server processes.
async fn warmed(database: &Database, count: usize) -> Vec<i32> {
    let (mut leases, mut processes) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let mut lease = database.acquire(OPERATION).await.unwrap();
        processes.push(process(&mut lease).await.unwrap());
        leases.push(lease);
    }
    for lease in leases {
        lease.release();
    }
    processes
}

#[tokio::test]
async fn the_first_use_connects_and_the_second_does_not() {
    let Some(server) = given(Backend::Postgres) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    let database = database(&proxy.url(&server), |_| {});
    assert_eq!((proxy.accepted(), database.snapshot().size), (0, 0));
    let first = used(&database).await;
    for _ in 0..10 {
        assert_eq!(used(&database).await, first);
    }
    assert_eq!(proxy.accepted(), 1);
    let snapshot = database.snapshot();
    assert_eq!((snapshot.size, snapshot.idle, snapshot.opened, snapshot.acquired), (1, 1, 1, 11));
    assert!(snapshot.acquire_time > Duration::ZERO);
}

#[tokio::test]
async fn settings_are_made_without_a_server_and_without_a_runtime_of_its_own() {
    // Nobody answers at this address, and nobody is asked.
    let database = database(&Url::parse("postgres://u:hidden@192.0.2.1:1/d").unwrap(), |_| {});
    let told = format!("{database:?}");
    assert!(told.contains("192.0.2.1") && !told.contains("hidden"), "{told}");
}

#[tokio::test]
async fn who_finds_all_connections_in_use_waits_and_is_told_in_time() {
    let Some(server) = given(Backend::Postgres) else { return };
    let database = database(&server, |settings| {
        settings.pool_max = 2;
        settings.acquire_timeout = Duration::from_millis(200);
    });
    let (one, two) = (database.acquire(OPERATION).await.unwrap(), database.acquire(OPERATION).await.unwrap());
    let begin = Instant::now();
    let error = database.acquire(OPERATION).await.unwrap_err();
    assert!(begin.elapsed() < BOUND);
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(matches!(error.retry_advice(), Retry::After(_)), "{error}");
    let (waiter, ()) = tokio::join!(database.acquire(OPERATION), async { one.release() });
    waiter.unwrap().release();
    two.release();
    assert_eq!(database.snapshot().size, 2);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_an_error_in_time() {
    let Some(server) = given(Backend::Postgres) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    let database = database(&proxy.url(&server), |settings| {
        settings.connect_timeout = Duration::from_millis(300);
    });
    for mode in [Mode::Hold, Mode::Refuse] {
        proxy.set(mode);
        let begin = Instant::now();
        let error = database.acquire(OPERATION).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{mode:?}: {error}");
        assert!(matches!(error.retry_advice(), Retry::After(_)), "{mode:?}: {error}");
        assert!(begin.elapsed() < BOUND, "{mode:?}");
    }
    proxy.set(Mode::Pass);
    eventually(BOUND, "the way is free again", || async { database.acquire(OPERATION).await.is_ok() }).await;
}

#[tokio::test]
async fn refusals_are_told_apart_and_repeat_no_password() {
    let Some(server) = given(Backend::Postgres) else { return };
    let mut wrong_password = server.clone();
    wrong_password.set_password(Some("hidden-word")).unwrap();
    let mut no_database = server.clone();
    no_database.set_path("no_such_database");
    for (url, kind) in [(wrong_password, ErrorKind::Denied), (no_database, ErrorKind::NotFound)] {
        let error = database(&url, |_| {}).acquire(OPERATION).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (kind, Retry::No), "{error}");
        assert!(!error.to_string().contains("hidden-word"));
    }
}

#[tokio::test]
async fn connections_cut_between_two_uses_are_replaced() {
    let Some(server) = given(Backend::Postgres) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    let database = database(&proxy.url(&server), |_| {});
    warmed(&database, 3).await;
    proxy.cut();
    // Whoever comes at once may find out the hard way; whoever comes later does not.
    is_idle(&database).await;
    used(&database).await;
    assert_eq!(database.snapshot().size, 1, "those that were idle with the dead one are not tried");
}

/// Lets 150 ms pass in which nothing is done with the database.
async fn is_idle(database: &Database) {
    let since = Mutex::new((database.snapshot().acquired, Instant::now()));
    let is_idle = || {
        let mut since = since.lock().unwrap();
        let acquired = database.snapshot().acquired;
        if since.0 != acquired {
            *since = (acquired, Instant::now());
        }
        since.1.elapsed() > Duration::from_millis(150)
    };
    eventually(BOUND, "idle for a moment", || async { is_idle() }).await;
}

#[tokio::test]
async fn a_server_killed_between_two_uses_is_found_again() {
    if given(Backend::Postgres).is_none() {
        return;
    }
    let mut server = postgres::start(&postgres::Options::default()).unwrap();
    let database = database(server.url(), |_| {});
    warmed(&database, 2).await;
    server.kill();
    server.start_again().unwrap();
    // The processes behind the connections outlive their parent for a moment, in which they may give a last sign of life.
    eventually(BOUND, "the server is found again", || async {
        let mut lease = database.acquire(OPERATION).await.unwrap();
        match process(&mut lease).await {
            Ok(_) => lease.release(),
            Err(error) => {
                lease.discard(&error);
                return false;
            }
        }
        true
    })
    .await;
}

#[tokio::test]
async fn a_server_killed_in_a_transaction_is_found_again() {
    if given(Backend::Postgres).is_none() {
        return;
    }
    let mut server = postgres::start(&postgres::Options::default()).unwrap();
    let database = database(server.url(), |_| {});
    warmed(&database, 2).await;
    let mut lease = database.acquire(OPERATION).await.unwrap();
    execute(&mut lease, "BEGIN").await;
    server.kill();
    // The process behind the connection outlives its parent for a moment.
    let error = async {
        loop {
            if let Err(error) = process(&mut lease).await {
                return error;
            }
        }
    };
    let error = tokio::time::timeout(BOUND, error).await.expect("the connection breaks");
    lease.discard(&error);
    // While it is away the error is one that a retry may help.
    let error = database.acquire(OPERATION).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    server.start_again().unwrap();
    used(&database).await;
}

/// Lets stopped processes go on, so that the server can end.
struct Stopped(Vec<i32>);

impl Stopped {
    fn signal(&self, name: &str) {
        let pids = self.0.iter().map(ToString::to_string);
        assert!(Command::new("kill").args(["-s", name]).args(pids).status().unwrap().success());
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("CONT");
    }
}

#[tokio::test]
async fn connections_that_fell_silent_cost_one_sign_of_life() {
    if given(Backend::Postgres).is_none() {
        return;
    }
    let server = postgres::start(&postgres::Options::default()).unwrap();
    let database = database(server.url(), |_| {});
    let silent = Stopped(warmed(&database, 4).await);
    silent.signal("STOP");
    is_idle(&database).await;
    let begin = Instant::now();
    let process = used(&database).await;
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert!(!silent.0.contains(&process));
    assert_eq!(database.snapshot().discarded, 4);
}

#[tokio::test]
async fn a_process_that_was_frozen_trusts_nothing() {
    let Some(server) = given(Backend::Postgres) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    let settings = settings(&proxy.url(&server)).unwrap();
    let password = FixedPassword::new(settings.password.clone().unwrap());
    let clock = Arc::new(ManualClock::default());
    let database = Database::new(settings, Arc::new(password), clock.clone()).unwrap();
    used(&database).await;
    // The machine's own clock stood still meanwhile: the connection seems to have been used a moment ago.
    proxy.cut();
    clock.advance(Duration::from_secs(3600));
    used(&database).await;
    assert_eq!(database.snapshot().opened, 2);
}

#[tokio::test]
async fn a_standby_is_left_for_the_new_primary() {
    let Some(server) = given(Backend::Postgres) else { return };
    let database = database(&server, |_| {});
    let before = warmed(&database, 3).await;
    let mut lease = database.acquire(OPERATION).await.unwrap();
    execute(&mut lease, "BEGIN READ ONLY").await;
    let write = sqlx::query("CREATE TABLE never (a int)").persistent(false).execute(&mut *lease).await;
    lease.discard(&write.unwrap_err());
    assert!(!before.contains(&used(&database).await), "no old connection is used again");
    // An error of the statement alone says nothing about the others.
    let mut lease = database.acquire(OPERATION).await.unwrap();
    let error = sqlx::query("SELECT 1/0").persistent(false).execute(&mut *lease).await.unwrap_err();
    let kept = warmed(&database, 1).await;
    lease.discard(&error);
    assert_eq!(used(&database).await, kept[0]);
}

#[tokio::test]
async fn a_lease_that_is_dropped_on_the_way_is_closed_with_all_it_held() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&server).await.unwrap();
    let database = database(&scratch.url(), |settings| settings.pool_max = 1);
    let mut lease = database.acquire(OPERATION).await.unwrap();
    execute(&mut lease, "CREATE TABLE t (a int)").await;
    execute(&mut lease, "BEGIN; LOCK TABLE t").await;
    // The request was given up in the middle of a statement.
    let asking = sqlx::query("SELECT pg_sleep(0.2)").execute(&mut *lease);
    assert!(tokio::time::timeout(Duration::from_millis(20), asking).await.is_err());
    drop(lease);
    assert_eq!(database.snapshot().size, 0);
    let mut other = connect(&scratch.url()).await;
    let free = tokio::time::timeout(BOUND, execute(&mut other, "BEGIN; LOCK TABLE t; COMMIT"));
    free.await.expect("the lock is gone");
    used(&database).await;
}

#[tokio::test]
async fn a_statement_ends_in_time_and_in_utc() {
    let Some(server) = given(Backend::Postgres) else { return };
    let database = database(&server, |settings| settings.statement_timeout = Duration::from_millis(200));
    let mut lease = database.acquire(OPERATION).await.unwrap();
    let shown = async |lease: &mut PgConnection, name: &str| -> String {
        sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(lease).await.unwrap()
    };
    assert_eq!(shown(&mut lease, "TimeZone").await, "UTC");
    assert_eq!(shown(&mut lease, "tcp_keepalives_idle").await, "60");
    assert_eq!(shown(&mut lease, "application_name").await, "waiterix");
    let begin = Instant::now();
    let error = sqlx::query("SELECT pg_sleep(30)").execute(&mut *lease).await.unwrap_err();
    assert!(begin.elapsed() < BOUND);
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "57014");
}

#[tokio::test]
async fn a_pooler_in_between_is_served_without_names_and_settings() {
    let (Some(server), Some(pooler)) = (given(Backend::Postgres), given(Backend::PgBouncer)) else { return };
    let scratch = Scratch::empty(&server).await.unwrap();
    let database = database(&scratch.through(&pooler), |settings| {
        settings.pooled = true;
        settings.pool_max = 20;
    });
    let uses = (0..60).map(|number| {
        let database = database.clone();
        async move {
            let mut lease = database.acquire(OPERATION).await.unwrap();
            execute(&mut lease, "BEGIN").await;
            let answer: (i32, String) = sqlx::query_as("SELECT $1 + 1, current_setting('TimeZone')")
                .bind(number)
                .persistent(false)
                .fetch_one(&mut *lease)
                .await
                .unwrap();
            execute(&mut lease, "COMMIT").await;
            lease.release();
            assert_eq!(answer, (number + 1, "UTC".to_owned()));
        }
    });
    futures_util::future::join_all(uses).await;
}

#[tokio::test]
async fn closing_waits_for_what_is_running_and_refuses_what_comes() {
    let Some(server) = given(Backend::Postgres) else { return };
    let database = database(&server, |_| {});
    let mut lease = database.acquire(OPERATION).await.unwrap();
    warmed(&database, 2).await;
    let closing = tokio::spawn({
        let database = database.clone();
        async move { database.close(BOUND).await }
    });
    let refused =
        || async { database.acquire(OPERATION).await.is_err_and(|e| e.kind() == ErrorKind::Unavailable) };
    eventually(BOUND, "nothing new is begun", refused).await;
    assert!(!closing.is_finished());
    process(&mut lease).await.expect("what is running goes on");
    lease.release();
    assert!(closing.await.unwrap());
    assert_eq!(database.snapshot().size, 0);
}

#[tokio::test]
async fn closing_has_an_end() {
    let Some(server) = given(Backend::Postgres) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    let database = database(&proxy.url(&server), |_| {});
    let lease = database.acquire(OPERATION).await.unwrap();
    warmed(&database, 1).await;
    proxy.set(Mode::Hold);
    let begin = Instant::now();
    assert!(!database.close(Duration::from_millis(200)).await);
    assert!(begin.elapsed() < BOUND);
    drop(lease);
}

/// A password that somebody changes.
#[derive(Debug)]
struct Changing(Mutex<&'static str>);

#[async_trait]
impl Password for Changing {
    async fn password(&self) -> Result<Secret> {
        Ok(Secret::new(*self.0.lock().unwrap()))
    }
}

#[tokio::test]
async fn every_new_connection_asks_for_the_password() {
    let Some(server) = given(Backend::Postgres) else { return };
    let mut admin = connect(&server).await;
    let role = format!("changing_{}", process(&mut admin).await.unwrap());
    execute(&mut admin, &format!("CREATE ROLE {role} LOGIN PASSWORD 'first'")).await;
    let mut settings = settings(&server).unwrap();
    settings.user = role.clone();
    let password = Arc::new(Changing(Mutex::new("first")));
    let database = Database::new(settings, password.clone(), Arc::new(SystemClock)).unwrap();
    let lease = database.acquire(OPERATION).await.unwrap();
    execute(&mut admin, &format!("ALTER ROLE {role} PASSWORD 'second'")).await;
    assert_eq!(database.acquire(OPERATION).await.unwrap_err().kind(), ErrorKind::Denied);
    *password.0.lock().unwrap() = "second";
    database.acquire(OPERATION).await.unwrap().release();
    // One that is open stays open.
    let mut lease = lease;
    process(&mut lease).await.unwrap();
    drop(lease);
    database.close(BOUND).await;
    eventually(BOUND, "the role can go", || async {
        sqlx::query(sqlx::AssertSqlSafe(format!("DROP ROLE {role}")))
            .execute(&mut connect(&server).await)
            .await
            .is_ok()
    })
    .await;
}
