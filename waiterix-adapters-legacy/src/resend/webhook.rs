//! What Resend tells of mail that it took: events sent to a webhook, signed as Svix signs.
//!
//! ```
//! use waiterix_adapters_legacy::resend::webhook::{Event, WebhookVerifier};
//! use waiterix_domain::{Secret, Timestamp};
//!
//! fn told(headers: &[(&str, &str)], body: &[u8], now: Timestamp) -> Option<Event> {
//!     let verifier = WebhookVerifier::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))?;
//!     verifier.verify(headers, body, now).ok()
//! }
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use waiterix_domain::{Secret, Timestamp};
use waiterix_ports::mailer::{MailEvents, NotBelieved, is_address};

/// How far the time of an event may be from now, in seconds, so that what was overheard cannot be sent again for ever.
pub const TOLERANCE_SECONDS: i64 = 5 * 60;
/// The most signatures of a request that are looked at.
const MAX_SIGNATURES: usize = 16;
const PREFIX: &str = "whsec_";

/// Tells requests of Resend from others, by the secret that the page of the webhook shows.
#[derive(Clone)]
pub struct WebhookVerifier {
    mac: Hmac<Sha256>,
}

impl fmt::Debug for WebhookVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookVerifier(…)")
    }
}

/// What happened to a mail. Addresses are as they were sent to.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// The recipient's server refused it. `permanent`: and will refuse the next one, or Resend itself did because of an
    /// earlier refusal.
    Bounced {
        /// The recipient.
        address: String,
        /// Whether sending again is of no use.
        permanent: bool,
    },
    /// The recipient called it spam.
    Complained {
        /// The recipient.
        address: String,
    },
    /// The recipient's server took it.
    Delivered,
    /// Anything else.
    Other,
}

impl fmt::Debug for Event {
    /// Shows no address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bounced { permanent: true, .. } => "Bounced(permanent)",
            Self::Bounced { permanent: false, .. } => "Bounced(for now)",
            Self::Complained { .. } => "Complained",
            Self::Delivered => "Delivered",
            Self::Other => "Other",
        })
    }
}

impl Event {
    /// The address that should get no mail any more, if any: to be told to
    /// [`Mailer::set_suppressed`](waiterix_ports::Mailer::set_suppressed).
    #[must_use]
    pub fn to_suppress(&self) -> Option<&str> {
        match self {
            Self::Bounced { address, permanent: true } | Self::Complained { address } => Some(address),
            Self::Bounced { permanent: false, .. } | Self::Delivered | Self::Other => None,
        }
    }
}

/// `svix-id`, `svix-timestamp` or `svix-signature` is missing, there twice, or malformed.
pub const BAD_HEADER: NotBelieved =
    NotBelieved { fault: "a header of the signature is missing or malformed" };
/// It was signed too long ago, or in the future.
pub const NOT_OF_NOW: NotBelieved = NotBelieved { fault: "the signature is not of now" };
/// No signature is by the secret.
pub const BAD_SIGNATURE: NotBelieved = NotBelieved { fault: "no signature is right" };
/// It is Resend's, and is no event.
pub const NO_EVENT: NotBelieved = NotBelieved { fault: "the body is no event" };

/// Whether a secret is one of a webhook.
pub(super) fn is_webhook_secret(secret: &Secret) -> bool {
    WebhookVerifier::new(secret).is_some()
}

impl WebhookVerifier {
    /// A verifier with the secret of a webhook, `whsec_` and base64; `None` when it is malformed.
    #[must_use]
    pub fn new(secret: &Secret) -> Option<Self> {
        let encoded = secret.reveal().strip_prefix(PREFIX)?;
        let key = STANDARD.decode(encoded).ok().filter(|key| !key.is_empty())?;
        Hmac::new_from_slice(&key).ok().map(|mac| Self { mac })
    }

    /// Reads a request to the webhook. Nothing of the body is looked at before its signature was found right, in constant
    /// time. A request that is sent again within the tolerance is believed again: what an event asks for may be done twice.
    ///
    /// # Errors
    /// [`BAD_HEADER`], [`NOT_OF_NOW`], [`BAD_SIGNATURE`] or [`NO_EVENT`].
    pub fn verify(
        &self,
        headers: &[(&str, &str)],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Event, NotBelieved> {
        let header = |name: &str| {
            let mut values = headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
            match (values.next(), values.next()) {
                (Some((_, value)), None) => Ok(*value),
                _ => Err(BAD_HEADER),
            }
        };
        let (id, time, signatures) =
            (header("svix-id")?, header("svix-timestamp")?, header("svix-signature")?);
        let seconds: i64 = time.parse().map_err(|_| BAD_HEADER)?;
        if now.as_seconds().abs_diff(seconds) > TOLERANCE_SECONDS.unsigned_abs() {
            return Err(NOT_OF_NOW);
        }
        let mut mac = self.mac.clone();
        for part in [id.as_bytes(), b".", time.as_bytes(), b".", body] {
            mac.update(part);
        }
        // Several: while a secret is replaced, requests are signed with the old one and the new one.
        let is_right = signatures.split(' ').take(MAX_SIGNATURES).any(|signature| {
            let signature = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
            signature.is_some_and(|signature| mac.clone().verify_slice(&signature).is_ok())
        });
        if !is_right {
            return Err(BAD_SIGNATURE);
        }
        let message: Message = serde_json::from_slice(body).map_err(|_| NO_EVENT)?;
        Ok(message.event())
    }
}

impl MailEvents for WebhookVerifier {
    fn to_suppress(
        &self,
        headers: &[(&str, &str)],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<String>, NotBelieved> {
        Ok(self.verify(headers, body, now)?.to_suppress().map(str::to_owned))
    }
}

/// An event: what it is about, and whatever belongs to that.
#[derive(Deserialize)]
struct Message {
    r#type: String,
    #[serde(default)]
    data: Value,
}

impl Message {
    fn event(&self) -> Event {
        if self.r#type == "email.delivered" {
            return Event::Delivered;
        }
        let Some(address) = self.only_recipient() else { return Event::Other };
        match self.r#type.as_str() {
            "email.complained" => Event::Complained { address },
            // The event by itself means for good; the type, where there is one, knows better.
            "email.bounced" => {
                let kind = self.data["bounce"]["type"].as_str();
                let permanent = kind.is_none_or(|kind| kind.eq_ignore_ascii_case("permanent"));
                Event::Bounced { address, permanent }
            }
            // Resend has the address on its own list.
            "email.suppressed" => Event::Bounced { address, permanent: true },
            _ => Event::Other,
        }
    }

    /// The recipient. Mail of this service has one; of several it is not said which one is meant.
    fn only_recipient(&self) -> Option<String> {
        match self.data["to"].as_array().map(Vec::as_slice) {
            Some([one]) => one.as_str().filter(|address| is_address(address)).map(str::to_owned),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
