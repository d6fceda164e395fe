//! A Redis of a test's own, which is where sessions go.

use std::sync::Arc;
use std::time::Duration;

use waiterix_adapters_aws::elasticache::{RedisSessionStore, RedisSettings};
use waiterix_backends::{Running, missing, redis};
use waiterix_ports::SystemClock;

/// A server and a store in it. The key layout in Redis is given, so a server is the namespace of a test.
pub(crate) fn store() -> Option<(Running, RedisSessionStore)> {
    let server = match redis::start(&redis::Options::default()) {
        Ok(server) => server,
        Err(fault) => {
            missing("a Redis of its own", &fault.to_string());
            return None;
        }
    };
    let settings = RedisSettings {
        host: server.url().host_str().unwrap().to_owned(),
        port: server.url().port().unwrap(),
        password: None,
        database: 0,
        tls: false,
        tls_root_cert: None,
        connect_timeout: Duration::from_secs(5),
        command_timeout: Duration::from_secs(5),
    };
    let store = RedisSessionStore::new(&settings, Arc::new(SystemClock)).unwrap();
    Some((server, store))
}
