//! Signed URLs, and checking.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use std::time::Duration;

use reqwest::Client;
use url::Url;
use waiterix_ports::blob::{UploadRequest, upload_headers};
use waiterix_ports::{ErrorKind, Visibility};

use super::{Fresh, bytes_of, is_missing, keys_with, malformed_keys, store};
use crate::race::refused;

const PNG: &str = "image/png";
const MINUTES: Duration = Duration::from_secs(900);

fn upload(key: &str, size: u64) -> UploadRequest {
    UploadRequest {
        key: key.to_owned(),
        content_type: Some(PNG.to_owned()),
        size: Some(size),
        max_size: size,
        ttl: MINUTES,
    }
}

/// A client. Where a service's own client has chosen a TLS library without a provider, that is the choice of every client
/// of the build, and one must be named even for plain HTTP.
fn client() -> Client {
    // Harmless when another part of the process has named one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

/// Sends a request as the web client does: whatever a signature needs is in the URL or named there. Answers the status.
async fn put(url: &Url, content_type: Option<&str>, body: &str) -> u16 {
    // An empty body would go without its length otherwise.
    let length = body.len().to_string();
    let mut request = client().put(url.clone()).header("content-length", length).body(body.to_owned());
    for (name, value) in upload_headers(url) {
        request = request.header(name, value);
    }
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    request.send().await.unwrap().status().as_u16()
}

async fn get(url: &Url) -> (u16, String) {
    let answer = client().get(url.clone()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[track_caller]
fn assert_taken(status: u16) {
    assert!((200..300).contains(&status), "status {status} for what is permitted");
}

#[track_caller]
fn assert_refused(status: u16, what: &str) {
    // 501 is how a server may refuse a kind of signature that it does not know.
    assert!((400..500).contains(&status) || status == 501, "status {status} for {what}");
}

/// Lets the instant pass at which a URL of this lifetime ends.
async fn pass(fixture: &Fresh, ttl: Duration) {
    let end = fixture.now().plus_seconds(ttl.as_secs() as i64 + 1);
    let passed = || async { fixture.now() >= end };
    fixture.after(ttl + Duration::from_secs(1), "time passes", passed).await;
}

/// **B70**
pub async fn b70_the_signed_upload_is_taken(fixture: Fresh) {
    let url = fixture.port.presign_upload(&upload("public/uploads/1", 11)).await.unwrap();
    assert_taken(put(&url, Some(PNG), "eleven byte").await);
    let meta = fixture.port.head("public/uploads/1").await.unwrap();
    assert_eq!((meta.size, meta.content_type.as_str(), meta.owner), (11, PNG, None));
    assert_eq!(bytes_of(&fixture, "public/uploads/1").await.unwrap(), b"eleven byte");
    let url = fixture.port.presign_upload(&upload("private/1", 0)).await.unwrap();
    assert_taken(put(&url, Some(PNG), "").await);
    let meta = fixture.port.head("private/1").await.unwrap();
    assert_eq!((meta.size, meta.visibility), (0, Visibility::Private));
}

/// **B70**: nobody uploads HTML where a picture was permitted (B9 of the old system).
pub async fn b70_another_type_is_refused(fixture: Fresh) {
    let url = fixture.port.presign_upload(&upload("k", 3)).await.unwrap();
    for wrong in
        [Some("text/html"), Some("image/svg+xml"), Some("image/pngx"), Some("image/png; charset=utf-8"), None]
    {
        assert_refused(put(&url, wrong, "abc").await, &format!("type {wrong:?}"));
        assert!(is_missing(&fixture, "k").await, "stored as {wrong:?}");
    }
    assert_taken(put(&url, Some(PNG), "abc").await);
}

/// **B70**
pub async fn b70_another_length_is_refused(fixture: Fresh) {
    let url = fixture.port.presign_upload(&upload("k", 10)).await.unwrap();
    for wrong in ["", "nine byte", "eleven byte", &"x".repeat(5000)] {
        assert_refused(put(&url, Some(PNG), wrong).await, &format!("{} bytes for 10", wrong.len()));
        assert!(is_missing(&fixture, "k").await, "{} bytes stored", wrong.len());
    }
    assert_taken(put(&url, Some(PNG), "ten bytes!").await);
}

/// **B70**
pub async fn b70_a_changed_url_is_refused(fixture: Fresh) {
    let url = fixture.port.presign_upload(&upload("uploads/k", 3)).await.unwrap();
    let mut changed = Vec::new();
    for path in
        [format!("{}x", url.path()), url.path().replace("uploads", "public"), format!("{}/x", url.path())]
    {
        let mut other = url.clone();
        other.set_path(&path);
        changed.push(other);
    }
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    assert!(!pairs.is_empty(), "the permission is in the query");
    for (place, (name, value)) in pairs.iter().enumerate() {
        let mut dropped = pairs.clone();
        dropped.remove(place);
        let mut altered = pairs.clone();
        altered[place].1 = if value.ends_with('1') { format!("{value}2") } else { format!("{value}1") };
        for pairs in [dropped, altered] {
            let mut other = url.clone();
            other.query_pairs_mut().clear().extend_pairs(&pairs);
            changed.push(other);
        }
        assert!(!name.is_empty());
    }
    for other in changed {
        assert_refused(put(&other, Some(PNG), "abc").await, "a changed URL");
        assert_eq!(keys_with(&fixture, "", 10).await, [""; 0], "a changed URL stored something");
    }
    assert_taken(put(&url, Some(PNG), "abc").await);
}

/// **B70**
pub async fn b70_a_url_past_its_end_is_refused(fixture: Fresh) {
    let ttl = Duration::from_secs(2);
    let url = fixture.port.presign_upload(&UploadRequest { ttl, ..upload("k", 3) }).await.unwrap();
    let longer = fixture.port.presign_upload(&upload("k", 3)).await.unwrap();
    pass(&fixture, ttl).await;
    assert_refused(put(&url, Some(PNG), "abc").await, "a URL past its end");
    assert!(is_missing(&fixture, "k").await);
    assert_taken(put(&longer, Some(PNG), "abc").await);
}

/// **B70**
pub async fn b70_a_request_without_type_and_length_is_taken(fixture: Fresh) {
    let request = UploadRequest { content_type: None, size: None, max_size: 1000, ..upload("k", 0) };
    let url = fixture.port.presign_upload(&request).await.unwrap();
    assert_taken(put(&url, Some("image/webp"), "some bytes").await);
    assert_eq!(bytes_of(&fixture, "k").await.unwrap(), b"some bytes");
    assert_eq!(fixture.port.head("k").await.unwrap().content_type, "image/webp");
}

/// **B70**
pub async fn b70_odd_keys_can_be_signed(fixture: Fresh) {
    for key in ["a b", "ä/😀", "a+b%20c", "a//b", "?x=y&z#f", "a&b=c;d,e:f@g$h!"] {
        let url = fixture.port.presign_upload(&upload(key, key.len() as u64)).await.unwrap();
        assert_taken(put(&url, Some(PNG), key).await);
        assert_eq!(bytes_of(&fixture, key).await.unwrap(), key.as_bytes());
        let url = fixture.port.presign_download(key, MINUTES).await.unwrap();
        assert_eq!(get(&url).await, (200, key.to_owned()));
    }
}

/// **B70**
pub async fn b70_a_malformed_key_cannot_be_signed(fixture: Fresh) {
    for key in malformed_keys() {
        refused(
            fixture.port.presign_upload(&upload(&key, 3)).await,
            ErrorKind::Invalid,
            &format!("key {key:.40?}"),
        );
        // For reading a key that cannot exist, saying so is fine, and so is a URL at which nothing is found.
        match fixture.port.presign_download(&key, MINUTES).await {
            Ok(url) => assert_refused(get(&url).await.0, "an object that cannot exist"),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound), "{error}");
            }
        }
    }
}

