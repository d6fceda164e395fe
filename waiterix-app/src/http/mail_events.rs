//! What providers of mail tell of mail they took: `POST /api/webhooks/resend`.
//!
//! The route is for a provider alone and is not part of the API document. Its caller proves itself by a signature over the
//! body as it came, so it stands outside of what reads bodies for the other routes.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::post;
use serde_json::json;
use waiterix_ports::ErrorKind;

use super::body::too_large;
use super::respond::json_response;
use crate::Shared;

/// The largest event in bytes; those of Resend have a few thousand.
const MAX_EVENT_BYTES: usize = 256 * 1024;

pub(super) fn router() -> Router<Shared> {
    Router::new().route("/api/webhooks/resend", post(told)).method_not_allowed_fallback(super::unknown_route)
}

/// Hears an event. Any success tells the provider that it was heard; anything else makes it try again later.
async fn told(State(app): State<Shared>, headers: HeaderMap, body: Body) -> Response<Body> {
    let Some(events) = &app.mail_events else {
        return json_response(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" }));
    };
    let Ok(body) = to_bytes(body, MAX_EVENT_BYTES).await else { return too_large() };
    let headers: Vec<(&str, &str)> =
        headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let address = match events.to_suppress(&headers, &body, app.clock.now()) {
        Ok(Some(address)) => address,
        Ok(None) => return StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::warn!(%error, "an event of mail is not believed");
            return json_response(StatusCode::UNAUTHORIZED, &json!({ "message": "Unauthorized" }));
        }
    };
    match app.ports.mailer.set_suppressed(&address, true).await {
        Ok(()) => {
            tracing::info!("an address bounced or complained and gets no mail any more");
            StatusCode::NO_CONTENT.into_response()
        }
        // It would be so the next time as well.
        Err(error) if error.kind() == ErrorKind::Invalid => {
            tracing::warn!(%error, "an event of mail names an address that no list takes");
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an address that bounced or complained could not be suppressed");
            let body = json!({ "message": "Service temporarily unavailable" });
            json_response(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}
