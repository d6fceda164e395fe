//! `waiterix migrate finish`: ends the move for good.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use waiterix_migration::rows::SILENCE;
use waiterix_ports::moving::{Leader, Ledger as _, Mode, MovingPort, PlanStore as _, Stage};

use super::confirm::confirm;
use super::databases::Move;
use super::evidence;
use super::options::Finish;
use super::verify::{compared, judged};
use crate::banner;

/// How many entries of the ledger are read at once.
const PAGE: u32 = 500;

pub(super) async fn finish(rows: &Move, options: &Finish) -> Result<(), String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    let seen = rows.sides.look().await.map_err(said)?;
    let (old, new) = (seen.old, seen.new);
    // One that was broken off after the new side goes on with the rest.
    let is_begun = new.is_none() && old.is_some_and(|old| old.mode == Mode::Mirror);
    let is_cut_over =
        old.is_some_and(|old| old.mode == Mode::Mirror) && new.is_some_and(|new| new.mode == Mode::Open);
    if !is_begun && !is_cut_over {
        return Err(
            "refused: the new database does not lead, or its lead is changing; see `waiterix migrate status`"
                .to_owned(),
        );
    }
    if is_cut_over {
        refuse_while_served(rows).await?;
        refuse_what_did_not_move(rows).await?;
        let backlog = rows.sides.of(Leader::New).quarantined(1).await.map_err(said)?;
        if !backlog.is_empty() {
            return Err(
                "refused: keys are in quarantine; `waiterix migrate repair` tries them again".to_owned()
            );
        }
    }
    confirm(options.yes, "After this there is no way back to the old database. Finish?")?;
    if is_cut_over {
        let report = compared(rows, false, true).await?;
        judged(&report)?;
        rows.note("finish", evidence::summary(&report)).await?;
        let whole = json!({ "comparison": evidence::of_report(&report), "ledger": ledger(rows).await? });
        // The evidence is safe before anything is taken away.
        evidence::write(&options.report, "finish", &whole)?;
        rows.sides.of(Leader::New).uninstall().await.map_err(said)?;
        banner::say("the new database is free of everything the move added, but for the ledger");
    }
    if rows.ledger.is_there().await.map_err(said)? {
        evidence::write(&options.report, "ledger", &json!({ "ledger": ledger(rows).await? }))?;
        rows.ledger.uninstall().await.map_err(said)?;
    }
    if options.release_old {
        rows.sides.of(Leader::Old).uninstall().await.map_err(said)?;
        banner::say("finished: the old database is as it was before, and anybody may write it");
    } else {
        banner::say("finished: the old database goes on refusing writes; `finish --release-old` ends that");
    }
    Ok(())
}

/// A process that still serves both sides would have nobody to ask who leads.
async fn refuse_while_served(rows: &Move) -> Result<(), String> {
    let instances = rows.sides.of(Leader::New).instances().await.map_err(|error| error.to_string())?;
    let watchers = if rows.ledger.is_there().await.map_err(|error| error.to_string())? {
        rows.ledger.instances().await.map_err(|error| error.to_string())?
    } else {
        Vec::new()
    };
    // A process that serves is in both lists.
    let serving =
        instances.iter().filter(|instance| instance.silent_for < SILENCE).map(|instance| &instance.id);
    let watching = watchers.iter().filter(|watcher| watcher.silent < SILENCE).map(|watcher| &watcher.id);
    let serving = serving.chain(watching).collect::<BTreeSet<_>>().len();
    if serving == 0 {
        return Ok(());
    }
    Err(format!(
        "refused: {serving} processes still serve both sides, or did within the last minute; run them, and functions too, with \
         WAITERIX_STORE=aws first"
    ))
}

/// A port that was begun and does not lead on the new side yet, or only for some.
async fn refuse_what_did_not_move(rows: &Move) -> Result<(), String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    if !rows.ledger.is_there().await.map_err(said)? {
        return Ok(());
    }
    let plan = rows.ledger.plan().await.map_err(said)?;
    let left: Vec<&str> = MovingPort::ALL
        .into_iter()
        .filter(|port| *port != MovingPort::Rows)
        .filter(|port| {
            let standing = plan.of(*port);
            standing.turn > 0 && (standing.leader, standing.stage) != (Leader::New, Stage::Steady)
        })
        .map(MovingPort::as_str)
        .collect();
    if left.is_empty() { Ok(()) } else { Err(format!("refused: not cut over yet: {}", left.join(", "))) }
}

/// Everything that was written down.
async fn ledger(rows: &Move) -> Result<Vec<Value>, String> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let page = rows.ledger.recorded(after, PAGE).await.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else { return Ok(entries) };
        after = Some(last.id);
        entries.extend(page.into_iter().map(|recorded| {
            json!({
                "at": recorded.at.to_string(), "who": recorded.entry.who, "port": recorded.entry.port.as_str(),
                "what": recorded.entry.what, "evidence": recorded.entry.evidence,
            })
        }));
    }
}
