//! The folder of objects against the contract.

use std::sync::Arc;

use waiterix_adapters_local::folder::FolderBlobStore;
use waiterix_contract::blob::SignedUrls;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::BlobStore;

async fn fresh() -> Fixture<dyn BlobStore> {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::default()));
    let urls = SignedUrls::bind().await;
    let store = FolderBlobStore::open(dir.path(), urls.signer(), clock.clone()).await.unwrap();
    let store: Arc<dyn BlobStore> = Arc::new(store);
    let served = urls.serve(store.clone(), clock.clone());
    Fixture::new(store).clocked(clock).guarded(served).guarded(dir)
}

waiterix_contract::blob_contract!("folder", fresh);
