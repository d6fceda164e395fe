//! Objects that are sent in parts.

use std::time::Duration;

use aws_sdk_s3::Client;
use futures_util::{StreamExt as _, stream};
use waiterix_contract::eventually;
use waiterix_domain::id::UserId;
use waiterix_ports::{
    BlobStore as _, ByteStream, Bytes, Error, ErrorKind, PutBlob, PutMode, Result, Visibility,
};

use crate::s3::fixture::Buckets;

const MIB: usize = 1024 * 1024;
/// What the adapter sends at a time.
const PART: usize = 8 * MIB;

/// A body of so many bytes that never says how many, in pieces of a MiB, with something at its end.
fn body(size: usize, end: Option<Result<Bytes>>) -> ByteStream {
    let piece = Bytes::from(vec![b'x'; MIB]);
    let pieces = (0..size.div_ceil(MIB)).map(move |number| Ok(piece.slice(..MIB.min(size - number * MIB))));
    Box::pin(stream::iter(pieces.chain(end)))
}

fn unannounced(body: ByteStream) -> PutBlob {
    PutBlob { body, size: None, ..PutBlob::new("") }
}

async fn unfinished(client: &Client, bucket: &str) -> usize {
    client.list_multipart_uploads().bucket(bucket).send().await.unwrap().uploads().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_parts_is_the_least_and_the_label_is_kept() {
    let Some((buckets, _)) = Buckets::of_emulator().await else { return };
    let store = buckets.store();
    for (size, parts) in [(PART - 1, None), (PART, None), (PART + 1, Some(2)), (2 * PART, Some(2))] {
        let gif = Bytes::from_static(b"GIF89a");
        let body = Box::pin(stream::iter([Ok(gif)]).chain(body(size - 6, None)));
        let owner = Some(UserId::from("anna ü"));
        let cache_control = Some("public, max-age=1".to_owned());
        let blob = PutBlob { owner, cache_control, visibility: Visibility::Public, ..unannounced(body) };
        let meta = store.put("k", blob).await.unwrap();
        assert_eq!((meta.size, meta.content_type.as_str()), (size as u64, "image/gif"));
        assert_eq!(store.head("k").await.unwrap(), meta);
        assert_eq!(meta.owner, Some(UserId::from("anna ü")));
        let told = meta.etag.trim_matches('"').split_once('-').map(|(_, parts)| parts.parse().unwrap());
        assert_eq!(told, parts, "{size} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_put_leaves_no_parts_and_the_old_object() {
    let Some((buckets, client)) = Buckets::of_emulator().await else { return };
    let store = buckets.store();
    let old = store.put("k", PutBlob::new("old")).await.unwrap();
    let size = PART + MIB;
    let cut_off = || Some(Err(Error::new(ErrorKind::Unavailable, "test.body")));
    let cases = [
        ("a body that breaks off", unannounced(body(size, cut_off())), ErrorKind::Unavailable),
        (
            "a body that is too long",
            PutBlob { max_size: (size - 1) as u64, ..unannounced(body(size, None)) },
            ErrorKind::Invalid,
        ),
        (
            "a body that is too short",
            PutBlob { size: Some(size as u64 + 1), ..unannounced(body(size, None)) },
            ErrorKind::Invalid,
        ),
        (
            "one that may only be new",
            PutBlob { mode: PutMode::Create, ..unannounced(body(size, None)) },
            ErrorKind::Conflict,
        ),
        (
            "one for another object",
            PutBlob { mode: PutMode::IfMatch("\"0\"".to_owned()), ..unannounced(body(size, None)) },
            ErrorKind::Conflict,
        ),
    ];
    for (what, blob, kind) in cases {
        assert_eq!(store.put("k", blob).await.unwrap_err().kind(), kind, "{what}");
        assert_eq!(store.head("k").await.unwrap(), old, "{what}");
        assert_eq!(unfinished(&client, buckets.name(0)).await, 0, "{what} leaves parts behind");
    }
    let for_nothing = PutBlob { mode: PutMode::IfMatch(old.etag.clone()), ..unannounced(body(size, None)) };
    assert_eq!(store.put("absent", for_nothing).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(unfinished(&client, buckets.name(0)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_hold_for_parts_too() {
    let Some((buckets, _)) = Buckets::of_emulator().await else { return };
    let store = buckets.store();
    let first =
        store.put("k", PutBlob { mode: PutMode::Create, ..unannounced(body(PART + 1, None)) }).await.unwrap();
    let second = PutBlob { mode: PutMode::IfMatch(first.etag.clone()), ..unannounced(body(PART + 2, None)) };
    let second = store.put("k", second).await.unwrap();
    assert_eq!(store.head("k").await.unwrap(), second);
    assert_eq!(second.size, PART as u64 + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_nobody_waits_for_any_more_is_abandoned() {
    let Some((buckets, client)) = Buckets::of_emulator().await else { return };
    let (store, name) = (buckets.store(), buckets.name(0));
    let endless = Box::pin(body(PART + MIB, None).chain(stream::pending()));
    let waiting = tokio::spawn(async move { store.put("k", unannounced(endless)).await });
    let limit = Duration::from_secs(10);
    eventually(limit, "parts arrive", || async { unfinished(&client, name).await == 1 }).await;
    waiting.abort();
    eventually(limit, "they are removed", || async { unfinished(&client, name).await == 0 }).await;
    assert_eq!(buckets.store().head("k").await.unwrap_err().kind(), ErrorKind::NotFound);
}
