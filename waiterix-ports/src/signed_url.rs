//! Signed object URLs that the service honours itself, for stores without a server of their own.

use std::ops::Range;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;
use url::Url;
use waiterix_domain::{Secret, Timestamp};

use crate::blob::UploadRequest;
use crate::{
    BlobMeta, BlobStore, ByteStream, Download, Error, ErrorKind, PutBlob, PutMode, Result, Visibility,
};

/// Everything but unreserved characters and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// An object key as it stands in a URL path.
#[must_use]
pub fn encode_key(key: &str) -> String {
    utf8_percent_encode(key, PATH).to_string()
}

/// What a valid URL allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permit {
    /// To PUT an object that is not there yet.
    Upload {
        /// The key.
        key: String,
        /// The content type that must be sent.
        content_type: Option<String>,
        /// The exact length that must be sent.
        size: Option<u64>,
        /// The most bytes that may be sent.
        max_size: u64,
    },
    /// To GET an object.
    Download {
        /// The key.
        key: String,
    },
}

/// What a PUT has against the URL it was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadFault {
    /// The URL does not permit uploads.
    NotPermitted,
    /// Another content type than the signed one.
    Type,
    /// Another length than the signed one, or none.
    Length,
    /// More bytes than may be sent.
    TooLong,
}

impl Permit {
    /// What is wrong with the headers of a PUT to the URL; nothing when it permits exactly this upload. The one place of
    /// these rules, for the service and for [`UrlSigner::accept_upload`] alike.
    #[must_use]
    pub fn upload_fault(&self, sent_type: Option<&str>, sent_length: Option<u64>) -> Option<UploadFault> {
        let Self::Upload { content_type, size, max_size, .. } = self else {
            return Some(UploadFault::NotPermitted);
        };
        if content_type.is_some() && content_type.as_deref() != sent_type {
            Some(UploadFault::Type)
        } else if size.is_some() && *size != sent_length {
            Some(UploadFault::Length)
        } else if sent_length.is_some_and(|length| length > *max_size) {
            Some(UploadFault::TooLong)
        } else {
            None
        }
    }
}

/// A PUT to a signed URL as it arrived.
pub struct SignedPut<'a> {
    /// Its path below `/api/objects/`, still percent-encoded.
    pub encoded_key: &'a str,
    /// Its query, without the question mark.
    pub query: &'a str,
    /// Its `Content-Type`, if it has one.
    pub content_type: Option<&'a str>,
    /// Its `Content-Length`, if it has one.
    pub content_length: Option<u64>,
    /// Its body.
    pub body: ByteStream,
}

impl std::fmt::Debug for SignedPut<'_> {
    /// Shows neither key nor query, which together are the permission.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedPut")
            .field("content_type", &self.content_type)
            .field("content_length", &self.content_length)
            .finish_non_exhaustive()
    }
}

/// Signs and checks URLs of the form `<base>/api/objects/<key>?…`.
#[derive(Debug, Clone)]
pub struct UrlSigner {
    base: Url,
    secret: Secret,
}

impl UrlSigner {
    /// A signer for URLs below a base such as `http://127.0.0.1:8080`; the secret must be random and kept.
    #[must_use]
    pub const fn new(base: Url, secret: Secret) -> Self {
        Self { base, secret }
    }

    /// A URL that permits one upload.
    #[must_use]
    pub fn upload(&self, request: &UploadRequest, now: Timestamp) -> Url {
        let mut url = self.object(&request.key);
        let mut query = url.query_pairs_mut();
        query.append_pair("op", "put").append_pair("expires", &end(now, request.ttl));
        if let Some(content_type) = &request.content_type {
            query.append_pair("type", content_type);
        }
        if let Some(size) = request.size {
            query.append_pair("size", &size.to_string());
        }
        query.append_pair("max", &request.max_size.to_string());
        drop(query);
        self.sign(url, &request.key)
    }

    /// A URL that permits reading.
    #[must_use]
    pub fn download(&self, key: &str, ttl: Duration, now: Timestamp) -> Url {
        let mut url = self.object(key);
        url.query_pairs_mut().append_pair("op", "get").append_pair("expires", &end(now, ttl));
        self.sign(url, key)
    }

