//! What failures of statements mean to a caller.

use std::fmt;
use std::time::Duration;

use sqlx::postgres::{PgDatabaseError, PgSeverity};
use waiterix_domain::{Table, UniqueRule};
use waiterix_ports::{Error, ErrorKind, Retry, Violation};

use crate::connect;

/// After which time it is worth another try where many want the same rows, or where the server is full.
const LATER: Duration = Duration::from_millis(250);

/// What the triggers of a [move](crate::moving) refuse a write with.
pub(crate) const NOT_LEADING: &str = "WX001";

/// Why a statement did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused it, or the connection broke.
    Said(sqlx::Error),
    /// No answer came in time.
    Silent,
    /// The server follows another one and takes no writes: it was replaced as the primary.
    Standby(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Said(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(error) | Self::Standby(error) => error.fmt(f),
            Self::Silent => f.write_str("no answer in time"),
        }
    }
}

/// What is known about the effect of work that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It had none: it changes nothing, or what makes it lasting was never sent.
    None,
    /// It may have had all of it.
    Unknown,
}

impl Failure {
    fn refusal(&self) -> Option<&PgDatabaseError> {
        match self {
            Self::Said(error) | Self::Standby(error) => error.as_database_error()?.try_downcast_ref(),
            Self::Silent => None,
        }
    }

    /// The server's code for the failure.
    pub(crate) fn code(&self) -> Option<&str> {
        self.refusal().map(PgDatabaseError::code)
    }

    /// Whether the server refused a statement and lives on, so that the statement certainly had no effect.
    fn is_refusal(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.severity() == PgSeverity::Error)
    }

    /// Whether the connection is still good: the server refused a statement and waits for the next. A server that
    /// became a standby would refuse every further write, so its connections are given up.
    pub(crate) fn is_harmless(&self) -> bool {
        self.is_refusal()
            && matches!(self, Self::Said(_))
            && !self.code().is_some_and(is_of_the_server)
            && !self.is_of_plan()
    }

    /// Whether a column has got another type since the connection prepared the statement, which it will refuse ever after. The message
    /// is in the server's language; the function that says it is not.
    pub(crate) fn is_of_plan(&self) -> bool {
        self.refusal().is_some_and(|refusal| {
            refusal.code() == "0A000" && refusal.routine() == Some("RevalidateCachedQuery")
        })
    }

    /// Whether it failed only because others were at work, and certainly had no effect.
    pub(crate) fn is_passing(&self) -> bool {
        self.is_harmless() && matches!(self.code(), Some("40001" | "40P01" | "55P03"))
    }

    /// Whether the server ended a statement because its time was over.
    pub(crate) fn is_timeout(&self) -> bool {
        self.code() == Some("57014")
    }

    /// Whether a uniqueness rule stood in the way.
    pub(crate) fn is_unique_violation(&self) -> bool {
        self.is_harmless() && self.code() == Some("23505")
    }

    /// Whether the database takes part in a move and does not take the write: it will not take it a moment later either.
    pub(crate) fn is_of_standing(&self) -> bool {
        self.code() == Some(NOT_LEADING)
    }

    /// Whether the database has another layout than was thought.
    pub(crate) fn is_of_layout(&self) -> bool {
        self.code() == Some("42703")
    }
}

/// Conditions of the server as a whole: not of the statement, nor of the rows.
fn is_of_the_server(code: &str) -> bool {
    code == "25006" || code.starts_with("08") || (code.starts_with("57P") || code.starts_with("58"))
}

/// The error of work that failed.
pub(crate) fn of(failure: &Failure, operation: &'static str, effect: Effect) -> Error {
    let (error, certain) = match failure {
        Failure::Silent => {
            let error = Error::new(ErrorKind::Timeout, operation).with("fault", "no answer in time");
            (error.retry(Retry::Safe), false)
        }
        Failure::Standby(_) => {
            let error =
                Error::new(ErrorKind::Unavailable, operation).with("fault", "the server is a standby");
            (error.retry(Retry::Safe), true)
        }
        Failure::Said(error) => {
            let refused = failure.refusal().map(|refusal| refused(refusal, operation));
            (refused.unwrap_or_else(|| connect::fault::of(error, operation)), failure.is_refusal())
        }
    };
    // What the server refused did not happen; what it was not heard about may have.
    if effect == Effect::Unknown && !certain { error.retry(Retry::Ambiguous) } else { error }
}

