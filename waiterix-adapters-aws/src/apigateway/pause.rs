//! How long to wait before trying again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// The pause after an attempt, counted from 0: doubled each time, and shortened by up to half depending on what is
/// attempted, so that connections refused at the same moment do not come back at the same moment.
pub(super) fn after(attempt: u32, subject: &str) -> Duration {
    let full = FIRST.saturating_mul(1 << attempt.min(10)).min(LONGEST);
    let mut hasher = DefaultHasher::new();
    (subject, attempt).hash(&mut hasher);
    let share = f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    full.mul_f64(1.0 - share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r13_pauses_grow_and_differ_between_connections() {
        for attempt in 0..40 {
            let full = FIRST.saturating_mul(1 << attempt.min(10)).min(LONGEST);
            let pauses: Vec<Duration> = (0..64).map(|n| after(attempt, &format!("c{n}"))).collect();
            assert!(pauses.iter().all(|pause| (full / 2..=full).contains(pause)), "{attempt}: {pauses:?}");
            let spread = *pauses.iter().max().unwrap() - *pauses.iter().min().unwrap();
            assert!(spread > full / 4, "{attempt}: {spread:?}");
        }
    }
}
