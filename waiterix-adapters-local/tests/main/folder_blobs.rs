//! The folder of objects, as its users see it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tempfile::TempDir;
use url::Url;
use waiterix_adapters_local::folder::FolderBlobStore;
use waiterix_contract::ManualClock;
use waiterix_domain::Secret;
use waiterix_ports::blob::UploadRequest;
use waiterix_ports::signed_url::{Permit, UrlSigner};
use waiterix_ports::{BlobStore, Clock as _, ErrorKind, PutBlob, PutMode, Visibility};

fn signer() -> UrlSigner {
    UrlSigner::new(Url::parse("http://127.0.0.1:8080").unwrap(), Secret::new("a secret of the test"))
}

async fn fresh() -> (FolderBlobStore, Arc<ManualClock>, TempDir) {
    let dir = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = FolderBlobStore::open(dir.path(), signer(), clock.clone()).await.unwrap();
    (store, clock, dir)
}

#[tokio::test]
async fn ranges_are_cut_at_the_end_and_refused_behind_it() {
    let (store, _, _dir) = fresh().await;
    store.put("k", PutBlob::new("0123456789")).await.unwrap();
    for (range, bytes) in
        [(0..1, "0"), (3..7, "3456"), (8..100, "89"), (9..u64::MAX, "9"), (0..10, "0123456789")]
    {
        let mut download = store.get("k", Some(range.clone())).await.unwrap();
        let piece = download.body.next().await.unwrap().unwrap();
        assert_eq!((piece.as_ref(), download.range), (bytes.as_bytes(), range.start..range.end.min(10)));
        assert!(download.body.next().await.is_none());
        assert_eq!(download.meta.size, 10);
    }
    for range in [10..11, 11..20, u64::MAX..u64::MAX] {
        assert_eq!(store.get("k", Some(range)).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    store.put("empty", PutBlob::new("")).await.unwrap();
    assert!(store.get("empty", None).await.unwrap().body.next().await.is_none());
}

#[tokio::test]
async fn an_object_is_replaced_only_while_it_is_still_the_one_that_was_seen() {
    let (store, clock, _dir) = fresh().await;
    let first = store.put("k", PutBlob::new("one")).await.unwrap();
    clock.advance(Duration::from_millis(61_500));
    let mut blob = PutBlob::new("two");
    blob.mode = PutMode::IfMatch(first.etag.clone());
    let second = store.put("k", blob).await.unwrap();
    assert_ne!(first.etag, second.etag);
    assert_eq!(second.modified_at, first.modified_at.plus_seconds(61));
    for mode in [PutMode::IfMatch(first.etag.clone()), PutMode::Create] {
        let mut blob = PutBlob::new("three");
        blob.mode = mode;
        assert_eq!(store.put("k", blob).await.unwrap_err().kind(), ErrorKind::Conflict);
    }
    let mut blob = PutBlob::new("three");
    blob.mode = PutMode::IfMatch(first.etag);
    assert_eq!(store.put("absent", blob).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(store.head("k").await.unwrap(), second);
}

#[tokio::test]
async fn access_is_recorded_without_touching_the_object() {
    let (store, _, _dir) = fresh().await;
    let mut before = store.put("k", PutBlob::new("GIF89a…")).await.unwrap();
    assert_eq!((before.content_type.as_str(), before.visibility), ("image/gif", Visibility::Private));
    store.set_access("k", Some(&"user".into()), Visibility::Public).await.unwrap();
    before.owner = Some("user".into());
    before.visibility = Visibility::Public;
    assert_eq!(store.head("k").await.unwrap(), before);
    let absent = store.set_access("absent", None, Visibility::Public).await;
    assert_eq!(absent.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn pages_name_every_key_with_the_prefix_once_and_in_order() {
    let (store, _, _dir) = fresh().await;
    let keys = ["a", "a/", "a/1", "a/2", "a/ä", "a0", "a/\u{10FFFF}", "b/1", "A/1", "a/%", "a/_"];
    for key in keys {
        store.put(key, PutBlob::new(key.to_owned())).await.unwrap();
    }
    for prefix in ["", "a", "a/", "a/%", "a/_", "a/\u{10FFFF}", "c", "/"] {
        let expected: BTreeMap<String, u64> = keys
            .iter()
            .filter(|key| key.starts_with(prefix))
            .map(|key| ((*key).to_owned(), key.len() as u64))
            .collect();
        for limit in [1, 2, 1000] {
            let mut found = Vec::new();
            let mut from = None;
            loop {
                let page = store.list(prefix, from.as_deref(), limit).await.unwrap();
                assert!(page.keys.len() <= limit as usize);
                found.extend(page.keys);
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected.clone().into_iter().collect::<Vec<_>>(), "{prefix}");
        }
    }
    for limit in [0, 1001] {
        assert_eq!(store.list("", None, limit).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn signed_urls_carry_what_was_asked_for_and_end_by_the_clock_of_the_store() {
    let (store, clock, _dir) = fresh().await;
    let request = UploadRequest {
        key: "public/uploads/1".to_owned(),
        content_type: Some("image/png".to_owned()),
        size: Some(5),
        max_size: 10,
        ttl: Duration::from_secs(900),
    };
    let upload = store.presign_upload(&request).await.unwrap();
    let download = store.presign_download("private/ä", Duration::from_secs(60)).await.unwrap();
    let permit = |url: &Url| {
        signer().permit(url.path().strip_prefix("/api/objects/").unwrap(), url.query().unwrap(), clock.now())
    };
    let expected = Permit::Upload {
        key: request.key.clone(),
        content_type: request.content_type.clone(),
        size: request.size,
        max_size: request.max_size,
    };
    assert_eq!(permit(&upload), Some(expected));
    assert_eq!(permit(&download), Some(Permit::Download { key: "private/ä".to_owned() }));
    clock.advance(Duration::from_secs(60));
    assert!(permit(&download).is_none() && permit(&upload).is_some());
    clock.advance(Duration::from_secs(840));
    assert!(permit(&upload).is_none());
    let bad = [
        UploadRequest { key: "../x".to_owned(), ..request.clone() },
        UploadRequest { size: Some(11), ..request.clone() },
        UploadRequest { ttl: Duration::ZERO, ..request.clone() },
        UploadRequest { ttl: Duration::from_secs(8 * 86_400), ..request.clone() },
        UploadRequest { content_type: Some("image/png\r\nX: y".to_owned()), ..request },
    ];
    for request in bad {
        assert_eq!(store.presign_upload(&request).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let malformed = store.presign_download("/x", Duration::from_secs(60)).await;
    assert_eq!(malformed.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn errors_name_neither_keys_nor_paths() {
    let (store, _, dir) = fresh().await;
    let shown = [
        store.get("secret-key", None).await.unwrap_err().to_string(),
        store.put("../secret-key", PutBlob::new("x")).await.unwrap_err().to_string(),
    ];
    std::fs::remove_dir_all(dir.path().join("bodies")).unwrap();
    let lost = store.put("secret-key", PutBlob::new("x")).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Unavailable);
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let folder = dir.path().to_str().unwrap();
    for text in shown.iter().chain([&lost.to_string()]) {
        assert!(!text.contains("secret-key") && !text.contains(folder), "{text}");
    }
}
