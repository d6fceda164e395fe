//! A bad network between the store and its server, and a server that dies.

use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tokio::net::TcpStream;
use waiterix_adapters_legacy::gcs::{GcsBlobStore, GcsSettings, Limits};
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given};
use waiterix_domain::id::UserId;
use waiterix_ports::{
    BlobStore, ByteStream, Bytes, Error, ErrorKind, PutBlob, PutMode, Result, Retry, Visibility,
};

use crate::gcs_objects::fixture::{TIGHT, World, usual};

/// No call takes longer than this with tight limits: a second and a half for a request, two of them, and what a busy machine
/// adds.
const BOUND: Duration = Duration::from_secs(6);
/// How long to wait for a network to recover.
const RECOVERY: Duration = Duration::from_secs(15);
const MIB: usize = 1024 * 1024;
/// More bytes than the buffers of the sockets on the way hold.
const LARGE: usize = 48 * MIB;
const KEY: &str = "secret/key-of-a-guest";

/// A store behind a bad network, and its world without.
async fn behind(limits: Limits) -> Option<(Proxy, GcsBlobStore, World)> {
    let world = World::make().await?;
    let proxy = Proxy::to(world.front.url()).await.unwrap();
    let settings = GcsSettings { endpoint: Some(proxy.url(world.front.url())), limits, ..world.settings() };
    let store = world.open(&settings, None);
    Some((proxy, store, world))
}

