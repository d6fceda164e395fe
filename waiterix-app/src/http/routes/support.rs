//! Support requests of owners.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use waiterix_domain::support::{self, ContactSupport, LIMIT_WINDOW_SECONDS, MAX_PER_WINDOW, SupportRequest};
use waiterix_domain::{Rejection, RejectionKind};
use waiterix_ports::{Error, ErrorKind, MailId, Outcome};

use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Words, answer};
use crate::transact::Refusal;
use crate::{App, Shared, mail};

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(contact))
}

/// A support request.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct ContactBody {
    /// 1 to 200 characters.
    subject: String,
    /// 1 to 5 000 characters.
    message: String,
}

/// That a support request is on its way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Received {
    message: &'static str,
    restaurant_name: String,
}

/// Write to the people who run the service.
#[utoipa::path(post, path = "/api/contact-support", tag = "support", request_body = ContactBody,
    responses((status = 200, body = Received), (status = 400), (status = 401), (status = 404), (status = 429)))]
async fn contact(State(app): State<Shared>, headers: HeaderMap, JsonBody(body): JsonBody) -> Response<Body> {
    answer(Words::message("Failed to submit support request"), async {
        let caller = app.caller(&headers).await?;
        // What is no text counts as missing, which has words of its own.
        let mut fields = Fields::of(&body);
        let command = ContactSupport {
            subject: fields.text("subject").into_option(),
            message: fields.text("message").into_option(),
        };
        let request = support::request(&caller.account, &command)?;
        app.send_support_request(&request).await?;
        Ok(Json(Received {
            message: "Support request received successfully",
            restaurant_name: request.restaurant_name,
        }))
    })
    .await
}

impl App {
    /// Mails a support request, unless the user sent too many. The very same request within an hour is sent once.
    ///
    /// # Errors
    /// 429 `Too many requests`; a failure when the mail was not taken for certain.
    async fn send_support_request(&self, request: &SupportRequest) -> Result<(), Refusal> {
        let window = Duration::from_secs(LIMIT_WINDOW_SECONDS.unsigned_abs());
        let key = format!("support/{}", hex(&[request.user_id.as_str()]));
        if self.ports.sessions.temp_count(&key, window).await? > MAX_PER_WINDOW {
            return Err(Rejection::new(RejectionKind::TooManyRequests, "Too many requests").into());
        }
        let id = mail_id(request, SupportRequest::window(self.clock.now()))
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "mailer.send").with("fault", "restaurant id"))?;
        let mail = mail::support(id, &self.settings.support_email, request)?;
        match self.ports.mailer.send(&mail).await? {
            Outcome::Accepted { .. } | Outcome::Duplicate { .. } => Ok(()),
            // There is no counter in the id: where a mail is known under it, this very request was made before within the window,
            // and its mail is not sent again. It is known with other content only where a service that renders it otherwise, or
            // for another address, was asked then. Whether that mail was taken nobody says, so this is no success.
            other @ (Outcome::Conflict
            | Outcome::Suppressed
            | Outcome::Rejected { .. }
            | Outcome::RetryLater { .. }
            | Outcome::Unknown) => Err(Error::new(ErrorKind::Unavailable, "mailer.send")
                .with("outcome", outcome_word(&other))
                .into()),
        }
    }
}

/// The name of the mail: the same content of the same restaurant within a window is the same mail.
fn mail_id(request: &SupportRequest, window: i64) -> Option<MailId> {
    let content = hex(&[&request.restaurant_name, &request.email, &request.subject, &request.message]);
    MailId::new(format!("support/{}/{content}/{window}", request.restaurant_id))
}

/// A digest of texts, in which no text can run into the next.
fn hex(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

const fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted { .. } => "accepted",
        Outcome::Duplicate { .. } => "duplicate",
        Outcome::Conflict => "conflict",
        Outcome::Suppressed => "suppressed",
        Outcome::Rejected { .. } => "rejected",
        Outcome::RetryLater { .. } => "retry later",
        Outcome::Unknown => "unknown",
    }
}
