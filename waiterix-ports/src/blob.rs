//! Objects: pictures, audio, temporary files.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
pub use bytes::Bytes;
use futures_core::Stream;
use url::Url;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;

use crate::Result;

/// Bytes that arrive piece by piece.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Who may read an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Only its owner.
    Private,
    /// Anyone.
    Public,
}

/// What is known about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobMeta {
    /// Size in bytes.
    pub size: u64,
    /// Content type; `application/octet-stream` when nobody said and the bytes do not tell.
    pub content_type: String,
    /// `Cache-Control` to serve it with, if it was stored with one.
    pub cache_control: Option<String>,
    /// Opaque, quoted; changes whenever the bytes change.
    pub etag: String,
    /// Last write, to the second.
    pub modified_at: Timestamp,
    /// The owner, if one was recorded.
    pub owner: Option<UserId>,
    /// Who may read it; private unless said otherwise.
    pub visibility: Visibility,
}

/// When a put may replace an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutMode {
    /// Always.
    Overwrite,
    /// Only if there is none.
    Create,
    /// Only if it is still this one.
    IfMatch(String),
}

/// An object to store.
pub struct PutBlob {
    /// Its bytes.
    pub body: ByteStream,
    /// How many bytes that is, if known; a body of another length is `Invalid`.
    pub size: Option<u64>,
    /// Content type; detected from the first bytes when `None`.
    pub content_type: Option<String>,
    /// `Cache-Control` to serve it with.
    pub cache_control: Option<String>,
    /// The owner.
    pub owner: Option<UserId>,
    /// Who may read it.
    pub visibility: Visibility,
    /// When it may replace another.
    pub mode: PutMode,
    /// The most bytes to take; a longer body is `Invalid` and nothing is stored.
    pub max_size: u64,
}

impl fmt::Debug for PutBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutBlob")
            .field("size", &self.size)
            .field("content_type", &self.content_type)
            .field("visibility", &self.visibility)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl PutBlob {
    /// A private object from bytes in memory, overwriting, with the largest size allowed.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            size: Some(bytes.len() as u64),
            body: once(bytes),
            content_type: None,
            cache_control: None,
            owner: None,
            visibility: Visibility::Private,
            mode: PutMode::Overwrite,
            max_size: MAX_BLOB_BYTES,
        }
    }
}

/// A stream of one piece.
#[must_use]
pub fn once(bytes: Bytes) -> ByteStream {
    struct Once(Option<Bytes>);
    impl Stream for Once {
        type Item = Result<Bytes>;
        fn poll_next(
            mut self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            std::task::Poll::Ready(self.0.take().map(Ok))
        }
    }
    Box::pin(Once(Some(bytes)))
}

/// An object being read.
pub struct Download {
    /// What is known about the whole object.
    pub meta: BlobMeta,
    /// Which bytes of it the body holds.
    pub range: Range<u64>,
    /// Those bytes.
    pub body: ByteStream,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("meta", &self.meta)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobPage {
    /// Keys with size, in bytewise order.
    pub keys: Vec<(String, u64)>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<String>,
}

/// A request for an upload URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// The key to be written.
    pub key: String,
    /// The content type the uploader must send; any allowed one when `None`.
    pub content_type: Option<String>,
    /// The exact length the uploader must send; anything up to `max_size` when `None`.
    pub size: Option<u64>,
    /// The most bytes the uploader may send. A store whose signatures bind a length but no limit cannot refuse more
    /// where `size` is `None`, so whoever uses such an object looks at its size first.
    pub max_size: u64,
    /// How long the URL is valid.
    pub ttl: Duration,
}

