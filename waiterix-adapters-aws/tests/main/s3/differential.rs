//! S3, in both layouts, and the in-memory model do the same on random steps. Google Cloud Storage does them as well, so that all of
//! them can be verified against each other.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemoryBlobStore;
use waiterix_backends::{Backend, given};
use waiterix_contract::blob::differential;
use waiterix_domain::Secret;
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{BlobStore, SystemClock};

use crate::s3::fixture::{Buckets, config};

#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
async fn agree(seed: u64, steps: usize) {
    let Some(server) = given(Backend::Aws) else { return };
    let config = config(&server).await;
    let (one, two) = (Buckets::make(&config, 1).await, Buckets::make(&config, 2).await);
    let signer = UrlSigner::new(server, Secret::new("a secret"));
    let stores: [(&str, Arc<dyn BlobStore>); 3] = [
        ("memory", Arc::new(MemoryBlobStore::new(Arc::new(SystemClock), signer))),
        ("S3", Arc::new(one.store())),
        ("S3, two buckets", Arc::new(two.store())),
    ];
    eprintln!("seed {seed}");
    let tally = differential::run(&stores, seed, steps).await;
    eprintln!("{tally:?}");
    let least = [tally.stored, tally.conflicts, tally.read, tally.changed, tally.missing, tally.invalid];
    assert!(least.into_iter().all(|count| count > steps / 50), "{tally:?}");
}

#[test]
fn s3_agrees_with_memory_on_random_steps_of_one_seed() {
    waiterix_contract::run(|| agree(20_250_131, 300));
}

#[test]
fn s3_agrees_with_memory_on_random_steps_of_another_seed() {
    waiterix_contract::run(|| agree(22, 300));
}
