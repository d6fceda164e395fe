//! What befalls a call.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use waiterix_ports::{Error, ErrorKind, Result, Retry};

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It does not get through.
    Refuse,
    /// It is done, and the answer is lost.
    Swallow,
}

/// Asked before each call of a side. It may take its time: a schedule holds calls up here, and one that never answers is a
/// process that died.
#[async_trait]
pub trait Faults: fmt::Debug + Send + Sync + 'static {
    /// What befalls this call. Calls are named like `shift`, `claim.forget`, `hold.make`, `write`.
    async fn at(&self, call: &'static str) -> Fault;
}

/// Has something befall a call.
pub(super) async fn befall<T>(
    faults: &dyn Faults,
    call: &'static str,
    work: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    match faults.at(call).await {
        Fault::None => work.await,
        Fault::Refuse => Err(Error::new(ErrorKind::Unavailable, call).retry(Retry::Safe)),
        Fault::Swallow => {
            drop(work.await);
            Err(Error::new(ErrorKind::Timeout, call).retry(Retry::Ambiguous))
        }
    }
}

type Intrusion = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The way to a side, which a test cuts and mends.
#[derive(Default)]
pub struct Wire {
    fault: Mutex<Fault>,
    once: Mutex<Vec<(&'static str, Fault, Option<Intrusion>)>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// A panic elsewhere leaves what tests set whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wire {
    /// What befalls every call from now on.
    pub fn set(&self, fault: Fault) {
        *lock(&self.fault) = fault;
    }

    /// What befalls the next call with this name.
    pub fn once(&self, call: &'static str, fault: Fault) {
        lock(&self.once).push((call, fault, None));
    }

    /// What happens just before the next call with this name gets through.
    pub fn before(&self, call: &'static str, then: impl Future<Output = ()> + Send + 'static) {
        lock(&self.once).push((call, Fault::None, Some(Box::pin(then))));
    }

    /// The next call with this name never comes to an end: whoever made it died.
    pub fn die_at(&self, call: &'static str) {
        self.before(call, std::future::pending());
    }

    /// Whether everything that should happen once has happened.
    #[must_use]
    pub fn has_happened(&self) -> bool {
        lock(&self.once).is_empty()
    }
}

#[async_trait]
impl Faults for Wire {
    async fn at(&self, call: &'static str) -> Fault {
        let once = {
            let mut once = lock(&self.once);
            once.iter().position(|(name, ..)| *name == call).map(|place| once.remove(place))
        };
        match once {
            Some((_, fault, then)) => {
                if let Some(then) = then {
                    then.await;
                }
                fault
            }
            None => *lock(&self.fault),
        }
    }
}

/// Faults by chance. The same seed and the same order of calls give the same faults.
#[derive(Debug)]
pub struct Dice {
    random: Mutex<fastrand::Rng>,
    /// Of a thousand calls, how many are refused.
    refused: u32,
    /// Of a thousand calls, how many are done without an answer.
    swallowed: u32,
    /// The longest time a call is held up.
    delay: Duration,
}

impl Dice {
    /// Refuses and swallows so many calls of a thousand, and holds each one up for at most `delay` of tokio's time.
    #[must_use]
    pub fn new(seed: u64, refused: u32, swallowed: u32, delay: Duration) -> Self {
        Self { random: Mutex::new(fastrand::Rng::with_seed(seed)), refused, swallowed, delay }
    }
}

#[async_trait]
impl Faults for Dice {
    async fn at(&self, _: &'static str) -> Fault {
        let (chance, delay) = {
            let mut random = lock(&self.random);
            (random.u32(0..1000), self.delay.mul_f64(random.f64()))
        };
        if delay.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(delay).await;
        }
        match chance {
            chance if chance < self.refused => Fault::Refuse,
            chance if chance < self.refused + self.swallowed => Fault::Swallow,
            _ => Fault::None,
        }
    }
}
