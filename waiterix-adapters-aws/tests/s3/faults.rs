//! A bad network between the store and its server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::net::TcpStream;
use url::Url;
use waiterix_adapters_aws::s3::S3BlobStore;
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given};
use waiterix_domain::id::UserId;
use waiterix_ports::{
    BlobStore, Bytes, Error, ErrorKind, PutBlob, PutMode, Result, Retry, SystemClock, Visibility,
};

use crate::fixture::{Buckets, client, config, impatient};

/// No call takes longer than this with the limits of these tests, reads twice as long: a look and a copy.
const BOUND: Duration = Duration::from_secs(3);
const KEY: &str = "secret/key-of-a-guest";

/// A store behind a bad network, and the buckets as they are without.
async fn behind() -> Option<(Proxy, S3BlobStore, Buckets, Url)> {
    let server = given(Backend::Aws)?;
    let proxy = Proxy::to(&server).await.unwrap();
    let buckets = Buckets::make(&config(&server).await, 1).await;
    let config = impatient(&proxy.url(&server)).await;
    let store = S3BlobStore::open(&config, &buckets.settings(), Arc::new(SystemClock));
    Some((proxy, store, buckets, server))
}

/// Every operation that asks the server.
async fn everything(store: &S3BlobStore) -> Vec<(&'static str, Result<()>, Duration)> {
    let mut answers = Vec::new();
    macro_rules! ask {
        ($name:literal, $call:expr) => {
            let started = Instant::now();
            let answer = $call.await.map(|_| ());
            answers.push(($name, answer, started.elapsed()));
        };
    }
    ask!("get", store.get(KEY, None));
    ask!("a part", store.get(KEY, Some(1..2)));
    ask!("head", store.head(KEY));
    ask!("put", store.put(KEY, PutBlob::new("x")));
    ask!("create", store.put("new", PutBlob { mode: PutMode::Create, ..PutBlob::new("x") }));
    ask!("put in parts", store.put(KEY, PutBlob::new(vec![0; 9 * 1024 * 1024])));
    ask!("delete", store.delete("absent"));
    ask!("list", store.list("", None, 10));
    ask!("copy", store.copy(KEY, "copy"));
    ask!("set_access", store.set_access(KEY, Some(&UserId::from("anna")), Visibility::Public));
    ask!("check", store.check());
    answers
}

