//! PostgreSQL, Redis and the in-memory model do the same on random steps.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_contract::ManualClock;
use waiterix_contract::session::differential::{self, Time};
use waiterix_ports::{SessionStore, SystemClock};

use crate::pg_session_redis;
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

#[test]
fn the_old_store_and_the_new_one_agree_on_random_steps() {
    waiterix_contract::run(|| async {
        let Some(scratch) = scratch(Made::ByLibrary).await else { return };
        let Some((_server, redis)) = pg_session_redis::store() else { return };
        let stores: [(&str, Arc<dyn SessionStore>); 3] = [
            ("memory", Arc::new(MemorySessionStore::new(Arc::new(SystemClock)))),
            ("Redis", Arc::new(redis)),
            ("PostgreSQL", Arc::new(store(&scratch.url(), Arc::new(SystemClock), |_| {}))),
        ];
        agree(&stores, Time::Real, 20_250_131, 3_000).await;
    });
}
