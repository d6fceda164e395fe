//! Requests with a right, within their time, and once more where that may help.
//!
//! Nothing that is sent here does anything twice: reads and deletions by nature, changes and copies because they name the
//! state they change, and an upload because it goes on from where the server says that it is.

use std::fmt::Write as _;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};
use url::Url;
use waiterix_domain::Secret;
use waiterix_domain::blob_ref::LegacyObject;
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use super::settings::Limits;
use super::token::Tokens;
use super::wire::{broken, late, taken};
use super::{invalid, wire};

/// Where Google's servers are.
const GOOGLE: &str = "https://storage.googleapis.com";
/// Everything but unreserved characters: names stand in paths as one segment.
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A line slower than this is taken for broken.
const SLOWEST_BYTES_PER_SECOND: u64 = 512 * 1024;

/// The way to the servers.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    /// Scheme and host, without a slash at the end.
    base: String,
    tokens: Tokens,
    pub(super) limits: Limits,
}

/// A request. It does not show itself, as its URL may be a permission.
pub(super) struct Ask {
    pub(super) operation: &'static str,
    method: Method,
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Ask {
    /// A request of a URL, which already has a query or gets none.
    pub(super) fn new(operation: &'static str, method: Method, url: String) -> Self {
        Self { operation, method, url, headers: Vec::new(), body: Bytes::new() }
    }

    /// With a parameter in its query.
    pub(super) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        let value = value.to_string();
        let value = utf8_percent_encode(&value, SEGMENT);
        let separator = if self.url.contains('?') { '&' } else { '?' };
        // Writing to a text does not fail.
        let _ = write!(self.url, "{separator}{name}={value}");
        self
    }

    /// With a header.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Result<Self> {
        let value =
            HeaderValue::from_str(value).map_err(|_| invalid(self.operation, "not a header value"))?;
        self.headers.push((name, value));
        Ok(self)
    }

    /// With a body.
    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

impl Link {
    pub(super) fn new(client: Client, endpoint: Option<&Url>, tokens: Tokens, limits: Limits) -> Self {
        let base = endpoint.map_or(GOOGLE, Url::as_str).trim_end_matches('/').to_owned();
        Self { client, base, tokens, limits }
    }

    /// Scheme and host, without a slash at the end.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The client, for servers that ask for no right.
    #[cfg(feature = "replit")]
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// The URL of an object.
    pub(super) fn object(&self, place: &LegacyObject) -> String {
        let (bucket, name) = (encoded(&place.bucket), encoded(&place.object));
        format!("{}/storage/v1/b/{bucket}/o/{name}", self.base)
    }

    /// The URL of the objects of a bucket.
    pub(super) fn objects(&self, bucket: &str) -> String {
        format!("{}/storage/v1/b/{}/o", self.base, encoded(bucket))
    }

    /// The URL at which uploads to a bucket begin.
    pub(super) fn uploads(&self, bucket: &str) -> String {
        format!("{}/upload/storage/v1/b/{}/o", self.base, encoded(bucket))
    }

    /// Asks, and understands the answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T> {
        self.repeated(ask, |response| wire::json(ask.operation, response)).await
    }

    /// Asks; of the answer nothing has been read.
    pub(super) async fn open(&self, ask: &Ask) -> Result<Response> {
        self.repeated(ask, |response| std::future::ready(Ok(response))).await
    }

    async fn repeated<T, F: Future<Output = Result<T>>>(
        &self,
        ask: &Ask,
        understand: impl Fn(Response) -> F,
    ) -> Result<T> {
        let mut patience = self.patience(ask.operation, ask.body.len() as u64);
        loop {
            let attempt = async { understand(self.once(ask).await?).await };
            match patience.limit(attempt).await {
                Ok(answer) => return Ok(answer),
                Err(error) => patience.pause_after(error).await?,
            }
        }
    }

    /// Asks once; but once more with another token, when the one at hand is refused before its time.
    pub(super) async fn once(&self, ask: &Ask) -> Result<Response> {
        let token = self.tokens.current(&self.client).await?;
        let mut response = self.send(ask, token.as_ref()).await?;
        if let Some(refused) = token.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
            self.tokens.forget(&refused).await;
            let another = self.tokens.current(&self.client).await?;
            response = self.send(ask, another.as_ref()).await?;
        }
        taken(ask.operation, response).await
    }

    async fn send(&self, ask: &Ask, token: Option<&Secret>) -> Result<Response> {
        let mut request = self.client.request(ask.method.clone(), &ask.url).body(ask.body.clone());
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if ask.body.is_empty() && matches!(ask.method, Method::POST | Method::PUT) {
            // The client says nothing of a body that is empty, and the servers refuse these without a length.
            request = request.header(CONTENT_LENGTH, 0);
        }
        if let Some(token) = token {
            let no_token =
                |_| Error::new(ErrorKind::Corrupt, ask.operation).with("fault", "the token is none");
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(no_token)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request.send().await.map_err(|error| broken(ask.operation, &error))
    }

    /// How long something may take that moves so many bytes.
    pub(super) fn patience(&self, operation: &'static str, bytes: u64) -> Patience {
        let extra = Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND);
        let pauses = ExponentialBuilder::default()
            .with_min_delay(self.limits.pause)
            .with_max_times(self.limits.attempts.saturating_sub(1) as usize)
            .with_jitter();
        Patience {
            operation,
            // Room for an attempt that failed half-way and one that succeeds.
            end: Instant::now() + self.limits.call + extra * 2,
            attempt: self.limits.attempt + extra,
            pauses: pauses.build(),
        }
    }
}

/// What is left of the time and the attempts of a request.
pub(super) struct Patience {
    operation: &'static str,
    end: Instant,
    attempt: Duration,
    pauses: ExponentialBackoff,
}

impl Patience {
    /// Ends an attempt in time.
    pub(super) async fn limit<T>(&self, attempt: impl Future<Output = Result<T>>) -> Result<T> {
        let left = self.end.saturating_duration_since(Instant::now()).min(self.attempt);
        timeout(left, attempt).await.unwrap_or_else(|_| Err(late(self.operation)))
    }

    /// Waits before the next attempt, with the error that calls for it; or answers that error, where another attempt cannot
    /// help or would come too late.
    pub(super) async fn pause_after(&mut self, error: Error) -> Result<()> {
        let at_least = match error.retry_advice() {
            Retry::No => return Err(error),
            Retry::After(pause) => pause,
            Retry::Safe | Retry::Ambiguous => Duration::ZERO,
        };
        match self.pauses.next() {
            Some(pause) if Instant::now() + pause.max(at_least) < self.end => {
                sleep(pause.max(at_least)).await;
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// A name as one segment of a path.
pub(super) fn encoded(name: &str) -> impl std::fmt::Display {
    utf8_percent_encode(name, SEGMENT)
}
