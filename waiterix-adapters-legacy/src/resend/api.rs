//! Requests to Resend, and how far each got.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Serialize;
use waiterix_domain::Secret;
use waiterix_ports::mailer::MailId;

/// The most bytes of an answer that are read; those of Resend have a few hundred.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The longest time to come back after that is believed: no quota is for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(31 * 86_400);

/// How far a request got that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// There never was one: something in it cannot be sent.
    NeverSent,
    /// There was no connection (refused, unknown host, TLS, time-out of connecting), so nothing was written.
    NotConnected,
    /// It was written, at least in part, and no answer came.
    Lost,
}

/// An answer. What could not be read of its body, or is longer than any answer should be, is missing from it: the status
/// says enough where something was refused.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// A mail as Resend takes it.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    pub(super) from: &'a str,
    pub(super) to: [&'a str; 1],
    pub(super) subject: &'a str,
    pub(super) html: &'a str,
    pub(super) text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply_to: Option<&'a str>,
    pub(super) tags: [Tag<'a>; 2],
}

/// Something that events and Resend's pages show beside a mail: ASCII letters, digits, dashes and underscores.
#[derive(Debug, Serialize)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// Resend's interface.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    base_url: String,
}

impl Api {
    pub(super) const fn new(client: Client, base_url: String) -> Self {
        Self { client, base_url }
    }

    /// Hands over a mail. `body` is the [`Request`] as JSON, the same bytes at every attempt.
    pub(super) async fn send(
        &self,
        key: &Secret,
        id: &MailId,
        body: &[u8],
        limit: Duration,
    ) -> Result<Answer, Failure> {
        let request = self
            .client
            .post(format!("{}/emails", self.base_url))
            .header(AUTHORIZATION, bearer(key)?)
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", id.as_str())
            .body(body.to_vec());
        exchange(request, limit).await
    }

    /// Asks for the domains of the account.
    pub(super) async fn domains(&self, key: &Secret, limit: Duration) -> Result<Answer, Failure> {
        let request = self.client.get(format!("{}/domains", self.base_url));
        exchange(request.header(AUTHORIZATION, bearer(key)?), limit).await
    }
}

fn bearer(key: &Secret) -> Result<HeaderValue, Failure> {
    let text = Secret::new(format!("Bearer {}", key.reveal()));
    let mut value = HeaderValue::from_str(text.reveal()).map_err(|_| Failure::NeverSent)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Sends a request and reads the answer, both within a limit.
pub(super) async fn exchange(request: RequestBuilder, limit: Duration) -> Result<Answer, Failure> {
    let mut response = request.timeout(limit).send().await.map_err(|error| how_far(&error))?;
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= MAX_ANSWER_BYTES => body.extend_from_slice(&piece),
            Ok(None) => break,
            Ok(Some(_)) | Err(_) => {
                body.clear();
                break;
            }
        }
    }
    Ok(Answer { status, retry_after, body })
}

fn how_far(error: &reqwest::Error) -> Failure {
    if error.is_builder() {
        Failure::NeverSent
    } else if error.is_connect() {
        Failure::NotConnected
    } else {
        Failure::Lost
    }
}

/// When to come back, which Resend says in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}
