//! The in-memory store of objects against the contract.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemoryBlobStore;
use waiterix_contract::blob::SignedUrls;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::BlobStore;

async fn fresh() -> Fixture<dyn BlobStore> {
    let (clock, urls) = (Arc::new(ManualClock::default()), SignedUrls::bind().await);
    let store: Arc<dyn BlobStore> = Arc::new(MemoryBlobStore::new(clock.clone(), urls.signer()));
    let served = urls.serve(store.clone(), clock.clone());
    Fixture::new(store).clocked(clock).guarded(served)
}

waiterix_contract::blob_contract!("memory", fresh);
