//! `waiterix migrate finish`: ends the move for good.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use waiterix_migration::rows::SILENCE;
use waiterix_ports::moving::{Leader, Ledger as _, Mode, MovingPort, PlanStore as _, Stage};

use super::confirm::confirm;
use super::databases::Move;
use super::options::{Finish, Port};
use super::others::Others;
use super::verify::{compared, judged};
use super::{ORDER, evidence};
use crate::banner;

/// How many entries of the ledger are read at once.
const PAGE: u32 = 500;
/// How many processes that serve are named.
const NAMED: usize = 5;

/// The ports besides rows that were begun.
pub(super) async fn begun(rows: &Move) -> Result<Vec<Port>, String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    if !rows.ledger.is_there().await.map_err(said)? {
        return Ok(Vec::new());
    }
    let plan = rows.ledger.plan().await.map_err(said)?;
    let mut begun = Vec::new();
    for port in ORDER.into_iter().filter(|port| *port != Port::Rows) {
        let moving = port.moving();
        let is_copied = rows.ledger.last(moving, &["start", "copied", "interrupted"]).await.map_err(said)?;
        if plan.of(moving).turn > 0 || is_copied.is_some() {
            begun.push(port);
        }
    }
    Ok(begun)
}

/// What ends with the rows, or without them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rest<'a> {
    /// The ports that were begun.
    pub(super) ports: &'a [Port],
    /// Their mirrors.
    pub(super) others: Option<&'a Others>,
}

pub(super) async fn finish(rows: &Move, rest: Rest<'_>, options: &Finish) -> Result<(), String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    let seen = rows.sides.look().await.map_err(said)?;
    let (old, new) = (seen.old, seen.new);
    // One that was broken off after the new side goes on with the rest.
    let is_begun = new.is_none() && old.is_some_and(|old| old.mode == Mode::Mirror);
    let is_cut_over =
        old.is_some_and(|old| old.mode == Mode::Mirror) && new.is_some_and(|new| new.mode == Mode::Open);
    let is_without_rows = old.is_none() && new.is_none() && !rest.ports.is_empty();
    if old.is_none() && options.release_old && rows.ledger.is_ended().await.map_err(said)? {
        rows.ledger.uninstall().await.map_err(said)?;
        banner::say("finished: nothing is left of the move");
        return Ok(());
    }
    if !is_begun && !is_cut_over && !is_without_rows {
        return Err(
            "refused: the new database does not lead, or its lead is changing; see `waiterix migrate status`"
                .to_owned(),
        );
    }
    if is_cut_over || is_without_rows {
        refuse_while_served(rows, rest, is_cut_over, "aws").await?;
        refuse_what_did_not_move(rows, rest).await?;
    }
    if is_cut_over {
        let backlog = rows.sides.of(Leader::New).quarantined(1).await.map_err(said)?;
        if !backlog.is_empty() {
            return Err(
                "refused: keys are in quarantine; `waiterix migrate repair` tries them again".to_owned()
            );
        }
    }
    confirm(options.yes, "After this there is no way back to the old providers. Finish?")?;
    if is_cut_over || is_without_rows {
        let others = compared_others(rest).await?;
        let mut whole = json!({ "ports": others });
        if is_cut_over {
            let report = compared(rows, false, true).await?;
            judged(&report)?;
            rows.note("finish", evidence::summary(&report)).await?;
            whole["comparison"] = evidence::of_report(&report);
        }
        whole["ledger"] = json!(ledger(rows).await?);
        // The evidence is safe before anything is taken away.
        evidence::write(&options.report, "finish", &whole)?;
    }
    if is_cut_over {
        rows.sides.of(Leader::New).uninstall().await.map_err(said)?;
        banner::say("the new database is free of everything the move added, but for the ledger");
    }
    if is_without_rows && let Some(others) = rest.others {
        others.apart.mirrors.uninstall_noting().await.map_err(said)?;
    }
    if rows.ledger.is_there().await.map_err(said)? {
        evidence::write(&options.report, "ledger", &json!({ "ledger": ledger(rows).await? }))?;
        if is_without_rows && !options.release_old {
            // Where rows moved, the old database says that it does not lead any more.
            rows.ledger.end().await.map_err(said)?;
        } else {
            rows.ledger.uninstall().await.map_err(said)?;
        }
    }
    if is_without_rows {
        banner::say(
            "finished: the old providers are as they were at this moment, and nobody follows them any more",
        );
    } else if options.release_old {
        rows.sides.of(Leader::Old).uninstall().await.map_err(said)?;
        banner::say("finished: the old database is as it was before, and anybody may write it");
    } else {
        banner::say("finished: the old database goes on refusing writes; `finish --release-old` ends that");
    }
    Ok(())
}