/// **B71**
pub async fn b71_without_the_query_nothing_is_allowed(fixture: Fresh) {
    let url = fixture.port.presign_upload(&upload("k", 3)).await.unwrap();
    let mut bare = url.clone();
    bare.set_query(None);
    assert_refused(put(&bare, Some(PNG), "abc").await, "a PUT without permission");
    assert!(is_missing(&fixture, "k").await);
    let stranger = fixture.port.presign_upload(&upload("other", 3)).await.unwrap();
    bare.set_query(stranger.query());
    assert_refused(put(&bare, Some(PNG), "abc").await, "a PUT with the permission for another key");
    assert!(is_missing(&fixture, "k").await && is_missing(&fixture, "other").await);
    assert_taken(put(&url, Some(PNG), "abc").await);
    bare.set_query(None);
    let (status, body) = get(&bare).await;
    assert_refused(status, "a GET without permission");
    assert!(!body.contains("abc"));
}

/// **B72**
pub async fn b72_a_second_put_does_not_replace_the_object(fixture: Fresh) {
    let url = fixture.port.presign_upload(&upload("k", 5)).await.unwrap();
    assert_taken(put(&url, Some(PNG), "first").await);
    put(&url, Some(PNG), "again").await;
    assert_eq!(bytes_of(&fixture, "k").await.unwrap(), b"first");
}