/// What a call answers, and how long it takes.
type Outcome = (&'static str, Result<()>, Duration);

async fn timed<T>(name: &'static str, call: impl Future<Output = Result<T>>) -> Outcome {
    let started = Instant::now();
    let answer = call.await.map(|_| ());
    (name, answer, started.elapsed())
}

/// Every operation that asks the server, all at once.
async fn everything(store: &GcsBlobStore) -> Vec<Outcome> {
    let anna = UserId::from("anna");
    let create = PutBlob { mode: PutMode::Create, ..PutBlob::new("x") };
    let calls: Vec<BoxFuture<'_, Outcome>> = vec![
        timed("get", store.get(KEY, None)).boxed(),
        timed("a part", store.get(KEY, Some(1..2))).boxed(),
        timed("head", store.head(KEY)).boxed(),
        timed("put", store.put(KEY, PutBlob::new("x"))).boxed(),
        timed("create", store.put("new", create)).boxed(),
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
    for secret in ["guest", "waiterix-", "127.0.0.1", "upload_id", "token-"] {
        assert!(!error.to_string().contains(secret), "{name} tells {secret}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_connections_is_an_outage() {
    let Some((proxy, store, world)) = behind(TIGHT).await else { return };
    world.store().put(KEY, PutBlob::new("old")).await.unwrap();
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

/// Half-open connections among them: those that were made before stay open and say nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_a_timeout() {
    let Some((proxy, store, world)) = behind(TIGHT).await else { return };
    world.store().put(KEY, PutBlob::new("old")).await.unwrap();
    waiterix_contract::eventually(RECOVERY, "it works", || async { store.check().await.is_ok() }).await;
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

/// A connection that died while nobody used it costs nothing but its time: what is asked is asked once more on another.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_cut_while_idle_are_not_noticed() {
    let Some((proxy, store, _world)) = behind(usual()).await else { return };
    store.put(KEY, PutBlob::new("bytes")).await.unwrap();
    for _ in 0..3 {
        proxy.cut();
        assert_eq!(store.head(KEY).await.unwrap().size, 5);
        proxy.cut();
        store.put(KEY, PutBlob::new("bytes")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_waited_for() {
    let Some((proxy, store, _world)) = behind(usual()).await else { return };
    proxy.set(Mode::Slow(Duration::from_millis(50)));
    store.put(KEY, PutBlob::new("bytes")).await.unwrap();
    let body = store.get(KEY, None).await.unwrap().body;
    assert_eq!(body.try_collect::<Vec<Bytes>>().await.unwrap().concat(), b"bytes");
}

/// Reads the first piece of a large object, does something, and reads on to the end.
async fn read_on(store: &GcsBlobStore, then: impl FnOnce()) -> Result<usize> {
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
    let Some((proxy, store, world)) = behind(usual()).await else { return };
    world.store().put(KEY, PutBlob::new(vec![0; LARGE])).await.unwrap();
    let broken = read_on(&store, || proxy.cut()).await.unwrap_err();
    assert_eq!((broken.kind(), broken.retry_advice()), (ErrorKind::Unavailable, Retry::Safe), "{broken}");
    assert!(!broken.to_string().contains("guest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stands_still_is_a_timeout() {
    // Long enough to begin, on a busy machine.
    let limits = Limits { attempt: Duration::from_secs(2), ..usual() };
    let Some((proxy, store, world)) = behind(limits).await else { return };
    world.store().put(KEY, PutBlob::new(vec![0; LARGE])).await.unwrap();
    let started = Instant::now();
    let still = read_on(&store, || proxy.set(Mode::Hold)).await.unwrap_err();
    assert_eq!((still.kind(), still.retry_advice()), (ErrorKind::Timeout, Retry::Safe), "{still}");
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_again() {
    let Some((proxy, store, world)) = behind(usual()).await else { return };
    let anna = UserId::from("anna");
    proxy.cut_on("uploadType=resumable&name=");
    store.put(KEY, PutBlob::new("bytes")).await.unwrap();
    assert!(proxy.has_cut());
    proxy.cut_on("PATCH /");
    store.set_access(KEY, Some(&anna), Visibility::Public).await.unwrap();
    assert!(proxy.has_cut());
    proxy.cut_on("/rewriteTo/");
    store.copy(KEY, "copy").await.unwrap();
    assert!(proxy.has_cut());
    proxy.cut_on("DELETE /");
    store.delete(KEY).await.unwrap();
    assert!(proxy.has_cut());
    assert_eq!(world.store().head(KEY).await.unwrap_err().kind(), ErrorKind::NotFound);
    let copy = world.store().head("copy").await.unwrap();
    assert_eq!((copy.owner, copy.visibility), (Some(anna), Visibility::Public));
}

/// The server is asked how far the upload is, and says that it is over: so it is known to be done, and was done once.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_lost_is_known_to_be_done() {
    let Some((proxy, store, world)) = behind(usual()).await else { return };
    let create = |bytes: Vec<u8>| PutBlob { mode: PutMode::Create, ..PutBlob::new(bytes) };
    proxy.cut_on("content-range: bytes 0-4/5");
    let stored = store.put(KEY, create(b"bytes".to_vec())).await.unwrap();
    assert!(proxy.has_cut());
    assert_eq!(world.store().head(KEY).await.unwrap(), stored, "it was not stored twice");
    // A part in the middle and the last one.
    let bytes: Vec<u8> = (0..9 * MIB).map(|place| (place / 1000) as u8).collect();
    for lost in ["content-range: bytes 0-8388607/*", "content-range: bytes 8388608-"] {
        proxy.cut_on(lost);
        let key = format!("{KEY} {lost}");
        store.put(&key, create(bytes.clone())).await.unwrap();
        assert!(proxy.has_cut());
        let body = world.store().get(&key, None).await.unwrap().body;
        assert!(body.try_collect::<Vec<Bytes>>().await.unwrap().concat() == bytes, "{lost}");
    }
}

/// An upload during which the server dies fails, in time, and leaves nothing; afterwards everything works again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_during_an_upload_leaves_nothing() {
    // This server is killed, so it is one of the test's own; whether it may be left out is asked as for the others.
    if given(Backend::Gcs).is_none() {
        return;
    }
    let mut server = waiterix_backends::gcs::start().unwrap();
    let emulator = server.url().clone();
    let world = World::on(&emulator).await;
    let store = world.open(&GcsSettings { limits: TIGHT, ..world.settings() }, None);
    store.check().await.unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let pieces = (0..20).map(move |number| {
        if number == 12 {
            tell.take().unwrap().send(()).unwrap();
            // It is dead before the next part is sent.
            while std::net::TcpStream::connect(("127.0.0.1", emulator.port().unwrap())).is_ok() {}
        }
        Ok(Bytes::from(vec![number; MIB]))
    });
    let body: ByteStream = Box::pin(futures_util::stream::iter(pieces));
    let begun = Instant::now();
    let uploading = store.clone();
    // A task of its own, so that it may stand still on one thread while the server is killed on another.
    let upload = tokio::spawn(async move {
        let blob = PutBlob { body, size: None, ..PutBlob::new("") };
        uploading.put(KEY, blob).await.map(|_| ())
    });
    told.await.unwrap();
    server.kill();
    let stored = upload.await;
    assert_down("put", stored.unwrap(), begun.elapsed(), &[ErrorKind::Unavailable, ErrorKind::Timeout]);
    server.start_again().unwrap();
    world.make_buckets().await;
    waiterix_contract::eventually(RECOVERY, "it works again", || async { store.check().await.is_ok() }).await;
    assert_eq!(store.head(KEY).await.unwrap_err().kind(), ErrorKind::NotFound);
    store.put(KEY, PutBlob::new("bytes")).await.unwrap();
}
