//! Sessions in Redis against the contract: over TCP, over TLS with a password, and in cluster mode.

use crate::own_redis;

/// As most run it.
mod plain {
    use waiterix_contract::Fixture;
    use waiterix_ports::SessionStore;

    use crate::own_redis::{fixture, plain_server, store};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Option<Fixture<dyn SessionStore>> {
        let server = plain_server()?;
        Some(fixture(store(server.url()), server))
    }

    waiterix_contract::session_contract!("Redis", fresh);
}

/// As ElastiCache asks for it when a password is set.
mod secured {
    use std::sync::Arc;

    use waiterix_adapters_aws::elasticache::RedisSessionStore;
    use waiterix_backends::redis::Options;
    use waiterix_backends::tls::Authority;
    use waiterix_contract::Fixture;
    use waiterix_ports::{SessionStore, SystemClock};

    use crate::own_redis::{raw_tls, server, settings};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Option<Fixture<dyn SessionStore>> {
        let authority = Authority::new().unwrap();
        let server = server(&Options {
            password: Some("open-sesame".to_owned()),
            tls: Some(authority.identity(&["localhost", "127.0.0.1"]).unwrap()),
            ..Options::default()
        })?;
        let folder = tempfile::tempdir().unwrap();
        let root_cert = folder.path().join("ca.pem");
        std::fs::write(&root_cert, &authority.certificate_pem).unwrap();
        let mut settings = settings(server.url());
        settings.tls_root_cert = Some(root_cert);
        let store = RedisSessionStore::new(&settings, Arc::new(SystemClock)).unwrap();
        let (url, pem) = (server.url().clone(), authority.certificate_pem);
        let fixture = Fixture::new(Arc::new(store) as Arc<dyn SessionStore>).guarded(server).guarded(folder);
        Some(fixture.vandalised(move |name| {
            let (url, pem) = (url.clone(), pem.clone());
            async move {
                let mut spoil = redis::cmd("SET");
                spoil.arg(format!("session:{name}")).arg("{ not json").arg("KEEPTTL");
                spoil.exec_async(&mut raw_tls(&url, &pem).await).await.unwrap();
            }
        }))
    }

    waiterix_contract::session_contract!("Redis with TLS and AUTH", fresh);
}

/// A cluster of one node refuses every step that reaches over more than one slot. The cases run side by side, since most
/// of their time is waiting for ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g060_the_whole_contract_holds_in_cluster_mode() {
    const SIDE_BY_SIDE: usize = 16;
    let mut running = tokio::task::JoinSet::new();
    for case in waiterix_contract::session::CASES {
        if running.len() == SIDE_BY_SIDE {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(async move {
            // A node of a cluster takes seconds to begin its work.
            let Some(server) = own_redis::cluster_of_one().await else { return };
            let store = own_redis::store(server.url());
            (case.run)(own_redis::fixture(store, server)).await;
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}
