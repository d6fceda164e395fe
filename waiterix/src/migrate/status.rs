//! `waiterix migrate status`: how far the move is.

use std::time::Duration;

use serde_json::{Value, json};
use waiterix_migration::rows::{SILENCE, Seen};
use waiterix_ports::moving::{Leader, MovingPort, Standing};

use super::databases::Move;
use super::evidence;
use super::options::Status;
use super::others::Others;
use super::serving::{self, Serving};
use super::show::{millis, spoken};
use super::{ORDER, Work};
use crate::banner;
use crate::serve::stop_signal;

/// How often it is looked again.
const AGAIN: Duration = Duration::from_secs(2);
/// How many keys of the quarantine are counted.
const MOST: u32 = 1_000;

/// Who ends a change of the leader whose coordinator died, and when. What is not decided is turned back, what is decided is finished.
const LEFT_BEHIND: &str = "a write that has waited for four seconds ends it, a server does after five minutes, and `cutover` or \
    `rollback` does at once";

pub(super) async fn status(work: &Work, options: &Status) -> Result<(), String> {
    if options.watch {
        let interrupted = stop_signal()?;
        let watching = async {
            loop {
                // A side that is down may be back the next time.
                if let Err(fault) = once(work, options).await {
                    banner::complain(&fault);
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        return tokio::select! {
            outcome = watching => outcome,
            () = interrupted => Ok(()),
        };
    }
    once(work, options).await
}

async fn once(work: &Work, options: &Status) -> Result<(), String> {
    let (now, serving) = (work.rows.clock.now(), serving::all(&work.rows).await?);
    if work.has_rows() {
        let found = look(&work.rows, &serving).await?;
        say(&found, options)?;
        if let Some(folder) = &options.look.report {
            evidence::write(folder, "status", &found)?;
        }
    }
    let all = &serving;
    let act = |others, port| async move {
        let mut said = Others::status(others, port).await?;
        said.json["silent"] = serving::silent(all, port, now);
        Ok(said)
    };
    work.each("status", Some(&options.look), ORDER.into_iter(), act).await?;
    if !options.look.json {
        serving::told(&serving, &work.ports, now).iter().for_each(|line| banner::say(line));
    }
    Ok(())
}

fn say(found: &Value, options: &Status) -> Result<(), String> {
    if options.look.json {
        banner::say(&serde_json::to_string(found).map_err(|error| error.to_string())?);
    } else {
        banner::say(&text(found));
    }
    Ok(())
}

/// Everything there is to say, as JSON.
async fn look(rows: &Move, serving: &[Serving]) -> Result<Value, String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    let seen = rows.sides.look().await.map_err(said)?;
    let standing = |standing: Option<Standing>| {
        standing.map(|seen| json!({ "mode": seen.mode.as_str(), "epoch": seen.epoch, "turn": seen.turn }))
    };
    let mut found = json!({
        "port": "rows",
        "stage": stage(&seen),
        "leader": seen.reads().map(Leader::as_str),
        "takesWrites": seen.writes().is_some(),
        "old": standing(seen.old),
        "new": standing(seen.new),
        "paused": rows.is_paused().await?,
        "endsBy": seen.is_changing().then_some(LEFT_BEHIND),
    });
    if let Some(leader) = seen.reads().filter(|leader| seen.of(*leader).is_some()) {
        let side = rows.sides.of(leader);
        let backlog = side.backlog().await.map_err(said)?;
        found["journal"] = json!({ "entries": backlog.entries, "oldestMs": millis(backlog.age) });
        let quarantined = side.quarantined(MOST).await.map_err(said)?;
        let keys: Vec<Value> = quarantined
            .iter()
            .take(20)
            .map(|key| json!({ "table": key.key.table, "id": key.key.id, "reason": key.reason }))
            .collect();
        found["quarantine"] = json!({ "count": quarantined.len(), "first": keys });
    }
    if seen.old.is_some() && seen.new.is_some() {
        let is_copied = rows.sides.is_copied().await.map_err(said)?;
        found["copyComplete"] = json!(is_copied);
        if !is_copied {
            let mut ranges = 0;
            for table in rows.sides.of(Leader::Old).survey().await.map_err(said)?.tables {
                ranges += rows.sides.of(Leader::New).copied(&table.name).await.map_err(said)?.len();
            }
            found["rangesCopied"] = json!(ranges);
        }
    }
    if seen.new.is_some() {
        let instances = rows.sides.of(Leader::New).instances().await.map_err(said)?;
        let instances: Vec<Value> = instances
            .iter()
            .filter(|instance| instance.left(SILENCE).is_some())
            .map(|instance| {
                json!({
                    "id": instance.id, "oldTurn": instance.old_turn, "newTurn": instance.new_turn,
                    "silentMs": millis(instance.silent_for),
                })
            })
            .collect();
        found["instances"] = json!(instances);
        found["silent"] = serving::silent(serving, MovingPort::Rows, rows.clock.now());
    }
    for (name, whats) in
        [("lastComparison", ["comparison", "repair"]), ("lastChange", ["cutover", "rollback"])]
    {
        if let Some(last) = rows.ledger.last(MovingPort::Rows, &whats).await.map_err(said)? {
            found[name] = json!({
                "at": last.at.to_string(), "who": last.entry.who, "what": last.entry.what, "evidence": last.entry.evidence,
            });
        }
    }
    Ok(found)
}

/// Where the move is, in words.
fn stage(seen: &Seen) -> &'static str {
    match (seen.old, seen.new) {
        (None, None) => "not begun",
        (Some(_), None) if seen.reads() == Some(Leader::New) => "finished",
        (None, Some(_)) | (Some(_), None) => "begun on one side only: run the last command again",
        (Some(_), Some(_)) if seen.is_changing() => "the lead is changing",
        (Some(_), Some(_)) if seen.reads() == Some(Leader::New) => "cut over",
        (Some(_), Some(_)) => "mirroring",
    }
}

fn text(found: &Value) -> String {
    let mut lines = vec![format!("rows          {}", found["stage"].as_str().unwrap_or_default())];
    let leader = found["leader"].as_str().unwrap_or("unclear");
    let writes = if found["takesWrites"] == true { "" } else { ", and nobody takes writes at this moment" };
    lines.push(format!("leader        the {leader} database{writes}"));
    if let Some(how) = found["endsBy"].as_str() {
        lines.push(format!("changing      if whoever began it is dead, {how}"));
    }
    if found["paused"] == true {
        lines.push("paused        until `waiterix migrate resume`".to_owned());
    }
    if let Some(is_complete) = found["copyComplete"].as_bool() {
        let ranges = found["rangesCopied"].as_u64().unwrap_or_default();
        lines.push(match is_complete {
            true => "copy          complete".to_owned(),
            false => format!("copy          {ranges} ranges so far"),
        });
    }
    if let Some(entries) = found["journal"]["entries"].as_u64() {
        let age = Duration::from_millis(found["journal"]["oldestMs"].as_u64().unwrap_or_default());
        lines.push(match entries {
            0 => "journal       empty: both sides are equal but for what is being written".to_owned(),
            _ => format!("journal       {entries} entries, the oldest {} old", spoken(age)),
        });
    }
    if let Some(count) = found["quarantine"]["count"].as_u64().filter(|count| *count > 0) {
        lines.push(format!(
            "QUARANTINE    {count} keys could not be made equal: `waiterix migrate repair` tries again"
        ));
        for key in found["quarantine"]["first"].as_array().into_iter().flatten() {
            let word = |name: &str| key[name].as_str().unwrap_or_default();
            lines.push(format!("              {} {}: {}", word("table"), word("id"), word("reason")));
        }
    }
    if let Some(instances) = found["instances"].as_array() {
        lines.push(format!("instances     {} that serve both sides", instances.len()));
    }
    for (name, title) in [("lastComparison", "compared"), ("lastChange", "lead changed")] {
        if let Some(last) = found.get(name) {
            let word = |field: &str| last[field].as_str().unwrap_or_default();
            let result = match last["evidence"]["clean"].as_bool() {
                Some(true) => ", equal",
                Some(false) => ", NOT EQUAL",
                None => "",
            };
            lines.push(format!("{title:<13} {} by {} ({}){result}", word("at"), word("who"), word("what")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_first_what_needs_somebody() {
        let found = json!({
            "stage": "the lead is changing", "leader": "old", "takesWrites": false, "paused": true, "copyComplete": true,
            "endsBy": LEFT_BEHIND,
            "journal": { "entries": 3, "oldestMs": 4_000 },
            "quarantine": { "count": 1, "first": [{ "table": "orders", "id": "7", "reason": "unique" }] },
            "lastComparison": { "at": "then", "who": "me", "what": "verify", "evidence": { "clean": false } },
        });
        let text = text(&found);
        for part in [
            "nobody takes writes",
            "a write that has waited for four seconds",
            "paused",
            "3 entries, the oldest 4 s old",
            "QUARANTINE",
            "orders 7: unique",
            "NOT EQUAL",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
