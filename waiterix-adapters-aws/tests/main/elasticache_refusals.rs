//! What a Redis that answers, but refuses, is told apart by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::AsyncCommands as _;
use serde_json::json;
use waiterix_adapters_aws::elasticache::{RedisSessionStore, RedisSettings};
use waiterix_backends::redis::Options;
use waiterix_backends::tls::Authority;
use waiterix_contract::eventually;
use waiterix_domain::Secret;
use waiterix_ports::{ErrorKind, Retry, SessionStore as _, SystemClock};

use crate::own_redis::{self, id, plain_server, raw, raw_tls, server, session, settings, store};

const HOUR: Duration = Duration::from_secs(3_600);
const PATIENCE: Duration = Duration::from_secs(20);

fn with(settings: &RedisSettings) -> RedisSessionStore {
    RedisSessionStore::new(settings, Arc::new(SystemClock)).unwrap()
}

fn arguments(all: &[&str]) -> Options {
    Options { arguments: all.iter().map(|one| (*one).to_owned()).collect(), ..Options::default() }
}

#[tokio::test]
async fn g045_a_password_and_a_database_are_used() {
    let options = Options { password: Some("open-sesame".to_owned()), ..Options::default() };
    let Some(server) = server(&options) else { return };
    let mut settings = settings(server.url());
    settings.database = 3;
    let right = with(&settings);
    right.create(&session("one", "anna", 3_600)).await.unwrap();
    let mut client = raw(server.url()).await;
    assert_eq!(redis::cmd("DBSIZE").query_async::<i64>(&mut client).await.unwrap(), 0, "database 0");
    let () = redis::cmd("SELECT").arg(3).exec_async(&mut client).await.unwrap();
    assert!(client.exists::<_, bool>(format!("session:{}", id("one").reveal())).await.unwrap());

    for wrong in [None, Some(Secret::new("guess"))] {
        let denied = with(&RedisSettings { password: wrong, ..settings.clone() });
        let error = denied.load(&id("one")).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Denied, Retry::No), "{error}");
        assert_eq!(denied.check().await.unwrap_err().kind(), ErrorKind::Denied);
        assert!(!format!("{error} {denied:?}").contains("guess"));
    }
}

#[tokio::test]
async fn a_password_that_changes_is_denied_and_works_again_when_it_is_back() {
    let options = Options { password: Some("first".to_owned()), ..Options::default() };
    let Some(server) = server(&options) else { return };
    let (store, mut admin) = (store(server.url()), raw(server.url()).await);
    store.check().await.unwrap();
    let mut set = async |password: &str| {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("requirepass").arg(password);
        command.exec_async(&mut admin).await.unwrap();
        let mut others = redis::cmd("CLIENT");
        others.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        others.exec_async(&mut admin).await.unwrap();
    };
    set("second").await;
    assert_eq!(store.load(&id("one")).await.unwrap_err().kind(), ErrorKind::Denied);
    set("first").await;
    assert_eq!(store.load(&id("one")).await.unwrap(), None);
}

#[tokio::test]
async fn a_user_without_the_right_is_denied() {
    let Some(server) = plain_server() else { return };
    let (store, mut admin) = (store(server.url()), raw(server.url()).await);
    store.check().await.unwrap();
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("default").arg("-getdel");
    command.exec_async(&mut admin).await.unwrap();
    assert_eq!(store.temp_take("k").await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(store.temp_get("k").await.unwrap(), None, "the connection is as good as before");
}

#[tokio::test]
async fn a_database_that_the_server_does_not_have_is_said() {
    let Some(server) = server(&arguments(&["--databases", "2"])) else { return };
    let store = with(&RedisSettings { database: 3, ..settings(server.url()) });
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_replica_is_no_place_to_write() {
    let Some(primary) = plain_server() else { return };
    let port = primary.url().port().unwrap().to_string();
    let Some(replica) = server(&arguments(&["--replicaof", "127.0.0.1", &port])) else { return };
    let (there, here) = (store(primary.url()), store(replica.url()));
    there.create(&session("one", "anna", 3_600)).await.unwrap();
    eventually(PATIENCE, "the session is copied", || async {
        matches!(here.load(&id("one")).await, Ok(Some(_)))
    })
    .await;
    let (read, now) = (here.load(&id("one")).await.unwrap().unwrap(), read_now());
    let refused = [
        here.create(&session("two", "anna", 3_600)).await.unwrap_err(),
        here.update(&read.session, &read.revision).await.unwrap_err(),
        here.touch(&id("one"), now, now.plus_seconds(60)).await.unwrap_err(),
        here.delete(&id("one")).await.unwrap_err(),
        here.delete_all_of(&"anna".into()).await.unwrap_err(),
        here.temp_set("k", &json!(1), HOUR).await.unwrap_err(),
        here.temp_count("k", HOUR).await.unwrap_err(),
        here.check().await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe), "{error}");
    }
    assert_eq!(own_redis::listed(&here, "anna").await, ["one"], "reading goes on");
    assert_eq!(there.load(&id("one")).await.unwrap().unwrap(), read, "nothing happened");

    // It becomes the primary: the same store goes on without anybody's help.
    let mut admin = raw(replica.url()).await;
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec_async(&mut admin).await.unwrap();
    here.check().await.unwrap();
    assert!(here.delete(&id("one")).await.unwrap());
}