    /// What a request's path (still percent-encoded, below `/api/objects/`) and query allow now; `None` if the
    /// signature is missing, wrong or past its end.
    #[must_use]
    pub fn permit(&self, encoded_key: &str, query: &str, now: Timestamp) -> Option<Permit> {
        let key = percent_decode_str(encoded_key).decode_utf8().ok()?.into_owned();
        let (signed, signature) = query.rsplit_once("&signature=")?;
        let given = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(&key, signed)?.verify_slice(&given).ok()?;
        let field = |name: &str| {
            url::form_urlencoded::parse(signed.as_bytes())
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.into_owned())
        };
        if now.as_seconds() >= field("expires")?.parse().ok()? {
            return None;
        }
        match field("op")?.as_str() {
            "put" => Some(Permit::Upload {
                key,
                content_type: field("type"),
                size: field("size").and_then(|size| size.parse().ok()),
                max_size: field("max")?.parse().ok()?,
            }),
            "get" => Some(Permit::Download { key }),
            _ => None,
        }
    }

    /// Honours a PUT to a signed URL: stores the object if the URL permits exactly this upload now. The object is
    /// public if its key starts with `public/`; it has no owner yet; it never replaces another.
    ///
    /// # Errors
    /// `Denied` without a permission, `Invalid` for another type, another length or too many bytes than permitted,
    /// `Conflict` if there is an object already, and what [`BlobStore::put`] answers.
    pub async fn accept_upload(
        &self,
        store: &dyn BlobStore,
        put: SignedPut<'_>,
        now: Timestamp,
    ) -> Result<BlobMeta> {
        const OPERATION: &str = "signed_url.upload";
        let denied = || Error::new(ErrorKind::Denied, OPERATION);
        let permit = self.permit(put.encoded_key, put.query, now).ok_or_else(denied)?;
        let invalid = |fault: &str| Error::new(ErrorKind::Invalid, OPERATION).with("fault", fault);
        match permit.upload_fault(put.content_type, put.content_length) {
            None => {}
            Some(UploadFault::NotPermitted) => return Err(denied()),
            Some(UploadFault::Type) => return Err(invalid("content type is not the signed one")),
            Some(UploadFault::Length) => return Err(invalid("content length is not the signed one")),
            Some(UploadFault::TooLong) => return Err(invalid("body is longer than permitted")),
        }
        let Permit::Upload { key, max_size, .. } = permit else { return Err(denied()) };
        let visibility = if key.starts_with("public/") { Visibility::Public } else { Visibility::Private };
        let blob = PutBlob {
            body: put.body,
            size: put.content_length,
            content_type: put.content_type.filter(|sent| !sent.is_empty()).map(str::to_owned),
            cache_control: None,
            owner: None,
            visibility,
            mode: PutMode::Create,
            max_size,
        };
        store.put(&key, blob).await
    }

    /// Honours a GET of a signed URL, given as in [`UrlSigner::permit`].
    ///
    /// # Errors
    /// `Denied` without a permission, and what [`BlobStore::get`] answers.
    pub async fn open_download(
        &self,
        store: &dyn BlobStore,
        encoded_key: &str,
        query: &str,
        range: Option<Range<u64>>,
        now: Timestamp,
    ) -> Result<Download> {
        match self.permit(encoded_key, query, now) {
            Some(Permit::Download { key }) => store.get(&key, range).await,
            _ => Err(Error::new(ErrorKind::Denied, "signed_url.download")),
        }
    }

    fn object(&self, key: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/api/objects/{}", encode_key(key)));
        url.set_query(None);
        url
    }

    fn sign(&self, mut url: Url, key: &str) -> Url {
        let query = url.query().unwrap_or_default().to_owned();
        let signature = self
            .mac(key, &query)
            .map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
            .unwrap_or_default();
        url.set_query(Some(&format!("{query}&signature={signature}")));
        url
    }

    /// HMAC takes keys of any length, so `None` cannot happen.
    fn mac(&self, key: &str, query: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.reveal().as_bytes()).ok()?;
        mac.update(key.as_bytes());
        mac.update(b"\n");
        mac.update(query.as_bytes());
        Some(mac)
    }
}

fn end(now: Timestamp, ttl: Duration) -> String {
    (now.as_seconds() + i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX / 2)).to_string()
}

#[cfg(test)]
mod tests;
