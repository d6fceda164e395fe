//! `waiterix migrate verify` and `repair`: whether both sides hold the same rows, and making it so.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use waiterix_migration::rows::{Progress, Report, Verifier, VerifySettings};
use waiterix_ports::moving::{Hashing, MovingPort};

use super::databases::Move;
use super::evidence;
use super::options::{Look, Verify};
use super::show::Shown;
use crate::banner;

/// How long what was in quarantine is worked on before both sides are compared.
const RELEASED: Duration = Duration::from_secs(60);

pub(super) async fn verify(rows: &Move, options: &Verify) -> Result<(), String> {
    let report = compared(rows, options.exact, !options.look.json).await?;
    told("verify", &evidence::of_report(&report), &options.look)?;
    judged(&report)
}

pub(super) async fn repair(rows: &Move, options: &Verify) -> Result<(), String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    let shown = Arc::new(Shown::comparison(!options.look.json));
    let progress: Arc<dyn Progress> = shown.clone();
    let (converger, relay) = rows.relay(&progress);
    let direction = rows
        .sides
        .look()
        .await
        .map_err(said)?
        .converging()
        .ok_or("no side follows, so nothing can be repaired")?;
    let released = rows.sides.of(direction.leader).release().await.map_err(said)?;
    if released > 0 {
        // While guests order the journal may never be empty; what is left is compared below all the same.
        let _ = tokio::time::timeout(RELEASED, relay.drain(direction)).await;
    }
    let latency = rows.guests.latency().await?;
    let settings = settings(options.exact);
    let verifier = Verifier::new(converger, settings, progress, rows.clock.clone(), latency);
    let before = verifier.verify().await.map_err(said)?;
    let after = verifier.repair(&before).await.map_err(said)?;
    shown.done();
    let evidence = json!({
        "released": released,
        "clean": after.is_clean(),
        "before": evidence::of_report(&before),
        "after": evidence::of_report(&after),
    });
    rows.note(
        "repair",
        json!({
            "clean": after.is_clean(), "released": released,
            "before": evidence::summary(&before), "after": evidence::summary(&after),
        }),
    )
    .await?;
    told("repair", &evidence, &options.look)?;
    if !options.look.json {
        banner::say(&format!(
            "{} keys were made equal, and {released} came out of quarantine",
            before.differences().count()
        ));
    }
    judged(&after)
}

/// Compares both sides and writes down that it was done.
pub(super) async fn compared(rows: &Move, exact: bool, says: bool) -> Result<Report, String> {
    let shown = Arc::new(Shown::comparison(says));
    let progress: Arc<dyn Progress> = shown.clone();
    let (converger, _) = rows.relay(&progress);
    let latency = rows.guests.latency().await?;
    let verifier = Verifier::new(converger, settings(exact), progress, rows.clock.clone(), latency);
    let report = verifier.verify().await;
    shown.done();
    let report = report.map_err(|error| error.to_string())?;
    rows.note("comparison", evidence::summary(&report)).await?;
    Ok(report)
}

fn settings(exact: bool) -> VerifySettings {
    let hashing = if exact { Hashing::Text } else { Hashing::Record };
    VerifySettings { hashing, ..VerifySettings::default() }
}

/// Says what was found to machines and to the folder of evidence.
pub(super) fn told(what: &str, evidence: &Value, options: &Look) -> Result<(), String> {
    if options.json {
        let mut answer = evidence.clone();
        answer["port"] = json!(MovingPort::Rows.as_str());
        banner::say(&answer.to_string());
    }
    options.report.as_ref().map_or(Ok(()), |folder| evidence::write(folder, what, evidence))
}

/// Whether both sides are equal, as the end of a command.
pub(super) fn judged(report: &Report) -> Result<(), String> {
    if report.is_clean() {
        return Ok(());
    }
    let restless: u64 = report.tables.iter().map(|table| table.restless).sum();
    let named: Vec<String> = report
        .differences()
        .take(20)
        .map(|difference| {
            format!("\n  {} {}: {:?}", difference.key.table, difference.key.id, difference.found)
        })
        .collect();
    Err(format!(
        "the two sides are not equal: {} rows differ, and {restless} were written all the time and could not be judged; \
         `waiterix migrate repair` makes them equal{}",
        report.differences().count(),
        named.concat()
    ))
}
