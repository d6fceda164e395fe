//! The steps of the move: `waiterix migrate …`, run as an operator would while everybody goes on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::record::{Foreign, Record, Seen, quantile};
use crate::command::Failure;

/// How long before and after a flip requests are looked at: one that was due before the fence may have waited for it.
const AROUND: Duration = Duration::from_millis(500);

/// A step that was taken. Times are since the beginning of the record.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) began: Duration,
    pub(super) ended: Duration,
    /// The pause as the step itself measured it, if it says so.
    pub(super) said_pause_ms: Option<f64>,
}

/// What a flip looked like to those who wrote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flip {
    pub(super) name: &'static str,
    pub(super) writes: usize,
    pub(super) longest: Duration,
    pub(super) p99: Duration,
    /// The 99th percentile in the time since the start or the flip before, for comparison.
    pub(super) usual_p99: Duration,
    pub(super) said_pause_ms: Option<f64>,
}

impl Step {
    /// Whether writes move from one side to the other in it.
    pub(super) fn is_flip(&self) -> bool {
        matches!(self.name, "cutover" | "rollback")
    }
}

/// Runs the steps and keeps what they say.
pub(super) struct Steps {
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) variables: Vec<(String, String)>,
    /// A menu as a guest asks for it now: while that takes long, the move gives way.
    pub(super) menu: String,
    /// `--port …` for each port that moves, if not all do.
    pub(super) ports: Vec<String>,
    pub(super) record: Arc<Record>,
    pub(super) taken: Vec<Step>,
}

impl Steps {
    /// Takes a step and waits for its end, while everything else goes on.
    pub(super) async fn take(&mut self, name: &'static str, more: &[&str]) -> Result<(), Failure> {
        let began = self.record.now();
        let log = self.folder.join(format!("{:02}-{name}.log", self.taken.len() + 1));
        let mut command = Command::new(&self.program);
        command.args(["migrate", name]).args(more);
        for port in &self.ports {
            command.args(["--port", port]);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("WAITERIX_GUESTS_URL", &self.menu);
        command
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::create(log.with_extension("err"))?);
        let status = tokio::task::spawn_blocking(move || command.status()).await;
        let status = status.map_err(|error| Failure::Said(error.to_string()))??;
        let ended = self.record.now();
        println!(
            "    {:>6.1} s  migrate {name:<9} {:>7.2} s  {}",
            began.as_secs_f64(),
            (ended - began).as_secs_f64(),
            if status.success() { "done" } else { "FAILED" }
        );
        if !status.success() {
            let said = [std::fs::read_to_string(log.with_extension("err"))?, std::fs::read_to_string(&log)?]
                .join("\n");
            let lines: Vec<&str> = said.trim().lines().collect();
            let end = lines[lines.len().saturating_sub(12)..].join("\n        ");
            return Err(Failure::Said(format!("migrate {name} failed:\n        {end}")));
        }
        let said_pause_ms = pause_in(&log)?;
        self.taken.push(Step { name, began, ended, said_pause_ms });
        Ok(())
    }

    /// How often the old application was told something else than the leader at that time has to say. While the lead changes,
    /// either is right.
    pub(super) fn wrongly_told(&self, seen: &Seen) -> usize {
        let flips = || self.taken.iter().filter(|step| step.is_flip());
        let is_wrong = |(at, told): &&(Duration, Foreign)| {
            if flips().any(|flip| (flip.began..=flip.ended).contains(at)) {
                return false;
            }
            let last = flips().take_while(|flip| flip.ended < *at).last();
            let expected = match last.map(|flip| flip.name) {
                Some("cutover") => Foreign::Refused,
                _ => Foreign::Accepted,
            };
            *told != expected
        };
        seen.foreign.iter().filter(is_wrong).count()
    }

