//! The contract of `Store`, run against the memory.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemoryStore;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::Store;

#[allow(clippy::unused_async, reason = "the contract awaits its adapters")]
async fn fresh() -> Fixture<dyn Store> {
    let clock = Arc::new(ManualClock::default());
    Fixture::new(Arc::new(MemoryStore::new(clock.clone())) as Arc<dyn Store>).clocked(clock)
}

waiterix_contract::store_contract!("memory", fresh);
