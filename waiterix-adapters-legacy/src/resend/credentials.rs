//! The key and the sender, wherever they come from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use waiterix_domain::{Secret, Timestamp};
use waiterix_ports::{Clock, Error, ErrorKind, Result, Retry};

use super::api::{self, Failure};
use super::settings::{ResendAccess, is_header_text, sender_address};

const OPERATION: &str = "resend.credentials";
/// How long credentials of the connector are used before they are asked for again. A key that was replaced is noticed
/// earlier, by its refusal.
const KEPT: Duration = Duration::from_secs(5 * 60);
/// The header by which the connector knows who asks, as the platform spells it.
const TOKEN: HeaderName = HeaderName::from_static("x_replit_token");
const PATH: &str = "/api/v2/connection?include_secrets=true&connector_names=resend";

/// What a sending needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) key: Secret,
    pub(super) from: String,
}

/// Hands out credentials, and asks for them where it must.
pub(super) struct Keeper {
    access: ResendAccess,
    client: Client,
    clock: Arc<dyn Clock>,
    /// Held while the connector is asked, so that many senders ask once.
    kept: Mutex<Option<Kept>>,
    limit: Duration,
}

struct Kept {
    credentials: Credentials,
    since: Timestamp,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = match self.access {
            ResendAccess::Key { .. } => "configuration",
            ResendAccess::Connector { .. } => "connector",
        };
        f.debug_struct("Keeper").field("from", &from).finish_non_exhaustive()
    }
}

impl Keeper {
    /// `limit` is how long the connector may take for an answer.
    pub(super) fn new(access: ResendAccess, client: Client, clock: Arc<dyn Clock>, limit: Duration) -> Self {
        Self { access, client, clock, kept: Mutex::new(None), limit }
    }

    /// The credentials to use now. Old ones are better than none while the connector is down.
    pub(super) async fn current(&self) -> Result<Credentials> {
        let (base_url, token, from) = match &self.access {
            ResendAccess::Key { key, from } => {
                return Ok(Credentials { key: key.clone(), from: from.clone() });
            }
            ResendAccess::Connector { base_url, token, from } => (base_url, token, from.as_deref()),
        };
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_fresh(now)) {
            return Ok(kept.credentials.clone());
        }
        match self.fetch(base_url, token, from).await {
            Ok(credentials) => {
                *kept = Some(Kept { credentials: credentials.clone(), since: now });
                Ok(credentials)
            }
            Err(error) => match kept.as_ref() {
                Some(kept) if error.kind() == ErrorKind::Unavailable => {
                    tracing::warn!(%error, "the connector does not answer; the old key stays in use");
                    Ok(kept.credentials.clone())
                }
                _ => Err(error),
            },
        }
    }

    /// Whether there is now another key than one that was refused: the connector is asked, unless somebody has done so
    /// since.
    pub(super) async fn has_another_than(&self, refused: &Secret) -> bool {
        let ResendAccess::Connector { base_url, token, from } = &self.access else { return false };
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.credentials.key != *refused) {
            return true;
        }
        match self.fetch(base_url, token, from.as_deref()).await {
            Ok(credentials) => {
                let is_another = credentials.key != *refused;
                *kept = Some(Kept { credentials, since: self.clock.now() });
                is_another
            }
            Err(error) => {
                tracing::warn!(%error, "Resend refuses the key, and the connector hands out no other");
                false
            }
        }
    }

    async fn fetch(&self, base_url: &str, token: &Secret, from: Option<&str>) -> Result<Credentials> {
        let failed = |kind, fault: &'static str| {
            let retry = if kind == ErrorKind::Denied { Retry::No } else { Retry::Safe };
            Error::new(kind, OPERATION).retry(retry).with("fault", fault)
        };
        let mut value = HeaderValue::from_str(token.reveal())
            .map_err(|_| failed(ErrorKind::Denied, "the token of the connector is no header"))?;
        value.set_sensitive(true);
        let request = self.client.get(format!("{base_url}{PATH}")).header(ACCEPT, "application/json");
        let answer = api::exchange(request.header(TOKEN, value), self.limit).await;
        let answer = answer.map_err(|failure| match failure {
            Failure::NeverSent => failed(ErrorKind::Denied, "the request to the connector cannot be made"),
            Failure::NotConnected => {
                failed(ErrorKind::Unavailable, "there is no connection to the connector")
            }
            Failure::Lost => failed(ErrorKind::Unavailable, "no answer of the connector"),
        })?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                return Err(failed(ErrorKind::Unavailable, "the connector is asked too often"));
            }
            status if status.is_client_error() => {
                let error = failed(
                    ErrorKind::Denied,
                    "the connector refuses: check REPL_IDENTITY or WEB_REPL_RENEWAL",
                );
                return Err(error.with("status", status.as_u16()));
            }
            status => {
                let error = failed(ErrorKind::Unavailable, "the connector fails");
                return Err(error.with("status", status.as_u16()));
            }
        }
        let Ok(answer) = serde_json::from_slice::<Connections>(&answer.body) else {
            return Err(failed(ErrorKind::Unavailable, "the connector's answer cannot be understood"));
        };
        let settings = answer.items.into_iter().next().and_then(|item| item.settings).unwrap_or_default();
        let Some(key) = settings.api_key.filter(|key| !key.reveal().is_empty() && is_header_text(key)) else {
            let fault = "the connector knows no key of Resend: connect Resend in the workspace";
            return Err(failed(ErrorKind::Denied, fault));
        };
        let from = from.map(str::to_owned).or(settings.from_email);
        match from.filter(|from| sender_address(from).is_some()) {
            Some(from) => Ok(Credentials { key, from }),
            None => {
                let fault = "the connector names no sender: say it there, or set RESEND_FROM_EMAIL";
                Err(failed(ErrorKind::Denied, fault))
            }
        }
    }
}

impl Kept {
    fn is_fresh(&self, now: Timestamp) -> bool {
        let age = now.as_millis().saturating_sub(self.since.as_millis());
        // A clock that was set back makes an age below zero, of which nothing can be said.
        u64::try_from(age).is_ok_and(|age| Duration::from_millis(age) < KEPT)
    }
}

/// The connector's answer, as far as it is of interest.
#[derive(Deserialize)]
struct Connections {
    #[serde(default)]
    items: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    settings: Option<ConnectionSettings>,
}

#[derive(Default, Deserialize)]
struct ConnectionSettings {
    #[serde(default, deserialize_with = "secret")]
    api_key: Option<Secret>,
    from_email: Option<String>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
}
