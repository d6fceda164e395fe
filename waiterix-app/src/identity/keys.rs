//! The issuer's keys: fetched when needed, kept, and fetched again when they rotate.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::{Mutex, OnceCell};
use url::Url;
use waiterix_domain::Timestamp;

use super::TokenError;

/// Keys are fetched again after this, known or not.
const FRESH_SECONDS: i64 = 3_600;
/// An unknown key id makes them be fetched again, but not more often than this: forged ids must not become load.
const RETRY_SECONDS: i64 = 30;
/// How long a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A key set is a few kilobytes; more is a fault.
const MAX_KEYS_BYTES: usize = 1024 * 1024;

pub(super) struct Keys {
    url: Url,
    client: OnceCell<reqwest::Client>,
    cached: Mutex<Cached>,
}

#[derive(Default)]
struct Cached {
    set: Option<Arc<JwkSet>>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

impl Keys {
    pub(super) fn new(url: Url) -> Self {
        Self { url, client: OnceCell::new(), cached: Mutex::new(Cached::default()) }
    }

    /// The key of an id, for an algorithm.
    pub(super) async fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<DecodingKey, TokenError> {
        let set = self.set_with(kid, now).await?;
        let key = match kid {
            Some(kid) => set.find(kid),
            // A token without key id is clear only when there is one key.
            None => <&[Jwk; 1]>::try_from(set.keys.as_slice()).ok().map(|[only]| only),
        };
        let key = key.ok_or_else(|| TokenError::Invalid("signed with an unknown key".to_owned()))?;
        let fits = key.common.key_algorithm.is_none_or(|own| own.to_string() == format!("{algorithm:?}"));
        if !fits {
            return Err(TokenError::Invalid("key is for another algorithm".to_owned()));
        }
        DecodingKey::from_jwk(key).map_err(|fault| TokenError::Invalid(fault.to_string()))
    }

    /// The key set, fetched again when it is old or lacks the id. The lock is held during the fetch on purpose: callers
    /// that arrive meanwhile wait for the one answer instead of asking again.
    async fn set_with(&self, kid: Option<&str>, now: Timestamp) -> Result<Arc<JwkSet>, TokenError> {
        let mut cached = self.cached.lock().await;
        let within = |at: Option<Timestamp>, seconds| at.is_some_and(|at| now < at.plus_seconds(seconds));
        let known = cached.set.as_ref().is_some_and(|set| kid.is_none_or(|kid| set.find(kid).is_some()));
        if let Some(set) = &cached.set
            && ((known && within(cached.fetched_at, FRESH_SECONDS)) || within(cached.tried_at, RETRY_SECONDS))
        {
            return Ok(set.clone());
        }
        cached.tried_at = Some(now);
        match self.fetch().await {
            Ok(set) => {
                let set = Arc::new(set);
                cached.set = Some(set.clone());
                cached.fetched_at = Some(now);
                Ok(set)
            }
            // Old keys are better than turning everybody away while the issuer's server is down.
            Err(fault) => match &cached.set {
                Some(set) if known => {
                    tracing::warn!(%fault, "identity provider keys could not be refreshed; the old ones stay in use");
                    Ok(set.clone())
                }
                _ => Err(TokenError::KeysUnavailable(fault)),
            },
        }
    }

    async fn fetch(&self) -> Result<JwkSet, String> {
        let say = |error: reqwest::Error| error.without_url().to_string();
        let client = self.client.get_or_try_init(|| async { client() }).await.map_err(say)?;
        let mut response = client
            .get(self.url.clone())
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(say)?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(say)? {
            body.extend_from_slice(&piece);
            if body.len() > MAX_KEYS_BYTES {
                return Err("the key set is larger than 1 MiB".to_owned());
            }
        }
        serde_json::from_slice(&body).map_err(|fault| format!("not a key set: {fault}"))
    }
}

fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Harmless when another part of the process has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()
}
