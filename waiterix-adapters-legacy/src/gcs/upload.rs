//! A resumable session: the object becomes visible with its last byte, or not at all.
//! <https://cloud.google.com/storage/docs/performing-resumable-uploads>

use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use waiterix_domain::blob_ref::LegacyObject;
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use super::link::{Ask, Link};
use super::resource::Resource;
use super::wire;

const LENGTH: HeaderName = HeaderName::from_static("x-upload-content-length");
const TYPE: HeaderName = HeaderName::from_static("x-upload-content-type");

/// What is going to be uploaded.
pub(super) struct Plan<'a> {
    pub(super) place: &'a LegacyObject,
    /// The description of the object.
    pub(super) resource: Value,
    pub(super) content_type: &'a str,
    /// Its length, if it is known.
    pub(super) size: Option<u64>,
    /// The state in which its place must be, 0 for empty; any if `None`.
    pub(super) generation: Option<u64>,
}

/// An upload that has begun. One that is left alone is forgotten by the server after a week, and costs nothing.
pub(super) struct Upload<'a> {
    operation: &'static str,
    link: &'a Link,
    /// The URL of the session, which is a permission.
    session: String,
    /// How many bytes the server has.
    offset: u64,
}

/// How far an upload is.
enum Progress {
    /// The server has the bytes before this one.
    Until(u64),
    /// The object is there.
    Stored(Box<Resource>),
    /// The server knows nothing of it any more, and has stored nothing.
    Over,
}

impl<'a> Upload<'a> {
    /// Begins.
    ///
    /// # Errors
    /// `Conflict` if the place is not in the state asked for.
    pub(super) async fn begin(operation: &'static str, link: &'a Link, plan: &Plan<'_>) -> Result<Self> {
        let mut ask = Ask::new(operation, Method::POST, link.uploads(&plan.place.bucket))
            .with("uploadType", "resumable")
            .with("name", &plan.place.object);
        if let Some(generation) = plan.generation {
            ask = ask.with("ifGenerationMatch", generation);
        }
        ask = ask.header(CONTENT_TYPE, "application/json; charset=UTF-8")?.header(TYPE, plan.content_type)?;
        if let Some(size) = plan.size {
            ask = ask.header(LENGTH, &size.to_string())?;
        }
        let response = link.open(&ask.body(plan.resource.to_string())).await?;
        let session = response.headers().get(LOCATION).and_then(|url| url.to_str().ok());
        // The right to everything is sent there.
        let is_there = |url: &&str| url.strip_prefix(link.base()).is_some_and(|path| path.starts_with('/'));
        let session = session.filter(is_there).map(str::to_owned).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, operation).with("fault", "the session is somewhere else")
        })?;
        Ok(Self { operation, link, session, offset: 0 })
    }

    /// Sends the next part; answers the object if it was the last. All parts but the last have a multiple of 256 KiB. What
    /// the server did not get, or not to the end, is sent again from where it says that it is; so also a last part whose
    /// answer was lost is known to be stored, and is not stored twice.
    pub(super) async fn send(&mut self, part: Bytes, is_last: bool) -> Result<Option<Resource>> {
        let (start, end) = (self.offset, self.offset + part.len() as u64);
        let total = if is_last { end.to_string() } else { "*".to_owned() };
        let mut patience = self.link.patience(self.operation, part.len() as u64);
        let (mut place, mut is_known) = (start, true);
        loop {
            let (rest, range) = if is_known && place < end {
                let rest = part.slice(usize::try_from(place - start).unwrap_or(part.len())..);
                (rest, format!("bytes {place}-{}/{total}", end - 1))
            } else {
                // Asks how far it is; and says that this is all, if it is.
                (Bytes::new(), format!("bytes */{total}"))
            };
            let moves = !rest.is_empty();
            let error = match patience.limit(self.put(rest, &range)).await {
                Ok(Progress::Stored(resource)) if is_last => return Ok(Some(*resource)),
                Ok(Progress::Until(next)) if next == end && !is_last => {
                    self.offset = end;
                    return Ok(None);
                }
                Ok(Progress::Until(next)) if (start..=end).contains(&next) => {
                    // Bytes that were sent and did not arrive, or the end of all that was said and not heard.
                    let is_stuck = if moves { next == place } else { next == end };
                    (place, is_known) = (next, true);
                    if !is_stuck {
                        continue;
                    }
                    self.failed(ErrorKind::Unavailable, Retry::Safe, "the upload does not go on")
                }
                Ok(Progress::Over) => {
                    return Err(self.failed(
                        ErrorKind::Unavailable,
                        Retry::Safe,
                        "the server forgot the upload",
                    ));
                }
                Ok(Progress::Until(_) | Progress::Stored(_)) => {
                    return Err(self.failed(ErrorKind::Corrupt, Retry::No, "the upload is somewhere else"));
                }
                Err(error) => {
                    is_known = false;
                    error
                }
            };
            patience.pause_after(error).await?;
        }
    }

    async fn put(&self, bytes: Bytes, range: &str) -> Result<Progress> {
        let ask = Ask::new(self.operation, Method::PUT, self.session.clone());
        let ask = ask.header(CONTENT_RANGE, range)?.body(bytes);
        let response = match self.link.once(&ask).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Progress::Over),
            answer => answer?,
        };
        if response.status() == StatusCode::PERMANENT_REDIRECT {
            let until = received(&response);
            return until.map(Progress::Until).ok_or_else(|| {
                self.failed(ErrorKind::Corrupt, Retry::No, "what the server has is not understood")
            });
        }
        Ok(Progress::Stored(Box::new(wire::json(self.operation, response).await?)))
    }

    /// Ends an upload whose body failed. A failure leaves it to the server, which forgets it.
    pub(super) async fn cancel(self) {
        let ask = Ask::new(self.operation, Method::DELETE, self.session.clone());
        // The server says 499 when it was done.
        let _ = self.link.patience(self.operation, 0).limit(self.link.once(&ask)).await;
    }

    fn failed(&self, kind: ErrorKind, retry: Retry, fault: &'static str) -> Error {
        Error::new(kind, self.operation).retry(retry).with("fault", fault)
    }
}

/// How many bytes the server has: `Range: bytes=0-99` means 100, and no such header none.
fn received(response: &Response) -> Option<u64> {
    let Some(range) = response.headers().get(RANGE) else { return Some(0) };
    let last: u64 = range.to_str().ok()?.strip_prefix("bytes=0-")?.parse().ok()?;
    last.checked_add(1)
}
