//! Numbers: how often what was done, how it ended and how long it took; written to standard output for CloudWatch.
//!
//! Every metric, its labels and what to alarm on: `docs/watching.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Number, Value};
use waiterix_app::http::meter::{Answered, RequestMeter};
use waiterix_layers::{Ending, Meter, Observation};
use waiterix_ports::Clock;
#[cfg(all(feature = "aws", feature = "legacy"))]
use waiterix_ports::moving::{Backlog, MovingPort};
use waiterix_ports::vars::Vars;

use crate::Place;
use crate::emf::{self, Directive, MAX_VALUES};

/// How often a server writes what has gathered.
pub const EVERY: Duration = Duration::from_secs(10);

/// The namespace of the metrics, unless another is configured.
const NAMESPACE: &str = "Waiterix";

/// By port, for alarms: how often it was called, how often it did not do what it should, and how long that took. And by
/// operation and outcome, to look into it.
const OF_PORTS: [Directive; 2] = [
    Directive {
        dimensions: &["Port"],
        metrics: &[("Calls", "Count"), ("Faults", "Count"), ("Duration", "Milliseconds")],
    },
    Directive {
        dimensions: &["Port", "Operation", "Outcome"],
        metrics: &[("Calls", "Count"), ("Duration", "Milliseconds")],
    },
];

/// The same of HTTP requests.
const OF_REQUESTS: [Directive; 2] = [
    Directive {
        dimensions: &[],
        metrics: &[("Requests", "Count"), ("RequestFaults", "Count"), ("RequestDuration", "Milliseconds")],
    },
    Directive {
        dimensions: &["Method", "Route", "Status"],
        metrics: &[("Requests", "Count"), ("RequestDuration", "Milliseconds")],
    },
];

/// How far the side that follows is behind, in a live move.
#[cfg(all(feature = "aws", feature = "legacy"))]
const OF_MOVES: [Directive; 1] = [Directive {
    dimensions: &["MovingPort"],
    metrics: &[("Unsettled", "Count"), ("Quarantined", "Count"), ("Behind", "Milliseconds")],
}];

/// Whether numbers are written, and under which namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSettings {
    namespace: Option<String>,
}

impl MetricsSettings {
    /// `METRICS` is `emf` (what functions do, unless they are told otherwise) or `off` (what servers do); `METRICS_NAMESPACE`
    /// tells deployments apart. Problems are noted in `vars`.
    pub(crate) fn read(vars: &mut Vars<'_>, place: Place<'_>) -> Self {
        let namespace = vars.text("METRICS_NAMESPACE").unwrap_or_else(|| NAMESPACE.to_owned());
        if !is_namespace(&namespace) {
            vars.problem(
                "METRICS_NAMESPACE",
                "must be at most 255 letters, digits, spaces and . - _ / # and not begin with AWS/",
            );
        }
        let is_on = match vars.text("METRICS").as_deref() {
            None => matches!(place, Place::Function(_)),
            Some("emf") => true,
            Some("off") => false,
            Some(_) => {
                vars.problem("METRICS", "must be emf or off");
                false
            }
        };
        Self { namespace: is_on.then_some(namespace) }
    }
}

/// What CloudWatch takes as a namespace of its users.
fn is_namespace(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || " .-_/#".contains(c);
    name.len() <= 255 && !name.trim().is_empty() && !name.starts_with("AWS/") && name.chars().all(is_allowed)
}

/// What numbers are told apart by: words of the code only, and patterns of routes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Series {
    Port { port: &'static str, operation: &'static str, outcome: &'static str },
    Requests { method: &'static str, route: String, class: &'static str },
}

/// What has gathered of a series.
#[derive(Debug, Default)]
struct Gathered {
    /// How many of them are faults: of a series, all or none.
    faults: usize,
    /// How long each took, in milliseconds.
    durations: Vec<f64>,
}

/// Gathers numbers until they are written: one line per series, instead of one per call, because CloudWatch is paid by
/// the byte.
pub struct Metrics {
    namespace: String,
    clock: Arc<dyn Clock>,
    gathered: Mutex<BTreeMap<Series, Gathered>>,
    output: Mutex<Box<dyn Write + Send>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Numbers that go to standard output, if the settings say so.
    pub(crate) fn to_stdout(settings: &MetricsSettings, clock: &Arc<dyn Clock>) -> Option<Arc<Self>> {
        let namespace = settings.namespace.clone()?;
        Some(Arc::new(Self::new(namespace, clock.clone(), Box::new(io::stdout()))))
    }