/// Objects.
///
/// A key has 1 to 1 024 bytes of UTF-8 without control characters, `.` or `..` segments or a leading `/`;
/// consecutive slashes are kept. Any other key is `Invalid` on writes and `NotFound` on reads.
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync + 'static {
    /// Stores an object.
    ///
    /// - **B1** Bytes, type, cache control, owner and visibility are read back as they were stored.
    /// - **B2** Readers see the old object or the new one, never a mixture; a failed put leaves the old one.
    /// - **B3** `Create` on an existing key, or `IfMatch` with another etag or on a missing object, is `Conflict`; of
    ///   several at once exactly one succeeds.
    /// - **B4** A body longer than `max_size`, or of another length than announced, is `Invalid`; nothing is stored.
    /// - **B5** Without a content type it is detected from the bytes: JPEG, PNG, GIF, WebP, AVIF, MP3, WebM; HTML and
    ///   SVG are never taken for pictures; everything else is `application/octet-stream`.
    /// - **B6** A malformed key is `Invalid`; nothing is stored, in particular nothing outside the store.
    /// - **B7** Memory stays bounded however large the object is.
    ///
    /// # Errors
    /// `Invalid`, `Conflict`, `Denied`, `Throttled`, `Unavailable`, `Timeout`.
    async fn put(&self, key: &str, blob: PutBlob) -> Result<BlobMeta>;

    /// Reads an object, or a part of it.
    ///
    /// - **B10** A missing object is `NotFound`; an outage is not.
    /// - **B11** A range is answered with exactly its bytes; one that reaches past the end is cut; one that starts at
    ///   or past the end, or is empty, is `Invalid`.
    /// - **B12** The body streams: its first bytes arrive before the last are read.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Denied`, `Throttled`, `Unavailable`, `Timeout`.
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Download>;

    /// What is known about an object.
    ///
    /// - **B20** The same as [`BlobStore::get`] says; `NotFound` when it is missing.
    ///
    /// # Errors
    /// As [`BlobStore::get`].
    async fn head(&self, key: &str) -> Result<BlobMeta>;

    /// Deletes an object.
    ///
    /// - **B30** After the answer it is gone; an absent one is fine.
    ///
    /// # Errors
    /// `Denied`, `Throttled`, `Unavailable`, `Timeout`.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Lists the keys that start with a prefix, at most `limit` (1 to 1 000) a page.
    ///
    /// - **B40** Pages that follow one another name every object once, in bytewise order.
    /// - **B41** Only keys with the prefix are named, however similar others are.
    ///
    /// # Errors
    /// `Invalid` for a bad limit, else as [`BlobStore::get`].
    async fn list(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<BlobPage>;

    /// Copies an object with everything known about it.
    ///
    /// - **B50** Bytes, type, cache control, owner and visibility are equal; the source stays; never more visible.
    /// - **B51** A missing source is `NotFound`; the target stays as it was. A malformed target is `Invalid`, whatever the
    ///   source.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, and as [`BlobStore::put`].
    async fn copy(&self, from: &str, to: &str) -> Result<()>;

    /// Records who owns an object and who may read it, without touching the bytes.
    ///
    /// - **B60** Read back by head and get; the bytes and the type stay; a missing object is `NotFound`.
    ///
    /// # Errors
    /// `NotFound`, and as [`BlobStore::put`].
    async fn set_access(&self, key: &str, owner: Option<&UserId>, visibility: Visibility) -> Result<()>;

    /// A URL to which anyone who has it may PUT the object.
    ///
    /// - **B70** A PUT with exactly the signed type and length, and the [`upload_headers`] of the URL, is taken; another
    ///   type, a shorter or longer body, a changed URL or one past its end is refused, and nothing is stored.
    /// - **B71** The query of the URL carries all of the permission: without it nothing is allowed.
    /// - **B72** A second PUT to a signed URL does not replace the object.
    ///
    /// # Errors
    /// `Invalid`, `Denied`, `Unavailable`, `Timeout`.
    async fn presign_upload(&self, request: &UploadRequest) -> Result<Url>;

    /// A URL from which anyone who has it may GET the object, whatever its visibility.
    ///
    /// - **B80** Works until its end, not after it, and for no other key.
    ///
    /// # Errors
    /// `Invalid`, `Denied`, `Unavailable`, `Timeout`.
    async fn presign_download(&self, key: &str, ttl: Duration) -> Result<Url>;

    /// Proves that the store answers with the credentials.
    ///
    /// - **B90** Succeeds on a working store and changes nothing.
    ///
    /// # Errors
    /// As [`BlobStore::get`].
    async fn check(&self) -> Result<()>;
}

/// The header that bounds the length of an upload to Google Cloud Storage, and the name in the fragment of a signed URL
/// behind which its value stands.
pub const LENGTH_RANGE: &str = "x-goog-content-length-range";

