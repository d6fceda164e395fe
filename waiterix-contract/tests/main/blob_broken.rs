//! Every clause of `BlobStore` catches a broken store.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemoryBlobStore;
use waiterix_contract::blob::{CASES, SignedUrls};
use waiterix_contract::broken::assert_every_clause_catches;
use waiterix_contract::broken::blob::{BrokenBlobStore, FAULTS, Fault};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::BlobStore;

async fn fresh(fault: Option<Fault>) -> Fixture<dyn BlobStore> {
    let (clock, urls) = (Arc::new(ManualClock::default()), SignedUrls::bind().await);
    let sound = Arc::new(MemoryBlobStore::new(clock.clone(), urls.signer()));
    let store: Arc<dyn BlobStore> = Arc::new(BrokenBlobStore::new(sound, fault));
    let served = urls.serve(store.clone(), clock.clone());
    Fixture::new(store).clocked(clock).guarded(served)
}

#[test]
fn every_clause_catches_a_broken_store() {
    assert_every_clause_catches(CASES, FAULTS, fresh);
}
