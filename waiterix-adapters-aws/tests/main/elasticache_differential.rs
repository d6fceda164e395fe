//! Redis and the in-memory model do the same on random steps.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_contract::session::differential::{self, Time};
use waiterix_ports::{SessionStore, SystemClock};

use crate::own_redis;

#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
async fn agree(seed: u64, steps: usize) {
    let Some(server) = own_redis::plain_server() else { return };
    let stores: [(&str, Arc<dyn SessionStore>); 2] = [
        ("memory", Arc::new(MemorySessionStore::new(Arc::new(SystemClock)))),
        ("Redis", Arc::new(own_redis::store(server.url()))),
    ];
    eprintln!("seed {seed}");
    let tally = differential::run(&stores, Time::Real, seed, steps).await;
    eprintln!("{tally:?}");
    let least = [tally.created, tally.updated, tally.conflicts, tally.touched, tally.ended, tally.taken];
    assert!(least.into_iter().all(|count| count > steps / 200) && tally.invalid > 0, "{tally:?}");
}

#[test]
fn redis_agrees_with_memory_on_random_steps_of_one_seed() {
    waiterix_contract::run(|| agree(20_250_131, 3_000));
}

#[test]
fn redis_agrees_with_memory_on_random_steps_of_another_seed() {
    waiterix_contract::run(|| agree(7, 3_000));
}
