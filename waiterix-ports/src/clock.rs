//! The one place that reads the time.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use waiterix_domain::Timestamp;

/// Tells the time. Passed to everything that needs it, so that tests can stop it.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one module that reads the clock")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 or after 9999 is broken beyond repair here; the epoch makes it visible.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_micros()).ok())
            .and_then(Timestamp::from_micros)
            .unwrap_or(Timestamp::EPOCH)
    }
}
