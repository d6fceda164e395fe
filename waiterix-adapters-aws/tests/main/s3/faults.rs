//! A bad network between the store and its server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tokio::net::TcpStream;
use url::Url;
use waiterix_adapters_aws::s3::S3BlobStore;
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given};
use waiterix_domain::id::UserId;
use waiterix_ports::{
    BlobStore, Bytes, Error, ErrorKind, PutBlob, PutMode, Result, Retry, SystemClock, Visibility,
};

use crate::s3::fixture::{Buckets, client, config, impatient};

/// No call takes longer than this with impatient limits: a second and a half, and what a busy machine adds.
const BOUND: Duration = Duration::from_secs(5);
/// How long to wait for a network to recover.
const RECOVERY: Duration = Duration::from_secs(15);
/// More bytes than the buffers of the sockets on the way hold.
const LARGE: usize = 48 * 1024 * 1024;
const KEY: &str = "secret/key-of-a-guest";

/// How long a store waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limits {
    /// As in production; for what is to succeed, however busy the machine is.
    Usual,
    /// Tight; for what is to fail.
    Tight,
}

/// A store behind a bad network, and the buckets as they are without.
async fn behind(limits: Limits) -> Option<(Proxy, S3BlobStore, Buckets, Url)> {
    let server = given(Backend::Aws)?;
    let proxy = Proxy::to(&server).await.unwrap();
    let buckets = Buckets::make(&config(&server).await, 1).await;
    let through = proxy.url(&server);
    let config = if limits == Limits::Tight { impatient(&through).await } else { config(&through).await };
    let store = S3BlobStore::open(&config, &buckets.settings(), Arc::new(SystemClock));
    Some((proxy, store, buckets, server))
}

/// What a call answers, and how long it takes.
type Outcome = (&'static str, Result<()>, Duration);

async fn timed<T>(name: &'static str, call: impl Future<Output = Result<T>>) -> Outcome {
    let started = Instant::now();
    let answer = call.await.map(|_| ());
    (name, answer, started.elapsed())
}

/// Every operation that asks the server, all at once.
async fn everything(store: &S3BlobStore) -> Vec<Outcome> {
    let anna = UserId::from("anna");
    let create = PutBlob { mode: PutMode::Create, ..PutBlob::new("x") };
    let calls: Vec<BoxFuture<'_, Outcome>> = vec![
        timed("get", store.get(KEY, None)).boxed(),
        timed("a part", store.get(KEY, Some(1..2))).boxed(),
        timed("head", store.head(KEY)).boxed(),
        timed("put", store.put(KEY, PutBlob::new("x"))).boxed(),
        timed("create", store.put("new", create)).boxed(),
        timed("put in parts", store.put(KEY, PutBlob::new(vec![0; 9 * 1024 * 1024]))).boxed(),
        timed("delete", store.delete("absent")).boxed(),
        timed("list", store.list("", None, 10)).boxed(),
        timed("copy", store.copy(KEY, "copy")).boxed(),
        timed("set_access", store.set_access(KEY, Some(&anna), Visibility::Public)).boxed(),
        timed("check", store.check()).boxed(),
    ];
    join_all(calls).await
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
    let Some((proxy, store, buckets, _)) = behind(Limits::Tight).await else { return };
    buckets.store().put(KEY, PutBlob::new("old")).await.unwrap();
    proxy.set(Mode::Refuse);
    // The listener is gone a moment later.
    while TcpStream::connect(proxy.address()).await.is_ok() {}
    for (name, answer, took) in everything(&store).await {
        assert_down(name, answer, took, &[ErrorKind::Unavailable, ErrorKind::Timeout]);
    }
    proxy.set(Mode::Pass);
    waiterix_contract::eventually(RECOVERY, "it works again", || async { store.check().await.is_ok() }).await;
    assert_eq!(store.head(KEY).await.unwrap().size, 3, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_a_timeout() {
    let Some((proxy, store, buckets, _)) = behind(Limits::Tight).await else { return };
    buckets.store().put(KEY, PutBlob::new("old")).await.unwrap();
    store.check().await.unwrap();
    for mode in [Mode::Hold, Mode::Swallow] {
        proxy.set(mode);
        for (name, answer, took) in everything(&store).await {
            assert_down(name, answer, took, &[ErrorKind::Timeout]);
        }
    }
    proxy.set(Mode::Pass);
    proxy.cut();
    waiterix_contract::eventually(RECOVERY, "it works again", || async { store.check().await.is_ok() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_waited_for() {
    let Some((proxy, store, _buckets, _)) = behind(Limits::Usual).await else { return };
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
async fn a_body_that_breaks_off_is_an_error_and_not_a_short_body() {
    let Some((proxy, store, buckets, _)) = behind(Limits::Usual).await else { return };
    buckets.store().put(KEY, PutBlob::new(vec![0; LARGE])).await.unwrap();
    let broken = read_on(&store, || proxy.cut()).await.unwrap_err();
    assert_eq!((broken.kind(), broken.retry_advice()), (ErrorKind::Unavailable, Retry::Safe), "{broken}");
    assert!(!broken.to_string().contains("guest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stands_still_is_a_timeout() {
    let Some((proxy, store, buckets, _)) = behind(Limits::Tight).await else { return };
    buckets.store().put(KEY, PutBlob::new(vec![0; LARGE])).await.unwrap();
    let started = Instant::now();
    let still = read_on(&store, || proxy.set(Mode::Hold)).await.unwrap_err();
    assert_eq!((still.kind(), still.retry_advice()), (ErrorKind::Timeout, Retry::Safe), "{still}");
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_again_where_that_does_no_harm() {
    let Some((proxy, store, buckets, _)) = behind(Limits::Usual).await else { return };
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
    let Some((proxy, store, buckets, _)) = behind(Limits::Usual).await else { return };
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
    let Some((proxy, store, buckets, server)) = behind(Limits::Usual).await else { return };
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
