//! What the emulator lets pass or gets wrong that Google does not. When one of these tests fails, the emulator has become better
//! and a part of the front can go.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use url::Url;
use waiterix_adapters_legacy::gcs::{Access, GcsSettings};
use waiterix_backends::{Backend, given};
use waiterix_domain::Secret;
use waiterix_domain::id::UserId;
use waiterix_ports::signed_url::{Permit, UrlSigner};
use waiterix_ports::{BlobStore as _, Bytes, Clock as _, ErrorKind, PutBlob, Visibility};

use crate::gcs_objects::fixture::World;
use crate::gcs_objects::front::{client, hidden};

async fn emulator() -> Option<(World, Url)> {
    let url = given(Backend::Gcs)?;
    Some((World::make().await?, url))
}

fn at(emulator: &Url, world: &World, rest: &str) -> Url {
    emulator.join(&format!("storage/v1/b/{}/o{rest}", world.bucket(0))).unwrap()
}

/// Why the front checks: the emulator asks for no token and no signature, and honours no condition.
#[tokio::test(flavor = "multi_thread")]
async fn it_asks_for_no_right_and_ignores_conditions() {
    let Some((world, emulator)) = emulator().await else { return };
    world.plant(0, "k", "x", &json!({})).await;
    let object = format!("/{}", hidden("k"));
    let found = client().get(at(&emulator, &world, &object)).send().await.unwrap();
    assert_eq!(found.status(), 200, "without a token");
    let raw = emulator.join(&format!("{}/{}?X-Goog-Signature=00", world.bucket(0), hidden("k"))).unwrap();
    assert_eq!(client().get(raw).send().await.unwrap().status(), 200, "with a wrong signature");
    let mut url = at(&emulator, &world, &object);
    url.set_query(Some("ifGenerationMatch=1"));
    assert_eq!(client().delete(url).send().await.unwrap().status(), 200, "in another state");
}

/// Why the front makes pages.
#[tokio::test(flavor = "multi_thread")]
async fn it_tells_everything_on_one_page() {
    let Some((world, emulator)) = emulator().await else { return };
    for name in ["a", "b"] {
        world.plant(0, name, "x", &json!({})).await;
    }
    let mut url = at(&emulator, &world, "");
    url.set_query(Some(&format!("maxResults=1&startOffset={}", hidden("b"))));
    let page: Value = client().get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    assert!(page.get("nextPageToken").is_none());
}

/// Why the front merges metadata.
#[tokio::test(flavor = "multi_thread")]
async fn it_replaces_all_metadata_by_a_change_of_one() {
    let Some((world, emulator)) = emulator().await else { return };
    world.plant(0, "k", "x", &json!({ "metadata": { "a": "1" } })).await;
    let change = client()
        .patch(at(&emulator, &world, &format!("/{}", hidden("k"))))
        .json(&json!({ "metadata": { "b": "2" } }));
    let changed: Value = change.send().await.unwrap().json().await.unwrap();
    assert_eq!(changed["metadata"], json!({ "b": "2" }));
}

/// Why the front hides metadata: the emulator puts it into headers, and breaks where it does not fit there.
#[tokio::test(flavor = "multi_thread")]
async fn it_cannot_send_an_object_whose_metadata_is_no_header() {
    let Some((world, emulator)) = emulator().await else { return };
    world.plant(0, "k", "x", &json!({ "metadata": { "a": "😀" } })).await;
    let mut url = at(&emulator, &world, &format!("/{}", hidden("k")));
    url.set_query(Some("alt=media"));
    assert!(client().get(url).send().await.is_err());
}

/// Why the front hides names: the emulator keeps objects in folders.
#[tokio::test(flavor = "multi_thread")]
async fn it_takes_some_names_for_others() {
    let Some((world, emulator)) = emulator().await else { return };
    let put = |name: &'static str, bytes: &'static str| {
        let url = emulator.join(&format!("upload/storage/v1/b/{}/o", world.bucket(0))).unwrap();
        let request = client().post(url).query(&[("uploadType", "media"), ("name", name)]).body(bytes);
        async move { assert_eq!(request.send().await.unwrap().status(), 200) }
    };
    put("a/b", "one").await;
    put("a//b", "two").await;
    let mut url = at(&emulator, &world, "/a%2Fb");
    url.set_query(Some("alt=media"));
    assert_eq!(client().get(url).send().await.unwrap().text().await.unwrap(), "two");
    // The world removes hidden names only.
    for name in ["/a%2Fb", "/a%2F%2Fb"] {
        client().delete(at(&emulator, &world, name)).send().await.unwrap();
    }
}

/// `STORAGE_EMULATOR_HOST` alone: no front, no right, and URLs that the service honours.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_works_on_the_emulator_itself_without_any_right() {
    let Some((world, emulator)) = emulator().await else { return };
    let settings = GcsSettings { endpoint: Some(emulator), access: Access::Open, ..world.settings() };
    let signer = UrlSigner::new(world.front.url().clone(), Secret::new("a secret"));
    let store = world.open(&settings, Some(&signer));
    store.check().await.unwrap();
    let bytes: Vec<u8> = (0..9_000_000).map(|place| (place / 1000) as u8).collect();
    let stored = store.put("uploads/1", PutBlob::new(bytes.clone())).await.unwrap();
    store.set_access("uploads/1", Some(&UserId::from("42")), Visibility::Public).await.unwrap();
    store.copy("uploads/1", "public/2").await.unwrap();
    store.delete("uploads/1").await.unwrap();
    assert_eq!(store.head("uploads/1").await.unwrap_err().kind(), ErrorKind::NotFound);
    let found = store.get("public/2", Some(1_000_000..9_000_001)).await.unwrap();
    assert_eq!((found.meta.size, found.meta.owner), (stored.size, Some(UserId::from("42"))));
    assert!(found.body.try_collect::<Vec<Bytes>>().await.unwrap().concat() == bytes[1_000_000..]);
    assert_eq!(store.list("", None, 10).await.unwrap().keys, [("public/2".to_owned(), stored.size)]);
    let url = store.presign_download("public/2", Duration::from_secs(60)).await.unwrap();
    let key = url.path().strip_prefix("/api/objects/").unwrap();
    let permit = signer.permit(key, url.query().unwrap(), world.clock.now());
    assert_eq!(permit, Some(Permit::Download { key: "public/2".to_owned() }));
}
