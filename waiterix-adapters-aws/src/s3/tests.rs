//! What needs other limits than those of S3, which no test has the time for.

use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use waiterix_backends::{Backend, given};
use waiterix_ports::{ErrorKind, SystemClock};

use super::*;
use crate::sdk::{self, AwsSettings};

const MIB: usize = 1024 * 1024;

/// A store whose copies are made in parts above 6 MiB, in a bucket of its own.
async fn store_of_small_copies(name: &str) -> Option<S3BlobStore> {
    let endpoint = given(Backend::Aws)?;
    let credentials = Credentials::new("480013000302", "test", None, None, "test");
    let config = sdk::config(&AwsSettings { region: "us-east-1".to_owned() })
        .await
        .into_builder()
        .endpoint_url(endpoint.as_str().trim_end_matches('/'))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let bucket = format!("waiterix-s3-{name}-{}-{}", std::process::id(), SystemClock.now().as_micros());
    let mut store = S3BlobStore::open(&config, &S3Settings::of_bucket(&bucket), Arc::new(SystemClock));
    store.client.create_bucket().bucket(&bucket).send().await.unwrap();
    store.limits.copied_at_once = 6 * MIB as u64;
    store.limits.copied_part = 5 * MIB as u64;
    Some(store)
}

async fn unfinished(store: &S3BlobStore) -> usize {
    let bucket = store.layout.buckets()[0];
    store.client.list_multipart_uploads().bucket(bucket).send().await.unwrap().uploads().len()
}

async fn remove(store: &S3BlobStore) {
    for (key, _) in store.list("", None, 1000).await.unwrap().keys {
        store.delete(&key).await.unwrap();
    }
    store.client.delete_bucket().bucket(store.layout.buckets()[0]).send().await.unwrap();
}

fn large() -> PutBlob {
    let bytes: Vec<u8> = (0..11 * MIB).map(|place| (place / MIB) as u8).collect();
    PutBlob {
        content_type: Some("video/webm".to_owned()),
        cache_control: Some("public, max-age=1".to_owned()),
        owner: Some(UserId::from("anna ü")),
        visibility: Visibility::Public,
        ..PutBlob::new(bytes)
    }
}

async fn bytes_of(store: &S3BlobStore, key: &str) -> Vec<u8> {
    use futures_util::TryStreamExt as _;
    let body = store.get(key, None).await.unwrap().body;
    body.try_collect::<Vec<_>>().await.unwrap().concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_one_copy_is_copied_in_parts() {
    let Some(store) = store_of_small_copies("parts").await else { return };
    let source = store.put("from", large()).await.unwrap();
    store.copy("from", "to").await.unwrap();
    let copy = store.head("to").await.unwrap();
    assert!(copy.etag.ends_with("-3\""), "{} is not of three parts", copy.etag);
    let same = BlobMeta { etag: source.etag.clone(), modified_at: source.modified_at, ..copy };
    assert_eq!(same, source);
    assert!(bytes_of(&store, "to").await == bytes_of(&store, "from").await);

    store.set_access("to", None, Visibility::Private).await.unwrap();
    let changed = store.head("to").await.unwrap();
    assert_eq!((changed.owner, changed.visibility), (None, Visibility::Private));
    assert_eq!((changed.size, changed.content_type), (source.size, source.content_type));
    assert_eq!(changed.cache_control, source.cache_control);
    assert!(bytes_of(&store, "to").await == bytes_of(&store, "from").await);
    remove(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_an_object_that_was_replaced_meanwhile_leaves_nothing() {
    let Some(store) = store_of_small_copies("replaced").await else { return };
    store.put("from", large()).await.unwrap();
    let found = store.look("test", "from").await.unwrap();
    let mut other = large();
    other.body = waiterix_ports::blob::once(vec![9; 11 * MIB].into());
    store.put("from", other).await.unwrap();
    let refused = store.copied_from(&found, "from", "to").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert_eq!(unfinished(&store).await, 0);
    assert_eq!(store.head("to").await.unwrap_err().kind(), ErrorKind::NotFound);
    store.copy("from", "to").await.unwrap();
    assert_eq!(bytes_of(&store, "to").await[0], 9);
    remove(&store).await;
}
