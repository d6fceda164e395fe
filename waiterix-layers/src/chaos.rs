//! Faults on purpose, for tests: the same seed makes the same faults.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use waiterix_ports::{Error, ErrorKind, Result, Retry};

use crate::around::{Around, Call};
use crate::operation::{Operation, Twice};

/// How likely each fault of an operation is, from 0 to 1. The first three exclude one another, so their sum is at most 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Odds {
    /// It fails without being done: `Unavailable`, `Safe`.
    pub refused: f64,
    /// It is done, and its answer is lost: `Timeout`, `Ambiguous`.
    pub lost: f64,
    /// It is done twice, and the second answer is given.
    pub doubled: f64,
    /// It takes longer, up to [`Odds::longest_delay`].
    pub delayed: f64,
    /// The longest delay.
    pub longest_delay: Duration,
}

impl Odds {
    /// Nothing goes wrong.
    pub const NONE: Self =
        Self { refused: 0.0, lost: 0.0, doubled: 0.0, delayed: 0.0, longest_delay: Duration::ZERO };
}

/// A fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Refused,
    Lost,
    Doubled,
}

/// Makes calls fail in the ways the outside fails, by odds.
///
/// What happens to the n-th call depends on the seed, n and the odds of its operation alone. Every error it makes names
/// the seed and the number of the call, so that a test that fails by it can be run again. Clones share the numbering.
///
/// Delays are of tokio's time, which a test can pause.
///
/// ```
/// use std::sync::Arc;
/// use waiterix_layers::{Chaos, Odds, RetryPolicy, operation};
/// use waiterix_ports::Store;
///
/// /// A store that loses one commit in ten, or its answer, behind a retry that makes up for it.
/// fn shaken(store: Arc<dyn Store>, seed: u64) -> Arc<dyn Store> {
///     let odds = Odds { refused: 0.05, lost: 0.05, ..Odds::NONE };
///     let chaos = Chaos::new(seed, Odds::NONE).on(&operation::store::COMMIT, odds);
///     waiterix_layers::retry(waiterix_layers::chaos(store, chaos), RetryPolicy::default(), seed)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Chaos {
    seed: u64,
    calls: Arc<AtomicU64>,
    everywhere: Odds,
    by_operation: HashMap<&'static str, Odds>,
}

impl Chaos {
    /// Chaos with the same odds for every operation.
    #[must_use]
    pub fn new(seed: u64, everywhere: Odds) -> Self {
        Self { seed, calls: Arc::default(), everywhere, by_operation: HashMap::new() }
    }

    /// Chaos with these odds everywhere, as far as a [`Retry`](crate::Retry) can make up for it: nothing is lost or doubled
    /// that must not be sent twice or would be answered differently then.
    #[must_use]
    pub fn repairable(seed: u64, odds: Odds) -> Self {
        let gentle = Odds { lost: 0.0, doubled: 0.0, ..odds };
        let fragile = crate::operation::all().filter(|operation| operation.twice != Twice::SameAnswer);
        fragile.fold(Self::new(seed, odds), |chaos, operation| chaos.on(operation, gentle))
    }

    /// The same with other odds for one operation.
    #[must_use]
    pub fn on(mut self, operation: &'static Operation, odds: Odds) -> Self {
        self.by_operation.insert(operation.name, odds);
        self
    }

    /// How many calls there were so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn odds(&self, operation: &Operation) -> &Odds {
        self.by_operation.get(operation.name).unwrap_or(&self.everywhere)
    }

    /// What happens to the call of this number: a delay, then perhaps a fault.
    fn fate(&self, number: u64, odds: &Odds) -> (Duration, Option<Fault>) {
        // Numbers that follow one another would make seeds that follow one another, so they are spread over all bits.
        let mut dice = fastrand::Rng::with_seed(self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (delay, length, fault) = (dice.f64(), dice.f64(), dice.f64());
        let delay = if delay < odds.delayed { odds.longest_delay.mul_f64(length) } else { Duration::ZERO };
        let fault = if fault < odds.refused {
            Some(Fault::Refused)
        } else if fault < odds.refused + odds.lost {
            Some(Fault::Lost)
        } else if fault < odds.refused + odds.lost + odds.doubled {
            Some(Fault::Doubled)
        } else {
            None
        };
        (delay, fault)
    }

    fn error(&self, kind: ErrorKind, retry: Retry, operation: &Operation, number: u64) -> Error {
        let error = Error::new(kind, operation.name).retry(retry);
        error.with("fault", "chaos").with("seed", self.seed).with("call", number)
    }
}

impl Around for Chaos {
    async fn around<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> Result<T> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let (delay, fault) = self.fate(number, self.odds(call.operation));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match fault {
            Some(Fault::Refused) => {
                Err(self.error(ErrorKind::Unavailable, Retry::Safe, call.operation, number))
            }
            Some(Fault::Lost) => {
                // Whatever the answer is, it does not arrive.
                drop(call.begin().await);
                Err(self.error(ErrorKind::Timeout, Retry::Ambiguous, call.operation, number))
            }
            Some(Fault::Doubled) => {
                let answer = call.begin().await;
                // A body that was read cannot be put once more.
                if call.can_begin_again() { call.begin().await } else { answer }
            }
            None => call.begin().await,
        }
    }
}
