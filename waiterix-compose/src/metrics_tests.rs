#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;
use waiterix_app::http::meter::StatusCode;
use waiterix_contract::ManualClock;
use waiterix_layers::operation;
use waiterix_ports::ErrorKind;

use super::*;
use crate::Needs;

/// What was written.
#[derive(Debug, Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        held(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(std::mem::take(&mut *held(&self.0))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn metrics() -> (Metrics, Paper) {
    let paper = Paper::default();
    let clock = Arc::new(ManualClock::default());
    (Metrics::new("Bistro/Test".to_owned(), clock, Box::new(paper.clone())), paper)
}

fn port(metrics: &Metrics, operation: &'static operation::Operation, ending: Ending, ms: u64) {
    let duration = Duration::from_millis(ms);
    Meter::observe(metrics, &Observation { operation, ending, attempts: 1, duration });
}

fn request(metrics: &Metrics, method: &'static str, route: &str, status: Option<u16>, ms: u64) {
    let status = status.map(|status| StatusCode::from_u16(status).unwrap());
    let duration = Duration::from_millis(ms);
    RequestMeter::observe(metrics, &Answered { method, route, status, duration });
}

#[test]
fn g173_calls_of_ports_are_metrics_by_these_names_and_labels_and_no_others() {
    let (metrics, paper) = metrics();
    port(&metrics, &operation::store::COMMIT, Ending::Answered, 3);
    port(&metrics, &operation::store::COMMIT, Ending::Answered, 5);
    port(&metrics, &operation::mailer::SEND, Ending::Failed(ErrorKind::Unavailable), 14_000);
    assert_eq!(paper.lines(), Vec::<Value>::new(), "nothing is written before it is asked for");
    metrics.write();
    let aws = json!({
        "Timestamp": 1_738_314_307_000_u64,
        "CloudWatchMetrics": [
            { "Namespace": "Bistro/Test", "Dimensions": [["Port"]], "Metrics": [
                { "Name": "Calls", "Unit": "Count" },
                { "Name": "Faults", "Unit": "Count" },
                { "Name": "Duration", "Unit": "Milliseconds" },
            ] },
            { "Namespace": "Bistro/Test", "Dimensions": [["Port", "Operation", "Outcome"]], "Metrics": [
                { "Name": "Calls", "Unit": "Count" },
                { "Name": "Duration", "Unit": "Milliseconds" },
            ] },
        ],
    });
    let mail = json!({
        "_aws": aws, "Port": "mailer", "Operation": "mailer.send", "Outcome": "unavailable",
        "Calls": 1, "Faults": 1, "Duration": [14_000.0],
    });
    let commits = json!({
        "_aws": aws, "Port": "store", "Operation": "store.commit", "Outcome": "ok",
        "Calls": 2, "Faults": 0, "Duration": [3.0, 5.0],
    });
    assert_eq!(paper.lines(), [mail, commits]);
    metrics.write();
    assert_eq!(paper.lines(), Vec::<Value>::new(), "what was written is not written again");
}

#[cfg(all(feature = "aws", feature = "legacy"))]
#[test]
fn g173_how_far_a_move_is_behind_is_a_metric_at_once() {
    let (metrics, paper) = metrics();
    let backlog = Backlog { entries: 7, quarantined: 1, age: Duration::from_millis(2_500) };
    metrics.write_backlog(MovingPort::Sessions, &backlog);
    let aws = json!({
        "Timestamp": 1_738_314_307_000_u64,
        "CloudWatchMetrics": [{ "Namespace": "Bistro/Test", "Dimensions": [["MovingPort"]], "Metrics": [
            { "Name": "Unsettled", "Unit": "Count" },
            { "Name": "Quarantined", "Unit": "Count" },
            { "Name": "Behind", "Unit": "Milliseconds" },
        ] }],
    });
    let line =
        json!({ "_aws": aws, "MovingPort": "sessions", "Unsettled": 7, "Quarantined": 1, "Behind": 2_500.0 });
    assert_eq!(paper.lines(), [line]);
}

#[test]
fn g173_requests_are_metrics_by_these_names_and_labels_and_no_others() {
    let (metrics, paper) = metrics();
    request(&metrics, "GET", "/api/orders/{id}", Some(200), 7);
    request(&metrics, "GET", "/api/orders/{id}", Some(204), 8);
    request(&metrics, "POST", "/api/orders", Some(503), 25_000);
    request(&metrics, "POST", "/api/orders", None, 1_000);
    metrics.write();
    let aws = json!({
        "Timestamp": 1_738_314_307_000_u64,
        "CloudWatchMetrics": [
            { "Namespace": "Bistro/Test", "Dimensions": [[]], "Metrics": [
                { "Name": "Requests", "Unit": "Count" },
                { "Name": "RequestFaults", "Unit": "Count" },
                { "Name": "RequestDuration", "Unit": "Milliseconds" },
            ] },
            { "Namespace": "Bistro/Test", "Dimensions": [["Method", "Route", "Status"]], "Metrics": [
                { "Name": "Requests", "Unit": "Count" },
                { "Name": "RequestDuration", "Unit": "Milliseconds" },
            ] },
        ],
    });
    let line = |method: &str, route: &str, status: &str, requests: u32, faults: u32, durations: Value| {
        json!({
            "_aws": aws, "Method": method, "Route": route, "Status": status,
            "Requests": requests, "RequestFaults": faults, "RequestDuration": durations,
        })
    };
    assert_eq!(
        paper.lines(),
        [
            line("GET", "/api/orders/{id}", "2xx", 2, 0, json!([7.0, 8.0])),
            line("POST", "/api/orders", "5xx", 1, 1, json!([25_000.0])),
            line("POST", "/api/orders", "abandoned", 1, 0, json!([1_000.0])),
        ]
    );
}