/// An error that is of this kind, says nothing of what was asked for, and came in time.
fn assert_down(name: &str, answer: Result<()>, took: Duration, kinds: &[ErrorKind]) {
    let error: Error = answer.expect_err(name);
    assert!(kinds.contains(&error.kind()), "{name}: {error}");
    assert_ne!(error.retry_advice(), Retry::No, "{name}: later it may work");
    assert!(took < BOUND, "{name} took {took:?}");
    for secret in ["guest", "waiterix-s3", "127.0.0.1", "Signature"] {
        assert!(!error.to_string().contains(secret), "{name} tells {secret}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_connections_is_an_outage() {
    let Some((proxy, store, buckets, _)) = behind().await else { return };
    buckets.store().put(KEY, PutBlob::new("old")).await.unwrap();
    proxy.set(Mode::Refuse);
    // The listener is gone a moment later.
    while TcpStream::connect(proxy.address()).await.is_ok() {}
    for (name, answer, took) in everything(&store).await {
        assert_down(name, answer, took, &[ErrorKind::Unavailable, ErrorKind::Timeout]);
    }
    proxy.set(Mode::Pass);
    waiterix_contract::eventually(BOUND, "it works again", || async { store.check().await.is_ok() }).await;
    assert_eq!(store.head(KEY).await.unwrap().size, 3, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_a_timeout() {
    let Some((proxy, store, buckets, _)) = behind().await else { return };
    buckets.store().put(KEY, PutBlob::new("old")).await.unwrap();
    store.check().await.unwrap();
    for mode in [Mode::Hold, Mode::Swallow] {
        proxy.set(mode);
        for (name, answer, took) in
            everything(&store).await.into_iter().filter(|(name, ..)| *name != "put in parts")
        {
            assert_down(name, answer, took, &[ErrorKind::Timeout]);
        }
    }
    proxy.set(Mode::Pass);
    proxy.cut();
    waiterix_contract::eventually(BOUND, "it works again", || async { store.check().await.is_ok() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_waited_for() {
    let Some((proxy, store, _buckets, _)) = behind().await else { return };
    proxy.set(Mode::Slow(Duration::from_millis(50)));
    store.put(KEY, PutBlob::new("bytes")).await.unwrap();
    let body = store.get(KEY, None).await.unwrap().body;
    assert_eq!(body.try_collect::<Vec<Bytes>>().await.unwrap().concat(), b"bytes");
}

/// Reads the first piece of a large object, does something, and reads on to the end.
async fn read_on(store: &S3BlobStore, then: impl FnOnce()) -> Result<usize> {
    let mut body = store.get(KEY, None).await?.body;
    let mut read = body.next().await.unwrap()?.len();
    then();
    while let Some(piece) = body.next().await {
        read += piece?.len();
    }
    Ok(read)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_or_stands_still_is_an_error_and_not_a_short_body() {
    let Some((proxy, store, buckets, _)) = behind().await else { return };
    // More than the buffers of the sockets on the way hold.
    buckets.store().put(KEY, PutBlob::new(vec![0; 48 * 1024 * 1024])).await.unwrap();
    let broken = read_on(&store, || proxy.cut()).await.unwrap_err();
    assert_eq!((broken.kind(), broken.retry_advice()), (ErrorKind::Unavailable, Retry::Safe), "{broken}");
    let started = Instant::now();
    let still = read_on(&store, || proxy.set(Mode::Hold)).await.unwrap_err();
    assert!(matches!(still.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{still}");
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    assert!(!still.to_string().contains("guest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_again_where_that_does_no_harm() {
    let Some((proxy, store, buckets, _)) = behind().await else { return };
    proxy.cut_on("x-id=PutObject");
    store.put(KEY, PutBlob::new("bytes")).await.unwrap();
    assert!(proxy.has_cut());
    proxy.cut_on("DELETE /");
    store.delete(KEY).await.unwrap();
    assert!(proxy.has_cut());
    assert_eq!(buckets.store().head(KEY).await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// Sent again, it would meet its own object and look like one that came too late.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_lost_says_that_nobody_knows() {
    let Some((proxy, store, buckets, _)) = behind().await else { return };
    proxy.cut_on("x-id=PutObject");
    let blob = PutBlob { mode: PutMode::Create, ..PutBlob::new("bytes") };
    let unknown = store.put(KEY, blob).await.unwrap_err();
    assert!(proxy.has_cut());
    assert_eq!(
        (unknown.kind(), unknown.retry_advice()),
        (ErrorKind::Unavailable, Retry::Ambiguous),
        "{unknown}"
    );
    assert_eq!(buckets.store().head(KEY).await.unwrap().size, 5, "it was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_parts_survives_a_lost_answer_and_leaves_nothing_when_it_fails() {
    let Some((proxy, store, buckets, server)) = behind().await else { return };
    let bytes = vec![7; 9 * 1024 * 1024];
    proxy.cut_on("partNumber=2");
    store.put(KEY, PutBlob::new(bytes.clone())).await.unwrap();
    assert!(proxy.has_cut());
    proxy.cut_on("<CompleteMultipartUpload");
    let blob = PutBlob { mode: PutMode::Create, ..PutBlob::new(bytes) };
    let unknown = store.put("new", blob).await.unwrap_err();
    assert!(proxy.has_cut());
    assert_eq!(unknown.retry_advice(), Retry::Ambiguous, "{unknown}");
    let uploads = client(&config(&server).await).list_multipart_uploads().bucket(buckets.name(0)).send();
    assert_eq!(uploads.await.unwrap().uploads().len(), 0);
}
