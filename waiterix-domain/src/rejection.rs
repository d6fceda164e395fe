//! Refusals that may be shown to the caller.

use std::fmt;

/// Why something was refused. One table in the HTTP layer maps these to status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectionKind {
    /// The input breaks a rule.
    Invalid,
    /// The caller must sign in first.
    Unauthorized,
    /// A secret given in the request (passcode, answer, code) is wrong; the caller stays signed in.
    WrongSecret,
    /// The caller may not do this.
    Forbidden,
    /// There is no such thing, or none the caller may know of.
    NotFound,
    /// The current state does not allow it.
    Conflict,
    /// Too often.
    TooManyRequests,
    /// Too big.
    TooLarge,
    /// The restaurant's subscription does not allow orders.
    SubscriptionRequired,
    /// A part of the service is not there; the caller may try something else.
    Unavailable,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The way to the field from the top of the body, e.g. `["items", "0", "quantity"]`.
    pub path: Vec<String>,
    /// What is wrong, for a person.
    pub message: String,
}

impl FieldError {
    /// A fault of a top-level field.
    #[must_use]
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self { path: vec![field.to_owned()], message: message.into() }
    }

    /// A fault further down.
    #[must_use]
    pub fn at<const N: usize>(path: [&str; N], message: impl Into<String>) -> Self {
        Self { path: path.iter().map(ToString::to_string).collect(), message: message.into() }
    }
}

/// A refusal: everything in it is meant for the caller, so nothing internal may be put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub kind: RejectionKind,
    /// One short sentence for a person.
    pub message: String,
    /// What is wrong field by field; empty where the message says it all.
    pub errors: Vec<FieldError>,
}

impl Rejection {
    /// A refusal with a sentence.
    #[must_use]
    pub fn new(kind: RejectionKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), errors: Vec::new() }
    }

    /// The input breaks a rule that one sentence explains.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(RejectionKind::Invalid, message)
    }

    /// The input breaks rules, listed by field.
    #[must_use]
    pub fn fields(message: impl Into<String>, errors: Vec<FieldError>) -> Self {
        Self { kind: RejectionKind::Invalid, message: message.into(), errors }
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(RejectionKind::NotFound, message)
    }

    /// The current state does not allow it.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(RejectionKind::Conflict, message)
    }

    /// The caller may not do this.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(RejectionKind::Forbidden, "Forbidden")
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Rejection {}
