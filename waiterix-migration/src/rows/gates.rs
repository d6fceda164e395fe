//! What must be true before the lead changes.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use waiterix_domain::Timestamp;
use waiterix_ports::Result;
use waiterix_ports::moving::Mode;

use super::lead::{REFRESH, SILENCE};
use super::sides::Sides;
use super::verify::Report;
use crate::phase::Leader;

/// What is bearable.
#[derive(Debug, Clone, PartialEq)]
pub struct GateSettings {
    /// How old a clean comparison may be; `None` asks for none, which is for a way back in an emergency. 15 minutes.
    pub compared_within: Option<Duration>,
    /// The most entries of the journal. 1 000.
    pub entries: u64,
    /// The highest age of the oldest one. 2 s.
    pub age: Duration,
    /// The highest pressure of either server. 200 ms.
    pub pressure: Duration,
    /// The highest difference of either server's clock from ours. 10 s.
    pub clock: Duration,
    /// How long to wait for processes that serve to see who leads, as after a change a moment ago. 5 s.
    pub seen_within: Duration,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            compared_within: Some(Duration::from_secs(900)),
            entries: 1_000,
            age: Duration::from_secs(2),
            pressure: Duration::from_millis(200),
            clock: Duration::from_secs(10),
            seen_within: Duration::from_secs(5),
        }
    }
}

/// What was looked at, and what was found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gates {
    /// Every gate by name, with what is wrong; `None` where nothing is.
    pub gates: Vec<(&'static str, Option<String>)>,
}

impl Gates {
    /// Whether all are open.
    #[must_use]
    pub fn are_open(&self) -> bool {
        self.gates.iter().all(|(_, fault)| fault.is_none())
    }

    /// What is wrong, as one text.
    #[must_use]
    pub fn faults(&self) -> String {
        let faults =
            self.gates.iter().filter_map(|(name, fault)| Some(format!("{name}: {}", fault.as_ref()?)));
        faults.collect::<Vec<_>>().join("; ")
    }

    fn gate(&mut self, name: &'static str, fault: Option<String>) {
        self.gates.push((name, fault));
    }

    /// Looks at all of them.
    ///
    /// # Errors
    /// When a side cannot be asked.
    pub async fn look(
        sides: &Sides,
        from: Leader,
        report: Option<&Report>,
        now: Timestamp,
        settings: &GateSettings,
    ) -> Result<Self> {
        let mut gates = Self::default();
        let (giving, taking) = (sides.of(from), sides.of(from.other()));
        let (ours, theirs) = (giving.survey().await?, taking.survey().await?);
        let standings = ours.standing.zip(theirs.standing);
        let stands = standings.is_some_and(|(ours, theirs)| {
            ours.mode == Mode::Open && theirs.mode == Mode::Mirror && ours.epoch == theirs.epoch
        });
        gates.gate(
            "standings",
            (!stands)
                .then(|| format!("the {} side does not lead, or the other does not follow", from.as_str())),
        );
        let is_same = ours.identity == theirs.identity;
        gates.gate("two databases", is_same.then(|| "both are the same database".to_owned()));
        for (name, survey) in [("the side that leads", &ours), ("the side that follows", &theirs)] {
            let mut faults = [&*survey.faults, &*survey.unguarded].concat();
            let skew = Duration::from_millis(survey.clock_ahead_ms.unsigned_abs());
            if skew > settings.clock {
                faults.push(format!("its clock is off by {} ms", survey.clock_ahead_ms));
            }
            gates.gate(name, (!faults.is_empty()).then(|| faults.join(", ")));
        }
        for (name, side) in [("pressure of the leader", giving), ("pressure of the other side", taking)] {
            let pressure = side.pressure().await?;
            gates.gate(name, (pressure > settings.pressure).then(|| format!("{} ms", pressure.as_millis())));
        }
        let is_copied = from == Leader::New || sides.is_copied().await?;
        gates.gate("copy", (!is_copied).then(|| "not complete".to_owned()));
        let backlog = giving.backlog().await?;
        let is_long = backlog.entries > settings.entries || backlog.age > settings.age;
        let text = || format!("{} entries, the oldest {} ms old", backlog.entries, backlog.age.as_millis());
        gates.gate("journal", is_long.then(text));
        let quarantined = giving.quarantined(10).await?;
        let text = || {
            let keys = quarantined.iter().map(|quarantined| {
                format!("{} {} ({})", quarantined.key.table, quarantined.key.id, quarantined.reason)
            });
            keys.collect::<Vec<_>>().join(", ")
        };
        gates.gate("quarantine", (!quarantined.is_empty()).then(text));
        gates.gate("comparison", comparison(report, from, now, settings));
        let turn = ours.standing.map_or(0, |standing| standing.turn);
        let behind = behind_for(sides, from, turn, settings.seen_within).await?;
        gates.gate(
            "instances",
            (!behind.is_empty()).then(|| format!("have not seen who leads: {}", behind.join(", "))),
        );
        Ok(gates)
    }
}

/// The instances that have not seen a turn, when they have had time to look.
async fn behind_for(sides: &Sides, side: Leader, turn: u64, time: Duration) -> Result<Vec<String>> {
    let end = Instant::now() + time;
    loop {
        let behind = sides.behind(side, turn).await?;
        if behind.is_empty() || Instant::now() >= end {
            return Ok(behind);
        }
        sleep(REFRESH / 4).await;
    }
}

/// What is wrong with the last comparison.
fn comparison(
    report: Option<&Report>,
    from: Leader,
    now: Timestamp,
    settings: &GateSettings,
) -> Option<String> {
    let within = settings.compared_within?;
    let Some(report) = report else { return Some("there is none".to_owned()) };
    if report.direction.leader != from {
        return Some("the last one is of the other direction".to_owned());
    }
    if !report.is_clean() {
        let restless: u64 = report.tables.iter().map(|table| table.restless).sum();
        return Some(format!("{} differences, {restless} keys not judged", report.differences().count()));
    }
    let age = u128::try_from(now.as_micros() - report.ended.as_micros()).unwrap_or(u128::MAX);
    (age > within.as_micros()).then(|| "the last one is too old".to_owned())
}

impl Sides {
    /// The instances that may still believe what was before a turn of a side. One that has been silent for [`SILENCE`] believes
    /// nothing without a look, and of one that was forgotten it was said that it is dead.
    ///
    /// # Errors
    /// When they cannot be asked for.
    pub async fn behind(&self, side: Leader, turn: u64) -> Result<Vec<String>> {
        let instances = self.of(Leader::New).instances().await?;
        let seen = |instance: &waiterix_ports::moving::Instance| match side {
            Leader::Old => instance.old_turn,
            Leader::New => instance.new_turn,
        };
        let behind = instances
            .into_iter()
            .filter(|instance| instance.left(SILENCE).is_some() && seen(instance) < turn);
        Ok(behind.map(|instance| instance.id).collect())
    }

    /// Whether an instance was forgotten that has not been silent for [`SILENCE`]: if it lives after all, it may not know yet that
    /// it must look before each read.
    ///
    /// # Errors
    /// When they cannot be asked for.
    pub(super) async fn have_forgotten(&self) -> Result<bool> {
        let instances = self.of(Leader::New).instances().await?;
        Ok(instances.iter().any(|instance| instance.is_forgotten && instance.silent_for < SILENCE))
    }
}
