//! Signed URLs.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;
use waiterix_adapters_legacy::gcs::GcsSettings;
use waiterix_adapters_legacy::replit::SignedUploads;
use waiterix_domain::Secret;
use waiterix_domain::blob_ref::{BlobRef, Locations};
use waiterix_ports::blob::{UploadRequest, upload_headers};
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{BlobStore as _, ErrorKind, PutBlob};

use crate::gcs_objects::fixture::{World, put};
use crate::gcs_objects::front::client;
use crate::gcs_objects::sidecar::Sidecar;

const MINUTES: Duration = Duration::from_secs(900);

fn upload(key: &str, size: Option<u64>) -> UploadRequest {
    let content_type = Some("image/png".to_owned());
    UploadRequest { key: key.to_owned(), content_type, size, max_size: 10, ttl: MINUTES }
}

fn query(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_covers_type_length_and_that_it_must_be_new() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    let all = "content-type;host;x-goog-content-length-range;x-goog-if-generation-match";
    for (request, names, range) in [
        (upload("k", Some(3)), all, "3,3"),
        (upload("k", None), all, "0,10"),
        (UploadRequest { content_type: None, ..upload("k", None) }, &all[13..], "0,10"),
    ] {
        let url = store.presign_upload(&request).await.unwrap();
        assert_eq!(query(&url)["X-Goog-SignedHeaders"], names);
        assert_eq!(query(&url)["X-Goog-Expires"], "900");
        let headers = [("x-goog-if-generation-match", "0"), ("x-goog-content-length-range", range)];
        assert_eq!(upload_headers(&url), headers);
    }
    let url = store.presign_download("k", MINUTES).await.unwrap();
    assert_eq!(query(&url)["X-Goog-SignedHeaders"], "host");
    assert_eq!((upload_headers(&url), url.fragment()), (Vec::new(), None));
}

/// **B9** of the old system: without a length that is known before, no more than the limit is taken all the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_unknown_length_is_bounded() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    let url = store.presign_upload(&upload("k", None)).await.unwrap();
    assert_eq!(put(&url, "image/png", "eleven byte").await, 400);
    assert_eq!(store.head("k").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(put(&url, "image/png", "ten bytes!").await, 200);
    assert_eq!(put(&url, "image/png", "other").await, 412, "it is not new any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signed_header_must_be_sent_as_it_was_signed() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    let url = store.presign_upload(&upload("k", Some(3))).await.unwrap();
    let headers: Vec<(&str, &str)> =
        upload_headers(&url).into_iter().chain([("content-type", "image/png")]).collect();
    for left_out in 0..headers.len() {
        for changed in [None, Some("1")] {
            let mut request = client().put(url.clone()).body("abc");
            for (place, (name, value)) in headers.iter().enumerate() {
                match changed {
                    _ if place != left_out => request = request.header(*name, *value),
                    Some(changed) => request = request.header(*name, changed),
                    None => {}
                }
            }
            let status = request.send().await.unwrap().status().as_u16();
            assert_eq!(status, 403, "{} as {changed:?}", headers[left_out].0);
        }
    }
    assert_eq!(store.head("k").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(put(&url, "image/png", "abc").await, 200);
}

/// **U18** and **U20**: what is signed is recognised when it comes back, with and without its query.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_url_leads_back_to_its_reference() {
    let Some(world) = World::make().await else { return };
    let settings = GcsSettings { endpoint: None, ..world.settings() };
    let store = world.open(&settings, None);
    let mut locations = Locations::default();
    settings.locate(&mut locations);
    for key in ["uploads/1", "public/uploads/1", "a+b%20c//ä 😀", "?x=y&z#f"] {
        let url = store.presign_upload(&upload(key, None)).await.unwrap();
        assert!(url.as_str().starts_with("https://storage.googleapis.com/"), "{key}");
        let reference = BlobRef::new(key).unwrap().to_string();
        assert_eq!(locations.parse(url.as_str()).to_text(), Some(reference.clone()), "{key}");
        let bare = url.as_str().split('?').next().unwrap();
        assert_eq!(locations.parse(bare).to_text(), Some(reference), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_signed_is_refused_whoever_signs() {
    let Some(world) = World::make().await else { return };
    let sidecar = Sidecar::start(&world.front, world.clock.clone()).await;
    let signer = UrlSigner::new(world.front.url().clone(), Secret::new("a secret"));
    let by_service = world.sidecar_settings(&sidecar, SignedUploads::Service);
    let by_sidecar = world.sidecar_settings(&sidecar, SignedUploads::Sidecar);
    for store in [world.store(), world.open(&by_service, Some(&signer)), world.open(&by_sidecar, None)] {
        let day = Duration::from_secs(86_400);
        for ttl in [Duration::ZERO, Duration::from_millis(999), day * 7 + Duration::from_secs(1)] {
            assert_eq!(store.presign_download("k", ttl).await.unwrap_err().kind(), ErrorKind::Invalid);
            let refused = store.presign_upload(&UploadRequest { ttl, ..upload("k", None) }).await;
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid, "{ttl:?}");
        }
        store.presign_download("k", day * 7).await.unwrap();
        for request in [
            UploadRequest { size: Some(11), ..upload("k", None) },
            UploadRequest { max_size: u64::MAX, ..upload("k", None) },
            UploadRequest { content_type: Some("image/png\r\nx: y".to_owned()), ..upload("k", None) },
            UploadRequest { content_type: Some(String::new()), ..upload("k", None) },
        ] {
            assert_eq!(store.presign_upload(&request).await.unwrap_err().kind(), ErrorKind::Invalid);
        }
    }
}

/// By choice the sidecar signs uploads too. Its URLs bind neither type nor length, so what was uploaded must be looked at; they
/// are good for one object and until their end.
#[tokio::test(flavor = "multi_thread")]
async fn the_sidecar_signs_uploads_where_it_is_asked_to() {
    let Some(world) = World::make().await else { return };
    let sidecar = Sidecar::start(&world.front, world.clock.clone()).await;
    let store = world.open(&world.sidecar_settings(&sidecar, SignedUploads::Sidecar), None);
    let url = store.presign_upload(&upload("uploads/1", Some(3))).await.unwrap();
    assert_eq!(upload_headers(&url), []);
    let mut other = url.clone();
    other.set_path(&url.path().replace("uploads", "downloads"));
    assert_eq!(put(&other, "image/png", "abc").await, 403);
    assert_eq!(put(&url, "text/html", "anything").await, 200, "this is why it is not the default");
    assert_eq!(store.head("uploads/1").await.unwrap().content_type, "text/html");
    world.clock.advance(MINUTES);
    assert_eq!(put(&url, "image/png", "abc").await, 403);
}

/// Paths are signed as they are sent.
#[tokio::test(flavor = "multi_thread")]
async fn every_printable_character_survives_in_a_key() {
    let Some(world) = World::make().await else { return };
    let store = world.store();
    let marks: String = (' '..='~').filter(|c| !c.is_ascii_alphanumeric() && *c != '/').collect();
    for key in [marks.as_str(), "%2F", "%252F", "a+ %+", "ä😀", "%E0%A4%A", "a=b&c=d", "x.%2e", "a//b/"] {
        store.put(key, PutBlob::new(key.to_owned())).await.unwrap();
        let url = store.presign_download(key, MINUTES).await.unwrap();
        assert_eq!(client().get(url).send().await.unwrap().text().await.unwrap(), key);
        store.copy(key, &format!("to{key}")).await.unwrap();
        assert_eq!(store.head(&format!("to{key}")).await.unwrap().size, key.len() as u64);
    }
}
