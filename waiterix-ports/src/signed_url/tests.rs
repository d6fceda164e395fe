//! Permits, and what is done with them.

use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use waiterix_domain::id::UserId;

use super::*;
use crate::blob::once;
use crate::{BlobPage, Bytes};

fn signer(secret: &str) -> UrlSigner {
    UrlSigner::new(Url::parse("http://127.0.0.1:8080").unwrap(), Secret::new(secret))
}

fn parts(url: &Url) -> (String, String) {
    (url.path().strip_prefix("/api/objects/").unwrap().to_owned(), url.query().unwrap().to_owned())
}

#[test]
fn a_signed_url_permits_what_was_asked_until_its_end_and_nothing_else() {
    let request = UploadRequest {
        key: "public/uploads/ä b?".to_owned(),
        content_type: Some("image/png".to_owned()),
        size: None,
        max_size: 10,
        ttl: Duration::from_secs(900),
    };
    let now = Timestamp::from_millis(1_700_000_000_000).unwrap();
    let url = signer("one").upload(&request, now);
    let (key, query) = parts(&url);
    let permit = signer("one").permit(&key, &query, now.plus_seconds(899));
    assert_eq!(
        permit,
        Some(Permit::Upload {
            key: request.key,
            content_type: request.content_type,
            size: None,
            max_size: 10
        })
    );
    assert_eq!(signer("one").permit(&key, &query, now.plus_seconds(900)), None);
    assert_eq!(signer("two").permit(&key, &query, now), None);
    assert_eq!(signer("one").permit("public/uploads/other", &query, now), None);
    assert_eq!(signer("one").permit(&key, &query.replace("max=10", "max=99"), now), None);
    assert_eq!(signer("one").permit(&key, "", now), None);
}

/// Remembers what it is asked to store or read, and does neither.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<String>>);

impl Asked {
    fn nothing<T>(&self, what: String) -> Result<T> {
        self.0.lock().unwrap().push(what);
        Err(Error::new(ErrorKind::Unsupported, "asked"))
    }