fn refused(refusal: &PgDatabaseError, operation: &'static str) -> Error {
    let code = refusal.code();
    if code == NOT_LEADING {
        return Error::new(ErrorKind::Unavailable, operation)
            .violating(Violation::NotLeading)
            .with("fault", refusal.message());
    }
    let (kind, retry) = match code {
        "25006" => (ErrorKind::Unavailable, Retry::Safe),
        "57014" => (ErrorKind::Timeout, Retry::Safe),
        "42501" => (ErrorKind::Denied, Retry::No),
        "53300" => (ErrorKind::Throttled, Retry::After(LATER)),
        // Rows that many want at once; the attempts made here did not suffice.
        "40001" | "40P01" | "55P03" => (ErrorKind::Throttled, Retry::After(LATER)),
        // A row or an index entry that is too large.
        "54000" | "54001" => (ErrorKind::Invalid, Retry::No),
        _ => match code.get(..2) {
            Some("28") => (ErrorKind::Denied, Retry::No),
            Some("22" | "23") => (ErrorKind::Invalid, Retry::No),
            Some("0A" | "3D" | "3F" | "42") => (ErrorKind::Unsupported, Retry::No),
            Some("53") => (ErrorKind::Unavailable, Retry::After(LATER)),
            _ => (ErrorKind::Unavailable, Retry::Safe),
        },
    };
    let error = Error::new(kind, operation).retry(retry).with("sqlstate", code);
    // Messages about values may repeat them.
    if matches!(code.get(..2), Some("22" | "23")) { error } else { error.with("fault", refusal.message()) }
}

/// The error of a question that failed: what the server cannot compute from its rows, such as the digest of an infinite
/// instant, is no fault of the question.
pub(crate) fn of_question(failure: &Failure, operation: &'static str) -> Error {
    match failure.code() {
        Some(code) if code.starts_with("22") || code == "0A000" => {
            Error::new(ErrorKind::Corrupt, operation).with("sqlstate", code)
        }
        _ => of(failure, operation, Effect::None),
    }
}

/// Which promise of the schema a statement broke, if that is why it failed.
pub(crate) fn violation(failure: &Failure) -> Option<Violation> {
    let refusal = failure.refusal()?;
    match refusal.code() {
        "23503" => Some(Violation::ForeignKey),
        "23505" => rule_of(refusal.table()?, refusal.constraint()?).map(Violation::Unique),
        _ => None,
    }
}

/// The rule a unique index or constraint stands for. The one a table is made with is its primary key.
fn rule_of(table: &str, index: &str) -> Option<UniqueRule> {
    let table = Table::named(table)?;
    let rule = UniqueRule::ALL.iter().copied().find(|rule| rule.index_name() == index);
    match index.strip_prefix(table.name()) {
        Some("_pkey") => Some(UniqueRule::PrimaryKey(table)),
        _ => rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_recognised_by_its_index() {
        for rule in UniqueRule::ALL {
            assert_eq!(rule_of(rule.table().name(), rule.index_name()), Some(*rule));
        }
        for table in Table::ALL {
            let index = format!("{}_pkey", table.name());
            assert_eq!(rule_of(table.name(), &index), Some(UniqueRule::PrimaryKey(*table)));
        }
        assert_eq!(rule_of("orders", "orders_of_somebody_else"), None);
        assert_eq!(rule_of("pg_class", "pg_class_pkey"), None);
    }

    #[test]
    fn an_answer_that_never_came_is_ambiguous_only_where_it_could_matter() {
        for (effect, retry) in [(Effect::None, Retry::Safe), (Effect::Unknown, Retry::Ambiguous)] {
            let error = of(&Failure::Silent, "store.commit", effect);
            assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Timeout, retry));
        }
        let lost = || Failure::Said(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()));
        let error = of(&lost(), "store.commit", Effect::Unknown);
        assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Ambiguous));
        assert_eq!(of(&lost(), "store.read", Effect::None).kind(), ErrorKind::Unavailable);
        assert!(!lost().is_harmless() && !lost().is_passing());
    }
}
