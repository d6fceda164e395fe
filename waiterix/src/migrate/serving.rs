//! The processes that serve both sides, as whoever changes the lead sees them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use waiterix_domain::Timestamp;
use waiterix_migration::plan::{Budget, SILENT};
use waiterix_migration::rows::SILENCE;
use waiterix_ports::moving::{Leader, MovingPort, PlanStore as _};

use super::databases::Move;
use super::options::Port;
use super::show::{millis, spoken};

/// A process that said that it serves, and did not say that it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Serving {
    pub(super) id: String,
    /// How long nothing was heard of it.
    pub(super) silent: Duration,
    /// For how long a change of the lead of rows still waits for it; `None` if it does not.
    pub(super) for_rows: Option<Duration>,
    /// The same of the other ports.
    pub(super) for_others: Option<Duration>,
    /// Whether an operator said that it is dead.
    pub(super) is_forgotten: bool,
}

/// All of them, by their ids; none where nothing was begun.
pub(super) async fn all(rows: &Move) -> Result<Vec<Serving>, String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    let mut all = BTreeMap::<String, Serving>::new();
    if rows.ledger.is_there().await.map_err(said)? {
        for watcher in rows.ledger.instances().await.map_err(said)? {
            let for_others = watcher.left(Budget::default().gone_after);
            let (id, silent, is_forgotten) = (watcher.id, watcher.silent, watcher.is_forgotten);
            all.insert(id.clone(), Serving { id, silent, for_others, is_forgotten, ..Serving::default() });
        }
    }
    let new = rows.sides.of(Leader::New);
    if new.standing().await.map_err(said)?.is_some() {
        for instance in new.instances().await.map_err(said)? {
            let unheard =
                Serving { id: instance.id.clone(), silent: instance.silent_for, ..Serving::default() };
            let serving = all.entry(instance.id.clone()).or_insert(unheard);
            // It looks at the plan every second, and says what it has seen of rows when that changes.
            serving.silent = serving.silent.min(instance.silent_for);
            serving.for_rows = instance.left(SILENCE);
            serving.is_forgotten |= instance.is_forgotten;
        }
    }
    Ok(all.into_values().collect())
}

impl Serving {
    /// For how long a change of the lead of any port still waits for it, at most.
    pub(super) fn left(&self) -> Option<Duration> {
        self.for_rows.max(self.for_others)
    }

    /// For how long that of one port does, if it is silent; one that lives answers within a moment.
    fn left_of(&self, port: MovingPort) -> Option<Duration> {
        let left = if port == MovingPort::Rows { self.for_rows } else { self.for_others };
        left.filter(|_| self.silent >= SILENT)
    }
}

/// Until when.
pub(super) fn until(now: Timestamp, left: Duration) -> Timestamp {
    now.plus_seconds(i64::try_from(left.as_secs()).unwrap_or(i64::MAX))
}

/// Those that a change of the lead of a port would wait for, although nothing is heard of them.
pub(super) fn silent(all: &[Serving], port: MovingPort, now: Timestamp) -> Value {
    let silent = all.iter().filter_map(|one| {
        let until = until(now, one.left_of(port)?).to_string();
        Some(json!({ "id": one.id, "silentMs": millis(one.silent), "waitedUntil": until }))
    });
    silent.collect()
}

/// The same of several ports, for people.
pub(super) fn told(all: &[Serving], ports: &[Port], now: Timestamp) -> Vec<String> {
    let told = all.iter().filter_map(|one| {
        let left = ports.iter().filter_map(|port| one.left_of(port.moving())).max()?;
        Some(format!(
            "SILENT        {}: not heard of for {}; a change of the lead waits for it until {}. If it is dead: `waiterix migrate \
             forget {}`",
            one.id,
            spoken(one.silent),
            until(now, left),
            one.id
        ))
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_and_waited_for_is_told_with_until_when() {
        let seconds = Duration::from_secs;
        let serving = |id: &str, silent, for_rows: Option<u64>, for_others: Option<u64>| Serving {
            id: id.to_owned(),
            silent: seconds(silent),
            for_rows: for_rows.map(seconds),
            for_others: for_others.map(seconds),
            is_forgotten: false,
        };
        let all = [
            serving("lives", 1, Some(59), Some(899)),
            serving("silent", 20, Some(40), Some(880)),
            serving("gone for rows", 100, None, Some(800)),
            serving("gone", 1_000, None, None),
        ];
        let now = Timestamp::EPOCH;
        let of = |port| silent(&all, port, now);
        let at = |seconds| now.plus_seconds(seconds).to_string();
        assert_eq!(
            of(MovingPort::Rows),
            json!([{ "id": "silent", "silentMs": 20_000, "waitedUntil": at(40) }])
        );
        assert_eq!(
            of(MovingPort::Mail),
            json!([
                { "id": "silent", "silentMs": 20_000, "waitedUntil": at(880) },
                { "id": "gone for rows", "silentMs": 100_000, "waitedUntil": at(800) },
            ])
        );
        let told = told(&all, &[Port::Rows, Port::Mail], now);
        assert_eq!(told.len(), 2, "{told:?}");
        for part in ["silent: not heard of for 20 s", &at(880), "`waiterix migrate forget silent`"] {
            assert!(told[0].contains(part), "{part} in {told:?}");
        }
    }
}
