//! Why an invocation failed.

use std::fmt;

use lambda_runtime::Diagnostic;

/// Why an invocation failed, as the platform is told: it stands in logs and in whatever the event goes to in the end, so
/// it holds nothing personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable word, by which failures are counted.
    pub kind: &'static str,
    /// What happened.
    pub message: String,
}

impl Failure {
    /// A failure of a kind.
    #[must_use]
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The event is none that this function knows.
    #[must_use]
    pub fn unknown_event(expected: &str) -> Self {
        Self::new(
            "UnknownEvent",
            format!("the event is not {expected}: see which trigger calls this function"),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.to_owned(), error_message: failure.message }
    }
}
