//! How much is done at once, so that guests do not notice.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::progress::{Event, Progress};
use super::sides::Sides;
use crate::phase::Leader;

/// How long the application takes to answer, as somebody measures it; `None` where nobody does.
pub type Latency = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

/// What is bearable.
#[derive(Debug, Clone, PartialEq)]
pub struct ThrottleSettings {
    /// The most that is done at once. 4.
    pub most: u32,
    /// Above this pressure of either server less is done. 100 ms.
    pub pressure: Duration,
    /// Above this latency of the application less is done. 250 ms.
    pub latency: Duration,
    /// How long a pause is while even one at a time is too much. 1 s.
    pub pause: Duration,
    /// How often it is measured. 1 s.
    pub measure: Duration,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            most: 4,
            pressure: Duration::from_millis(100),
            latency: Duration::from_millis(250),
            pause: Duration::from_secs(1),
            measure: Duration::from_secs(1),
        }
    }
}

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How many ranges at once; at least 1.
    pub at_once: u32,
    /// The pause before the next one.
    pub pause: Duration,
}

/// What was measured; `None` where that failed or is not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throttle {
    /// The higher pressure of the two servers.
    pub pressure: Option<Duration>,
    /// How long the application takes to answer.
    pub latency: Option<Duration>,
}

impl Throttle {
    /// What is done next: one more while all is well, half when a limit is passed, and a pause when that is not enough or far
    /// too much. What cannot be measured is taken for a passed limit: a server that does not answer has enough to do.
    #[must_use]
    pub fn step(&self, load: Load, settings: &ThrottleSettings) -> Load {
        let pressure = self.pressure.map_or(2.0, |pressure| share(pressure, settings.pressure));
        let latency = self.latency.map_or(0.0, |latency| share(latency, settings.latency));
        let worst = pressure.max(latency);
        let most = settings.most.max(1);
        if worst <= 0.5 {
            Load { at_once: (load.at_once + 1).min(most), pause: Duration::ZERO }
        } else if worst <= 1.0 {
            Load { at_once: load.at_once.clamp(1, most), pause: Duration::ZERO }
        } else {
            let is_too_much = worst > 3.0 || load.at_once <= 1;
            let pause = if is_too_much { settings.pause } else { Duration::ZERO };
            Load { at_once: (load.at_once / 2).clamp(1, most), pause }
        }
    }
}

/// Says how much is done at once, by what is measured now and then.
pub(super) struct Governor {
    sides: Sides,
    settings: ThrottleSettings,
    progress: Arc<dyn Progress>,
    latency: Latency,
    load: Load,
    /// Of the load, for whoever comes next.
    pause: Duration,
    measured: Instant,
}

impl fmt::Debug for Governor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governor")
            .field("settings", &self.settings)
            .field("load", &self.load)
            .finish_non_exhaustive()
    }
}

impl Governor {
    /// One that begins with little.
    pub(super) fn new(
        sides: Sides,
        settings: ThrottleSettings,
        progress: Arc<dyn Progress>,
        latency: Latency,
    ) -> Self {
        let load = Load { at_once: settings.most.clamp(1, 2), pause: Duration::ZERO };
        Self { sides, settings, progress, latency, load, pause: load.pause, measured: Instant::now() }
    }

    /// How much is done at once from now on.
    pub(super) async fn at_once(&mut self) -> usize {
        if self.measured.elapsed() >= self.settings.measure {
            let now = self.measure().await.step(self.load, &self.settings);
            if now != self.load {
                self.progress.tell(&Event::Throttled(now));
            }
            (self.load, self.pause, self.measured) = (now, now.pause, Instant::now());
        }
        self.load.at_once as usize
    }

    /// The pause before the next. It is for the first that comes after it.
    pub(super) const fn pause(&mut self) -> Duration {
        std::mem::replace(&mut self.pause, Duration::ZERO)
    }

    async fn measure(&self) -> Throttle {
        let (old, new) =
            tokio::join!(self.sides.of(Leader::Old).pressure(), self.sides.of(Leader::New).pressure());
        let pressure = old.and_then(|old| Ok(old.max(new?))).ok();
        Throttle { pressure, latency: (self.latency)() }
    }
}

fn share(measured: Duration, limit: Duration) -> f64 {
    measured.as_secs_f64() / limit.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn more_while_all_is_well_half_when_it_is_not_and_a_pause_when_nothing_helps() {
        let settings = ThrottleSettings::default();
        let load = |at_once, pause| Load { at_once, pause: ms(pause) };
        let cases = [
            (Some(5), Some(20), load(2, 0), load(3, 0)),
            (Some(5), Some(20), load(4, 0), load(4, 0)),
            (Some(80), Some(20), load(3, 0), load(3, 0)),
            (Some(5), Some(300), load(4, 0), load(2, 0)),
            (Some(150), None, load(4, 0), load(2, 0)),
            (Some(150), None, load(1, 0), load(1, 1000)),
            (Some(1000), Some(20), load(4, 0), load(2, 1000)),
            (None, Some(20), load(4, 0), load(2, 0)),
            (Some(5), None, load(1, 1000), load(2, 0)),
        ];
        for (pressure, latency, before, after) in cases {
            let measured = Throttle { pressure: pressure.map(ms), latency: latency.map(ms) };
            assert_eq!(measured.step(before, &settings), after, "{measured:?} {before:?}");
        }
    }

    #[test]
    fn a_limit_of_nothing_still_lets_one_at_a_time() {
        let settings = ThrottleSettings { most: 0, pressure: Duration::ZERO, ..ThrottleSettings::default() };
        let measured = Throttle { pressure: Some(ms(50)), latency: None };
        assert_eq!(measured.step(Load { at_once: 0, pause: Duration::ZERO }, &settings).at_once, 1);
    }
}
