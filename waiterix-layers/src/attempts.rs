//! How often a call was begun, told by what begins it again to what is around that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

tokio::task_local! {
    static CURRENT: Attempts;
}

/// Counts the attempts of one call.
#[derive(Debug, Clone)]
pub(crate) struct Attempts(Arc<AtomicU32>);

impl Attempts {
    /// The first attempt.
    pub(crate) fn first() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }

    /// Runs a call whose further attempts count.
    pub(crate) async fn scope<F: Future>(&self, call: F) -> F::Output {
        CURRENT.scope(self.clone(), call).await
    }

    /// How many there were so far.
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Notes that the call at hand is begun once more, if anybody counts.
pub(crate) fn note_another() {
    if let Ok(attempts) = CURRENT.try_with(Attempts::clone) {
        attempts.0.fetch_add(1, Ordering::Relaxed);
    }
}
