//! The one error of every port.

use std::fmt;
use std::time::Duration;

use waiterix_domain::schema::UniqueRule;

/// The result of a port operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is. Callers branch on this and never on text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The thing named is not there.
    NotFound,
    /// The state is not what the caller relied on; read again and decide again.
    Conflict,
    /// The request can never succeed as it is.
    Invalid,
    /// The outside refuses the credentials or the permission.
    Denied,
    /// Too many requests; later it may work.
    Throttled,
    /// The outside cannot be reached or is not working.
    Unavailable,
    /// No answer in time. Whether it was done is unknown.
    Timeout,
    /// What is stored cannot be understood.
    Corrupt,
    /// The adapter cannot do this at all.
    Unsupported,
}

impl ErrorKind {
    /// The kind as a stable word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Whether the same request may help when sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Never.
    No,
    /// The request certainly had no effect; it may be sent again at once.
    Safe,
    /// The request certainly had no effect; it may be sent again after this time.
    After(Duration),
    /// The request may have had its effect; only an operation that does nothing twice may be sent again.
    Ambiguous,
}

/// Why a commit was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The change at this place (from 0) relied on something that no longer holds: an update, a counter or a
    /// requirement.
    Requirement {
        /// Its place in the set.
        place: usize,
    },
    /// A uniqueness rule.
    Unique(UniqueRule),
    /// A foreign key names a row that is not there.
    ForeignKey,
    /// The database takes part in a move and does not take this write in its present [standing](crate::moving::Standing):
    /// look who leads now, and write there. Nothing was done.
    NotLeading,
    /// An operator said that this process is dead, so nobody waits for it when the lead of a port changes. It must serve nothing more
    /// by what it knows of the move, until it is started anew.
    Forgotten,
}

/// A failed port operation. Its text is for logs and operators; it holds no personal data and no secrets.
pub struct Error {
    kind: ErrorKind,
    retry: Retry,
    operation: &'static str,
    context: Vec<(&'static str, String)>,
    violation: Option<Violation>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of an operation, e.g. `store.commit`.
    #[must_use]
    pub const fn new(kind: ErrorKind, operation: &'static str) -> Self {
        Self { kind, retry: Retry::No, operation, context: Vec::new(), violation: None, source: None }
    }

    /// Says whether sending it again may help.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Adds a fact for the operator: no personal data, no secrets.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((name, value.to_string()));
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says which promise a commit broke.
    #[must_use]
    pub fn violating(mut self, violation: Violation) -> Self {
        self.violation = Some(violation);
        self
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether sending it again may help.
    #[must_use]
    pub const fn retry_advice(&self) -> Retry {
        self.retry
    }

    /// The operation, e.g. `store.commit`.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// Which promise a commit broke.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The violated uniqueness rule, if that is what happened.
    #[must_use]
    pub const fn unique_rule(&self) -> Option<UniqueRule> {
        match self.violation {
            Some(Violation::Unique(rule)) => Some(rule),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.kind.as_str())?;
        match &self.violation {
            Some(Violation::Requirement { place }) => {
                write!(f, " (change {place} relied on an older state)")?;
            }
            Some(Violation::Unique(rule)) => write!(f, " (unique rule {rule:?})")?,
            Some(Violation::ForeignKey) => f.write_str(" (a row it refers to is not there)")?,
            Some(Violation::NotLeading) => {
                f.write_str(" (the database is being moved and another one takes writes now)")?;
            }
            Some(Violation::Forgotten) => {
                f.write_str(" (this process was said to be dead: start it anew)")?;
            }
            None => {}
        }
        for (name, value) in &self.context {
            write!(f, ", {name}={value}")?;
        }
        let mut source = self.source.as_deref().map(|source| source as &dyn std::error::Error);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