    /// What it was asked since the last time.
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl BlobStore for Asked {
    async fn put(&self, key: &str, blob: PutBlob) -> Result<BlobMeta> {
        let PutBlob { size, content_type, cache_control, owner, visibility, mode, max_size, .. } = blob;
        self.nothing(format!(
            "put {key} {size:?} {content_type:?} {cache_control:?} {owner:?} {visibility:?} {mode:?} {max_size}"
        ))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        self.nothing(format!("get {key} {range:?}"))
    }

    async fn head(&self, _: &str) -> Result<BlobMeta> {
        self.nothing("head".to_owned())
    }

    async fn delete(&self, _: &str) -> Result<()> {
        self.nothing("delete".to_owned())
    }

    async fn list(&self, _: &str, _: Option<&str>, _: u32) -> Result<BlobPage> {
        self.nothing("list".to_owned())
    }

    async fn copy(&self, _: &str, _: &str) -> Result<()> {
        self.nothing("copy".to_owned())
    }

    async fn set_access(&self, _: &str, _: Option<&UserId>, _: Visibility) -> Result<()> {
        self.nothing("set_access".to_owned())
    }

    async fn presign_upload(&self, _: &UploadRequest) -> Result<Url> {
        self.nothing("presign_upload".to_owned())
    }

    async fn presign_download(&self, _: &str, _: Duration) -> Result<Url> {
        self.nothing("presign_download".to_owned())
    }

    async fn check(&self) -> Result<()> {
        self.nothing("check".to_owned())
    }
}

/// The answer of a future that never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

/// Sends a PUT with this type and length; answers the refusal and what the store was asked.
fn put(
    url: &Url,
    content_type: Option<&str>,
    content_length: Option<u64>,
    now: Timestamp,
) -> (ErrorKind, Vec<String>) {
    let (store, (encoded_key, query)) = (Asked::default(), parts(url));
    let body = once(Bytes::from_static(b"irrelevant"));
    let put = SignedPut { encoded_key: &encoded_key, query: &query, content_type, content_length, body };
    let answer = at_once(signer("one").accept_upload(&store, put, now));
    (answer.unwrap_err().kind(), store.heard())
}

fn request(key: &str, content_type: Option<&str>, size: Option<u64>) -> UploadRequest {
    UploadRequest {
        key: key.to_owned(),
        content_type: content_type.map(str::to_owned),
        size,
        max_size: 10,
        ttl: Duration::from_secs(900),
    }
}

const NOW: Timestamp = Timestamp::EPOCH;

#[test]
fn an_upload_as_signed_reaches_the_store_and_creates_only() {
    for (key, visibility) in
        [("public/uploads/1", "Public"), ("publicity", "Private"), ("x/public/1", "Private")]
    {
        let url = signer("one").upload(&request(key, Some("image/png"), Some(5)), NOW);
        let asked = format!("put {key} Some(5) Some(\"image/png\") None None {visibility} Create 10");
        assert_eq!(put(&url, Some("image/png"), Some(5), NOW), (ErrorKind::Unsupported, vec![asked]));
    }
}

#[test]
fn an_upload_without_signed_type_and_length_is_limited_all_the_same() {
    let url = signer("one").upload(&request("k", None, None), NOW);
    for (content_type, length, asked) in [
        (Some("image/png"), Some(10), "put k Some(10) Some(\"image/png\") None None Private Create 10"),
        (Some(""), None, "put k None None None None Private Create 10"),
        (None, Some(0), "put k Some(0) None None None Private Create 10"),
    ] {
        assert_eq!(put(&url, content_type, length, NOW), (ErrorKind::Unsupported, vec![asked.to_owned()]));
    }
    assert_eq!(put(&url, None, Some(11), NOW), (ErrorKind::Invalid, vec![]));
}

#[test]
fn another_type_or_length_than_signed_never_reaches_the_store() {
    let url = signer("one").upload(&request("k", Some("image/png"), Some(5)), NOW);
    for wrong in
        [None, Some(""), Some("text/html"), Some("image/png "), Some("IMAGE/PNG"), Some("image/png;a=b")]
    {
        assert_eq!(put(&url, wrong, Some(5), NOW), (ErrorKind::Invalid, vec![]), "{wrong:?}");
    }
    for wrong in [None, Some(0), Some(4), Some(6), Some(u64::MAX)] {
        assert_eq!(put(&url, Some("image/png"), wrong, NOW), (ErrorKind::Invalid, vec![]), "{wrong:?}");
    }
}

#[test]
fn without_permission_nothing_reaches_the_store() {
    let upload = signer("one").upload(&request("k", None, None), NOW);
    let download = signer("one").download("k", Duration::from_secs(900), NOW);
    let forged = signer("two").upload(&request("k", None, None), NOW);
    let mut bare = upload.clone();
    bare.set_query(Some(""));
    for url in [&download, &forged, &bare] {
        assert_eq!(put(url, None, Some(5), NOW), (ErrorKind::Denied, vec![]));
    }
    assert_eq!(put(&upload, None, Some(5), NOW.plus_seconds(900)), (ErrorKind::Denied, vec![]));
    for (url, now) in [(&upload, NOW), (&forged, NOW), (&bare, NOW), (&download, NOW.plus_seconds(900))] {
        let (store, (key, query)) = (Asked::default(), parts(url));
        let answer = at_once(signer("one").open_download(&store, &key, &query, None, now));
        assert_eq!((answer.unwrap_err().kind(), store.heard()), (ErrorKind::Denied, vec![]));
    }
}

#[test]
fn a_download_as_signed_reaches_the_store_with_its_range() {
    let url = signer("one").download("private/ä b", Duration::from_secs(900), NOW);
    let (store, (key, query)) = (Asked::default(), parts(&url));
    let answer =
        at_once(signer("one").open_download(&store, &key, &query, Some(3..7), NOW.plus_seconds(899)));
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.heard(), ["get private/ä b Some(3..7)"]);
}

#[test]
fn a_put_shows_neither_its_key_nor_its_permission() {
    let body = once(Bytes::new());
    let put = SignedPut {
        encoded_key: "key",
        query: "signature=x",
        content_type: None,
        content_length: None,
        body,
    };
    let shown = format!("{put:?}");
    assert!(!shown.contains("key") && !shown.contains("signature"), "{shown}");
}