/// **B72**
pub async fn b72_an_object_that_was_there_before_is_not_replaced(fixture: Fresh) {
    let stored = store(&fixture, "k", "first").await;
    let url = fixture.port.presign_upload(&upload("k", 5)).await.unwrap();
    put(&url, Some(PNG), "again").await;
    assert_eq!(fixture.port.head("k").await.unwrap(), stored);
    assert_eq!(bytes_of(&fixture, "k").await.unwrap(), b"first");
}

/// **B80**
pub async fn b80_a_signed_download_works_for_a_private_object(fixture: Fresh) {
    store(&fixture, "private/ä 1", "secret bytes").await;
    let url = fixture.port.presign_download("private/ä 1", MINUTES).await.unwrap();
    for _ in 0..2 {
        assert_eq!(get(&url).await, (200, "secret bytes".to_owned()));
    }
    let absent = fixture.port.presign_download("absent", MINUTES).await.unwrap();
    assert_refused(get(&absent).await.0, "a missing object");
}

/// **B80**
pub async fn b80_not_for_another_key_or_another_method(fixture: Fresh) {
    for key in ["one", "two"] {
        store(&fixture, key, format!("bytes of {key}")).await;
    }
    let url = fixture.port.presign_download("one", MINUTES).await.unwrap();
    let mut other = url.clone();
    other.set_path(&url.path().replace("one", "two"));
    let (status, body) = get(&other).await;
    assert_refused(status, "another key");
    assert!(!body.contains("bytes of"));
    other.set_path(url.path());
    other.set_query(None);
    assert_refused(get(&other).await.0, "no permission");
    assert_refused(put(&url, Some(PNG), "abc").await, "a PUT to a download URL");
    let upload = fixture.port.presign_upload(&upload("one", 3)).await.unwrap();
    let (status, body) = get(&upload).await;
    assert_refused(status, "a GET of an upload URL");
    assert!(!body.contains("bytes of"));
    assert_eq!(bytes_of(&fixture, "one").await.unwrap(), b"bytes of one");
}

/// **B80**
pub async fn b80_not_past_its_end(fixture: Fresh) {
    store(&fixture, "k", "secret").await;
    let ttl = Duration::from_secs(2);
    let short = fixture.port.presign_download("k", ttl).await.unwrap();
    let long = fixture.port.presign_download("k", MINUTES).await.unwrap();
    pass(&fixture, ttl).await;
    let (status, body) = get(&short).await;
    assert_refused(status, "a URL past its end");
    assert!(!body.contains("secret"));
    assert_eq!(get(&long).await, (200, "secret".to_owned()));
}

/// **B90**
pub async fn b90_a_working_store_is_proven_and_unchanged(fixture: Fresh) {
    fixture.port.check().await.unwrap();
    assert_eq!(keys_with(&fixture, "", 100).await, [""; 0]);
    let stored = store(&fixture, "k", "bytes").await;
    fixture.port.check().await.unwrap();
    fixture.port.check().await.unwrap();
    assert_eq!(fixture.port.head("k").await.unwrap(), stored);
    assert_eq!(keys_with(&fixture, "", 100).await, ["k"]);
}
