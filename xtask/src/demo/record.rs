//! What was seen: every request with how long it was waited for, every failure, every promise that was made to somebody.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What somebody wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// A guest places an order.
    Order,
    /// A guest follows an order that was placed through the other instance.
    Track,
    /// A guest reads the menu.
    Menu,
    /// An owner changes a price, or looks at it through the other instance.
    Price,
    /// Somebody signs in or out, or asks who they are.
    Session,
    /// An owner uploads a picture, or a guest looks at it.
    Picture,
}

impl What {
    pub(super) const ALL: [Self; 6] =
        [Self::Order, Self::Track, Self::Menu, Self::Price, Self::Session, Self::Picture];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Order => "orders",
            Self::Track => "orders followed",
            Self::Menu => "menus",
            Self::Price => "prices",
            Self::Session => "sessions",
            Self::Picture => "pictures",
        }
    }
}

/// A request. Times are since the beginning of the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) what: What,
    /// Whether it is to change rows: such requests are what a flip makes wait.
    pub(super) writes: bool,
    /// When it was to be sent, whether or not it could be.
    pub(super) due: Duration,
    /// From then to the end of the answer.
    pub(super) waited: Duration,
    pub(super) failed: bool,
}

/// What a foreign writer was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    Accepted,
    Refused,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) requests: Vec<Request>,
    /// The first failures in words; all are counted in the requests.
    pub(super) failures: Vec<String>,
    /// Orders that were acknowledged, with their totals.
    pub(super) orders: BTreeMap<String, String>,
    /// Prices that were acknowledged last, by dish.
    pub(super) prices: BTreeMap<String, String>,
    /// Cookies of those who are signed in, with their addresses.
    pub(super) signed_in: Vec<(String, String)>,
    /// Cookies of those who have signed out.
    pub(super) signed_out: Vec<String>,
    /// Pictures that are shown, by dish: the path and what it holds.
    pub(super) pictures: BTreeMap<String, (String, Vec<u8>)>,
    /// What the foreign writer was told, in the order of time.
    pub(super) foreign: Vec<(Duration, Foreign)>,
}

/// How many failures are kept in words.
const KEPT: usize = 50;

#[derive(Debug)]
pub(super) struct Record {
    pub(super) began: Instant,
    seen: Mutex<Seen>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), seen: Mutex::default() }
    }

    /// What was seen so far. Not to be held over an await.
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn request(&self, what: What, writes: bool, due: Instant, failure: Option<String>) {
        let request = Request {
            what,
            writes,
            due: due.saturating_duration_since(self.began),
            waited: due.elapsed(),
            failed: failure.is_some(),
        };
        let now = self.now();
        let mut seen = self.seen();
        seen.requests.push(request);
        if let Some(failure) = failure
            && seen.failures.len() < KEPT
        {
            eprintln!("    FAILED at {:.1} s: {}: {failure}", now.as_secs_f64(), what.name());
            seen.failures.push(format!("{:.1} s: {}: {failure}", now.as_secs_f64(), what.name()));
        }
    }

    /// Something that is no request and must not be: a broken promise to a foreign writer.
    pub(super) fn fault(&self, fault: String) {
        eprintln!("    {fault}");
        self.seen().failures.push(fault);
    }
}

/// A quantile by nearest rank: with few values the largest.
pub(crate) fn quantile(mut values: Vec<Duration>, quantile: f64) -> Duration {
    values.sort_unstable();
    let rank = (values.len() as f64 * quantile).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_of_a_hundred_is_the_last_but_one_and_of_three_the_last() {
        let ms = |range: std::ops::RangeInclusive<u64>| range.map(Duration::from_millis).collect::<Vec<_>>();
        assert_eq!(quantile(ms(1..=100), 0.99), Duration::from_millis(99));
        assert_eq!(quantile(ms(1..=3), 0.99), Duration::from_millis(3));
        assert_eq!(quantile(Vec::new(), 0.99), Duration::ZERO);
    }
}
