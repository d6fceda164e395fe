//! Tokens: fetched when they are first needed, kept until shortly before their end, and fetched again when one is refused.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use tokio::sync::Mutex;
use waiterix_domain::{Secret, Timestamp};
use waiterix_ports::{Clock, Error, ErrorKind, Result};

use super::wire;

/// What fetching a token is called in errors.
pub(crate) const OPERATION: &str = "gcs.token";
/// What tokens are for: objects, and nothing else of Google's. The scope for reading and writing does not let one change
/// what is known about an object; what may be done to which bucket is up to the roles of the account.
pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.full_control";
/// So long before its end a token is no longer used: requests take time, and clocks differ.
const MARGIN_SECONDS: i64 = 60;

/// What a request is let in by.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) text: Secret,
    pub(crate) lifetime_seconds: i64,
}

/// Gives out tokens. One attempt; who calls it tries again.
#[async_trait]
pub(crate) trait Issuer: fmt::Debug + Send + Sync {
    /// Asks for a token.
    async fn issue(&self, client: &reqwest::Client, now: Timestamp) -> Result<Token>;
}

/// The token at hand.
#[derive(Debug)]
pub(super) struct Tokens {
    /// `None` where no right is asked for.
    issuer: Option<Arc<dyn Issuer>>,
    clock: Arc<dyn Clock>,
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    text: Secret,
    until: Timestamp,
    /// When another one is fetched.
    fresh_until: Timestamp,
}

impl Tokens {
    pub(super) fn new(issuer: Option<Arc<dyn Issuer>>, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, clock, held: Mutex::default() }
    }

    /// A token that is good now. The lock is held while one is fetched on purpose: callers that arrive meanwhile wait for
    /// the one answer instead of asking again.
    pub(super) async fn current(&self, client: &reqwest::Client) -> Result<Option<Secret>> {
        let Some(issuer) = &self.issuer else { return Ok(None) };
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        if let Some(held) = held.as_ref().filter(|held| now < held.fresh_until) {
            return Ok(Some(held.text.clone()));
        }
        match issuer.issue(client, now).await {
            Ok(token) => {
                let margin = MARGIN_SECONDS.min(token.lifetime_seconds / 2);
                let until = now.plus_seconds(token.lifetime_seconds);
                let fresh_until = until.plus_seconds(-margin);
                *held = Some(Held { text: token.text.clone(), until, fresh_until });
                Ok(Some(token.text))
            }
            // The old one is good for a moment, and whoever gives out new ones may be back by then.
            Err(error) => match held.as_ref().filter(|held| now < held.until) {
                Some(held) => {
                    tracing::warn!(%error, "no new token for objects; the old one is used to its end");
                    Ok(Some(held.text.clone()))
                }
                None => Err(error),
            },
        }
    }

    /// Forgets a token that was refused, unless it was replaced meanwhile.
    pub(super) async fn forget(&self, refused: &Secret) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|held| held.text == *refused) {
            *held = None;
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<i64>,
}

/// Exchanges something for a token (RFC 6749, 7523 and 8693 alike).
pub(crate) async fn exchanged(client: &reqwest::Client, url: &str, form: &[(&str, &str)]) -> Result<Token> {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = client
        .post(url)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        .body(form);
    let response = wire::sent(OPERATION, request).await.map_err(denied)?;
    let answer: Answer = wire::json(OPERATION, response).await?;
    let lifetime_seconds = answer.expires_in.unwrap_or(MARGIN_SECONDS);
    if answer.access_token.is_empty() || lifetime_seconds <= 0 {
        return Err(Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "the token is none"));
    }
    Ok(Token { text: Secret::new(answer.access_token), lifetime_seconds })
}

/// A refusal to give out a token is one of the credentials, however it is put: RFC 6749 has 400 for it.
pub(crate) fn denied(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Conflict => {
            Error::new(ErrorKind::Denied, OPERATION).because(error)
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use waiterix_contract::ManualClock;

    use super::*;

    /// Gives out one token after the other, of two minutes, as long as it works.
    #[derive(Debug, Default)]
    struct Counting {
        count: AtomicI64,
        is_down: std::sync::atomic::AtomicBool,
    }

    #[async_trait]
    impl Issuer for Counting {
        async fn issue(&self, _: &reqwest::Client, _: Timestamp) -> Result<Token> {
            if self.is_down.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::Unavailable, OPERATION));
            }
            let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(Token { text: Secret::new(number.to_string()), lifetime_seconds: 120 })
        }
    }

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_its_end_and_to_its_end_in_need() {
        let (issuer, clock) = (Arc::new(Counting::default()), Arc::new(ManualClock::default()));
        let tokens = Tokens::new(Some(issuer.clone()), clock.clone());
        let client = wire::client("test", &super::super::Limits::default()).unwrap();
        let current = || async {
            let token = tokens.current(&client).await;
            token.map(|token| token.unwrap().reveal().to_owned()).map_err(|error| error.kind())
        };
        let pass = |seconds| clock.advance(std::time::Duration::from_secs(seconds));
        assert_eq!(current().await.as_deref(), Ok("1"));
        pass(59);
        assert_eq!(current().await.as_deref(), Ok("1"));
        pass(1);
        assert_eq!(current().await.as_deref(), Ok("2"));
        issuer.is_down.store(true, Ordering::SeqCst);
        pass(119);
        assert_eq!(current().await.as_deref(), Ok("2"));
        pass(1);
        assert_eq!(current().await, Err(ErrorKind::Unavailable));
        issuer.is_down.store(false, Ordering::SeqCst);
        assert_eq!(current().await.as_deref(), Ok("3"));
        tokens.forget(&Secret::new("2")).await;
        assert_eq!(current().await.as_deref(), Ok("3"), "another one was refused");
        tokens.forget(&Secret::new("3")).await;
        assert_eq!(current().await.as_deref(), Ok("4"));
    }
}
