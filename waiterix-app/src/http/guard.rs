//! What every request and every answer goes through: ids, origins, headers, logs.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;
use tracing::Instrument;

use super::meter::Watch;
use super::respond::json_response;
use crate::Shared;

/// The header that names a request in logs and answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives every request an id, tells its outcome (trace, method, route pattern, status, duration: nothing personal), and puts
/// the id on the answer.
pub async fn trace(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(REQUEST_ID)
        .filter(|value| is_request_id(value))
        .cloned()
        .or_else(|| HeaderValue::from_str(&app.fresh_id()).ok());
    let id_text = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
    let watch = Watch::begin(app, &request, id_text);
    let mut response = next.run(request).instrument(watch.span().clone()).await;
    watch.end(response.status());
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn is_request_id(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (8..=128).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_=:.;/+".contains(b))
}

/// How long a request may take until its answer begins. Gateways in front of the service give up after 29 seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(25);

/// By when an answer must begin, put into the extensions of a request by a transport that knows it: a function is ended by
/// its platform, and nobody learns why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerBy(pub tokio::time::Instant);

/// Gives up on a request that takes too long.
pub async fn in_time(request: Request, next: Next) -> Response {
    let limit = tokio::time::Instant::now() + REQUEST_TIMEOUT;
    let by = request.extensions().get().map_or(limit, |AnswerBy(by)| limit.min(*by));
    match tokio::time::timeout_at(by, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a request took too long");
            let body = json!({ "message": "The request took too long" });
            json_response(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}

/// Refuses writes that another site's page sends with the visitor's cookie (D7). Requests without `Origin` come from no
/// page and carry whatever credentials their sender has anyway.
pub async fn same_origin(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || origin_allowed(request.headers(), &app.settings.frontend_origins) {
        return next.run(request).await;
    }
    json_response(StatusCode::FORBIDDEN, &json!({ "message": "Forbidden" }))
}

/// Whether the `Origin` of a request is absent, this very host, or one of the web client's.
#[must_use]
pub fn origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let own = headers.get(HOST).and_then(|host| host.to_str().ok()).is_some_and(|host| {
        origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
    });
    own || allowed.iter().any(|allowed| allowed == origin)
}

/// Headers of every answer.
pub async fn headers(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api");
    let is_docs = request.uri().path().starts_with("/docs");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let is_json =
        headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    if is_api && is_json && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let mut set = |name: &'static str, value: &'static str| {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("referrer-policy", "strict-origin-when-cross-origin");
    set("strict-transport-security", "max-age=31536000; includeSubDomains");
    set("cross-origin-opener-policy", "same-origin");
    set("permissions-policy", "camera=(), geolocation=(), payment=()");
    if is_docs {
        // The API page is made of inline scripts and styles, all served from the binary.
        set(
            "content-security-policy",
            "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
        );
    } else if is_api {
        set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d7_only_own_and_configured_origins_may_write() {
        let allowed = ["https://app.example.org".to_owned()];
        let check = |origin: Option<&str>, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            origin_allowed(&headers, &allowed)
        };
        assert!(check(None, "api.example.org"));
        assert!(check(Some("https://app.example.org"), "api.example.org"));
        assert!(check(Some("http://127.0.0.1:8080"), "127.0.0.1:8080"));
        assert!(!check(Some("https://evil.example"), "api.example.org"));
        assert!(!check(Some("null"), "api.example.org"));
        assert!(!check(Some("https://app.example.org.evil.example"), "api.example.org"));
    }
}
