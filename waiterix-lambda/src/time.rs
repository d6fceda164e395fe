//! How long an invocation may take.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use waiterix_domain::Timestamp;
use waiterix_layers::Deadline;

/// The most that is kept back of an invocation's time, to hand the answer over.
const RESERVE: Duration = Duration::from_millis(500);

/// The time of one invocation. The platform ends a process whose time is over, and whoever waits for the answer gets one
/// that says nothing. So an answer is given up before that, and whatever is asked of a port ends before that, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    answer_by: Instant,
    end: Deadline,
}

impl Time {
    /// What is left until `deadline_ms`, the milliseconds since 1970 at which the platform ends the process.
    #[must_use]
    pub fn until(deadline_ms: u64, now: Timestamp) -> Self {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or_default();
        Self::of(Duration::from_millis(deadline_ms.saturating_sub(now_ms)))
    }

    /// This much time from now on.
    #[must_use]
    pub fn of(left: Duration) -> Self {
        let reserve = RESERVE.min(left / 10);
        Self {
            answer_by: Deadline::after(left.saturating_sub(reserve)).instant(),
            // Ports are given up a little later than the answer: whoever waits is then told that it took too long, and not
            // that something failed.
            end: Deadline::after(left.saturating_sub(reserve / 2)),
        }
    }

    /// By when an answer must begin.
    #[must_use]
    pub const fn answer_by(self) -> Instant {
        self.answer_by
    }

    /// By when everything must be done.
    #[must_use]
    pub const fn end(self) -> Instant {
        self.end.instant()
    }

    /// Does something whose calls of ports end in time.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        self.end.scope(work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_due_before_the_platform_ends_the_process_and_before_ports_give_up() {
        let begun = Instant::now();
        for (left_ms, answer_ms, end_ms) in [(29_000, 28_500, 28_750), (3_000, 2_700, 2_850), (0, 0, 0)] {
            let time = Time::of(Duration::from_millis(left_ms));
            assert_eq!(time.answer_by() - begun, Duration::from_millis(answer_ms));
            assert_eq!(time.end() - begun, Duration::from_millis(end_ms));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_an_instant_of_the_clock_and_may_be_past_or_absurd() {
        let now = Timestamp::from_millis(1_738_314_307_000).unwrap();
        assert_eq!(Time::until(1_738_314_317_000, now), Time::of(Duration::from_secs(10)));
        assert_eq!(Time::until(1_738_314_306_000, now), Time::of(Duration::ZERO));
        assert!(Time::until(u64::MAX, now).answer_by() > Instant::now());
    }

    #[tokio::test]
    async fn ports_work_under_the_deadline_of_the_invocation() {
        let time = Time::of(Duration::from_secs(10));
        let seen = time.scope(async { Deadline::current() }).await;
        assert_eq!(seen.map(Deadline::instant), Some(time.end()));
    }
}
