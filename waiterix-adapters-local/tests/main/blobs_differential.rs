//! The folder of objects and the in-memory model do the same on random steps.

use std::sync::Arc;

use url::Url;
use waiterix_adapters_local::folder::FolderBlobStore;
use waiterix_adapters_local::memory::MemoryBlobStore;
use waiterix_contract::ManualClock;
use waiterix_contract::blob::differential;
use waiterix_domain::Secret;
use waiterix_ports::BlobStore;
use waiterix_ports::signed_url::UrlSigner;

#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
async fn agree(seed: u64, steps: usize) {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualClock::default()));
    let signer = UrlSigner::new(Url::parse("http://127.0.0.1").unwrap(), Secret::new("not asked for"));
    let stored = FolderBlobStore::open(folder.path(), signer.clone(), clock.clone()).await.unwrap();
    let stores: [(&str, Arc<dyn BlobStore>); 2] =
        [("memory", Arc::new(MemoryBlobStore::new(clock, signer))), ("folder", Arc::new(stored))];
    eprintln!("seed {seed}");
    let tally = differential::run(&stores, seed, steps).await;
    let least = [tally.stored, tally.conflicts, tally.read, tally.missing, tally.changed, tally.invalid];
    assert!(least.into_iter().all(|count| count > steps / 100), "{tally:?}");
}

#[test]
fn folder_and_memory_agree_on_random_steps_of_one_seed() {
    waiterix_contract::run(|| agree(20_250_131, 2_000));
}

#[test]
fn folder_and_memory_agree_on_random_steps_of_another_seed() {
    waiterix_contract::run(|| agree(7, 2_000));
}
