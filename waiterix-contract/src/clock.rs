//! A clock that only moves when told.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use waiterix_domain::Timestamp;
use waiterix_ports::Clock;

/// A clock for tests. It starts at a fixed instant and moves only by [`ManualClock::advance`].
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl Default for ManualClock {
    /// 2025-01-31T09:05:07.000Z.
    fn default() -> Self {
        Self(AtomicI64::new(1_738_314_307_000_000))
    }
}

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }
}