/// Each label of a port is a word of the code, so there is an end to them.
#[test]
fn labels_of_ports_are_bounded() {
    let (metrics, paper) = metrics();
    let kinds = [
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::Invalid,
        ErrorKind::Denied,
        ErrorKind::Throttled,
        ErrorKind::Timeout,
        ErrorKind::Unavailable,
        ErrorKind::Unsupported,
        ErrorKind::Corrupt,
    ];
    let endings = kinds.map(Ending::Failed).into_iter().chain([
        Ending::Answered,
        Ending::Abandoned,
        Ending::NotLeading,
    ]);
    for ending in endings {
        for operation in operation::all() {
            port(&metrics, operation, ending, 1);
            port(&metrics, operation, ending, 2);
        }
    }
    metrics.write();
    let lines = paper.lines();
    let mut faults = BTreeMap::new();
    for line in &lines {
        let port = line["Port"].as_str().unwrap();
        assert!(line["Operation"].as_str().unwrap().starts_with(&format!("{port}.")), "{line}");
        faults.insert(line["Outcome"].as_str().unwrap(), line["Faults"].as_u64().unwrap());
    }
    assert_eq!(lines.len(), operation::all().count() * faults.len(), "one line for each");
    let (ours, daily): (BTreeSet<_>, BTreeSet<_>) = faults.keys().partition(|outcome| faults[*outcome] > 0);
    let expected = ["abandoned", "conflict", "invalid", "not_found", "not_leading", "ok"];
    assert_eq!(daily, BTreeSet::from(expected));
    let expected = ["corrupt", "denied", "throttled", "timeout", "unavailable", "unsupported"];
    assert_eq!(ours, BTreeSet::from(expected));
}

#[test]
fn a_line_holds_a_hundred_values_at_most_and_is_written_when_it_is_full() {
    let (metrics, paper) = metrics();
    for _ in 0..MAX_VALUES - 1 {
        port(&metrics, &operation::store::READ, Ending::Answered, 1);
    }
    assert_eq!(paper.lines().len(), 0);
    port(&metrics, &operation::store::READ, Ending::Answered, 1);
    let lines = paper.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["Calls"], lines[0]["Duration"].as_array().unwrap().len()), (&json!(100), 100));
    port(&metrics, &operation::store::READ, Ending::Answered, 1);
    metrics.write();
    assert_eq!(paper.lines()[0]["Calls"], 1);
}

/// A pipe whose reader went away.
#[derive(Debug)]
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn numbers_that_nobody_reads_fail_nobody() {
    let metrics = Metrics::new(NAMESPACE.to_owned(), Arc::new(ManualClock::default()), Box::new(Broken));
    for _ in 0..=MAX_VALUES {
        port(&metrics, &operation::store::READ, Ending::Answered, 1);
    }
    metrics.write();
    assert!(held(&metrics.gathered).is_empty(), "they do not pile up");
}

fn read(pairs: &[(&str, &str)], place: Place<'_>) -> Result<MetricsSettings, String> {
    let map = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut vars = Vars::new(&map);
    let settings = MetricsSettings::read(&mut vars, place);
    crate::environment::complaint(&vars).map(|()| settings)
}

#[test]
fn functions_write_numbers_and_servers_do_when_they_are_told_to() {
    let server = Place::Server { data: Path::new("data") };
    let on = |namespace: &str| Ok(MetricsSettings { namespace: Some(namespace.to_owned()) });
    let off = Ok(MetricsSettings { namespace: None });
    assert_eq!(read(&[], Place::Function(Needs::NOTHING)), on("Waiterix"));
    assert_eq!(read(&[("METRICS", "off")], Place::Function(Needs::NOTHING)), off);
    assert_eq!(read(&[], server), off);
    let named = [("METRICS", "emf"), ("METRICS_NAMESPACE", "Bistro/Test")];
    assert_eq!(read(&named, server), on("Bistro/Test"));
}

#[test]
fn metrics_that_cannot_be_are_problems_by_name() {
    assert!(
        read(&[("METRICS", "statsd")], Place::Function(Needs::NOTHING))
            .is_err_and(|said| said.contains("METRICS: must be"))
    );
    for namespace in ["AWS/Lambda", "Bistro\nTest", "Bistro:Test", "\u{fc}ber", &"x".repeat(256)] {
        let said = read(&[("METRICS_NAMESPACE", namespace)], Place::Function(Needs::NOTHING)).unwrap_err();
        assert!(said.contains("METRICS_NAMESPACE") && !said.contains(namespace), "{said}");
    }
}
