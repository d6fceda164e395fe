//! Request bodies.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Map, Value, json};
use waiterix_domain::FieldError;

use super::respond::json_response;

/// The largest JSON body in bytes.
pub const MAX_JSON_BYTES: usize = 10 * 1024 * 1024;

/// The members of a request's JSON object. A missing body, a body of another type and a JSON array count as `{}`.
#[derive(Debug, Clone, Default)]
pub struct JsonBody(pub Map<String, Value>);

impl<S: Send + Sync> FromRequestParts<S> for JsonBody {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.remove::<Self>().unwrap_or_default())
    }
}

/// Reads JSON bodies before any route sees the request, so that malformed ones are refused alike everywhere.
pub async fn read(request: Request, next: Next) -> Response {
    if !is_json(request.headers()) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    if declared_length(&parts.headers).is_some_and(|length| length > MAX_JSON_BYTES as u64) {
        return too_large();
    }
    let Ok(bytes) = to_bytes(body, MAX_JSON_BYTES).await else { return too_large() };
    if !bytes.is_empty() {
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) => {
                parts.extensions.insert(JsonBody(members));
            }
            Ok(Value::Array(_)) => {}
            Ok(_) | Err(_) => {
                let body = json!({ "error": "Bad Request", "message": "Malformed JSON body" });
                return json_response(StatusCode::BAD_REQUEST, &body);
            }
        }
    }
    next.run(Request::from_parts(parts, Body::empty())).await
}

/// The answer to a body above its limit.
#[must_use]
pub fn too_large() -> Response {
    let body = json!({ "error": "Payload Too Large", "message": "Request body too large" });
    json_response(StatusCode::PAYLOAD_TOO_LARGE, &body)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    })
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A field that may be absent, null, or there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given<T> {
    /// Not in the body.
    Absent,
    /// `null`.
    Null,
    /// A value.
    Set(T),
}

impl<T> Given<T> {
    /// Absent and null are both nothing.
    #[must_use]
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Absent is `None`, null is `Some(None)`.
    #[must_use]
    pub fn into_nullable(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }
}

/// Reads typed fields out of a JSON object and collects what is wrong with their types. Ranges and lengths are the
/// domain's business.
#[derive(Debug)]
pub struct Fields<'a> {
    members: &'a Map<String, Value>,
    path: Vec<String>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// A reader of an object.
    #[must_use]
    pub const fn of(members: &'a Map<String, Value>) -> Self {
        Self { members, path: Vec::new(), errors: Vec::new() }
    }

    /// A reader of an object further down, e.g. `["items", "0"]`.
    #[must_use]
    pub const fn below(members: &'a Map<String, Value>, path: Vec<String>) -> Self {
        Self { members, path, errors: Vec::new() }
    }

    /// Notes a fault of a field.
    pub fn fault(&mut self, name: &str, message: impl Into<String>) {
        let mut path = self.path.clone();
        path.push(name.to_owned());
        self.errors.push(FieldError { path, message: message.into() });
    }

    fn typed<T>(&mut self, name: &str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Given<T> {
        match self.members.get(name) {
            None => Given::Absent,
            Some(Value::Null) => Given::Null,
            Some(value) => match read(value) {
                Some(value) => Given::Set(value),
                None => {
                    self.fault(name, expected);
                    Given::Absent
                }
            },
        }
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Given<String> {
        self.typed(name, "Expected a string", |value| value.as_str().map(str::to_owned))
    }

    /// A text that must be there.
    pub fn required_text(&mut self, name: &str) -> String {
        let before = self.errors.len();
        self.text(name).into_option().unwrap_or_else(|| {
            if self.errors.len() == before {
                self.fault(name, "Required");
            }
            String::new()
        })
    }

    /// What was given for a field that may be absent but not null.
    pub fn not_null<T>(&mut self, name: &str, expected: &str, given: Given<T>) -> Option<T> {
        if matches!(given, Given::Null) {
            self.fault(name, expected);
        }
        given.into_option()
    }

    /// A boolean.
    pub fn boolean(&mut self, name: &str) -> Given<bool> {
        self.typed(name, "Expected true or false", Value::as_bool)
    }

    /// A whole number, however it is written (`2` or `2.0`).
    pub fn integer(&mut self, name: &str) -> Given<i64> {
        self.typed(name, "Expected a whole number", whole_number)
    }

    /// A decimal number as text, sent as a string or as a JSON number.
    pub fn decimal_text(&mut self, name: &str) -> Given<String> {
        self.typed(name, "Expected a decimal number", |value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// A decimal number that must be there, see [`Fields::decimal_text`].
    pub fn required_decimal_text(&mut self, name: &str) -> String {
        let before = self.errors.len();
        self.decimal_text(name).into_option().unwrap_or_else(|| {
            if self.errors.len() == before {
                self.fault(name, "Required");
            }
            String::new()
        })
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &str) -> Given<Vec<String>> {
        self.typed(name, "Expected a list of strings", |value| {
            value.as_array()?.iter().map(|element| element.as_str().map(str::to_owned)).collect()
        })
    }

    /// A list of anything.
    pub fn list(&mut self, name: &str) -> Given<&'a [Value]> {
        self.typed(name, "Expected a list", |value| value.as_array().map(Vec::as_slice))
    }

    /// An object.
    pub fn object(&mut self, name: &str) -> Given<&'a Map<String, Value>> {
        self.typed(name, "Expected an object", Value::as_object)
    }

    /// Takes over the faults found further down.
    pub fn absorb(&mut self, faults: Vec<FieldError>) {
        self.errors.extend(faults);
    }

    /// The faults found.
    #[must_use]
    pub fn faults(self) -> Vec<FieldError> {
        self.errors
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// A rejection with this text that lists the faults, if there are any.
    pub fn finish(self, text: &str) -> Result<(), waiterix_domain::Rejection> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(waiterix_domain::Rejection::fields(text, self.errors))
        }
    }
}

/// A JSON number without a fraction.
#[must_use]
pub fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        // Beyond 2^53 a double no longer tells neighbours apart.
        (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
    })
}
