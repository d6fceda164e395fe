//! What an answer of Resend to a sending means.
//!
//! The rule is Resend's page of errors. A refusal is known by its status and name; Resend's own words are read in the two
//! places where these are the same for different faults, and are never passed on: they hold addresses.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::api::{Answer, Failure};

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Resend has it, under this id: since now, or since an earlier attempt with the same key.
    Taken(String),
    /// Resend has another request under its key.
    Conflict(&'static str),
    /// Resend does not take it as it is.
    Rejected(&'static str),
    /// Resend refuses the key, which another one may mend, or the sender.
    Denied { reason: &'static str, by_key: bool },
    /// Resend does not take it now. `soon`: a second or two may be enough.
    Later { reason: &'static str, after: Option<Duration>, soon: bool },
    /// Nothing was sent.
    Unreached(&'static str),
    /// Resend may have it.
    Open(&'static str),
}

impl Verdict {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Taken(_) => "taken",
            Self::Conflict(reason)
            | Self::Rejected(reason)
            | Self::Denied { reason, .. }
            | Self::Later { reason, .. }
            | Self::Unreached(reason)
            | Self::Open(reason) => reason,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Taken {
    id: Option<String>,
}

/// A refusal, as far as it is of interest.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn of(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// The sender, or its domain, is not one that may send.
    fn is_about_the_sender(&self) -> bool {
        self.name == "invalid_from_address" || self.message.trim_start().starts_with("Invalid `from` field")
    }

    /// Some endpoints say this of a wrong key with the status and name of a malformed request.
    fn is_about_the_key(&self) -> bool {
        self.message.trim().trim_end_matches('.').eq_ignore_ascii_case("api key is invalid")
    }
}

const BAD_KEY: &str = "the key is refused: check RESEND_API_KEY";

/// Reads an attempt to send.
pub(super) fn of(answer: &Result<Answer, Failure>) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(Failure::NeverSent) => {
            return Verdict::Denied {
                reason: "the key or the address of Resend cannot be used",
                by_key: true,
            };
        }
        Err(Failure::NotConnected) => return Verdict::Unreached("there is no connection to Resend"),
        Err(Failure::Lost) => return Verdict::Open("no answer"),
    };
    if answer.status.is_success() {
        return taken(answer);
    }
    let refusal = Refusal::of(answer);
    match answer.status {
        StatusCode::UNAUTHORIZED => Verdict::Denied { reason: BAD_KEY, by_key: true },
        StatusCode::FORBIDDEN => forbidden(&refusal),
        StatusCode::CONFLICT => conflict(&refusal),
        StatusCode::TOO_MANY_REQUESTS => later(answer, &refusal),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => malformed(&refusal),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            let reason = "there is no such interface: check RESEND_BASE_URL";
            Verdict::Denied { reason, by_key: false }
        }
        StatusCode::REQUEST_TIMEOUT => Verdict::Open("Resend waited too long for the request"),
        status if status.is_client_error() => Verdict::Rejected("Resend refuses the request"),
        // A server that fails may have failed after it took the mail.
        status if status.is_server_error() => Verdict::Open("Resend failed"),
        _ => Verdict::Open("the answer cannot be understood"),
    }
}

/// A success is one that names the message.
fn taken(answer: &Answer) -> Verdict {
    let taken: Taken = serde_json::from_slice(&answer.body).unwrap_or_default();
    match taken.id.filter(|id| !id.is_empty()) {
        Some(id) => Verdict::Taken(id),
        None => Verdict::Open("an answer without a message id"),
    }
}

fn forbidden(refusal: &Refusal) -> Verdict {
    let of_sender = ["validation_error", "invalid_from_address", "invalid_to_address"];
    if of_sender.contains(&refusal.name.as_str()) && !refusal.is_about_the_key() {
        let reason = "the sender's domain is not verified, or the account may write to its owner alone: verify the domain of \
             RESEND_FROM_EMAIL at Resend";
        return Verdict::Denied { reason, by_key: false };
    }
    Verdict::Denied { reason: BAD_KEY, by_key: true }
}

fn conflict(refusal: &Refusal) -> Verdict {
    match refusal.name.as_str() {
        "invalid_idempotent_request" => Verdict::Conflict("another mail was sent under this id"),
        "concurrent_idempotent_requests" => Verdict::Open("a mail is being sent under this id"),
        _ => Verdict::Open("Resend is busy with what the request names"),
    }
}

fn later(answer: &Answer, refusal: &Refusal) -> Verdict {
    let after = answer.retry_after;
    match refusal.name.as_str() {
        "daily_quota_exceeded" => {
            Verdict::Later { reason: "the daily quota of Resend is used up", after, soon: false }
        }
        "monthly_quota_exceeded" => {
            Verdict::Later { reason: "the monthly quota of Resend is used up", after, soon: false }
        }
        _ => Verdict::Later { reason: "Resend takes no more mail at this rate", after, soon: true },
    }
}

fn malformed(refusal: &Refusal) -> Verdict {
    if refusal.is_about_the_key() {
        Verdict::Denied { reason: BAD_KEY, by_key: true }
    } else if refusal.is_about_the_sender() {
        Verdict::Denied { reason: "the sender is refused: check RESEND_FROM_EMAIL", by_key: false }
    } else {
        Verdict::Rejected("Resend calls the request malformed")
    }
}
