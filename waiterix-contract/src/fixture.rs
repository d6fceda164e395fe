//! A fresh adapter with what a case needs around it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use waiterix_domain::Timestamp;
use waiterix_ports::{Clock, SystemClock};

use crate::ManualClock;

/// Spoils the stored record with a name.
type Vandal = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A fresh, empty instance of an adapter, and whatever must live as long as it (a temporary folder, a server).
pub struct Fixture<P: ?Sized> {
    /// The adapter.
    pub port: Arc<P>,
    manual: Option<Arc<ManualClock>>,
    vandal: Option<Vandal>,
    guards: Vec<Box<dyn Any + Send + Sync>>,
}

impl<P: ?Sized> fmt::Debug for Fixture<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").field("manual_clock", &self.manual.is_some()).finish_non_exhaustive()
    }
}

impl<P: ?Sized> Fixture<P> {
    /// A fixture of an adapter that lives by the clock of its server.
    #[must_use]
    pub fn new(port: Arc<P>) -> Self {
        Self { port, manual: None, vandal: None, guards: Vec::new() }
    }

    /// Says that the adapter lives by this clock, so that cases about expiry need not wait.
    #[must_use]
    pub fn clocked(mut self, clock: Arc<ManualClock>) -> Self {
        self.manual = Some(clock);
        self
    }

    /// Keeps something alive as long as the fixture.
    #[must_use]
    pub fn guarded(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guards.push(Box::new(guard));
        self
    }

    /// Says how the stored record with a name (for a session: its id) is made unreadable behind the adapter's back.
    #[must_use]
    pub fn vandalised<F>(mut self, spoil: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.vandal = Some(Box::new(move |name| Box::pin(spoil(name))));
        self
    }

    /// Makes the stored record with a name unreadable.
    ///
    /// # Panics
    /// When the fixture does not say how: a clause that cannot be proven is a failed one.
    #[allow(clippy::expect_used, reason = "a failed case is a panic")]
    pub async fn vandalise(&self, name: &str) {
        let vandal = self.vandal.as_ref().expect("this case needs a fixture with `vandalised`");
        vandal(name.to_owned()).await;
    }

    /// Moves a manual clock; on a real clock nothing happens, so what is asserted next must hold with and without.
    pub fn advance(&self, by: Duration) {
        if let Some(clock) = &self.manual {
            clock.advance(by);
        }
    }

    /// The instant the adapter lives in.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.manual.as_ref().map_or_else(|| SystemClock.now(), |clock| clock.now())
    }

    /// Lets time pass until a condition holds: a manual clock is moved by `by` and the condition must hold then; on a
    /// real clock the condition is polled and must hold within `by` and ten seconds more.
    pub async fn after<F: Future<Output = bool>>(&self, by: Duration, what: &str, condition: impl Fn() -> F) {
        if let Some(clock) = &self.manual {
            clock.advance(by);
            assert!(condition().await, "{what}");
        } else {
            eventually(by + Duration::from_secs(10), what, condition).await;
        }
    }
}

/// Polls a condition until it holds; panics when it does not within the deadline.
#[allow(clippy::panic, reason = "a failed case is a panic")]
pub async fn eventually<F: Future<Output = bool>>(within: Duration, what: &str, condition: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + within;
    let mut pause = Duration::from_millis(5);
    while !condition().await {
        if tokio::time::Instant::now() >= deadline {
            panic!("not within {within:?}: {what}");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
