//! A Redis of a test's own, and a plain client of it.

pub(crate) mod old;

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use serde_json::Map;
use url::Url;
use waiterix_adapters_aws::elasticache::{RedisSessionStore, RedisSettings};
use waiterix_backends::redis::Options;
use waiterix_backends::{Running, missing};
use waiterix_contract::Fixture;
use waiterix_domain::{Secret, Timestamp};
use waiterix_ports::{Clock, Session, SessionId, SessionStore, SystemClock};

/// Starts a server; without the program the test is left out, loudly. The key layout is given, so a server is the
/// namespace of a test.
pub(crate) fn server(options: &Options) -> Option<Running> {
    match waiterix_backends::redis::start(options) {
        Ok(server) => Some(server),
        Err(fault) => {
            missing("a Redis of its own", &fault.to_string());
            None
        }
    }
}

/// A server with nothing special.
pub(crate) fn plain_server() -> Option<Running> {
    server(&Options::default())
}

/// The settings that lead to a URL.
pub(crate) fn settings(url: &Url) -> RedisSettings {
    RedisSettings {
        host: url.host_str().unwrap().to_owned(),
        port: url.port().unwrap(),
        password: url.password().map(Secret::new),
        database: 0,
        tls: url.scheme() == "rediss",
        tls_root_cert: None,
        connect_timeout: Duration::from_secs(5),
        command_timeout: Duration::from_secs(5),
    }
}

/// A store at a URL.
pub(crate) fn store(url: &Url) -> RedisSessionStore {
    RedisSessionStore::new(&settings(url), Arc::new(SystemClock)).unwrap()
}

/// A plain client.
pub(crate) async fn raw(url: &Url) -> MultiplexedConnection {
    redis::Client::open(url.clone()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// The fixture of the contract.
pub(crate) fn fixture(store: RedisSessionStore, server: Running) -> Fixture<dyn SessionStore> {
    let url = server.url().clone();
    Fixture::new(Arc::new(store) as Arc<dyn SessionStore>).guarded(server).vandalised(move |id| {
        let url = url.clone();
        async move {
            let mut spoil = redis::cmd("SET");
            spoil.arg(format!("session:{id}")).arg("{ not json").arg("KEEPTTL");
            spoil.exec_async(&mut raw(&url).await).await.unwrap();
        }
    })
}

pub(crate) fn id(name: &str) -> SessionId {
    SessionId::new(format!("{name:_<24}"))
}

/// A session of a user that starts now.
pub(crate) fn session(name: &str, user: &str, ttl_s: i64) -> Session {
    let now = Timestamp::from_millis(SystemClock.now().as_millis()).unwrap();
    Session {
        id: id(name),
        user_id: Some(user.into()),
        email: Some(format!("{user}@example.org")),
        created_at: now,
        last_activity: now,
        expires_at: now.plus_seconds(ttl_s),
        extra: Map::new(),
    }
}

/// The names of a user's sessions, sorted.
pub(crate) async fn listed(store: &RedisSessionStore, user: &str) -> Vec<String> {
    let ids = store.sessions_of(&user.into()).await.unwrap();
    let mut names: Vec<_> = ids.iter().map(|id| id.reveal().trim_end_matches('_').to_owned()).collect();
    names.sort();
    names
}

/// A plain client of a server whose certificate this authority signed.
pub(crate) async fn raw_tls(url: &Url, root_pem: &str) -> MultiplexedConnection {
    let certificates =
        redis::TlsCertificates { client_tls: None, root_cert: Some(root_pem.as_bytes().to_vec()) };
    let client = redis::Client::build_with_tls(url.clone(), certificates).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// A server in cluster mode that owns all slots.
pub(crate) async fn cluster_of_one() -> Option<Running> {
    let arguments = ["--cluster-enabled", "yes"].map(str::to_owned).to_vec();
    let server = server(&Options { arguments, ..Options::default() })?;
    let mut client = raw(server.url()).await;
    let mut own = redis::cmd("CLUSTER");
    own.arg("ADDSLOTSRANGE").arg(0).arg(16_383);
    own.exec_async(&mut client).await.unwrap();
    let is_ready = || async {
        let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut client.clone()).await.unwrap();
        info.contains("cluster_state:ok")
    };
    waiterix_contract::eventually(Duration::from_secs(20), "the cluster takes up its work", is_ready).await;
    Some(server)
}