/// Compares what moved besides rows for the last time; answers what was found, or refuses.
async fn compared_others(rest: Rest<'_>) -> Result<Vec<Value>, String> {
    let Some(others) = rest.others else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    if rest.ports.contains(&Port::Objects) {
        let said = others.part_with_objects().await?;
        banner::say(&said.line);
        found.push(said.json);
    }
    if rest.ports.contains(&Port::Sessions) {
        let said = others.part_with_sessions().await?;
        banner::say(&said.line);
        found.push(said.json);
    }
    Ok(found)
}

/// A process that still serves both sides would have nobody to ask who leads. `with` is what it is to serve with instead.
pub(super) async fn refuse_while_served(
    rows: &Move,
    rest: Rest<'_>,
    has_rows: bool,
    with: &str,
) -> Result<(), String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    let instances =
        if has_rows { rows.sides.of(Leader::New).instances().await.map_err(said)? } else { Vec::new() };
    let watchers = if rows.ledger.is_there().await.map_err(said)? {
        rows.ledger.instances().await.map_err(said)?
    } else {
        Vec::new()
    };
    let own = rest.others.map(|others| others.apart.instance());
    // A process that serves is in both lists.
    let serving = instances
        .iter()
        .filter(|instance| instance.left(SILENCE).is_some())
        .map(|instance| (instance.id.as_str(), instance.silent_for));
    let watching =
        watchers.iter().filter(|watcher| watcher.may_serve(SILENCE) && Some(watcher.id.as_str()) != own);
    let watching = watching.map(|watcher| (watcher.id.as_str(), watcher.silent));
    let serving: BTreeMap<_, _> = serving.chain(watching).collect();
    if serving.is_empty() {
        return Ok(());
    }
    let heard = serving.iter().take(NAMED).map(|(id, silent)| format!("{id} {} s ago", silent.as_secs()));
    Err(format!(
        "refused: {} processes still serve both sides, or did within the last minute; run them, and functions too, with \
         WAITERIX_ADAPTERS={with} first (last heard of: {})",
        serving.len(),
        heard.collect::<Vec<_>>().join(", ")
    ))
}

/// A port that was begun and does not lead on the new side yet, or only for some.
async fn refuse_what_did_not_move(rows: &Move, rest: Rest<'_>) -> Result<(), String> {
    if rest.ports.is_empty() {
        return Ok(());
    }
    let plan = rows.ledger.plan().await.map_err(|error| error.to_string())?;
    let is_left = |port: &MovingPort| {
        let standing = plan.of(*port);
        (standing.leader, standing.stage) != (Leader::New, Stage::Steady)
            || (*port == MovingPort::Mail && standing.share != 100)
    };
    let begun = rest.ports.iter().map(|port| port.moving());
    let left: Vec<&str> = begun.filter(is_left).map(MovingPort::as_str).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("refused: not cut over yet: {}", left.join(", "))) }
}

/// Everything that was written down.
pub(super) async fn ledger(rows: &Move) -> Result<Vec<Value>, String> {
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
