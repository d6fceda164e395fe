//! From outcomes to HTTP answers: the one table of statuses and error bodies.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Value, json};
use waiterix_domain::{Rejection, RejectionKind};
use waiterix_ports::Error;

use crate::transact::Refusal;

/// The member of an error body that holds the sentence. It differs by route, and the client reads the one it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `{"message": …}`
    Message,
    /// `{"error": …}`
    Error,
}

/// How a route words its refusals, and what it says when something fails inside.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// For refusals.
    pub key: Key,
    /// For the 500.
    pub fault_key: Key,
    /// What the 500 says.
    pub fault: &'static str,
}

impl Words {
    /// A route that speaks with `message`.
    #[must_use]
    pub const fn message(fault: &'static str) -> Self {
        Self { key: Key::Message, fault_key: Key::Message, fault }
    }

    /// A route that speaks with `error`.
    #[must_use]
    pub const fn error(fault: &'static str) -> Self {
        Self { key: Key::Error, fault_key: Key::Error, fault }
    }

    /// The same, but its 500 speaks with `error`.
    #[must_use]
    pub const fn fault_as_error(mut self) -> Self {
        self.fault_key = Key::Error;
        self
    }
}

/// A refusal on its way out of a handler: as the route words it, or with a key of its own.
#[derive(Debug)]
pub enum Stop {
    /// As the route words it.
    Refused(Refusal),
    /// With this key, whatever the route does otherwise.
    Keyed(Key, Rejection),
    /// An answer made by hand.
    Answer(Box<Response<Body>>),
}

impl<T: Into<Refusal>> From<T> for Stop {
    fn from(refusal: T) -> Self {
        Self::Refused(refusal.into())
    }
}

/// What handlers work with.
pub type Outcome<T> = Result<T, Stop>;

/// Gives a rejection a key of its own.
#[allow(clippy::wrong_self_convention, reason = "reads as what happens: refused as an error")]
pub trait Keyed {
    /// As `{"error": …}`.
    fn as_error(self) -> Stop;
    /// As `{"message": …}`.
    fn as_message(self) -> Stop;
}

impl Keyed for Rejection {
    fn as_error(self) -> Stop {
        Stop::Keyed(Key::Error, self)
    }
    fn as_message(self) -> Stop {
        Stop::Keyed(Key::Message, self)
    }
}

/// A JSON answer with status 200: compact, on one line.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response<Body> {
        json_response(StatusCode::OK, &self.0)
    }
}

/// A JSON answer.
pub fn json_response(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            *response.status_mut() = status;
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Runs the body of a handler and words whatever stops it.
pub async fn answer<T: IntoResponse>(words: Words, work: impl Future<Output = Outcome<T>>) -> Response<Body> {
    match work.await {
        Ok(reply) => reply.into_response(),
        Err(Stop::Refused(Refusal::Rejected(rejection))) => rejected(words.key, &rejection),
        Err(Stop::Keyed(key, rejection)) => rejected(key, &rejection),
        Err(Stop::Refused(Refusal::Failed(error))) => failed(words, &error),
        Err(Stop::Refused(Refusal::SessionsDown(error))) => {
            tracing::error!(%error, "the session store does not answer");
            json_response(
                StatusCode::SERVICE_UNAVAILABLE,
                &json!({ "message": "Service temporarily unavailable" }),
            )
        }
        Err(Stop::Answer(response)) => *response,
    }
}

fn failed(words: Words, error: &Error) -> Response<Body> {
    tracing::error!(%error, "a request failed");
    json_response(StatusCode::INTERNAL_SERVER_ERROR, &body_of(words.fault_key, words.fault))
}

fn body_of(key: Key, text: &str) -> Value {
    match key {
        Key::Message => json!({ "message": text }),
        Key::Error => json!({ "error": text }),
    }
}

/// The status of each kind of rejection.
#[must_use]
pub const fn status_of(kind: RejectionKind) -> StatusCode {
    match kind {
        RejectionKind::Invalid => StatusCode::BAD_REQUEST,
        RejectionKind::Unauthorized | RejectionKind::WrongSecret => StatusCode::UNAUTHORIZED,
        RejectionKind::Forbidden | RejectionKind::SubscriptionRequired => StatusCode::FORBIDDEN,
        RejectionKind::NotFound => StatusCode::NOT_FOUND,
        RejectionKind::Conflict => StatusCode::CONFLICT,
        RejectionKind::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        RejectionKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RejectionKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A rejection as an answer.
#[must_use]
pub fn rejected(key: Key, rejection: &Rejection) -> Response<Body> {
    let status = status_of(rejection.kind);
    let body = match rejection.kind {
        RejectionKind::SubscriptionRequired => {
            json!({ "error": "subscription_required", "message": rejection.message })
        }
        // The client looks for this very body on every route.
        RejectionKind::Unauthorized => json!({ "message": rejection.message }),
        _ if rejection.errors.is_empty() => body_of(key, &rejection.message),
        _ => return with_fields(key, rejection),
    };
    json_response(status, &body)
}

#[derive(Serialize)]
struct Fault<'a> {
    path: &'a [String],
    message: &'a str,
}

#[derive(Serialize)]
struct MessageWithFaults<'a> {
    message: &'a str,
    errors: Vec<Fault<'a>>,
}

#[derive(Serialize)]
struct ErrorWithFaults<'a> {
    error: &'static str,
    details: Vec<Fault<'a>>,
}

