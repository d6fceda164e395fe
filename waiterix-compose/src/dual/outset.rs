//! Whether the move has not begun yet, or is over: without a plan both look alike.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use waiterix_ports::moving::{
    Forgetting, LedgerEntry, Mode, MovingPort, Plan, PlanStore, PortStanding, RowSide as _, Turns, Watcher,
};
use waiterix_ports::{Error, ErrorKind, Result};
use waiterix_postgres::moving::{PostgresPlan, PostgresSide};

/// The plan, for processes that may be there before it and after it.
#[derive(Debug)]
pub(super) struct Outset {
    plan: Arc<PostgresPlan>,
    old: PostgresSide,
}

impl Outset {
    pub(super) fn new(plan: Arc<PostgresPlan>, old: PostgresSide) -> Self {
        Self { plan, old }
    }
}

#[async_trait]
impl PlanStore for Outset {
    async fn plan(&self) -> Result<Plan> {
        self.plan.plan().await
    }

    async fn shift(&self, port: MovingPort, seen: u64, to: &PortStanding, why: &LedgerEntry) -> Result<bool> {
        self.plan.shift(port, seen, to, why).await
    }

    /// That there is no plan is believed only while the old database was not left behind by a move that is over.
    async fn look(&self, instance: &str, seen: &Turns) -> Result<Plan> {
        let plan = self.plan.look(instance, seen).await?;
        if !plan.is_made() && self.old.standing().await?.is_some_and(|old| old.mode == Mode::Mirror) {
            return Err(Error::new(ErrorKind::Unavailable, "plan.look")
                .with("fault", "the move is over: serve with the new provider alone"));
        }
        Ok(plan)
    }

    async fn leave(&self, instance: &str) -> Result<()> {
        self.plan.leave(instance).await
    }

    async fn forget(&self, instance: &str, silent: Duration, why: &LedgerEntry) -> Result<Forgetting> {
        self.plan.forget(instance, silent, why).await
    }

    async fn instances(&self) -> Result<Vec<Watcher>> {
        self.plan.instances().await
    }
}
