//! What failures of Redis mean. Judged by the kinds of the client and the codes of the server.

use redis::{ErrorKind as Kind, RedisError, ServerErrorKind as Code};
use waiterix_ports::{Error, ErrorKind, Retry};

/// How far a command came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// There was no connection, so it was not sent.
    Connecting,
    /// It was sent.
    Sent,
}

/// A failure as the client of Redis tells it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) stage: Stage,
    pub(super) error: RedisError,
}

impl Failure {
    /// Whether the connection went away, so that nobody knows whether the server did it.
    pub(super) fn is_lost(&self) -> bool {
        self.stage == Stage::Sent && matches!(self.error.kind(), Kind::Io | Kind::Parse) && !self.is_late()
    }

    fn is_late(&self) -> bool {
        self.error.is_timeout()
    }

    /// Whether the server is a replica: after a fail-over the name leads to another one.
    pub(super) fn is_of_replica(&self) -> bool {
        self.error.kind() == Kind::Server(Code::ReadOnly)
    }

    /// Whether the server has not seen the script.
    pub(super) fn is_unknown_script(&self) -> bool {
        self.error.kind() == Kind::Server(Code::NoScript)
    }

    /// Whether the next command had better take a new connection: it is broken, or whoever is at its other end does not
    /// answer, is no primary, or does not know us.
    pub(super) fn spoils_connection(&self) -> bool {
        let code = self.error.code().unwrap_or_default();
        matches!(self.error.kind(), Kind::Io | Kind::Parse | Kind::AuthenticationFailed)
            || matches!(code, "READONLY" | "MASTERDOWN" | "NOAUTH" | "WRONGPASS")
    }

    /// The error of the port.
    pub(super) fn of(&self, operation: &'static str) -> Error {
        let (kind, retry) = self.meaning();
        // The text of the server can quote what was sent, so only its code is kept.
        let error = Error::new(kind, operation).retry(retry);
        match self.error.code() {
            Some(code) => error.with("code", code),
            None => error.with("fault", self.error.category()),
        }
    }

    fn meaning(&self) -> (ErrorKind, Retry) {
        let unknown = if self.stage == Stage::Sent { Retry::Ambiguous } else { Retry::Safe };
        match self.error.kind() {
            Kind::Io if self.is_late() && self.stage == Stage::Sent => (ErrorKind::Timeout, Retry::Ambiguous),
            Kind::Io | Kind::Parse => (ErrorKind::Unavailable, unknown),
            Kind::AuthenticationFailed => (ErrorKind::Denied, Retry::No),
            Kind::UnexpectedReturnType => (ErrorKind::Corrupt, Retry::No),
            Kind::Server(Code::NoPerm) => (ErrorKind::Denied, Retry::No),
            // Redis has no code for this one refusal; it is the only text that is looked at.
            Kind::Server(Code::ResponseError) if self.says("max number of clients") => {
                (ErrorKind::Throttled, Retry::Safe)
            }
            Kind::Server(
                Code::BusyLoading
                | Code::MasterDown
                | Code::ReadOnly
                | Code::ClusterDown
                | Code::TryAgain
                | Code::NoScript,
            ) => (ErrorKind::Unavailable, Retry::Safe),
            _ => self.meaning_of_code(),
        }
    }

    /// What codes mean that the client has no kind for.
    fn meaning_of_code(&self) -> (ErrorKind, Retry) {
        match self.error.code().unwrap_or_default() {
            "NOAUTH" | "WRONGPASS" => (ErrorKind::Denied, Retry::No),
            // A full server frees memory as sessions end; none of the others did anything either.
            "OOM" | "BUSY" | "MISCONF" | "NOREPLICAS" => (ErrorKind::Unavailable, Retry::Safe),
            "WRONGTYPE" => (ErrorKind::Corrupt, Retry::No),
            // MOVED, CROSSSLOT, or a server that does not know a command: it is not the kind this is made for.
            _ => (ErrorKind::Unsupported, Retry::No),
        }
    }

