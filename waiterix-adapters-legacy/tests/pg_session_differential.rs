//! PostgreSQL, Redis and the in-memory model do the same on random steps.

#![cfg(feature = "pg-session")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must fail")]

mod pg_session_tables;

use std::sync::Arc;
use std::time::Duration;

use waiterix_adapters_aws::elasticache::{RedisSessionStore, RedisSettings};
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_backends::{Running, missing, redis};
use waiterix_contract::ManualClock;
use waiterix_contract::session::differential::{self, Time};
use waiterix_ports::{SessionStore, SystemClock};

use crate::pg_session_tables::{Made, scratch, store};

#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
async fn agree(stores: &[(&str, Arc<dyn SessionStore>)], time: Time, seed: u64, steps: usize) {
    eprintln!("seed {seed}");
    let tally = differential::run(stores, time, seed, steps).await;
    eprintln!("{tally:?}");
    let least = [tally.created, tally.updated, tally.conflicts, tally.touched, tally.ended, tally.taken];
    assert!(least.into_iter().all(|count| count > steps / 200) && tally.invalid > 0, "{tally:?}");
}

/// With time passing. The table is that of the library, whose `json` keeps every text there is.
async fn agree_with_memory(seed: u64, steps: usize) {
    let Some(scratch) = scratch(Made::ByLibrary).await else { return };
    let clock = Arc::new(ManualClock::default());
    let stores: [(&str, Arc<dyn SessionStore>); 2] = [
        ("memory", Arc::new(MemorySessionStore::new(clock.clone()))),
        ("PostgreSQL", Arc::new(store(&scratch.url(), clock.clone(), |_| {}))),
    ];
    agree(&stores, Time::Manual(clock), seed, steps).await;
}

#[test]
fn postgresql_agrees_with_memory_on_random_steps_of_one_seed() {
    waiterix_contract::run(|| agree_with_memory(20_250_131, 3_000));
}

#[test]
fn postgresql_agrees_with_memory_on_random_steps_of_another_seed() {
    waiterix_contract::run(|| agree_with_memory(7, 3_000));
}

/// The key layout in Redis is given, so a server is the namespace of a test.
fn redis_server() -> Option<Running> {
    match redis::start(&redis::Options::default()) {
        Ok(server) => Some(server),
        Err(fault) => {
            missing("a Redis of its own", &fault.to_string());
            None
        }
    }
}

#[test]
fn the_old_store_and_the_new_one_agree_on_random_steps() {
    waiterix_contract::run(|| async {
        let Some(scratch) = scratch(Made::ByLibrary).await else { return };
        let Some(redis) = redis_server() else { return };
        let settings = RedisSettings {
            host: redis.url().host_str().unwrap().to_owned(),
            port: redis.url().port().unwrap(),
            password: None,
            database: 0,
            tls: false,
            tls_root_cert: None,
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(5),
        };
        let stores: [(&str, Arc<dyn SessionStore>); 3] = [
            ("memory", Arc::new(MemorySessionStore::new(Arc::new(SystemClock)))),
            ("Redis", Arc::new(RedisSessionStore::new(&settings, Arc::new(SystemClock)).unwrap())),
            ("PostgreSQL", Arc::new(store(&scratch.url(), Arc::new(SystemClock), |_| {}))),
        ];
        agree(&stores, Time::Real, 20_250_131, 3_000).await;
    });
}
