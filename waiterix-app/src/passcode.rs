//! Hashing and checking passcodes and answers, and how often they may be guessed.

use std::time::Duration;

use bcrypt::Version;
use serde_json::Value;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Secret, admin};
use waiterix_ports::{Error, ErrorKind};

use crate::App;
use crate::transact::Refusal;

/// What the old system used; existing hashes and new ones cost the same to check.
const COST: u32 = 10;
/// How long a wrong attempt counts.
const WINDOW: Duration = Duration::from_secs(admin::ATTEMPT_WINDOW_SECONDS);

impl App {
    /// The bcrypt hash of a secret of at most 72 bytes.
    ///
    /// # Errors
    /// A fault of the hashing itself.
    pub async fn hash(&self, secret: &Secret) -> Result<Secret, Refusal> {
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        let secret = secret.clone();
        self.hashing_thread(move || {
            let parts = bcrypt::hash_with_salt(secret.reveal().as_bytes(), COST, salt);
            parts.map(|parts| Secret::new(parts.format_for_version(Version::TwoB)))
        })
        .await?
        .map_err(|error| Error::new(ErrorKind::Invalid, "passcode.hash").because(error).into())
    }

    /// The hash of an answer to a security question.
    ///
    /// # Errors
    /// As [`App::hash`].
    pub async fn hash_answer(&self, answer: &Secret) -> Result<Secret, Refusal> {
        self.hash(&admin::normal_answer(answer)).await
    }

    /// Whether a secret matches a stored hash. A stored text that is no hash matches nothing.
    ///
    /// # Errors
    /// A fault of the process, never of the hash.
    pub async fn matches(&self, secret: &Secret, hash: &Secret) -> Result<bool, Refusal> {
        let (secret, hash) = (secret.clone(), hash.clone());
        let checked =
            self.hashing_thread(move || bcrypt::verify(secret.reveal().as_bytes(), hash.reveal())).await?;
        Ok(checked.unwrap_or_else(|_| {
            tracing::warn!("a stored passcode hash cannot be read");
            false
        }))
    }

    /// Runs something slow beside the requests, a bounded number at a time, so that guessing cannot take every core.
    async fn hashing_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let fault = |source: Box<dyn std::error::Error + Send + Sync>| {
            Refusal::from(Error::new(ErrorKind::Unavailable, "passcode.thread").because(source))
        };
        let _permit = self.hashing.acquire().await.map_err(|error| fault(error.into()))?;
        tokio::task::spawn_blocking(work).await.map_err(|error| fault(error.into()))
    }

    /// Checks a secret of a restaurant, unless it was guessed wrong too often of late (D80). An attempt takes one of five
    /// places before it is checked; a right one gives it back, a wrong one keeps it for fifteen minutes. So even many
    /// attempts at the same time cannot be more than five wrong ones.
    ///
    /// # Errors
    /// 429 when every place is taken, `SessionsDown`, or what the check says.
    pub async fn attempt(
        &self,
        restaurant: &RestaurantId,
        check: impl Future<Output = Result<bool, Refusal>>,
    ) -> Result<bool, Refusal> {
        let place = self.take_place(restaurant).await?.ok_or_else(admin::too_many_attempts)?;
        let checked = check.await;
        if !matches!(checked, Ok(false))
            && let Err(error) = self.ports.sessions.temp_take(&place).await
        {
            tracing::warn!(%error, "the place of a right passcode could not be given back");
        }
        checked
    }

    async fn take_place(&self, restaurant: &RestaurantId) -> Result<Option<String>, Refusal> {
        for place in 0..admin::MAX_WRONG_ATTEMPTS {
            let key = format!("passcode-attempt:{restaurant}:{place}");
            let taken = self.ports.sessions.temp_set_if_absent(&key, &Value::Bool(true), WINDOW).await;
            if taken.map_err(Refusal::SessionsDown)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}