    fn says(&self, text: &str) -> bool {
        self.error.detail().is_some_and(|detail| detail.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn sent(error: impl Into<RedisError>) -> Failure {
        Failure { stage: Stage::Sent, error: error.into() }
    }

    /// What the server says in a line of its protocol, as the client reads it.
    fn said(line: &str) -> Failure {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        sent(value.extract_error().unwrap_err())
    }

    #[test]
    fn answers_of_the_server_are_judged_by_their_codes() {
        for (line, kind, retry) in [
            ("NOAUTH Authentication required.", ErrorKind::Denied, Retry::No),
            ("WRONGPASS invalid username-password pair", ErrorKind::Denied, Retry::No),
            ("NOPERM this user has no permissions", ErrorKind::Denied, Retry::No),
            ("LOADING Redis is loading the dataset in memory", ErrorKind::Unavailable, Retry::Safe),
            ("BUSY Redis is busy running a script.", ErrorKind::Unavailable, Retry::Safe),
            ("MASTERDOWN Link with MASTER is down", ErrorKind::Unavailable, Retry::Safe),
            ("READONLY You can't write against a read only replica.", ErrorKind::Unavailable, Retry::Safe),
            ("CLUSTERDOWN The cluster is down", ErrorKind::Unavailable, Retry::Safe),
            ("TRYAGAIN Multiple keys request during rehashing", ErrorKind::Unavailable, Retry::Safe),
            ("OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::Unavailable, Retry::Safe),
            ("MISCONF Errors writing to the AOF file", ErrorKind::Unavailable, Retry::Safe),
            ("ERR max number of clients reached", ErrorKind::Throttled, Retry::Safe),
            ("WRONGTYPE Operation against a key", ErrorKind::Corrupt, Retry::No),
            ("MOVED 1 10.0.0.1:6379", ErrorKind::Unsupported, Retry::No),
            ("CROSSSLOT Keys in request don't hash to the same slot", ErrorKind::Unsupported, Retry::No),
            (
                "ERR unknown command 'GETDEL', with args beginning with: 'secret'",
                ErrorKind::Unsupported,
                Retry::No,
            ),
        ] {
            let error = said(line).of("session.load");
            assert_eq!((error.kind(), error.retry_advice()), (kind, retry), "{line}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn failures_of_the_network_tell_what_is_known() {
        let failures = [
            (Stage::Sent, io::ErrorKind::BrokenPipe, ErrorKind::Unavailable, Retry::Ambiguous, true),
            (Stage::Sent, io::ErrorKind::ConnectionReset, ErrorKind::Unavailable, Retry::Ambiguous, true),
            (Stage::Sent, io::ErrorKind::TimedOut, ErrorKind::Timeout, Retry::Ambiguous, false),
            (Stage::Connecting, io::ErrorKind::ConnectionRefused, ErrorKind::Unavailable, Retry::Safe, false),
            (Stage::Connecting, io::ErrorKind::TimedOut, ErrorKind::Unavailable, Retry::Safe, false),
        ];
        for (stage, cause, kind, retry, is_lost) in failures {
            let failure = Failure { stage, error: io::Error::from(cause).into() };
            let error = failure.of("session.load");
            assert_eq!((error.kind(), error.retry_advice()), (kind, retry), "{stage:?} {cause:?}");
            assert_eq!(failure.is_lost(), is_lost, "{stage:?} {cause:?}");
            assert!(failure.spoils_connection());
        }
    }

    #[test]
    fn a_refused_password_is_denied() {
        let refused = Failure {
            stage: Stage::Connecting,
            error: (Kind::AuthenticationFailed, "Password authentication failed").into(),
        };
        assert_eq!(refused.of("session.check").kind(), ErrorKind::Denied);
    }

    #[test]
    fn only_what_says_something_of_the_connection_spoils_it() {
        assert!(said("READONLY You can't write").spoils_connection());
        assert!(said("NOAUTH Authentication required.").spoils_connection());
        assert!(!said("OOM command not allowed").spoils_connection());
        assert!(!said("NOSCRIPT No matching script").spoils_connection());
        assert!(!said("WRONGTYPE Operation against a key").spoils_connection());
    }
}