/// The headers that an uploader must send to a signed URL besides type and length, because the URL says that they are part
/// of its signature.
///
/// S3 and Google Cloud Storage replace an object (**B72**) unless the uploader says otherwise, and the signature makes it
/// say so. Google Cloud Storage bounds the length likewise, by a range that the uploader repeats. A URL has no place for
/// that range but its fragment (`#x-goog-content-length-range=0,1000`), which stays with whoever holds the URL and is
/// never sent.
#[must_use]
pub fn upload_headers(url: &Url) -> Vec<(&'static str, &str)> {
    let is_list = |name: &str| {
        name.eq_ignore_ascii_case("X-Amz-SignedHeaders") || name.eq_ignore_ascii_case("X-Goog-SignedHeaders")
    };
    let signed: Vec<_> =
        url.query_pairs().filter(|(name, _)| is_list(name)).map(|(_, headers)| headers).collect();
    let is_signed = |header: &str| signed.iter().any(|list| list.split(';').any(|one| one == header));
    let range = url.fragment().and_then(|fragment| fragment.strip_prefix(LENGTH_RANGE)?.strip_prefix('='));
    [("if-none-match", Some("*")), ("x-goog-if-generation-match", Some("0")), (LENGTH_RANGE, range)]
        .into_iter()
        .filter_map(|(header, value)| is_signed(header).then_some((header, value?)))
        .collect()
}

/// The largest object in bytes.
pub const MAX_BLOB_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Whether a text may be an object key.
#[must_use]
pub fn is_key(key: &str) -> bool {
    (1..=1024).contains(&key.len())
        && !key.starts_with('/')
        && !key.chars().any(char::is_control)
        && !key.split('/').any(|segment| segment == "." || segment == "..")
}

/// The content type that the first bytes of an object tell, among those the service knows; 64 bytes are enough.
#[must_use]
pub fn detect_content_type(head: &[u8]) -> Option<&'static str> {
    let at = |place: usize, magic: &[u8]| head.get(place..place + magic.len()) == Some(magic);
    let brand = |brand: &[u8; 4]| {
        at(4, b"ftyp")
            && head.get(8..64.min(head.len())).is_some_and(|rest| rest.chunks(4).any(|chunk| chunk == brand))
    };
    if at(0, b"\xFF\xD8\xFF") {
        Some("image/jpeg")
    } else if at(0, b"\x89PNG\r\n\x1A\n") {
        Some("image/png")
    } else if at(0, b"GIF87a") || at(0, b"GIF89a") {
        Some("image/gif")
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        Some("image/webp")
    } else if brand(b"avif") || brand(b"avis") {
        Some("image/avif")
    } else if at(0, b"ID3") || (at(0, b"\xFF") && head.get(1).is_some_and(|b| b & 0xE6 == 0xE2)) {
        Some("audio/mpeg")
    } else if at(0, b"\x1A\x45\xDF\xA3") && head.windows(4).any(|window| window == b"webm") {
        Some("video/webm")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_an_upload_are_those_that_were_signed() {
        let headers = |text: &str| -> Vec<(String, String)> {
            let url = Url::parse(text).unwrap();
            let headers = upload_headers(&url).into_iter();
            headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let signed = "https://b.example/k?X-Amz-SignedHeaders=content-type%3Bhost%3Bif-none-match";
        assert_eq!(headers(signed), one("if-none-match", "*"));
        assert_eq!(headers(&signed.replace("if-none-match", "x-if-none-match")), []);
        let signed = "https://b.example/k?X-Goog-SignedHeaders=host%3Bx-goog-if-generation-match";
        assert_eq!(headers(signed), one("x-goog-if-generation-match", "0"));
        let range = "https://b.example/k?X-Goog-SignedHeaders=host%3Bx-goog-content-length-range";
        assert_eq!(headers(range), [], "nobody says which");
        let said = format!("{range}#x-goog-content-length-range=0,1000");
        assert_eq!(headers(&said), one("x-goog-content-length-range", "0,1000"));
        let unsigned = "https://b.example/k?signature=x#x-goog-content-length-range=0,1000";
        assert_eq!(headers(unsigned), []);
    }
}
