//! `waiterix migrate`: moves a live service from its old providers to the new ones. Decision 32 has the reasons.

mod checks;
mod confirm;
mod cutover;
mod databases;
mod evidence;
mod finish;
mod options;
mod plan;
mod show;
mod start;
mod status;
mod verify;

use databases::Move;
pub(crate) use options::Migrate;

use crate::banner;
use crate::serve::runtime;

pub(crate) fn run(what: Migrate) -> Result<(), String> {
    runtime()?.block_on(async {
        let rows = Move::prepare().await?;
        let outcome = match what {
            Migrate::Plan(options) => plan::plan(&rows, &options).await,
            Migrate::Start(options) => start::start(&rows, &options).await,
            Migrate::Status(options) => status::status(&rows, &options).await,
            Migrate::Pause(_) => pause(&rows, "pause").await,
            Migrate::Resume(_) => pause(&rows, "resume").await,
            Migrate::Verify(options) => verify::verify(&rows, &options).await,
            Migrate::Repair(options) => verify::repair(&rows, &options).await,
            Migrate::Cutover(options) => cutover::cutover(&rows, &options).await,
            Migrate::Rollback(options) => cutover::rollback(&rows, &options).await,
            Migrate::Finish(options) => finish::finish(&rows, &options).await,
        };
        rows.close().await;
        outcome
    })
}

/// Tells all processes to pause or to go on; they look every second.
async fn pause(rows: &Move, what: &str) -> Result<(), String> {
    if !rows.ledger.is_there().await.map_err(|error| error.to_string())? {
        return Err("no move was begun, so there is nothing to pause".to_owned());
    }
    if rows.is_paused().await? == (what == "pause") {
        banner::say(&format!("nothing to do: {what} was said before"));
        return Ok(());
    }
    rows.note(what, serde_json::json!({})).await?;
    banner::say(match what {
        "pause" => {
            "paused: within two seconds nobody copies or follows; writes are in the journal until `resume`"
        }
        _ => "resumed: within two seconds everybody goes on",
    });
    Ok(())
}
