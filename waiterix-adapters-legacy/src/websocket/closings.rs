//! Chef connections that were closed a while ago, for processes that could not hear it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::call::Call;

/// For how long a process that was apart learns what was closed meanwhile.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// The most that is remembered.
const MAX: usize = 1_024;

/// What was closed. A process that could not be reached must not let somebody listen who has signed out, so it is told
/// when it is back. Being told twice does no harm.
#[derive(Debug, Default)]
pub(super) struct Closings {
    recent: Mutex<VecDeque<(Instant, Call)>>,
}

impl Closings {
    pub(super) fn note(&self, call: Call, now: Instant) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= MAX {
            recent.pop_front();
        }
        recent.push_back((now, call));
    }

    /// What is still to be told.
    pub(super) fn recent(&self, now: Instant) -> Vec<Call> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|(at, _)| now.duration_since(*at) < REMEMBERED);
        recent.iter().map(|(_, call)| call.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closings_are_told_for_a_quarter_of_an_hour_and_are_bounded() {
        let closings = Closings::default();
        let begun = Instant::now();
        closings.note(Call::Sweep { made_before: -1 }, begun);
        let later = begun + REMEMBERED / 2;
        assert_eq!(closings.recent(later).len(), 1);
        for number in 0..MAX {
            closings.note(Call::Sweep { made_before: i64::try_from(number).unwrap() }, later);
        }
        assert_eq!(closings.recent(later).len(), MAX);
        assert_eq!(closings.recent(later)[0], Call::Sweep { made_before: 0 });
        assert_eq!(closings.recent(later + REMEMBERED), []);
    }
}
