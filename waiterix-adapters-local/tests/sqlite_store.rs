//! Rows in SQLite against the contract, and against the in-memory store.

use std::sync::Arc;

use waiterix_adapters_local::sqlite::SqliteStore;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::Store;

async fn fresh() -> Fixture<dyn Store> {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = SqliteStore::open(folder.path().join("waiterix.db"), clock.clone()).await.unwrap();
    Fixture::new(Arc::new(store) as Arc<dyn Store>).clocked(clock).guarded(folder)
}

waiterix_contract::store_contract!(fresh);
