//! JSON shapes: what rows look like to callers. A field of a shape is always present, as `null` if need be.

pub mod analytics;
pub mod assistance;
pub mod faq;
pub mod menu;
pub mod order;
pub mod public;
pub mod question;
pub mod rating;
pub mod restaurant;
pub mod table;
pub mod user;

use serde::Serialize;
use utoipa::ToSchema;
use waiterix_domain::Timestamp;

/// `{"success": true}`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Success {
    /// Always true.
    pub success: bool,
}

/// The answer of routes that only say that it was done.
pub const SUCCESS: Success = Success { success: true };

/// `{"message": …}`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Said {
    /// A sentence.
    pub message: String,
}

/// An answer that is only a sentence.
#[must_use]
pub fn said(message: impl Into<String>) -> Said {
    Said { message: message.into() }
}

/// An instant as it is sent: ISO 8601 UTC with milliseconds.
#[must_use]
pub fn time(at: Timestamp) -> String {
    at.to_string()
}

/// An instant that may be missing.
#[must_use]
pub fn time_or_null(at: Option<Timestamp>) -> Option<String> {
    at.map(time)
}
