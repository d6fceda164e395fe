//! The callbacks of a WebSocket API: posting to a connection, closing it, looking at it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Front, Outgoing};

/// The largest message.
const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// Sends a message to a connection.
pub(super) async fn post(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_signed(&headers) {
        return refused(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException");
    }
    if body.len() > MAX_MESSAGE_BYTES {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException");
    }
    let text = String::from_utf8(body.to_vec()).expect("messages are text");
    hand_over(&front, &id, Outgoing::Text(text), StatusCode::OK)
}

/// Closes a connection.
pub(super) async fn close(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !is_signed(&headers) {
        return refused(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException");
    }
    hand_over(&front, &id, Outgoing::Close, StatusCode::NO_CONTENT)
}

/// Tells of a connection.
pub(super) async fn look(
    State(front): State<Arc<Front>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !is_signed(&headers) {
        return refused(StatusCode::FORBIDDEN, "MissingAuthenticationTokenException");
    }
    match front.peers().get(&id) {
        Some(peer) => Json(json!({
            "connectedAt": peer.connected_at_ms / 1000,
            "identity": { "sourceIp": peer.address, "userAgent": "test" },
            "lastActiveAt": peer.connected_at_ms / 1000,
        }))
        .into_response(),
        None => refused(StatusCode::GONE, "GoneException"),
    }
}

fn hand_over(front: &Front, id: &str, what: Outgoing, done: StatusCode) -> Response {
    match front.peers().get(id) {
        Some(peer) if peer.outgoing.send(what).is_ok() => done.into_response(),
        _ => refused(StatusCode::GONE, "GoneException"),
    }
}

/// Whether a request has the form of a signed one. Signatures themselves are checked by other tests.
fn is_signed(headers: &HeaderMap) -> bool {
    headers.get("authorization").and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.starts_with("AWS4-HMAC-SHA256 ") && value.contains("/execute-api/aws4_request")
    })
}

fn refused(status: StatusCode, kind: &'static str) -> Response {
    (status, [("x-amzn-errortype", kind)], Json(json!({ "message": kind }))).into_response()
}
