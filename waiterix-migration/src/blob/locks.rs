//! One at a time for each key, within this process.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash as _, Hasher as _};

use tokio::sync::{Mutex, MutexGuard};

/// Few enough to be cheap, many enough that two keys rarely wait for one another.
const LOCKS: u64 = 64;

/// Keeps what converges, copies and deletes an object apart. Between processes that is up to conditional writes and to looking
/// again; within one it saves the repeats.
pub(super) struct Locks(Vec<Mutex<()>>);

impl Default for Locks {
    fn default() -> Self {
        Self((0..LOCKS).map(|_| Mutex::default()).collect())
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locks")
    }
}

impl Locks {
    /// Waits until nobody else has the key.
    pub(super) async fn of(&self, key: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % LOCKS).unwrap_or_default();
        self.0[place].lock().await
    }
}
