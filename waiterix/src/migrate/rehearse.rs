//! `waiterix migrate rehearse`: the whole plan on a copy of today's rows.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use waiterix_migration::rows::{Sides, Stop};
use waiterix_ports::moving::{Leader, Mode, RowSide, Standing};
use waiterix_postgres::connect::Database;
use waiterix_postgres::moving::{PostgresPlan, PostgresSide, rehearsal};
use waiterix_postgres::schema;

use super::databases::Move;
use super::options::{Change, Finish, Look, Rehearse, Scope, Start, Verify};
use super::plan::refused;
use super::show::spoken;
use super::{checks, cutover, evidence, finish, start, verify};
use crate::banner;
use crate::serve::stop_signal;

/// About how many rows are copied at once.
const ROWS: u64 = 50_000;
/// The longest pause that is borne; how long it was is what is to be found out.
const PAUSE_MS: u64 = 3_000;

/// Makes two databases on the new server, fills one with the rows of today, and moves them to the other one and back and there.
/// The old database is only read, and the new one is not touched.
pub(super) async fn rehearse(rows: &Move, options: &Rehearse) -> Result<(), String> {
    let interrupted = stop_signal()?;
    let found = checks::look(&rows.sides).await?;
    refused(&found)?;
    let said = |error: waiterix_ports::Error| error.to_string();
    let names =
        ["old", "new"].map(|side| format!("waiterix_rehearsal_{}_{side}", rows.clock.now().as_seconds()));
    banner::say(&format!("rehearsing in {} and {}, which are removed at the end", names[0], names[1]));
    let rehearsing = async {
        for name in &names {
            rehearsal::make_beside(&rows.new, name).await.map_err(|error| {
                format!("{error}\na rehearsal makes databases on the new server: its role needs CREATEDB")
            })?;
        }
        let [old, new] = [rows.beside(&names[0])?, rows.beside(&names[1])?];
        let twin = twin(rows, old, new);
        let outcome = all(rows, &twin, options).await;
        twin.close().await;
        outcome
    };
    let outcome = tokio::select! {
        outcome = rehearsing => outcome,
        () = interrupted => Err("stopped".to_owned()),
    };
    for name in &names {
        rehearsal::remove_beside(&rows.new, name).await.map_err(said)?;
    }
    outcome
}

/// A move between two databases of the rehearsal.
fn twin(rows: &Move, old: Database, new: Database) -> Move {
    let side = |database: &Database| Arc::new(PostgresSide::new(database.clone(), rows.clock.clone()));
    Move {
        sides: Sides::new(side(&old), side(&new)),
        ledger: Arc::new(PostgresPlan::new(new.clone())),
        clock: rows.clock.clone(),
        who: format!("{} (rehearsal)", rows.who),
        source: rows.source.clone(),
        guests: rows.guests.clone(),
        old,
        new,
    }
}

async fn all(rows: &Move, twin: &Move, options: &Rehearse) -> Result<(), String> {
    // Whoever wants it to end ends all of it.
    let stop = Stop::default();
    let mut steps = Vec::new();
    let mut begun = Instant::now();
    let mut step = |what: &str| {
        banner::say(&format!("-- {what}: {}", spoken(begun.elapsed())));
        steps.push(json!({ "step": what, "seconds": begun.elapsed().as_secs_f64() }));
        begun = Instant::now();
    };
    for database in [&twin.old, &twin.new] {
        let migrated = schema::migrate(database, |_| {}).await.map_err(|error| error.to_string())?;
        if !migrated.is_complete() {
            return Err(format!("the schema cannot be made on the new server: {migrated}"));
        }
    }
    step("schema made twice");
    fill(rows.sides.of(Leader::Old), twin.sides.of(Leader::Old)).await?;
    step("rows of today read, sent, written and indexed");
    let look =
        || Look { scope: Scope { ports: Vec::new() }, json: false, report: Some(options.report.clone()) };
    let scope = Scope { ports: Vec::new() };
    start::start(twin, &Start { scope, at_once: 4, follow: false, mirror: None }, &stop).await?;
    step("start");
    verify::verify(twin, &Verify { look: look(), exact: true }).await?;
    step("verify, to the letter");
    let change = Change { look: look(), yes: true, pause_ms: PAUSE_MS, sockets_per_second: 1 };
    for (what, to) in [("cutover", Leader::New), ("rollback", Leader::Old), ("cutover again", Leader::New)] {
        cutover::change(twin, to, &change, true, &stop).await?;
        step(what);
    }
    let report = options.report.clone();
    finish::finish(twin, finish::Rest::default(), &Finish { yes: true, report, release_old: true }).await?;
    step("finish");
    let proven = [
        "every row of today can be read, sent and written, and keeps every letter",
        "the new server makes all its indexes and foreign keys over them",
        "each step ends well, one after the other, on that server",
    ];
    let not_proven = [
        "what guests who order meanwhile cost, and how long they wait in the pause",
        "that the triggers can be installed in the old database: `waiterix migrate plan` looks at the rights for that",
        "anything about objects, sessions, mail and sockets",
    ];
    evidence::write(
        &options.report,
        "rehearsal",
        &json!({ "steps": steps, "proven": proven.join("; "), "notProven": not_proven.join("; ") }),
    )?;
    banner::say(&format!("proven: {}\nnot proven: {}", proven.join("; "), not_proven.join("; ")));
    Ok(())
}

/// Copies all rows, children before parents, so that whatever a child names is read after it.
async fn fill(from: &dyn RowSide, to: &dyn RowSide) -> Result<(), String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    let tables = from.survey().await.map_err(said)?.tables;
    to.install(Standing { epoch: 1, mode: Mode::Mirror, turn: 1 }).await.map_err(said)?;
    to.before_copy().await.map_err(said)?;
    for table in tables.iter().rev() {
        for range in from.ranges(&table.name, ROWS).await.map_err(said)? {
            let parcel = from.copy_out(&table.name, &range).await.map_err(said)?;
            to.copy_in(1, &table.name, &range, parcel).await.map_err(said)?;
        }
    }
    let made = tokio::time::timeout(Duration::from_secs(6 * 3_600), to.after_copy()).await;
    made.map_err(|_| "the indexes are not made after six hours".to_owned())?.map_err(|error| {
        format!("{error}\nrows that were deleted while they were read are missed by others: rehearse again")
    })?;
    to.uninstall().await.map_err(said)
}
