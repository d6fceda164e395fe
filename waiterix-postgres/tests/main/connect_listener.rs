//! Connections that hear notifications.

use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given};
use waiterix_ports::{ErrorKind, SystemClock};
use waiterix_postgres::connect::{Database, FixedPassword, PostgresSettings};
use waiterix_postgres::testing::{Scratch, settings};

use crate::common::{connect, execute};

const OPERATION: &str = "test.listen";
const BOUND: Duration = Duration::from_secs(5);

fn database(url: &Url, change: impl FnOnce(&mut PostgresSettings)) -> Database {
    let mut settings = settings(url).unwrap();
    change(&mut settings);
    let password = FixedPassword::new(settings.password.clone().unwrap());
    Database::new(settings, Arc::new(password), Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn it_hears_what_others_say_and_tells_when_it_breaks() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&server).await.unwrap();
    let mut other = connect(&scratch.url()).await;
    let mut listener = database(&scratch.url(), |_| {}).listener(OPERATION).await.unwrap();
    listener.listen("bell").await.unwrap();
    execute(&mut other, "NOTIFY bell, 'one'").await;
    let heard = listener.try_recv().await.unwrap().unwrap();
    assert_eq!((heard.channel(), heard.payload()), ("bell", "one"));
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute(&mut other, end).await;
    execute(&mut other, "NOTIFY bell, 'two'").await;
    assert!(!listener.try_recv().await.is_ok_and(|heard| heard.is_some()), "the loss is told first");
}

#[tokio::test]
async fn it_takes_no_connection_of_the_pool() {
    let Some(server) = given(Backend::Postgres) else { return };
    let database = database(&server, |settings| settings.pool_max = 1);
    let _listener = database.listener(OPERATION).await.unwrap();
    assert_eq!(database.snapshot().size, 0);
    database.acquire(OPERATION).await.unwrap().release();
}

#[tokio::test]
async fn refusals_are_told_apart_and_repeat_no_password() {
    let Some(server) = given(Backend::Postgres) else { return };
    let mut wrong_password = server.clone();
    wrong_password.set_password(Some("hidden-word")).unwrap();
    let mut no_database = server.clone();
    no_database.set_path("no_such_database");
    for (url, kind) in [(wrong_password, ErrorKind::Denied), (no_database, ErrorKind::NotFound)] {
        let error = database(&url, |_| {}).listener(OPERATION).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.to_string().contains("hidden-word"));
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_an_error_in_time() {
    let Some(server) = given(Backend::Postgres) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    let url = proxy.url(&server);
    let database = database(&url, |settings| settings.connect_timeout = Duration::from_millis(300));
    for mode in [Mode::Hold, Mode::Refuse] {
        proxy.set(mode);
        let begin = Instant::now();
        let error = database.listener(OPERATION).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{mode:?}: {error}");
        assert!(begin.elapsed() < BOUND, "{mode:?}");
    }
}

#[tokio::test]
async fn behind_a_pooler_it_is_unsupported_with_a_remedy() {
    let url = "postgres://u:p@ep-name-123456-pooler.eu-central-1.aws.neon.tech/d".parse().unwrap();
    let error = database(&url, |_| {}).listener(OPERATION).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("the server's own address"), "{error}");
}