fn with_fields(key: Key, rejection: &Rejection) -> Response<Body> {
    let status = status_of(rejection.kind);
    let faults =
        rejection.errors.iter().map(|fault| Fault { path: &fault.path, message: &fault.message }).collect();
    match key {
        Key::Message => {
            json_response(status, &MessageWithFaults { message: &rejection.message, errors: faults })
        }
        Key::Error => json_response(status, &ErrorWithFaults { error: "Validation failed", details: faults }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waiterix_domain::FieldError;

    fn text(response: Response<Body>) -> (u16, String) {
        let status = response.status().as_u16();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(axum::body::to_bytes(response.into_body(), 10_000)).unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn each_kind_of_rejection_has_its_status_and_body() {
        let plain = |kind| Rejection::new(kind, "Words");
        for (kind, status, body) in [
            (RejectionKind::Invalid, 400, r#"{"message":"Words"}"#),
            (RejectionKind::Unauthorized, 401, r#"{"message":"Words"}"#),
            (RejectionKind::WrongSecret, 401, r#"{"message":"Words"}"#),
            (RejectionKind::Forbidden, 403, r#"{"message":"Words"}"#),
            (RejectionKind::NotFound, 404, r#"{"message":"Words"}"#),
            (RejectionKind::Conflict, 409, r#"{"message":"Words"}"#),
            (RejectionKind::TooLarge, 413, r#"{"message":"Words"}"#),
            (RejectionKind::TooManyRequests, 429, r#"{"message":"Words"}"#),
            (RejectionKind::Unavailable, 503, r#"{"message":"Words"}"#),
            (
                RejectionKind::SubscriptionRequired,
                403,
                r#"{"error":"subscription_required","message":"Words"}"#,
            ),
        ] {
            assert_eq!(text(rejected(Key::Message, &plain(kind))), (status, body.to_owned()), "{kind:?}");
        }
        assert_eq!(text(rejected(Key::Error, &plain(RejectionKind::NotFound))).1, r#"{"error":"Words"}"#);
        assert_eq!(
            text(rejected(Key::Error, &plain(RejectionKind::Unauthorized))).1,
            r#"{"message":"Words"}"#
        );
    }

    #[test]
    fn field_faults_are_listed_under_the_key_the_route_uses() {
        let rejection = Rejection::fields("Invalid data", vec![FieldError::new("name", "Required")]);
        assert_eq!(
            text(rejected(Key::Message, &rejection)).1,
            r#"{"message":"Invalid data","errors":[{"path":["name"],"message":"Required"}]}"#
        );
        assert_eq!(
            text(rejected(Key::Error, &rejection)).1,
            r#"{"error":"Validation failed","details":[{"path":["name"],"message":"Required"}]}"#
        );
    }
}