fn read_now() -> waiterix_domain::Timestamp {
    use waiterix_ports::Clock as _;
    SystemClock.now()
}

#[tokio::test]
async fn a_full_server_is_unavailable_for_writes_and_answers_reads() {
    let Some(server) = plain_server() else { return };
    let (store, mut admin) = (store(server.url()), raw(server.url()).await);
    store.create(&session("one", "anna", 3_600)).await.unwrap();
    let mut limit = redis::cmd("CONFIG");
    limit.arg("SET").arg("maxmemory").arg(1);
    limit.exec_async(&mut admin).await.unwrap();
    for error in [
        store.create(&session("two", "anna", 3_600)).await.unwrap_err(),
        store.temp_set("k", &json!(1), HOUR).await.unwrap_err(),
        store.check().await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe), "{error}");
    }
    assert!(store.load(&id("one")).await.unwrap().is_some());
    assert_eq!(own_redis::listed(&store, "anna").await, ["one"]);
}

#[tokio::test]
async fn a_server_with_too_many_clients_throttles() {
    let Some(server) = plain_server() else { return };
    let (store, mut admin) = (store(server.url()), raw(server.url()).await);
    let mut limit = redis::cmd("CONFIG");
    limit.arg("SET").arg("maxclients").arg(1);
    limit.exec_async(&mut admin).await.unwrap();
    // The server says so and closes at once; what it said can get lost on the way.
    eventually(PATIENCE, "it says why", || async {
        let error = store.check().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Throttled | ErrorKind::Unavailable), "{error}");
        error.kind() == ErrorKind::Throttled
    })
    .await;
    limit = redis::cmd("CONFIG");
    limit.arg("SET").arg("maxclients").arg(100);
    limit.exec_async(&mut admin).await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_server_busy_with_a_script_is_unavailable() {
    let Some(server) = server(&arguments(&["--busy-reply-threshold", "50"])) else { return };
    let (store, mut admin, mut busy) =
        (store(server.url()), raw(server.url()).await, raw(server.url()).await);
    store.check().await.unwrap();
    let endless = tokio::spawn(async move {
        let mut script = redis::cmd("EVAL");
        script.arg("while true do end").arg(0);
        script.exec_async(&mut busy).await.ok();
    });
    eventually(PATIENCE, "the server is busy", || async {
        store.load(&id("one")).await.is_err_and(|error| error.kind() == ErrorKind::Unavailable)
    })
    .await;
    redis::cmd("SCRIPT").arg("KILL").exec_async(&mut admin).await.unwrap();
    endless.await.unwrap();
    assert_eq!(store.load(&id("one")).await.unwrap(), None);
}

#[tokio::test]
async fn n10_a_certificate_is_verified() {
    let (ours, theirs) = (Authority::new().unwrap(), Authority::new().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let trusting = |authority: &Authority| {
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, &authority.certificate_pem).unwrap();
        Some(path)
    };
    let identity = |authority: &Authority, names: &[&str]| Options {
        tls: Some(authority.identity(names).unwrap()),
        ..Options::default()
    };
    let Some(good) = server(&identity(&ours, &["127.0.0.1"])) else { return };
    let Some(other_name) = server(&identity(&ours, &["redis.example.org"])) else { return };
    let ask = async |url: &url::Url, root: Option<std::path::PathBuf>, tls: bool| {
        let settings = RedisSettings { tls_root_cert: root, tls, ..settings(url) };
        let begun = Instant::now();
        let answer = with(&settings).check().await.map_err(|error| error.kind());
        assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
        answer
    };
    let refused = Err(ErrorKind::Unavailable);
    assert_eq!(ask(good.url(), trusting(&ours), true).await, Ok(()));
    assert_eq!(ask(good.url(), trusting(&theirs), true).await, refused, "signed by a stranger");
    assert_eq!(ask(good.url(), None, true).await, refused, "unknown to the machine");
    assert_eq!(ask(other_name.url(), trusting(&ours), true).await, refused, "made out to another name");
    assert_eq!(ask(good.url(), None, false).await, refused, "TLS is not spoken by us");
    let Some(plain) = plain_server() else { return };
    assert_eq!(ask(plain.url(), trusting(&ours), true).await, refused, "TLS is not spoken by it");
    let _: String =
        redis::cmd("PING").query_async(&mut raw_tls(good.url(), &ours.certificate_pem).await).await.unwrap();
}

#[tokio::test]
async fn a_root_certificate_that_is_none_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = url::Url::parse("rediss://127.0.0.1:1").unwrap();
    let open = |path: std::path::PathBuf| {
        let settings = RedisSettings { tls_root_cert: Some(path), ..settings(&url) };
        RedisSessionStore::new(&settings, Arc::new(SystemClock)).unwrap_err()
    };
    let missing = open(folder.path().join("missing.pem"));
    assert_eq!(missing.kind(), ErrorKind::Invalid);
    assert!(missing.to_string().contains("REDIS_TLS_ROOT_CERT"), "{missing}");
    let path = folder.path().join("empty.pem");
    std::fs::write(&path, "no certificate in here").unwrap();
    assert_eq!(open(path.clone()).kind(), ErrorKind::Invalid);
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").unwrap();
    assert_eq!(open(path).kind(), ErrorKind::Invalid);
}
