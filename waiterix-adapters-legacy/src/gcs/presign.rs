//! Signed URLs.
//!
//! By the key of a service account: the fourth version of signatures, which the servers honour themselves. What an uploader
//! must send is signed as headers: the type, that there is no object yet, and a range for the length.
//! <https://cloud.google.com/storage/docs/authentication/signatures>

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::utf8_percent_encode;
use sha2::{Digest as _, Sha256};
use time::macros::format_description;
use url::Url;
use waiterix_domain::Timestamp;
use waiterix_domain::blob_ref::LegacyObject;
use waiterix_ports::blob::{LENGTH_RANGE, MAX_BLOB_BYTES, UploadRequest};
use waiterix_ports::signed_url::{UrlSigner, encode_key};
use waiterix_ports::{Error, ErrorKind, Result};

use super::account::ServiceAccount;
use super::link::SEGMENT;
use super::resource::check_header;
use super::{Shared, check_key, invalid};

/// The longest validity of a signed URL.
const MAX_TTL: Duration = Duration::from_secs(7 * 86_400);
const ALGORITHM: &str = "GOOG4-RSA-SHA256";
const UPLOAD: &str = "gcs.presign_upload";
const DOWNLOAD: &str = "gcs.presign_download";

/// Who signs URLs.
#[derive(Debug, Clone)]
pub(super) enum Signing {
    /// A service account; the servers honour its URLs.
    Account(Arc<ServiceAccount>),
    /// The service, which honours its URLs itself.
    Service(UrlSigner),
    /// The sidecar, which asks for the signature of somebody whom the servers honour.
    #[cfg(feature = "replit")]
    Sidecar(Arc<crate::replit::Sidecar>),
}

/// What is allowed by a signature.
pub(super) struct Grant<'a> {
    pub(super) method: &'static str,
    /// Scheme and host.
    pub(super) base: &'a str,
    pub(super) place: &'a LegacyObject,
    /// Headers that must be sent, in lower case, besides the host.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) ttl: Duration,
    pub(super) now: Timestamp,
}

impl Shared {
    pub(super) async fn sign_upload(&self, request: &UploadRequest) -> Result<Url> {
        check_key(UPLOAD, &request.key)?;
        check_header(UPLOAD, request.content_type.as_deref())?;
        let is_fit = |size: u64| size <= request.max_size && size <= MAX_BLOB_BYTES;
        if request.max_size > MAX_BLOB_BYTES || !request.size.is_none_or(is_fit) {
            return Err(invalid(UPLOAD, "size"));
        }
        check_ttl(UPLOAD, request.ttl)?;
        let (now, place) = (self.clock.now(), self.layout.places(&request.key).into_iter().next());
        let place = place.ok_or_else(|| invalid(UPLOAD, "no folder for this key"))?;
        match &self.uploads {
            Signing::Service(signer) => Ok(signer.upload(request, now)),
            Signing::Account(account) => {
                let (least, most) = request.size.map_or((0, request.max_size), |size| (size, size));
                let range = format!("{least},{most}");
                let mut headers =
                    vec![(LENGTH_RANGE, range.clone()), ("x-goog-if-generation-match", "0".to_owned())];
                headers.extend(request.content_type.clone().map(|value| ("content-type", value)));
                let base = self.link.base();
                let grant = Grant { method: "PUT", base, place: &place, headers, ttl: request.ttl, now };
                let mut url = signed(UPLOAD, account, &grant)?;
                url.set_fragment(Some(&format!("{LENGTH_RANGE}={range}")));
                Ok(url)
            }
            #[cfg(feature = "replit")]
            Signing::Sidecar(sidecar) => {
                self.signed_by(UPLOAD, sidecar, "PUT", &place, now.plus_seconds(seconds(request.ttl))).await
            }
        }
    }

