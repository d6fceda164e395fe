//! Sending again what may be sent again.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tower::retry::budget::{Budget as _, TpsBudget};
use waiterix_ports::{Error, Result, Retry as Advice};

use crate::around::{Around, Call};
use crate::attempts;
use crate::deadline::Deadline;
use crate::operation::{Operation, Twice};

/// How often and how fast a call is sent again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// The most attempts of one call, the first included; at least 1. 4.
    pub max_attempts: u32,
    /// The longest pause before the second attempt; it doubles with each further one. 50 ms.
    pub first_pause: Duration,
    /// The longest pause before any attempt, unless the outside asks for a longer one. 2 s.
    pub longest_pause: Duration,
    /// The time for all attempts and pauses of one call together: no attempt begins after it, and a
    /// [`Timeout`](crate::Timeout) inside of the retry gives up at it. 20 s.
    pub time: Duration,
    /// Retries per second that are always allowed, over all calls of the port, averaged over ten seconds. 1.
    pub spare_per_second: u32,
    /// Retries allowed in addition, as a share of the calls of the last ten seconds, from 0 to 1. 0.2: an outage makes at
    /// most a fifth more load.
    pub share: f32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(2),
            time: Duration::from_secs(20),
            spare_per_second: 1,
            share: 0.2,
        }
    }
}

/// Sends a call again when its failure and its operation allow that.
///
/// | the failure says | sent again |
/// |---|---|
/// | `No` | never |
/// | `Safe` | after a pause |
/// | `After` a time | after that time and a pause, if that is before the end |
/// | `Ambiguous` | after a pause, unless sending the operation twice is [`Harmful`](Twice::Harmful) |
///
/// A put is sent again only while nobody has begun to read its body. The pause is drawn evenly between nothing and a limit
/// that doubles, so that callers that failed together do not come back together.
///
/// It ends with the last failure when the attempts, the time, the [`Deadline`] of the task or the budget of the port are
/// used up. The budget is one for all calls: while the outside is down, retries are a small share of the calls, and do not
/// keep it down. A failure that says "no effect" after one that may have had an effect is answered as `Ambiguous`.
///
/// It stands outside of a [`Timeout`](crate::Timeout), which then limits each attempt.
pub struct Retry {
    policy: RetryPolicy,
    budget: TpsBudget,
    random: Mutex<fastrand::Rng>,
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// The time over which the budget of retries is reckoned.
const WINDOW: Duration = Duration::from_secs(10);

impl Retry {
    /// One with a budget of its own. Processes should have different seeds, or their pauses are the same. Limits that make
    /// no sense are brought to the nearest that does.
    #[must_use]
    pub fn new(policy: RetryPolicy, seed: u64) -> Self {
        let share = if policy.share.is_finite() { policy.share.clamp(0.0, 1.0) } else { 0.0 };
        Self {
            budget: TpsBudget::new(WINDOW, policy.spare_per_second.min(1_000_000), share),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            policy,
        }
    }

    /// The longest pauses before the second attempt, the third and so on.
    fn limits(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.policy.first_pause.min(self.policy.longest_pause))
            .with_max_delay(self.policy.longest_pause)
            .with_max_times(self.policy.max_attempts.saturating_sub(1) as usize)
            .build()
    }

    /// The pause before the next attempt; nothing when there is none.
    fn pause(&self, advice: Advice, limit: Duration, deadline: Deadline) -> Option<Duration> {
        let asked_for = match advice {
            Advice::After(time) => time,
            Advice::No | Advice::Safe | Advice::Ambiguous => Duration::ZERO,
        };
        // A panic elsewhere while the lock was held leaves the generator whole.
        let chance = self.random.lock().unwrap_or_else(PoisonError::into_inner).f64();
        let pause = asked_for.saturating_add(limit.mul_f64(chance));
        (pause < deadline.left() && self.budget.withdraw()).then_some(pause)
    }
}

/// Whether an operation may be sent again after a failure with this advice.
fn is_allowed(operation: &Operation, advice: Advice) -> bool {
    match advice {
        Advice::No => false,
        Advice::Safe | Advice::After(_) => true,
        Advice::Ambiguous => operation.twice != Twice::Harmful,
    }
}

impl Around for Retry {
    async fn around<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> Result<T> {
        self.budget.deposit();
        let deadline = Deadline::after(self.policy.time).or_current();
        deadline.scope(self.attempts(&call, deadline)).await
    }
}

impl Retry {
    async fn attempts<T>(&self, call: &Call<'_, T>, deadline: Deadline) -> Result<T> {
        let mut limits = self.limits();
        let mut may_be_done = false;
        loop {
            let error = match call.begin().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let advice = error.retry_advice();
            may_be_done |= advice == Advice::Ambiguous;
            let is_allowed = is_allowed(call.operation, advice) && call.can_begin_again();
            let limit = limits.next().filter(|_| is_allowed);
            let Some(pause) = limit.and_then(|limit| self.pause(advice, limit, deadline)) else {
                return Err(if may_be_done { without_promise(error) } else { error });
            };
            tokio::time::sleep(pause).await;
            attempts::note_another();
        }
    }
}

/// A failure after one that may have had an effect: that this attempt had none is no longer true of the call.
fn without_promise(error: Error) -> Error {
    match error.retry_advice() {
        Advice::Safe | Advice::After(_) => error.retry(Advice::Ambiguous),
        Advice::No | Advice::Ambiguous => error,
    }
}
