//! By what right the objects are reached.

use std::time::Duration;

use waiterix_adapters_legacy::gcs::{Access, GcsBlobStore, GcsSettings};
use waiterix_adapters_legacy::replit::SignedUploads;
use waiterix_ports::{BlobStore as _, ErrorKind, PutBlob, Retry};

use crate::gcs_objects::fixture::{TIGHT, World};
use crate::gcs_objects::sidecar::Sidecar;

/// How many tokens were given out so far.
fn issued(world: &World) -> usize {
    world.front.tokens().lock().unwrap().issued
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_once_and_again_shortly_before_its_end() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    assert_eq!(issued(&world), 0, "opening asks nobody");
    let several = (0..8).map(|_| store.check());
    futures_util::future::join_all(several).await.into_iter().for_each(Result::unwrap);
    assert_eq!(issued(&world), 1, "eight calls wait for one token");
    world.clock.advance(Duration::from_secs(3538));
    store.check().await.unwrap();
    assert_eq!(issued(&world), 1);
    world.clock.advance(Duration::from_secs(1));
    store.check().await.unwrap();
    assert_eq!(issued(&world), 2);
}

/// Whatever the call was: a refused token does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_before_its_time_is_replaced_and_nobody_notices() {
    let Some(world) = World::make().await else { return };
    let sidecar = Sidecar::start(&world.front, world.clock.clone()).await;
    let by_sidecar = world.sidecar_settings(&sidecar, SignedUploads::Sidecar);
    for store in [world.store(), world.open(&by_sidecar, None)] {
        store.check().await.unwrap();
        let before = issued(&world);
        world.front.tokens().lock().unwrap().revoke();
        store.put("k", PutBlob::new("x")).await.unwrap();
        assert_eq!(issued(&world), before + 1);
        world.front.tokens().lock().unwrap().revoke();
        assert_eq!(store.head("k").await.unwrap().size, 1);
        assert_eq!(issued(&world), before + 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_give_no_token_are_denied_and_an_outage_is_one() {
    let Some(world) = World::make().await else { return };
    let sidecar = Sidecar::start(&world.front, world.clock.clone()).await;
    let settings = GcsSettings { limits: TIGHT, ..world.sidecar_settings(&sidecar, SignedUploads::Sidecar) };
    let store = world.open(&settings, None);
    for (status, kind, retry) in [
        (400, ErrorKind::Denied, Retry::No),
        (403, ErrorKind::Denied, Retry::No),
        (404, ErrorKind::Denied, Retry::No),
        (500, ErrorKind::Unavailable, Retry::Ambiguous),
        (503, ErrorKind::Unavailable, Retry::Safe),
    ] {
        *sidecar.trouble.lock().unwrap() = Some(status);
        for error in [store.head("k").await.unwrap_err(), store.check().await.unwrap_err()] {
            assert_eq!((error.kind(), error.retry_advice()), (kind, retry), "{status}: {error}");
            assert!(!error.to_string().contains("guest"), "{error}");
        }
    }
    *sidecar.trouble.lock().unwrap() = None;
    store.check().await.unwrap();
    // Another account's key, or one for another server.
    let key_file = crate::gcs_objects::account::key_file(&format!("{}other", world.front.url()));
    let access = Access::ServiceAccount { key_file: key_file.path().to_owned() };
    let error = world.open(&GcsSettings { access, ..world.settings() }, None).check().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Denied, Retry::No), "{error}");
}

/// A URL may be signed for an object that is none, so whatever is not there, it is not the object.
#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_does_not_sign_is_an_outage_or_a_refusal() {
    let Some(world) = World::make().await else { return };
    let sidecar = Sidecar::start(&world.front, world.clock.clone()).await;
    let store = world.open(&world.sidecar_settings(&sidecar, SignedUploads::Sidecar), None);
    for (status, kind, requests) in [
        (403, ErrorKind::Denied, 1),
        (404, ErrorKind::Unavailable, 1),
        (429, ErrorKind::Throttled, 3),
        (500, ErrorKind::Unavailable, 3),
    ] {
        *sidecar.trouble.lock().unwrap() = Some(status);
        sidecar.asked.lock().unwrap().clear();
        let error = store.presign_download("k", Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert_eq!(sidecar.asked.lock().unwrap().len(), requests, "{status}");
        assert!(!error.to_string().contains("guest"), "{error}");
    }
}

/// The sidecar is asked what the platform answers, and for no token for what needs none.
#[tokio::test(flavor = "multi_thread")]
async fn the_sidecar_is_asked_in_its_own_words() {
    let Some(world) = World::make().await else { return };
    let sidecar = Sidecar::start(&world.front, world.clock.clone()).await;
    let store = world.open(&world.sidecar_settings(&sidecar, SignedUploads::Sidecar), None);
    let asked = || std::mem::take(&mut *sidecar.asked.lock().unwrap());
    store.presign_download("uploads/ä 1", Duration::from_secs(900)).await.unwrap();
    assert_eq!(asked(), ["sign \"GET\" \".private/uploads/ä 1\""]);
    store.put("k", PutBlob::new("x")).await.unwrap();
    store.head("k").await.unwrap();
    assert_eq!(asked(), ["credential", "token"]);
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_without_asking_anybody() {
    let settings = |access| GcsSettings {
        private: waiterix_domain::blob_ref::LegacyDir::parse("/bucket/.private"),
        public: waiterix_domain::blob_ref::LegacyDir::parse_list("/bucket/public").unwrap(),
        endpoint: None,
        access,
        limits: TIGHT,
    };
    let open =
        |settings: &GcsSettings| GcsBlobStore::open(settings, None, crate::gcs_objects::fixture::clock());
    let absent = settings(Access::ServiceAccount { key_file: "/nowhere/key.json".into() });
    let key_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key_file.path(), r#"{"type":"authorized_user","refresh_token":"hunter2"}"#).unwrap();
    let other = settings(Access::ServiceAccount { key_file: key_file.path().to_owned() });
    let good = crate::gcs_objects::account::key_file("http://127.0.0.1:9/token");
    let good = settings(Access::ServiceAccount { key_file: good.path().to_owned() });
    let unsigned = settings(Access::Open);
    assert!(unsigned.needs_signer());
    let no_folder = GcsSettings { public: Vec::new(), ..good.clone() };
    for settings in [absent, other, unsigned, no_folder] {
        let error = open(&settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
