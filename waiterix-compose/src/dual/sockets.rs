//! Clients of this process's sockets are sent to the other transport when that one leads.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use waiterix_migration::plan::Watch;
use waiterix_migration::rows::Stop;
use waiterix_migration::{DrainableNotifier, Drained};
use waiterix_ports::Result;
use waiterix_ports::moving::{Leader, Ledger as _, LedgerEntry, MovingPort, PlanStore as _};
use waiterix_postgres::moving::PostgresPlan;

use super::Mirrors;

/// What is written into the ledger before the lead of the sockets changes, and what the rate is called in its evidence.
pub const DRAIN: &str = "drain";
/// How many sockets all processes together close in a second.
pub const PER_SECOND: &str = "perSecond";
/// What a process writes when its sockets are closed.
const DRAINED: &str = "drained";
/// The rate where none was said: API Gateway takes so many new connections a second.
const USUAL: u32 = 500;
/// How often it is looked who leads. That is remembered, so nobody is asked.
const LOOK: Duration = Duration::from_millis(100);
/// After which silence a process has no sockets any more that would be counted.
const SILENCE: Duration = Duration::from_secs(60);
/// The pause before something is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Closes the old sockets of this process once the new transport leads.
pub(super) struct Leaving {
    sockets: Arc<DrainableNotifier>,
    watch: Arc<Watch>,
    plan: Arc<PostgresPlan>,
    instance: String,
}

impl Leaving {
    pub(super) fn new(sockets: Arc<DrainableNotifier>, mirrors: &Mirrors, instance: &str) -> Self {
        let (watch, plan) = (mirrors.watch.clone(), mirrors.plan.clone());
        Self { sockets, watch, plan, instance: instance.to_owned() }
    }

    /// Who leads, as far as this process has seen.
    fn leader(&self) -> Option<Leader> {
        self.watch.known(MovingPort::Sockets).map(|standing| standing.leader)
    }

    /// Closes them at each change to the new transport that happens in the time of this process. What was connected before it is
    /// closed; who connects to the old address all the same is served on.
    pub(super) async fn keep(&self, stop: &Stop) {
        let mut led_by = None;
        while !stop.is_stopped() {
            let leader = self.leader();
            if leader == Some(Leader::New) && led_by == Some(Leader::Old) {
                tokio::select! {
                    () = self.drain() => {}
                    // Turned back: whoever is still there stays there.
                    () = self.led_again(stop) => {}
                }
            }
            led_by = leader.or(led_by);
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn led_again(&self, stop: &Stop) {
        while self.leader() != Some(Leader::Old) && !stop.is_stopped() {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn drain(&self) {
        let mut all = Drained::default();
        loop {
            // Where it cannot be asked how fast, the usual rate is kept by each process for itself: it is what the gateway bears.
            let rate = self.rate().await.unwrap_or(USUAL);
            match self.sockets.drain(rate).await {
                Ok(drained) => {
                    (all.closed, all.deaf) = (all.closed + drained.closed, all.deaf + drained.deaf);
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "a socket could not be closed, and it is tried again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        tracing::info!(closed = all.closed, deaf = all.deaf, "the old sockets are closed");
        let entry = LedgerEntry {
            who: self.instance.clone(),
            port: MovingPort::Sockets,
            what: DRAINED.to_owned(),
            evidence: json!({ "closed": all.closed, "deaf": all.deaf }),
        };
        // It is for whoever wants to know, and nothing depends on it.
        if let Err(error) = self.plan.note(&entry).await {
            tracing::warn!(%error, "that the old sockets are closed could not be written down");
        }
    }

    /// How many this process may close in a second: its part of what was said for all.
    async fn rate(&self) -> Result<u32> {
        let said = self.plan.last(MovingPort::Sockets, &[DRAIN]).await?;
        let all = said.and_then(|said| u32::try_from(said.entry.evidence[PER_SECOND].as_u64()?).ok());
        let instances = self.plan.instances().await?;
        let serving = instances.iter().filter(|instance| instance.may_serve(SILENCE)).count();
        let serving = u32::try_from(serving.max(1)).unwrap_or(u32::MAX);
        Ok((all.unwrap_or(USUAL) / serving).max(1))
    }
}
