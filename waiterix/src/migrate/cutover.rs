//! `waiterix migrate cutover` and `rollback`: give the lead to the other side, and back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use waiterix_migration::rows::{Cutover, CutoverSettings, Ended, GateSettings, Progress, Report, Stop};
use waiterix_ports::moving::{Leader, MovingPort};

use super::confirm::confirm;
use super::databases::Move;
use super::evidence;
use super::options::{Change, Port};
use super::show::Shown;
use super::verify::{compared, judged, told};
use crate::banner;

/// Asks before the lead is changed.
pub(super) fn confirm_change(options: &Change, to: Leader) -> Result<(), String> {
    let question = match to {
        Leader::New => "The new side takes the lead; writes wait for a moment. Begin?",
        Leader::Old => "The old side takes the lead again; writes wait for a moment. Begin?",
    };
    confirm(options.yes, question)
}

/// Asks before recipients of mail are given to a provider; a share is of nothing else.
pub(super) fn confirm_share(options: &Change, ports: &[Port], share: u8) -> Result<(), String> {
    if ports != [Port::Mail] {
        return Err(
            "nothing was done: a share is one of recipients of mail; say --port mail, and no other port"
                .to_owned(),
        );
    }
    confirm(options.yes, &format!("{share} % of recipients get their mail from the new provider. Begin?"))
}

/// Gives the lead of the rows to a side. When it is to end, it gives up what is not decided.
pub(super) async fn change(
    rows: &Move,
    to: Leader,
    options: &Change,
    compares: bool,
    stop: &Stop,
) -> Result<(), String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    let shown: Arc<dyn Progress> = Arc::new(Shown::steps(!options.look.json));
    let (_, relay) = rows.relay(&shown);
    let settings = CutoverSettings {
        who: rows.who.clone(),
        pause: Duration::from_millis(options.pause_ms),
        // Writers wait for the change of a standing, too, so that it must not take the whole pause.
        lock: Duration::from_millis(options.pause_ms / 2),
        gates: GateSettings {
            compared_within: compares.then_some(Duration::from_secs(900)),
            ..GateSettings::default()
        },
        ..CutoverSettings::default()
    };
    let coordinator =
        Cutover::new(rows.sides.clone(), relay, shown, rows.ledger.clone(), rows.clock.clone(), settings);
    let mut seen = rows.sides.look().await.map_err(said)?;
    if seen.old.is_none() || seen.new.is_none() {
        return Err(
            "there is nothing to lead: the move was not begun (`waiterix migrate start`), or is finished"
                .to_owned(),
        );
    }
    if seen.is_changing() {
        banner::complain("somebody began to change the lead and did not end it: that is ended first");
        coordinator.settle().await.map_err(said)?;
        seen = rows.sides.look().await.map_err(said)?;
    }
    if seen.reads() == Some(to) {
        banner::say(&if options.look.json {
            json!({ "port": MovingPort::Rows.as_str(), "moved": false, "leads": true }).to_string()
        } else {
            format!("nothing to do: the {} database leads", to.as_str())
        });
        return Ok(());
    }
    if rows.is_paused().await? {
        return Err("the move is paused: `waiterix migrate resume` first".to_owned());
    }
    let report = if compares {
        let report = compared(rows, false, !options.look.json).await?;
        judged(&report)?;
        Some(report)
    } else {
        None
    };
    let ended = coordinator.run(to, report.as_ref(), stop).await.map_err(|error| {
        format!(
            "{error}\nwhoever waits for it ends it within seconds; so does running the same command again"
        )
    })?;
    outcome(rows, to, &ended, report.as_ref(), options).await
}

/// Writes down and says how it ended.
async fn outcome(
    rows: &Move,
    to: Leader,
    ended: &Ended,
    report: Option<&Report>,
    options: &Change,
) -> Result<(), String> {
    let what = if to == Leader::New { "cutover" } else { "rollback" };
    let mut evidence = match ended {
        Ended::Moved { epoch, paused, drained } => json!({
            "moved": true, "leader": to.as_str(), "epoch": epoch,
            "pausedMs": paused.as_secs_f64() * 1_000.0, "madeEqualInThePause": drained,
        }),
        Ended::Refused(gates) => {
            let gates: Vec<_> =
                gates.gates.iter().map(|(name, fault)| json!({ "gate": name, "fault": fault })).collect();
            json!({ "moved": false, "refused": gates })
        }
        Ended::Aborted { reason } => json!({ "moved": false, "reason": reason }),
    };
    evidence["pauseBudgetMs"] = json!(options.pause_ms);
    rows.note(if matches!(ended, Ended::Moved { .. }) { what } else { "given up" }, evidence.clone()).await?;
    evidence["comparison"] = report.map_or(serde_json::Value::Null, evidence::of_report);
    told(what, &evidence, &options.look)?;
    match ended {
        Ended::Moved { paused, drained, .. } => {
            if !options.look.json {
                banner::say(&format!(
                    "the {} database leads; nobody could write for {:.1} ms, in which {drained} rows were made equal",
                    to.as_str(),
                    paused.as_secs_f64() * 1_000.0
                ));
            }
            Ok(())
        }
        Ended::Refused(gates) => {
            let faults: Vec<String> = gates
                .gates
                .iter()
                .filter_map(|(name, fault)| Some(format!("\n  {name}: {}", fault.as_ref()?)))
                .collect();
            Err(format!("not begun, and nothing has changed, because of:{}", faults.concat()))
        }
        Ended::Aborted { reason } => {
            Err(format!("given up, and the {} database leads on as before: {reason}", to.other().as_str()))
        }
    }
}