    fn new(namespace: String, clock: Arc<dyn Clock>, output: Box<dyn Write + Send>) -> Self {
        Self { namespace, clock, gathered: Mutex::default(), output: Mutex::new(output) }
    }

    /// Writes what has gathered, and forgets it.
    pub fn write(&self) {
        let gathered = std::mem::take(&mut *held(&self.gathered));
        let lines: String =
            gathered.iter().map(|(series, gathered)| self.line(series, gathered) + "\n").collect();
        self.put(&lines);
    }

    /// Adds one; what fills a line is written at once.
    fn note(&self, series: &Series, is_fault: bool, duration: Duration) {
        let full = {
            let mut all = held(&self.gathered);
            let gathered = all.entry(series.clone()).or_default();
            gathered.faults += usize::from(is_fault);
            gathered.durations.push(duration.as_secs_f64() * 1000.0);
            if gathered.durations.len() < MAX_VALUES {
                return;
            }
            all.remove(series)
        };
        if let Some(full) = full {
            self.put(&(self.line(series, &full) + "\n"));
        }
    }

    fn line(&self, series: &Series, gathered: &Gathered) -> String {
        let count = |count: usize| Value::from(count);
        let durations: Vec<Value> = gathered.durations.iter().map(|ms| microseconds(*ms)).collect();
        let (calls, faults) = (count(gathered.durations.len()), count(gathered.faults));
        let (namespace, now) = (&self.namespace, self.clock.now());
        match series {
            Series::Port { port, operation, outcome } => emf::line(
                namespace,
                now,
                &OF_PORTS,
                [("Port", *port), ("Operation", *operation), ("Outcome", *outcome)],
                [("Calls", calls), ("Faults", faults), ("Duration", durations.into())],
            ),
            Series::Requests { method, route, class } => emf::line(
                namespace,
                now,
                &OF_REQUESTS,
                [("Method", *method), ("Route", route), ("Status", *class)],
                [("Requests", calls), ("RequestFaults", faults), ("RequestDuration", durations.into())],
            ),
        }
    }

    /// Writes how much is to be made up for on the side that follows.
    #[cfg(all(feature = "aws", feature = "legacy"))]
    pub(crate) fn write_backlog(&self, port: MovingPort, backlog: &Backlog) {
        let line = emf::line(
            &self.namespace,
            self.clock.now(),
            &OF_MOVES,
            [("MovingPort", port.as_str())],
            [
                ("Unsettled", backlog.entries.into()),
                ("Quarantined", backlog.quarantined.into()),
                ("Behind", microseconds(backlog.age.as_secs_f64() * 1000.0)),
            ],
        );
        self.put(&(line + "\n"));
    }

    /// Nobody who is served is told that nobody reads the numbers.
    fn put(&self, lines: &str) {
        if !lines.is_empty() {
            let mut output = held(&self.output);
            let _ = output.write_all(lines.as_bytes()).and_then(|()| output.flush());
        }
    }
}

/// A number of milliseconds without the digits that no clock knows.
fn microseconds(ms: f64) -> Value {
    Number::from_f64((ms * 1000.0).round() / 1000.0).map_or(Value::Null, Value::Number)
}

/// Numbers are whole whoever panicked meanwhile.
fn held<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter for Metrics {
    fn observe(&self, observation: &Observation) {
        let Observation { operation, ending, duration, .. } = *observation;
        let (port, outcome) = (operation.port.as_str(), ending.as_str());
        let series = Series::Port { port, operation: operation.name, outcome };
        self.note(&series, Ending::is_alarming(ending), duration);
    }
}

impl RequestMeter for Metrics {
    fn observe(&self, answered: &Answered<'_>) {
        let series = Series::Requests {
            method: answered.method,
            route: answered.route.to_owned(),
            class: answered.class(),
        };
        self.note(&series, answered.is_fault(), answered.duration);
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
