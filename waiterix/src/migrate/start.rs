//! `waiterix migrate start`: copies everything while the service runs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use waiterix_migration::plan::{Pace, set_mirroring};
use waiterix_migration::rows::{
    Backfill, BackfillSettings, Copied, Progress, Signal, Stop, ThrottleSettings,
};
use waiterix_ports::moving::{Leader, PlanStore as _};

use super::databases::Move;
use super::options::{Mirror, Port, Start};
use super::plan::refused;
use super::show::{Shown, size};
use super::{ORDER, Work, checks};
use crate::banner;
use crate::serve::stop_signal;

/// How often it is looked whether the move is to pause.
const LOOK: Duration = Duration::from_secs(1);

/// All of it, until it is there or somebody presses Ctrl-C.
pub(super) async fn all(work: &Work, options: &Start) -> Result<(), String> {
    // Before anything else, so that whoever asks it to stop is heard.
    let interrupted = stop_signal()?;
    let stop = Stop::default();
    let starting = async {
        let unseen = install(work).await?;
        // Nothing else is walked over before everybody has looked at the plan; rows do not go by it.
        let seen = async {
            tokio::time::sleep(unseen).await;
            Ok(())
        };
        let rows = async { if work.has_rows() { start(&work.rows, options, &stop).await } else { Ok(()) } };
        tokio::try_join!(rows, seen)?;
        // One after the other, and none that was not begun when somebody wants it to end.
        let order = ORDER.into_iter().take_while(|_| !stop.is_stopped());
        work.each("start", None, order, |others, port| others.start(port, &work.rows, &stop)).await?;
        if let Some(wanted) = options.mirror {
            mirror(work, wanted).await?;
        }
        if work.has_rows() && options.follow && !stop.is_stopped() {
            follow(&work.rows, &stop).await;
        }
        Ok(())
    };
    let hearing = async {
        interrupted.await;
        stop.set(Signal::Stop);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = starting => outcome,
        () = hearing => Ok(()),
    }
}

/// Copies the rows. Pauses, goes on and ends as it is told.
pub(super) async fn start(rows: &Move, options: &Start, stop: &Stop) -> Result<(), String> {
    let found = checks::look(&rows.sides).await?;
    refused(&found)?;
    let said = |error: waiterix_ports::Error| error.to_string();
    let seen = rows.sides.look().await.map_err(said)?;
    if seen.reads() == Some(Leader::New) {
        return Err("the new database leads already: see `waiterix migrate status`".to_owned());
    }
    rows.ledger.install().await.map_err(said)?;
    let shown = Arc::new(Shown::copy(found.rows()));
    let progress: Arc<dyn Progress> = shown.clone();
    let (_, relay) = rows.relay(&progress);
    let settings = BackfillSettings {
        throttle: ThrottleSettings { most: options.at_once, ..ThrottleSettings::default() },
        ..BackfillSettings::default()
    };
    let latency = rows.guests.latency().await?;
    let backfill = Backfill::new(rows.sides.clone(), relay.clone(), settings, progress, latency);
    if !found.is_begun() {
        rows.note("start", json!({ "rows": found.rows(), "bytes": found.bytes() })).await?;
    }
    let epoch = u64::try_from(rows.clock.now().as_seconds()).unwrap_or(1);
    backfill.start(epoch).await.map_err(said)?;
    let missing = found.unguarded().len();
    if missing > 0 {
        banner::complain(&format!(
            "{missing} triggers of the move were missing or disabled and are there now: a start did not come to its end, or somebody \
             took them away. What was written without them after it was copied is noted nowhere: `waiterix migrate verify` finds it"
        ));
    }
    let copying = async {
        let copied = backfill.run(stop).await;
        shown.done();
        let copied = copied.map_err(|error| {
            format!("{error}\nwhat was copied stays; run `waiterix migrate start` again and it goes on")
        })?;
        ended(rows, &copied).await
    };
    tokio::select! {
        outcome = copying => outcome,
        () = heed(rows, stop) => Ok(()),
    }
}

/// Pauses and goes on as the ledger says, whoever wrote it there; ends never.
pub(super) async fn heed(rows: &Move, stop: &Stop) {
    let mut was_paused = false;
    loop {
        // Whoever cannot ask goes on as before.
        if let Ok(is_paused) = rows.is_paused().await
            && is_paused != was_paused
            && !stop.is_stopped()
        {
            banner::complain(if is_paused { "paused, until `waiterix migrate resume`" } else { "resumed" });
            stop.set(if is_paused { Signal::Pause } else { Signal::Run });
            was_paused = is_paused;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn ended(rows: &Move, copied: &Copied) -> Result<(), String> {
    let evidence = json!({
        "rows": copied.rows, "bytes": copied.bytes, "ranges": copied.ranges, "complete": copied.is_complete,
    });
    rows.note(if copied.is_complete { "copied" } else { "interrupted" }, evidence).await?;
    let done = format!(
        "{} rows, {} in {} ranges, each compared as it arrived",
        copied.rows,
        size(copied.bytes),
        copied.ranges
    );
    if copied.is_complete {
        banner::say(&format!(
            "copied: {done}; indexes and foreign keys are there\n\
             next: run the service with WAITERIX_STORE=dual, then `waiterix migrate verify` and `cutover`"
        ));
        return Ok(());
    }
    banner::say(&format!("stopped: {done}; `waiterix migrate start` goes on from here"));
    Ok(())
}

/// Makes the new side equal until Ctrl-C.
async fn follow(rows: &Move, stop: &Stop) {
    let shown: Arc<dyn Progress> = Arc::new(Shown::steps(true));
    let (_, relay) = rows.relay(&shown);
    banner::say("following; Ctrl-C ends it");
    tokio::select! {
        () = relay.run(stop) => {}
        () = heed(rows, stop) => {}
    }
}

/// Makes the plan of the ports without triggers; answers after which time whoever had looked before there was one has looked again:
/// that there is none is believed for two looks, so nobody begins a write without a plan after that.
async fn install(work: &Work) -> Result<Duration, String> {
    let Some(others) = &work.others else { return Ok(Duration::ZERO) };
    let said = |error: waiterix_ports::Error| error.to_string();
    others.apart.mirrors.install().await.map_err(said)?;
    // One who only saw to rows before may have made it a moment ago.
    let was_walked = others.was_walked(&work.ports).await?;
    Ok(if was_walked { Duration::ZERO } else { Pace::default().every * 3 })
}

/// Has the ports that are meant follow when it is said, those that have something to follow with.
pub(super) async fn mirror(work: &Work, mirror: Mirror) -> Result<(), String> {
    let said = |error: waiterix_ports::Error| error.to_string();
    let followed = |port: &&Port| matches!(port, Port::Rows | Port::Objects | Port::Sessions);
    for port in work.ports.iter().filter(followed) {
        let (plan, wanted) = (&*work.rows.ledger, mirror.moving());
        if plan.plan().await.map_err(said)?.of(port.moving()).mirroring != wanted {
            set_mirroring(plan, port.moving(), wanted, &work.rows.who).await.map_err(said)?;
        }
        banner::say(&format!("{}: followed {} from now on", port.moving().as_str(), wanted.as_str()));
    }
    Ok(())
}
