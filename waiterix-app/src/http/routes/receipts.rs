//! Receipts: the page a guest looks at, and the mail a guest asks for.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use waiterix_domain::facts::OrderView;
use waiterix_domain::id::OrderId;
use waiterix_domain::receipt::{MAX_MAILS_PER_HOUR, MAX_MAILS_PER_ORDER, Receipt};
use waiterix_domain::{Rejection, RejectionKind, demo};
use waiterix_ports::mailer::{is_address, normalised_address};
use waiterix_ports::session::MAX_TTL;
use waiterix_ports::{Error, ErrorKind, MailId, Outcome};

use crate::http::address::ClientAddress;
use crate::http::body::JsonBody;
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Words, answer};
use crate::http::shapes::order::{Receipt as ReceiptPage, ReceiptSent};
use crate::limits::Class;
use crate::transact::Refusal;
use crate::{App, Shared, mail};

use super::orders::{digest, stored_view};

/// The most receipts one address gets within an hour, over all orders.
const MAX_MAILS_PER_RECIPIENT: u64 = 30;
/// The window of the hourly limits.
const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(receipt)).routes(routes!(email_receipt))
}

/// What a receipt shows.
#[utoipa::path(get, path = "/api/orders/{id}/receipt", tag = "orders", params(("id" = String, Path)),
    responses((status = 200, body = ReceiptPage), (status = 404)))]
async fn receipt(State(app): State<Shared>, Path(id): Path<String>) -> Response<Body> {
    answer(Words::message("Failed to fetch order receipt"), async {
        let id = OrderId::from(id);
        if demo::is_order(id.as_str()) {
            return Ok(Json(ReceiptPage::from(demo::receipt(&id, app.clock.now()))));
        }
        Ok(Json(ReceiptPage::from(stored_view(&app, &id).await?)))
    })
    .await
}

/// Where a receipt goes.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct EmailBody {
    email: String,
}

/// Send the receipt of an order to an address: at most five times, and three times an hour.
#[utoipa::path(post, path = "/api/orders/{id}/email-receipt", tag = "orders", params(("id" = String, Path)),
    request_body = EmailBody,
    responses((status = 200, body = ReceiptSent), (status = 400), (status = 404), (status = 429)))]
async fn email_receipt(
    State(app): State<Shared>,
    address: ClientAddress,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to send receipt email"), async {
        app.limits.check(Class::Sensitive, address.0)?;
        let email = body.get("email").and_then(Value::as_str).unwrap_or_default();
        if email.is_empty() {
            return Err(Rejection::invalid("Email address is required").into());
        }
        if !is_address(email) {
            return Err(Rejection::invalid("Invalid email address").into());
        }
        let id = OrderId::from(id);
        if demo::is_order(id.as_str()) {
            return Ok(Json(ReceiptSent::of_demo(email)));
        }
        let view = stored_view(&app, &id).await?;
        app.send_receipt(&view, email).await?;
        Ok(Json(ReceiptSent::to(email)))
    })
    .await
}

impl App {
    /// Mails a receipt, unless there were too many. The content comes from stored rows alone, so that a stranger can
    /// choose the recipient but not what is said.
    ///
    /// A mail is named by a number of a counter, and counters begin anew: they stay behind when sessions move to another store,
    /// and are gone with one that lost its data. What was sent is remembered on by the mailer. So a number can be that of an
    /// earlier receipt; whoever asks now would be told that it was sent, and get nothing. Such a number is left out.
    ///
    /// A request sends one mail at most all the same. `Duplicate` and `Conflict` are said of mails of other calls (**M2**, **M3**):
    /// a mailer says `Accepted` of what it sent in this one, or `Unknown`, and nothing between here and the providers asks it again
    /// after that. Every number is sent once, and the next one is drawn only after these two answers. The numbers that are left
    /// out are taken from the order's allowance, as the mails were that have them.
    ///
    /// # Errors
    /// 429 `Too many requests`; a failure whenever the mail was not taken for certain.
    async fn send_receipt(&self, view: &OrderView, email: &str) -> Result<(), Refusal> {
        let order = digest(&[view.order.id.as_str().as_bytes()]);
        let recipient = digest(&[normalised_address(email).as_bytes()]);
        let sessions = &self.ports.sessions;
        // What is refused for this hour must not use up the order's own allowance.
        let this_hour = sessions.temp_count(&format!("receipts-hour:{order}"), HOUR).await?;
        allow(this_hour, MAX_MAILS_PER_HOUR)?;
        let to_recipient = sessions.temp_count(&format!("receipts-to:{recipient}"), HOUR).await?;
        allow(to_recipient, MAX_MAILS_PER_RECIPIENT)?;

        let fault =
            |fault: &'static str| Error::new(ErrorKind::Unavailable, "mail.receipt").with("fault", fault);
        let receipt = Receipt::of(view);
        // A counter that begins anew in between has no more numbers to leave out than this.
        for _ in 0..MAX_MAILS_PER_ORDER {
            let attempt = sessions.temp_count(&format!("receipts:{order}"), MAX_TTL).await?;
            allow(attempt, MAX_MAILS_PER_ORDER)?;
            let id = MailId::new(format!("receipt/{}/{recipient}/{attempt}", view.order.id))
                .ok_or_else(|| fault("the order's id cannot name a mail"))?;
            match self.ports.mailer.send(&mail::receipt(id, email, &receipt)?).await? {
                Outcome::Accepted { .. } => return Ok(()),
                Outcome::Duplicate { .. } | Outcome::Conflict => {
                    tracing::info!(order = %view.order.id, attempt, "an earlier receipt has this number");
                }
                Outcome::Suppressed => return Err(fault("the recipient is suppressed").into()),
                Outcome::Rejected { .. } => return Err(fault("the provider refused it").into()),
                Outcome::RetryLater { .. } => return Err(fault("the provider does not take it now").into()),
                // It may be this request's own mail, so there is no other one.
                Outcome::Unknown => return Err(fault("whether the provider took it is unknown").into()),
            }
        }
        Err(too_many().into())
    }
}

fn allow(count: u64, most: u64) -> Result<(), Rejection> {
    if count <= most { Ok(()) } else { Err(too_many()) }
}

fn too_many() -> Rejection {
    Rejection::new(RejectionKind::TooManyRequests, "Too many requests")
}
