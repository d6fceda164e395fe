//! What came of it: for people, and for other programs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::compare::Comparison;
use super::record::{Foreign, Seen, What, quantile};
use super::steps::{Flip, Step};
use super::timeline;
use crate::command::Failure;

/// Everything that is reported.
pub(super) struct Report<'a> {
    pub(super) seen: &'a Seen,
    pub(super) steps: &'a [Step],
    pub(super) flips: &'a [Flip],
    pub(super) comparison: &'a Comparison,
    /// What did not even come to its end, in words.
    pub(super) stopped: Option<String>,
    pub(super) length: Duration,
    /// Where the real orders are from.
    pub(super) orders_from: &'a str,
    pub(super) ports: &'a str,
    pub(super) rate: u32,
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

impl Report<'_> {
    fn failed(&self) -> usize {
        self.seen.requests.iter().filter(|request| request.failed).count()
    }

    /// Failures that are no request: the old application was told something else than yes or no, an order was acknowledged twice.
    fn faults(&self) -> usize {
        self.seen.failures.len().saturating_sub(self.failed())
    }

    fn foreign(&self, told: Foreign) -> usize {
        self.seen.foreign.iter().filter(|(_, found)| *found == told).count()
    }

    /// Whether everything is as it must be.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let mut wrong = Vec::new();
        wrong.extend(self.stopped.clone());
        if self.failed() > 0 {
            wrong.push(format!("{} requests failed", self.failed()));
        }
        if self.seen.orders.is_empty() {
            wrong.push("no order was placed, so nothing is proven".to_owned());
        }
        if self.faults() > 0 && self.failed() == 0 {
            wrong.push(format!("{} faults beside the requests", self.faults()));
        }
        if self.comparison.differences() > 0 {
            wrong.push(format!("{} differences", self.comparison.differences()));
        }
        if !self.flips.is_empty() && self.foreign(Foreign::Refused) == 0 {
            wrong.push("the old application was never refused".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::Said(wrong.join("; "))) }
    }

    /// For other programs.
    pub(super) fn json(&self) -> Value {
        let longest: Vec<Duration> = self.flips.iter().map(|flip| flip.longest).collect();
        let of_orders = self.seen.requests.iter().filter(|request| request.what == What::Order);
        let orders: Vec<Duration> = of_orders.map(|request| request.waited).collect();
        let flips: Vec<Value> = self
            .flips
            .iter()
            .map(|flip| {
                json!({
                    "step": flip.name, "writes": flip.writes, "pause_ms_longest": ms(flip.longest), "pause_ms_p99": ms(flip.p99),
                    "usual_ms_p99": ms(flip.usual_p99), "pause_ms_said": flip.said_pause_ms,
                })
            })
            .collect();
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| json!({ "step": step.name, "began_s": step.began.as_secs_f64(), "ended_s": step.ended.as_secs_f64() }))
            .collect();
        let tables: Vec<Value> = self
            .comparison
            .tables
            .iter()
            .map(|table| json!({ "table": table.name, "rows": table.rows, "md5": table.digest, "differences": table.differences }))
            .collect();
        json!({
            "failed_requests": self.failed(),
            "differences": self.comparison.differences(),
            "pause_ms_p99": if longest.is_empty() { Value::Null } else { json!(ms(quantile(longest, 0.99))) },
            "orders_ms_p50": ms(quantile(orders.clone(), 0.5)),
            "orders_ms_p99": ms(quantile(orders, 0.99)),
            "rows": self.comparison.rows(),
            "objects": self.comparison.objects,
            "sessions": self.comparison.sessions,
            "duration_s": self.length.as_secs_f64(),
            "requests": self.seen.requests.len(),
            "orders_acknowledged": self.seen.orders.len(),
            "orders_per_second": self.rate,
            "ports": self.ports,
            "orders_from": self.orders_from,
            "stopped": self.stopped,
            "flips": flips,
            "steps": steps,
            "old_application": { "accepted": self.foreign(Foreign::Accepted), "refused": self.foreign(Foreign::Refused) },
            "tables": tables,
            "broken": self.comparison.broken,
            "failures": self.seen.failures,
        })
    }

    /// For people, as Markdown.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "# A move under load\n\n\
             {:.0} s, {} orders per second, ports: {}. Real orders: {}.\n\n\
             ![What was seen, second by second](timeline.svg)\n\n\
             | requests | sent | failed | p50 | p99 | longest |\n|---|---|---|---|---|---|\n",
            self.length.as_secs_f64(),
            self.rate,
            self.ports,
            self.orders_from
        );
        // Writing to a text cannot fail.
        for what in What::ALL {
            let of = || self.seen.requests.iter().filter(|request| request.what == what);
            let waits: Vec<Duration> = of().map(|request| request.waited).collect();
            if waits.is_empty() {
                continue;
            }
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.1} ms | {:.1} ms | {:.1} ms |",
                what.name(),
                waits.len(),
                of().filter(|request| request.failed).count(),
                ms(quantile(waits.clone(), 0.5)),
                ms(quantile(waits.clone(), 0.99)),
                ms(quantile(waits, 1.0)),
            );
        }
        if !self.flips.is_empty() {
            text += "\n| flip | writes | longest wait of a write | p99 | p99 before it | pause as the step measured it |\n|---|---|---|---|---|---|\n";
        }
        for flip in self.flips {
            let said =
                flip.said_pause_ms.map_or_else(|| "not said".to_owned(), |pause| format!("{pause:.1} ms"));
            let _ = writeln!(
                text,
                "| {} | {} | {:.1} ms | {:.1} ms | {:.1} ms | {said} |",
                flip.name,
                flip.writes,
                ms(flip.longest),
                ms(flip.p99),
                ms(flip.usual_p99),
            );
        }
        let _ = writeln!(
            text,
            "\nThe old application wrote {} times and was refused {} times.\n\n\
             Compared by plain SQL and by looking into the storages: {} rows in {} tables, {} objects, {} sessions, {} acknowledged \
             orders on each side. Differences: {}.",
            self.foreign(Foreign::Accepted),
            self.foreign(Foreign::Refused),
            self.comparison.rows(),
            self.comparison.tables.len(),
            self.comparison.objects,
            self.comparison.sessions,
            self.seen.orders.len(),
            self.comparison.differences(),
        );
        for table in self.comparison.tables.iter().filter(|table| table.differences > 0) {
            let _ = writeln!(text, "- {}: {} rows are on one side only", table.name, table.differences);
        }
        for broken in self.comparison.broken.iter().chain(&self.seen.failures).chain(&self.stopped) {
            let _ = writeln!(text, "- {broken}");
        }
        text
    }

    /// Leaves `report.json`, `report.md` and `timeline.svg` in a folder.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let json =
            serde_json::to_string_pretty(&self.json()).map_err(|error| Failure::Said(error.to_string()))?;
        fs::write(folder.join("report.json"), json)?;
        fs::write(folder.join("report.md"), self.text())?;
        Ok(fs::write(folder.join("timeline.svg"), timeline::svg(self.seen, self.steps, self.length))?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Request;
    use super::*;

    fn request(failed: bool) -> Request {
        Request {
            what: What::Order,
            writes: true,
            due: Duration::ZERO,
            waited: Duration::from_millis(3),
            failed,
        }
    }

    fn verdict(seen: &Seen, flips: &[Flip], comparison: &Comparison) -> Result<(), String> {
        let report = Report {
            seen,
            steps: &[],
            flips,
            comparison,
            stopped: None,
            length: Duration::from_secs(1),
            orders_from: "made up",
            ports: "rows",
            rate: 1,
        };
        for member in
            ["failed_requests", "differences", "pause_ms_p99", "rows", "objects", "sessions", "duration_s"]
        {
            assert!(report.json().get(member).is_some(), "{member}");
        }
        report.verdict().map_err(|failure| failure.to_string())
    }

    #[test]
    fn one_failed_request_or_one_difference_is_a_failure_and_so_is_proving_nothing() {
        let good = || {
            let mut seen = Seen::default();
            seen.requests.push(request(false));
            seen.orders.insert("order".to_owned(), "1.00".to_owned());
            seen
        };
        let same = Comparison::default();
        assert_eq!(verdict(&good(), &[], &same), Ok(()));
        assert_eq!(
            verdict(&Seen::default(), &[], &same),
            Err("no order was placed, so nothing is proven".to_owned())
        );
        let mut failed = good();
        failed.requests.push(request(true));
        assert_eq!(verdict(&failed, &[], &same), Err("1 requests failed".to_owned()));
        let mut other = Comparison::default();
        other.found(2, || "two things".to_owned());
        assert_eq!(verdict(&good(), &[], &other), Err("2 differences".to_owned()));
        let flip = Flip {
            name: "cutover",
            writes: 1,
            longest: Duration::from_millis(40),
            p99: Duration::ZERO,
            usual_p99: Duration::ZERO,
            said_pause_ms: None,
        };
        assert_eq!(verdict(&good(), &[flip], &same), Err("the old application was never refused".to_owned()));
    }
}
