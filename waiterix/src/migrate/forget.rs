//! `waiterix migrate forget`: nobody waits any more for a process that is dead.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use waiterix_migration::plan::SILENT;
use waiterix_ports::moving::{Forgetting, Leader, LedgerEntry, MovingPort, PlanStore as _};

use super::confirm::confirm;
use super::databases::Move;
use super::options::Forget;
use super::serving::{self, Serving, until};
use super::show::spoken;
use crate::banner;

/// How often it is looked whether it is heard of.
const LOOK: Duration = Duration::from_millis(500);
/// By how much the clocks of two machines may drift apart meanwhile.
const DRIFT: Duration = Duration::from_millis(100);

/// Says of a process that it is dead, if it does not show itself meanwhile.
pub(super) async fn forget(rows: &Move, options: &Forget) -> Result<(), String> {
    let all = serving::all(rows).await?;
    let Some(found) = all.iter().find(|one| one.id == options.id) else { return Err(unknown(&all)) };
    let Some(left) = found.left() else {
        let why = if found.is_forgotten { "it was forgotten before" } else { "it has been silent for long" };
        banner::say(&format!("nothing to do: nobody waits for it, {why}"));
        return Ok(());
    };
    let until = until(rows.clock.now(), left);
    confirm(
        options.yes,
        &format!(
            "Nobody will wait for {} any more. Should it run, and be cut off from the new database alone, it may serve from the side \
             that led, until {until}. Is it certain that it does not run?",
            options.id
        ),
    )?;
    let Some(silent) = await_silence(rows, options).await? else {
        banner::say("nothing to do: it has ended by itself, and nobody waits for it");
        return Ok(());
    };
    let said = |error: waiterix_ports::Error| error.to_string();
    let new = rows.sides.of(Leader::New);
    if let Forgetting::Heard(since) = new.forget(&options.id, SILENT).await.map_err(said)? {
        return Err(lives(since));
    }
    if rows.ledger.is_there().await.map_err(said)? {
        let why = LedgerEntry {
            who: rows.who.clone(),
            port: MovingPort::Rows,
            what: "forgotten".to_owned(),
            evidence: json!({ "instance": options.id, "silentMs": super::show::millis(silent) }),
        };
        if let Forgetting::Heard(since) = rows.ledger.forget(&options.id, SILENT, &why).await.map_err(said)? {
            return Err(lives(since));
        }
    }
    banner::say(&format!(
        "forgotten: nobody waits for {} any more. If it runs after all, it is refused as soon as it reaches the new database, and serves \
         nothing more of what moves until it is started anew. One that cannot reach the new database does not hear of this, and may \
         serve from the side that led until {until}: be sure that it does not run",
        options.id
    ));
    Ok(())
}

/// Waits for the time in which it would have shown itself if it lived, however long it has been silent before: the database may have been
/// away, and then nobody was heard. Answers how long it has been silent, or nothing if it has left.
async fn await_silence(rows: &Move, options: &Forget) -> Result<Option<Duration>, String> {
    let begun = Instant::now();
    loop {
        let waited = begun.elapsed();
        let all = serving::all(rows).await?;
        let Some(Serving { silent, .. }) = all.into_iter().find(|one| one.id == options.id) else {
            return Ok(None);
        };
        if silent + DRIFT < waited {
            return Err(lives(silent));
        }
        if waited >= SILENT && silent >= SILENT {
            return Ok(Some(silent));
        }
        sleep(LOOK).await;
    }
}

fn lives(since: Duration) -> String {
    format!(
        "refused: it lives, it was heard of {} ms ago; end it by SIGTERM, and nobody waits for it",
        since.as_millis()
    )
}

fn unknown(all: &[Serving]) -> String {
    let heard = |one: &Serving| {
        one.left().map(|_| format!("\n  {}, last heard of {} ago", one.id, spoken(one.silent)))
    };
    let waited_for: Vec<String> = all.iter().filter_map(heard).collect();
    if waited_for.is_empty() {
        return "refused: no process is called so, and nobody is waited for".to_owned();
    }
    format!("refused: no process is called so; those that are waited for:{}", waited_for.concat())
}
