//! `waiterix migrate cancel`: gives the move up, as if it had never begun.

use serde_json::json;
use waiterix_ports::moving::{Leader, MovingPort, PlanStore as _, Stage};
use waiterix_postgres::moving::TriggerJournal;

use super::confirm::confirm;
use super::databases::Move;
use super::evidence;
use super::finish::{Rest, ledger, refuse_while_served};
use super::options::Cancel;
use crate::banner;

/// Takes away triggers, journals and the plan, while the old side leads everywhere.
pub(super) async fn cancel(rows: &Move, options: &Cancel) -> Result<(), String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    let has_plan = rows.ledger.is_there().await.map_err(said)?;
    let seen = rows.sides.look().await.map_err(said)?;
    if !has_plan && seen.old.is_none() && seen.new.is_none() {
        banner::say("nothing to do: no move was begun");
        return Ok(());
    }
    if seen.reads() != Some(Leader::Old) || seen.is_changing() {
        return Err(
            "refused: the old database does not lead, or its lead is changing; `waiterix migrate rollback` first".to_owned()
        );
    }
    if has_plan {
        let plan = rows.ledger.plan().await.map_err(said)?;
        let led: Vec<&str> = MovingPort::ALL
            .into_iter()
            .filter(|port| (plan.of(*port).leader, plan.of(*port).stage) != (Leader::Old, Stage::Steady))
            .map(MovingPort::as_str)
            .collect();
        if !led.is_empty() {
            return Err(format!("refused: not rolled back yet: {}", led.join(", ")));
        }
    }
    refuse_while_served(rows, Rest::default(), seen.new.is_some(), "legacy").await?;
    confirm(
        options.yes,
        "The move is given up; what was copied stays where it is, and follows no more. Give it up?",
    )?;
    if has_plan {
        // The evidence is safe before anything is taken away.
        rows.note("cancel", json!({})).await?;
        evidence::write(&options.report, "cancel", &json!({ "ledger": ledger(rows).await? }))?;
    }
    rows.sides.cancel().await.map_err(said)?;
    // Of a move of sessions alone, whose writers were noted.
    TriggerJournal::new(rows.old.clone(), "sessions").uninstall().await.map_err(said)?;
    rows.ledger.uninstall().await.map_err(said)?;
    banner::say(
        "given up: both databases are free of everything the move added. What was copied is still at the new side; another move \
         needs a new database that is empty",
    );
    Ok(())
}
