//! What the emulator lets pass that AWS refuses. When one of these tests fails, the emulator has become better and a detour
//! in these tests can go.

use std::collections::BTreeSet;
use std::time::Duration;

use waiterix_backends::{Backend, given};
use waiterix_ports::BlobStore as _;
use waiterix_ports::blob::UploadRequest;

use crate::s3::fixture::{Buckets, config, put};

/// AWS answers 400 `AuthorizationQueryParametersError` to each of these.
#[tokio::test(flavor = "multi_thread")]
async fn it_takes_urls_without_signature_or_algorithm_and_no_other_changed_ones() {
    let Some(server) = given(Backend::Aws) else { return };
    let buckets = Buckets::make(&config(&server).await, 1).await;
    let store = buckets.store();
    let request = UploadRequest {
        key: "k".to_owned(),
        content_type: Some("image/png".to_owned()),
        size: Some(3),
        max_size: 3,
        ttl: Duration::from_secs(900),
    };
    let url = store.presign_upload(&request).await.unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mut taken = BTreeSet::new();
    for (place, (name, value)) in pairs.iter().enumerate() {
        for (change, replacement) in [
            ("without", None),
            ("another", Some(format!("{value}{}", if value.ends_with('1') { 2 } else { 1 }))),
        ] {
            let mut changed = pairs.clone();
            match replacement {
                None => drop(changed.remove(place)),
                Some(replacement) => changed[place].1 = replacement,
            }
            let mut other = url.clone();
            other.query_pairs_mut().clear().extend_pairs(&changed);
            if put(&other, "image/png", "abc").await < 300 {
                taken.insert(format!("{change} {name}"));
                store.delete("k").await.unwrap();
            }
        }
    }
    let expected =
        ["another X-Amz-Algorithm", "without X-Amz-Algorithm", "without X-Amz-Signature"].map(str::to_owned);
    assert_eq!(taken, BTreeSet::from(expected));
}
