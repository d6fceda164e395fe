//! The servers that all tests of a run share.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use url::Url;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// PostgreSQL; the role in the URL may make databases.
    Postgres,
    /// PgBouncer in transaction mode in front of the PostgreSQL above, for every database of it.
    PgBouncer,
    /// Redis.
    Redis,
    /// S3, SES, DynamoDB, API Gateway and more, emulated by MiniStack.
    Aws,
    /// DynamoDB, a second opinion.
    Dynalite,
    /// Google Cloud Storage, emulated by gcp-storage-emulator.
    Gcs,
}

impl Backend {
    /// Every kind, in an order in which each can be started after those before it.
    pub const ALL: &'static [Self] =
        &[Self::Postgres, Self::PgBouncer, Self::Redis, Self::Aws, Self::Dynalite, Self::Gcs];

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::PgBouncer => "PgBouncer",
            Self::Redis => "Redis",
            Self::Aws => "MiniStack",
            Self::Dynalite => "dynalite",
            Self::Gcs => "GCS",
        }
    }

    /// The variable that says where a server of this kind is.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "WAITERIX_TEST_POSTGRES_URL",
            Self::PgBouncer => "WAITERIX_TEST_PGBOUNCER_URL",
            Self::Redis => "WAITERIX_TEST_REDIS_URL",
            Self::Aws => "WAITERIX_TEST_AWS_URL",
            Self::Dynalite => "WAITERIX_TEST_DYNALITE_URL",
            Self::Gcs => "WAITERIX_TEST_GCS_URL",
        }
    }
}

/// The server of a kind that the test command started, or that the environment names. Without one it says so on
/// standard error, once per process, and answers nothing.
///
/// # Panics
/// With `WAITERIX_REQUIRE=all` where there is none: then nothing may be left out. With a URL that is none.
#[must_use]
#[allow(clippy::panic, reason = "a test that would prove nothing must fail")]
#[allow(clippy::disallowed_methods, reason = "the test command speaks to its tests through the environment")]
pub fn given(backend: Backend) -> Option<Url> {
    let text = std::env::var(backend.variable()).ok().filter(|text| !text.is_empty());
    if let Some(text) = text {
        let url = Url::parse(&text);
        return Some(url.unwrap_or_else(|error| panic!("{}: {error}", backend.variable())));
    }
    let why = format!("{} is not set; `cargo xtask test` starts {}", backend.variable(), backend.name());
    missing(backend.name(), &why);
    None
}

/// Says loudly that a test is left out for want of something.
///
/// # Panics
/// With `WAITERIX_REQUIRE=all`.
#[allow(clippy::panic, reason = "a test that would prove nothing must fail")]
pub fn missing(what: &'static str, why: &str) {
    static SAID: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    assert!(!required(), "a test needs {what}, and nothing may be left out: {why}");
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(what) {
        // Nobody may be listening; the test is left out all the same.
        let _ = writeln!(std::io::stderr(), "LEFT OUT for want of {what}: {why}");
    }
}

/// Whether nothing may be left out: `WAITERIX_REQUIRE=all`.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the test command speaks to its tests through the environment")]
pub fn required() -> bool {
    std::env::var("WAITERIX_REQUIRE").is_ok_and(|what| what == "all")
}
