//! The function that is called by a schedule: upkeep.

use serde::Serialize;
use serde_json::Value;
use waiterix_app::Shared;
use waiterix_app::upkeep::{Pass, Removed};
use waiterix_compose::Needs;

use crate::{Failure, Function, Time};

/// Removes what has ended, at every call.
#[derive(Debug, Clone)]
pub struct Relay {
    app: Shared,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    removed: Counts,
    /// The parts that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<FailedPart>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    uploads: u32,
    sessions: u32,
    idempotency_keys: u32,
    commits: u32,
    connections: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedPart {
    part: &'static str,
    error: String,
}

impl From<Pass> for Report {
    fn from(pass: Pass) -> Self {
        let Removed { uploads, sessions, idempotency_keys, commits, connections } = pass.removed;
        let removed = Counts { uploads, sessions, idempotency_keys, commits, connections };
        let failed = pass.failed.into_iter();
        let failed = failed.map(|(part, error)| FailedPart { part: part.as_str(), error: error.to_string() });
        Self { removed, failed: failed.collect() }
    }
}

impl Relay {
    /// The upkeep of an app.
    #[must_use]
    pub const fn new(app: Shared) -> Self {
        Self { app }
    }
}

impl Function for Relay {
    const NEEDS: Needs = Needs { people: false, mailer: false, ..Needs::EVERYTHING };

    type Answer = Report;

    /// One pass, whatever the event says: a schedule, a person with the console. A part that fails or finds no time left
    /// hinders no other; the invocation fails all the same and lists it, so that an alarm on failed invocations sees it.
    /// Repeating it is harmless.
    async fn answer(&self, _: Value, time: Time) -> Result<Report, Failure> {
        let report = Report::from(time.scope(self.app.upkeep_pass()).await);
        if report.failed.is_empty() {
            tracing::info!(removed = ?report.removed, "upkeep done");
            return Ok(report);
        }
        let text = serde_json::to_string(&report).unwrap_or_else(|error| error.to_string());
        Err(Failure::new("UpkeepFailed", text))
    }
}
