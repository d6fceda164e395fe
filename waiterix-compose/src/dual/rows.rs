//! Rows in both databases.

use std::sync::Arc;

use tokio::task::JoinHandle;
use waiterix_migration::rows::{
    Converger, DualSettings, DualStore, Event, Lead, Progress, Relay, RelaySettings, Sides, Stop,
};
use waiterix_ports::moving::Backlog;
use waiterix_ports::{Clock, Result, Store};
use waiterix_postgres::connect::Database;
use waiterix_postgres::moving::PostgresSide;

use super::stopped;

/// What goes on beside the port.
#[derive(Debug)]
pub(super) struct Rows {
    lead: Arc<Lead>,
    sides: Sides,
    relay: Arc<Relay>,
    /// The port itself.
    pub(super) dual: Arc<DualStore>,
    /// Old and new.
    pub(super) stores: [Arc<dyn Store>; 2],
}

/// Tells the log.
#[derive(Debug)]
struct Logged;

impl Progress for Logged {
    fn tell(&self, event: &Event) {
        if let Event::TriedAgain { what, why } = event {
            tracing::warn!(what, why, "the other database is behind, and it is tried again");
        }
    }
}

/// The port of rows over both databases.
pub(super) fn over(
    stores: [Arc<dyn Store>; 2],
    databases: &[Database; 2],
    instance: &str,
    clock: &Arc<dyn Clock>,
) -> (Arc<dyn Store>, Rows) {
    let side = |database: &Database| Arc::new(PostgresSide::new(database.clone(), clock.clone()));
    let sides = Sides::new(side(&databases[0]), side(&databases[1]));
    let lead = Arc::new(Lead::new(sides.clone(), instance, clock.clone()));
    let converger = Arc::new(Converger::new(sides.clone()));
    let relay = Arc::new(Relay::new(converger.clone(), RelaySettings::default(), Arc::new(Logged)));
    let [old, new] = stores.clone();
    let dual = Arc::new(DualStore::new(old, new, lead.clone(), converger, DualSettings::default()));
    (dual.clone(), Rows { lead, sides, relay, dual, stores })
}

impl Rows {
    /// Says that this process ends.
    pub(super) async fn leave(&self) -> Result<()> {
        self.lead.leave().await
    }

    /// How much is to be made up for; nothing where the move was not begun, or nobody leads.
    pub(super) async fn backlog(&self) -> Result<Option<Backlog>> {
        let seen = self.sides.look().await?;
        match seen.reads().filter(|leader| seen.of(*leader).is_some()) {
            Some(leader) => self.sides.of(leader).backlog().await.map(Some),
            None => Ok(None),
        }
    }

    /// Keeps up with changes of the leader and makes the other side equal, in the background.
    pub(super) fn follow(&self, stop: &Stop) -> Vec<JoinHandle<()>> {
        let (lead, relay) = (self.lead.clone(), self.relay.clone());
        let (keeping, relaying) = (stop.clone(), stop.clone());
        vec![
            tokio::spawn(async move { lead.keep(stopped(&keeping)).await }),
            tokio::spawn(async move { relay.run(&relaying).await }),
        ]
    }
}
