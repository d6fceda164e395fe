//! Rows in SQLite against the contract, and against the in-memory store.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemoryStore;
use waiterix_adapters_local::sqlite::SqliteStore;
use waiterix_contract::store::differential;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::Store;

async fn fresh() -> Fixture<dyn Store> {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = SqliteStore::open(folder.path().join("waiterix.db"), clock.clone()).await.unwrap();
    Fixture::new(Arc::new(store) as Arc<dyn Store>).clocked(clock).guarded(folder)
}

waiterix_contract::store_contract!("SQLite", fresh);

/// Runs the same random steps against memory and SQLite.
#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
async fn agree(seed: u64, steps: usize) {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(ManualClock::default())));
    let sqlite = fresh().await;
    eprintln!("seed {seed}");
    let tally = differential::run(&[("memory", memory), ("sqlite", sqlite.port.clone())], seed, steps).await;
    eprintln!("{tally:?}");
    assert!(
        tally.committed > steps / 10 && tally.refused > 0 && tally.repeated > 0 && tally.read > 0,
        "{tally:?}"
    );
}

#[test]
fn sqlite_agrees_with_memory_on_random_steps_of_one_seed() {
    waiterix_contract::run(|| agree(20_250_131, 1000));
}

#[test]
fn sqlite_agrees_with_memory_on_random_steps_of_another_seed() {
    waiterix_contract::run(|| agree(7, 1000));
}
