//! Answers that no emulator gives: throttling, outages, refusals, half an upload.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use waiterix_adapters_legacy::gcs::GcsSettings;
use waiterix_domain::id::UserId;
use waiterix_ports::{
    BlobStore as _, ByteStream, Bytes, Error, ErrorKind, PutBlob, PutMode, Result, Retry, Visibility,
};

use crate::gcs_objects::fixture::{TIGHT, World, usual};
use crate::gcs_objects::front::Trouble::{self, Damage, None as Fine, Part, Status};

const KEY: &str = "secret/key-of-a-guest";
const MIB: usize = 1024 * 1024;

/// What each operation answers while the server answers nothing but this, and how many requests it took.
async fn outcomes(world: &World, trouble: Trouble) -> Vec<(&'static str, Result<()>, usize)> {
    let store = world.store();
    store.put(KEY, PutBlob::new("old")).await.unwrap();
    let mut outcomes = Vec::new();
    macro_rules! ask {
        ($name:literal, $call:expr) => {
            world.front.trouble(&[trouble; 50]);
            world.front.asked();
            let answer = $call.await.map(|_| ());
            outcomes.push(($name, answer, world.front.asked().len()));
            world.front.calm();
        };
    }
    ask!("get", store.get(KEY, None));
    ask!("head", store.head(KEY));
    ask!("put", store.put(KEY, PutBlob::new("x")));
    ask!("delete", store.delete(KEY));
    ask!("list", store.list("secret", None, 10));
    ask!("copy", store.copy(KEY, "l"));
    ask!("set_access", store.set_access(KEY, Some(&UserId::from("anna")), Visibility::Public));
    ask!("check", store.check());
    assert_eq!(store.head(KEY).await.unwrap().size, 3, "nothing was changed");
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_outages_are_tried_again_and_not_for_ever() {
    let Some(world) = World::make().await else { return };
    for (status, kind) in [
        (408, ErrorKind::Timeout),
        (429, ErrorKind::Throttled),
        (500, ErrorKind::Unavailable),
        (502, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
    ] {
        for (name, answer, requests) in outcomes(&world, Status(status, None)).await {
            let error = answer.expect_err(name);
            assert_eq!(error.kind(), kind, "{name}: {error}");
            assert_ne!(error.retry_advice(), Retry::No, "{name}: {error}");
            assert_eq!(requests, usual().attempts as usize, "{name}");
            assert!(!error.to_string().contains("guest"), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_final_and_told_apart() {
    let Some(world) = World::make().await else { return };
    for (status, kind) in [(400, ErrorKind::Invalid), (403, ErrorKind::Denied), (302, ErrorKind::Unavailable)]
    {
        for (name, answer, requests) in outcomes(&world, Status(status, None)).await {
            let error = answer.expect_err(name);
            assert_eq!((error.kind(), error.retry_advice()), (kind, Retry::No), "{name}: {error}");
            assert_eq!(requests, 1, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_in_time_is_not_noticed() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    store.put(KEY, PutBlob::new("bytes")).await.unwrap();
    world.front.trouble(&[Status(503, None), Status(500, None), Fine, Status(429, None)]);
    let body = store.get(KEY, None).await.unwrap().body;
    assert_eq!(body.try_collect::<Vec<Bytes>>().await.unwrap().concat(), b"bytes");
    world.front.trouble(&[Status(503, None)]);
    store.delete(KEY).await.unwrap();
    assert_eq!(store.head(KEY).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_when_to_come_back_is_not_asked_before() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    store.check().await.unwrap();
    world.front.trouble(&[Status(429, Some(1))]);
    let begun = Instant::now();
    store.check().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    // Nobody waits longer than a call may take; whoever called learns when to come back.
    world.front.trouble(&[Status(429, Some(30))]);
    let begun = Instant::now();
    let error = store.check().await.unwrap_err();
    let advice = Retry::After(Duration::from_secs(30));
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Throttled, advice), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// A body of so many MiB whose bytes tell where they are.
fn telling(mib: usize) -> Vec<u8> {
    (0..mib * MIB).map(|place| (place / 1000) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_from_where_the_server_is() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    store.check().await.unwrap();
    let bytes = telling(17);
    // Begun; a part of which little is kept; one that fails; the last part, of which little is kept.
    world.front.trouble(&[Fine, Part, Fine, Status(503, None), Fine, Fine, Part, Status(502, None)]);
    let meta =
        store.put("k", PutBlob { mode: PutMode::Create, ..PutBlob::new(bytes.clone()) }).await.unwrap();
    assert_eq!(meta.size, bytes.len() as u64);
    let body = store.get("k", None).await.unwrap().body;
    assert!(body.try_collect::<Vec<Bytes>>().await.unwrap().concat() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_server_forgot_fails_and_stores_nothing() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    store.check().await.unwrap();
    for status in [404, 410] {
        world.front.trouble(&[Fine, Fine, Status(status, None)]);
        let error = store.put("k", PutBlob::new(telling(9))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(store.head("k").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

/// Short ones are refused by the server, which knows their digest before; long ones are compared when they are there.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_arrive_as_others_are_not_kept() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    store.check().await.unwrap();
    for (bytes, trouble) in [
        (b"bytes".to_vec(), vec![Fine, Damage]),
        (telling(9), vec![Fine, Damage]),
        (telling(9), vec![Fine, Fine, Damage]),
    ] {
        world.front.trouble(&trouble);
        let error = store.put("k", PutBlob::new(bytes)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unavailable), "{error}");
        assert_eq!(store.head("k").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

/// Somebody who stores the same key meanwhile wins, and is not overwritten by the end of an upload that began before.
#[tokio::test(flavor = "multi_thread")]
async fn a_condition_holds_when_the_upload_ends_and_not_only_when_it_begins() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    let other = store.clone();
    let pieces = (0..10).map(move |number| (number, other.clone()));
    let body: ByteStream = Box::pin(futures_util::stream::iter(pieces).then_store());
    let blob = PutBlob { body, size: None, mode: PutMode::Create, ..PutBlob::new("") };
    let late = store.put("k", blob).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict, "{late}");
    let body = store.get("k", None).await.unwrap().body;
    assert_eq!(body.try_collect::<Vec<Bytes>>().await.unwrap().concat(), b"in between");
}

/// Pieces of a MiB; before the last one, somebody else stores the key.
trait ThenStore: Sized {
    fn then_store(self) -> impl futures_util::Stream<Item = Result<Bytes>> + Send;
}

impl<S> ThenStore for S
where
    S: futures_util::Stream<Item = (u8, waiterix_adapters_legacy::gcs::GcsBlobStore)> + Send,
{
    fn then_store(self) -> impl futures_util::Stream<Item = Result<Bytes>> + Send {
        futures_util::StreamExt::then(self, |(number, store)| async move {
            if number == 9 {
                store.put("k", PutBlob::new("in between")).await?;
            }
            Ok(Bytes::from(vec![number; MIB]))
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_body_fails_is_ended() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    let broken = Error::new(ErrorKind::Unavailable, "test.body");
    let pieces = vec![Ok(Bytes::from(vec![0; 9 * MIB])), Err(broken)];
    let body: ByteStream = Box::pin(futures_util::stream::iter(pieces));
    store.put("k", PutBlob { body, size: None, ..PutBlob::new("") }).await.unwrap_err();
    let last = world.front.asked().pop().unwrap();
    assert!(last.starts_with("DELETE ") && last.contains("upload_id="), "{last}");
}

/// B11 of the old system: a download took three calls. And no request says anything of ACLs (B6).
#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_two_requests_and_nothing_says_anything_of_acls() {
    let Some(world) = World::make().await else { return };
    let store = world.open(&GcsSettings { limits: TIGHT, ..world.settings() }, None);
    store.put("k", PutBlob { visibility: Visibility::Public, ..PutBlob::new("bytes") }).await.unwrap();
    store.set_access("k", None, Visibility::Private).await.unwrap();
    let asked = world.front.asked();
    assert!(asked.iter().all(|asked| !asked.to_lowercase().contains("acl")), "{asked:?}");
    store.get("k", None).await.unwrap();
    let asked = world.front.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    // What is read is the state that was described, whatever comes in between.
    assert!(asked[1].contains("generation="), "{asked:?}");
    store.head("k").await.unwrap();
    assert_eq!(world.front.asked().len(), 1);
}
