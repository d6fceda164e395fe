//! Every clause of `Store` catches a broken store.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemoryStore;
use waiterix_contract::broken::assert_every_clause_catches;
use waiterix_contract::broken::store::{BrokenStore, FAULTS, Fault};
use waiterix_contract::store::CASES;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::Store;

#[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
async fn fresh(fault: Option<Fault>) -> Fixture<dyn Store> {
    let clock = Arc::new(ManualClock::default());
    let sound = Arc::new(MemoryStore::new(clock.clone()));
    Fixture::new(Arc::new(BrokenStore::new(sound, fault)) as Arc<dyn Store>).clocked(clock)
}

#[test]
fn every_clause_catches_a_broken_store() {
    assert_every_clause_catches(CASES, FAULTS, fresh);
}