    /// What the flips looked like from outside.
    pub(super) fn flips(&self, seen: &Seen) -> Vec<Flip> {
        let waits = |from: Duration, to: Duration| -> Vec<Duration> {
            let within =
                seen.requests.iter().filter(|request| request.writes && (from..to).contains(&request.due));
            within.map(|request| request.waited).collect()
        };
        let mut before = Duration::ZERO;
        let mut flips = Vec::new();
        for step in &self.taken {
            let from = step.began.saturating_sub(AROUND);
            if step.is_flip() {
                let during = waits(from, step.ended + AROUND);
                flips.push(Flip {
                    name: step.name,
                    writes: during.len(),
                    longest: during.iter().max().copied().unwrap_or_default(),
                    p99: quantile(during, 0.99),
                    usual_p99: quantile(waits(before, from), 0.99),
                    said_pause_ms: step.said_pause_ms,
                });
            }
            // A comparison is what comes before each of them, and a part of what is usual.
            if step.name != "verify" {
                before = step.ended + AROUND;
            }
        }
        flips
    }
}

/// `pausedMs` in what a step printed as JSON, at whatever depth; the longest if there are several.
fn pause_in(log: &Path) -> Result<Option<f64>, Failure> {
    let text = std::fs::read_to_string(log)?;
    let whole = serde_json::from_str(&text).ok();
    let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    Ok(whole.into_iter().chain(lines).filter_map(|value: Value| pause(&value)).reduce(f64::max))
}

fn pause(value: &Value) -> Option<f64> {
    match value {
        Value::Object(members) => {
            let own = members.get("pausedMs").and_then(Value::as_f64);
            members.values().filter_map(pause).chain(own).reduce(f64::max)
        }
        Value::Array(items) => items.iter().filter_map(pause).reduce(f64::max),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::record::What;
    use super::*;

    #[test]
    fn the_pause_is_found_at_any_depth() {
        let value =
            serde_json::json!({ "ports": [{ "port": "rows", "pausedMs": 12.5 }, { "port": "mail" }] });
        assert_eq!(pause(&value), Some(12.5));
        assert_eq!(pause(&serde_json::json!({ "done": true })), None);
    }

    #[test]
    fn a_write_that_waited_for_the_fence_is_counted_to_its_flip_and_to_no_other() {
        let record = Arc::new(Record::new());
        record.request(What::Order, true, Instant::now(), None);
        record.seen().requests[0].due = Duration::from_millis(9_800);
        record.seen().requests[0].waited = Duration::from_millis(80);
        let at = |name, seconds| Step {
            name,
            began: Duration::from_secs(seconds),
            ended: Duration::from_secs(seconds + 1),
            said_pause_ms: None,
        };
        let steps = Steps {
            program: PathBuf::new(),
            folder: PathBuf::new(),
            variables: Vec::new(),
            menu: String::new(),
            ports: Vec::new(),
            record,
            taken: vec![at("cutover", 10), at("verify", 15), at("rollback", 20)],
        };
        let flips = steps.flips(&steps.record.seen());
        let told = |seconds: u64, told| (Duration::from_millis(seconds * 1_000 + 500), told);
        let right = [
            (1, Foreign::Accepted),
            (10, Foreign::Accepted),
            (10, Foreign::Refused),
            (13, Foreign::Refused),
            (22, Foreign::Accepted),
        ];
        let wrong = [(1, Foreign::Refused), (13, Foreign::Accepted), (22, Foreign::Refused)];
        for (expected, answers) in [(0, &right[..]), (3, &wrong)] {
            let foreign = answers.iter().map(|(seconds, answer)| told(*seconds, *answer)).collect();
            assert_eq!(steps.wrongly_told(&Seen { foreign, ..Seen::default() }), expected);
        }
        assert_eq!(
            flips.iter().map(|flip| (flip.name, flip.writes)).collect::<Vec<_>>(),
            [("cutover", 1), ("rollback", 0)]
        );
        assert_eq!(flips[0].longest, Duration::from_millis(80));
    }
}
