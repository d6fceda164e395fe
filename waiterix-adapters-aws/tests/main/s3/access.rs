//! Changing who may read, which S3 only knows as a copy.

use futures_util::TryStreamExt as _;
use waiterix_domain::id::UserId;
use waiterix_ports::{BlobStore as _, Bytes, PutBlob, Visibility};

use crate::s3::fixture::Buckets;

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_others_stay_when_access_changes() {
    let Some((buckets, client)) = Buckets::of_emulator().await else { return };
    let store = buckets.store();
    let call = client
        .put_object()
        .bucket(buckets.name(0))
        .key("k")
        .content_type("image/png")
        .content_disposition("inline; filename=\"x.png\"")
        .content_language("de")
        .expires(aws_sdk_s3::primitives::DateTime::from_secs(2_000_000_000))
        .metadata("color", "blue")
        .body(Bytes::from_static(b"x").into());
    call.send().await.unwrap();
    store.set_access("k", Some(&UserId::from("anna")), Visibility::Public).await.unwrap();
    let found = client.head_object().bucket(buckets.name(0)).key("k").send().await.unwrap();
    assert_eq!(found.content_type(), Some("image/png"));
    assert_eq!(found.content_disposition(), Some("inline; filename=\"x.png\""));
    assert_eq!(found.content_language(), Some("de"));
    assert_eq!(found.expires_string(), Some("Wed, 18 May 2033 03:33:20 GMT"));
    assert_eq!(found.metadata().unwrap()["color"], "blue");
}

/// An object of parts is copied in one, so that it gets another etag; everything else stays.
#[tokio::test(flavor = "multi_thread")]
async fn access_to_an_object_of_parts_changes_without_its_bytes() {
    let Some((buckets, _)) = Buckets::of_emulator().await else { return };
    let store = buckets.store();
    let bytes: Vec<u8> = (0..9 * 1024 * 1024_u32).map(|place| (place % 251) as u8).collect();
    let blob = PutBlob { content_type: Some("video/webm".to_owned()), ..PutBlob::new(bytes.clone()) };
    store.put("k", blob).await.unwrap();
    store.set_access("k", Some(&UserId::from("anna")), Visibility::Public).await.unwrap();
    let found = store.get("k", None).await.unwrap();
    assert_eq!((found.meta.size, found.meta.content_type.as_str()), (bytes.len() as u64, "video/webm"));
    assert_eq!((found.meta.owner, found.meta.visibility), (Some(UserId::from("anna")), Visibility::Public));
    assert!(found.body.try_collect::<Vec<Bytes>>().await.unwrap().concat() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_is_never_undone_by_a_change_of_access() {
    let Some((buckets, _)) = Buckets::of_emulator().await else { return };
    let store = buckets.store();
    store.put("k", PutBlob::new("0")).await.unwrap();
    let owner = UserId::from("anna");
    for round in 1..=25_u32 {
        let visibility = if round % 2 == 0 { Visibility::Public } else { Visibility::Private };
        let (put, changed) = tokio::join!(
            store.put("k", PutBlob::new(round.to_string())),
            store.set_access("k", Some(&owner), visibility),
        );
        put.unwrap();
        changed.unwrap();
        let body = store.get("k", None).await.unwrap().body;
        let bytes = body.try_collect::<Vec<Bytes>>().await.unwrap().concat();
        assert_eq!(String::from_utf8(bytes).unwrap(), round.to_string(), "the put was undone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_changes_of_access_one_holds_and_none_fails() {
    let Some((buckets, _)) = Buckets::of_emulator().await else { return };
    let store = buckets.store();
    store.put("k", PutBlob::new("bytes")).await.unwrap();
    let owners: Vec<UserId> = (0..8).map(|number| UserId::new(format!("user {number}"))).collect();
    let changes = owners.iter().map(|owner| store.set_access("k", Some(owner), Visibility::Public));
    for changed in futures_util::future::join_all(changes).await {
        changed.unwrap();
    }
    let meta = store.head("k").await.unwrap();
    assert!(meta.owner.is_some_and(|owner| owners.contains(&owner)));
    assert_eq!(meta.size, 5);
}
