//! The plan of a move where no database enforces it: sessions, objects, mail, sockets.
//!
//! Every process has a [`Watch`], which looks at the plan and says what it has seen. Whoever changes the leader of a port
//! ([`Switching`]) announces it, so that everybody looks before each call; holds the writes; makes both sides equal; changes the
//! leader, and lets go. [`step`] is the order of that as a pure function. Decision 31 has the reasons.

pub mod step;
mod switching;
mod watch;

pub use switching::{Budget, Drain, Ended, Held, Nothing, Switching, await_followers};
pub use watch::{Pace, Watch};

use std::time::Duration;

use serde_json::json;
use waiterix_ports::moving::{LedgerEntry, Mirroring, MovingPort, PlanStore, PortStanding, Stage};
use waiterix_ports::{Error, ErrorKind, Result, Retry};

/// Whoever has not looked for so long is dead, or cannot reach the plan: one that lives looks every second, and goes by what it saw
/// for two without a look. So this is the least silence after which an instance may be
/// [forgotten](waiterix_ports::moving::PlanStore::forget).
pub const SILENT: Duration = Duration::from_secs(5);

/// Changes how the side that follows does so. Every instance does as it is told as soon as it sees it, and nobody needs to wait.
///
/// # Errors
/// `Conflict` while the leader is being changed; those of [`PlanStore::shift`].
pub async fn set_mirroring(
    plan: &dyn PlanStore,
    port: MovingPort,
    mirroring: Mirroring,
    who: &str,
) -> Result<PortStanding> {
    change(plan, port, who, "mirroring", |standing| PortStanding { mirroring, ..standing }).await
}

/// Changes how many of a hundred are the new provider's: recipients of mail, or clients that connect anew.
///
/// # Errors
/// `Invalid` for more than a hundred; else as [`set_mirroring`].
pub async fn set_share(plan: &dyn PlanStore, port: MovingPort, share: u8, who: &str) -> Result<PortStanding> {
    if share > 100 {
        return Err(Error::new(ErrorKind::Invalid, "plan.share").with("fault", "more than a hundred"));
    }
    change(plan, port, who, "share", |standing| PortStanding { share, ..standing }).await
}

async fn change(
    plan: &dyn PlanStore,
    port: MovingPort,
    who: &str,
    what: &str,
    to: impl Fn(PortStanding) -> PortStanding + Send + Sync,
) -> Result<PortStanding> {
    let seen = plan.plan().await?.of(port);
    let refused = || Error::new(ErrorKind::Conflict, "plan.change").retry(Retry::Safe);
    if seen.stage != Stage::Steady {
        return Err(refused().with("fault", "the leader is being changed"));
    }
    let to = PortStanding { turn: seen.turn + 1, ..to(seen) };
    let evidence = json!({ "mirroring": to.mirroring.as_str(), "share": to.share });
    let why = LedgerEntry { who: who.to_owned(), port, what: what.to_owned(), evidence };
    if plan.shift(port, seen.turn, &to, &why).await? { Ok(to) } else { Err(refused()) }
}
