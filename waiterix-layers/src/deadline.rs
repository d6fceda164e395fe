//! By when the work at hand must be done.

use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static CURRENT: Deadline;
}

/// An instant after which nobody waits for the answer any more.
///
/// It goes with a task, not through the signatures of ports: whoever knows by when the answer is needed (a Lambda
/// function knows how much time it has left, an HTTP server its own limit) runs the work inside [`Deadline::scope`].
/// [`Timeout`](crate::Timeout) gives up at it, and [`Retry`](crate::Retry) begins nothing that could only begin after
/// it. Without a scope there is none. A task that is spawned inside a scope is outside of it; give it
/// [`Deadline::current`] along if its work is part of the same answer.
///
/// ```
/// use std::time::Duration;
/// use waiterix_layers::Deadline;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let left = Duration::from_secs(25);
/// let answer = Deadline::after(left).scope(async { Deadline::current() }).await;
/// assert!(answer.is_some_and(|deadline| deadline.left() <= left));
/// assert_eq!(Deadline::current(), None);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// At an instant.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// After a time from now. A time too long to be counted is a century.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
        Self(Instant::now() + time.min(CENTURY))
    }

    /// The one the running task works under, if there is one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|deadline| *deadline).ok()
    }

    /// This one, or the one the running task works under if that is sooner.
    #[must_use]
    pub fn or_current(self) -> Self {
        Self::current().map_or(self, |current| current.min(self))
    }

    /// Runs something under this deadline, or under the one it works under already if that is sooner: a scope can only
    /// make it tighter.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self.or_current(), work).await
    }

    /// The instant.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// How much time is left; zero when it is past.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}
