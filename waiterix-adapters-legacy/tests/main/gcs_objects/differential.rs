//! Google Cloud Storage, reached in both ways, and the in-memory model do the same on random steps.

use std::sync::Arc;

use waiterix_adapters_legacy::replit::SignedUploads;
use waiterix_adapters_local::memory::MemoryBlobStore;
use waiterix_contract::blob::differential;
use waiterix_domain::Secret;
use waiterix_ports::BlobStore;
use waiterix_ports::signed_url::UrlSigner;

use crate::gcs_objects::fixture::World;
use crate::gcs_objects::sidecar::Sidecar;

#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
async fn agree(seed: u64, steps: usize) {
    let (Some(direct), Some(other)) = (World::make().await, World::make().await) else { return };
    let sidecar = Sidecar::start(&other.front, other.clock.clone()).await;
    let signer = UrlSigner::new(other.front.url().clone(), Secret::new("a secret"));
    let settings = other.sidecar_settings(&sidecar, SignedUploads::Service);
    let stores: [(&str, Arc<dyn BlobStore>); 3] = [
        ("memory", Arc::new(MemoryBlobStore::new(direct.clock.clone(), signer.clone()))),
        ("GCS", Arc::new(direct.store())),
        ("Replit object storage", Arc::new(other.open(&settings, Some(&signer)))),
    ];
    eprintln!("seed {seed}");
    let tally = differential::run(&stores, seed, steps).await;
    eprintln!("{tally:?}");
    let least = [tally.stored, tally.conflicts, tally.read, tally.changed, tally.missing, tally.invalid];
    assert!(least.into_iter().all(|count| count > steps / 50), "{tally:?}");
}

#[test]
fn the_storage_agrees_with_memory_on_random_steps_of_one_seed() {
    waiterix_contract::run(|| agree(20_250_131, 300));
}

#[test]
fn the_storage_agrees_with_memory_on_random_steps_of_another_seed() {
    waiterix_contract::run(|| agree(22, 300));
}