    pub(super) async fn sign_download(&self, key: &str, ttl: Duration) -> Result<Url> {
        check_key(DOWNLOAD, key)?;
        check_ttl(DOWNLOAD, ttl)?;
        let now = self.clock.now();
        match &self.downloads {
            Signing::Service(signer) => Ok(signer.download(key, ttl, now)),
            Signing::Account(account) => {
                let (base, place) = (self.link.base(), &self.place_to_read(key).await?);
                let grant = Grant { method: "GET", base, place, headers: Vec::new(), ttl, now };
                signed(DOWNLOAD, account, &grant)
            }
            #[cfg(feature = "replit")]
            Signing::Sidecar(sidecar) => {
                let place = self.place_to_read(key).await?;
                self.signed_by(DOWNLOAD, sidecar, "GET", &place, now.plus_seconds(seconds(ttl))).await
            }
        }
    }

    /// Where an object is. Only where there are several folders must somebody look which of them has it.
    async fn place_to_read(&self, key: &str) -> Result<LegacyObject> {
        let places = self.layout.places(key);
        let found = if places.len() > 1 { self.first_of(DOWNLOAD, places.clone()).await? } else { None };
        let place = found.map(|found| found.place).or_else(|| places.into_iter().next());
        place.ok_or_else(|| invalid(DOWNLOAD, "no folder for this key"))
    }

    #[cfg(feature = "replit")]
    async fn signed_by(
        &self,
        operation: &'static str,
        sidecar: &crate::replit::Sidecar,
        method: &'static str,
        place: &LegacyObject,
        end: Timestamp,
    ) -> Result<Url> {
        let mut patience = self.link.patience(operation, 0);
        loop {
            let attempt = sidecar.sign(operation, self.link.client(), method, place, end);
            match patience.limit(attempt).await {
                Ok(url) => return Ok(url),
                Err(error) => patience.pause_after(error).await?,
            }
        }
    }
}

fn check_ttl(operation: &'static str, ttl: Duration) -> Result<()> {
    let is_fit = (Duration::from_secs(1)..=MAX_TTL).contains(&ttl);
    if is_fit { Ok(()) } else { Err(invalid(operation, "time to live")) }
}

#[cfg(feature = "replit")]
fn seconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)
}

/// A URL with the signature of a service account.
pub(super) fn signed(operation: &'static str, account: &ServiceAccount, grant: &Grant<'_>) -> Result<Url> {
    let broken = || Error::new(ErrorKind::Corrupt, operation).with("fault", "the URL is none");
    let path = format!("/{}/{}", encode_key(&grant.place.bucket), encode_key(&grant.place.object));
    let mut url = Url::parse(&format!("{}{path}", grant.base)).map_err(|_| broken())?;
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(broken()),
    };
    let mut headers = BTreeMap::from([("host", host)]);
    headers.extend(grant.headers.iter().cloned());
    let names = headers.keys().copied().collect::<Vec<_>>().join(";");
    let at = grant.now.to_utc();
    let day = at.format(format_description!("[year][month][day]")).map_err(|_| broken())?;
    let moment =
        at.format(format_description!("[year][month][day]T[hour][minute][second]Z")).map_err(|_| broken())?;
    let scope = format!("{day}/auto/storage/goog4_request");
    // In the order of their names, as they must be for the signature.
    let query = [
        ("X-Goog-Algorithm", ALGORITHM),
        ("X-Goog-Credential", &format!("{}/{scope}", account.email())),
        ("X-Goog-Date", &moment),
        ("X-Goog-Expires", &grant.ttl.as_secs().to_string()),
        ("X-Goog-SignedHeaders", &names),
    ];
    let query =
        query.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, SEGMENT))).join("&");
    let mut request = format!("{}\n{path}\n{query}\n", grant.method);
    for (name, value) in &headers {
        // Writing to a text does not fail.
        let _ = writeln!(request, "{name}:{value}");
    }
    let _ = write!(request, "\n{names}\nUNSIGNED-PAYLOAD");
    let statement = format!("{ALGORITHM}\n{moment}\n{scope}\n{:x}", Sha256::digest(&request));
    let signature = account.sign(operation, statement.as_bytes())?;
    let mut query = format!("{query}&X-Goog-Signature=");
    for byte in signature {
        let _ = write!(query, "{byte:02x}");
    }
    url.set_query(Some(&query));
    Ok(url)
}

#[cfg(test)]
pub(super) mod golden;
