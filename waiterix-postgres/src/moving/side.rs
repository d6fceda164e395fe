//! One of the two databases of a move of rows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use waiterix_ports::moving::{
    Backlog, Claim, Claiming, Forgetting, Hashing, Hold, Instance, Leaf, Mode, MovingKey, Parcel,
    Quarantined, RowHash, RowSide, Shares, Standing, Survey, Wanted,
};
use waiterix_ports::{Clock, KeyRange, Result};

use super::tables::Known;
use super::{aside, claim, copy, hold, install, leaves, notes, standing, survey};
use crate::connect::Database;

/// One of the two databases of a move.
///
/// Reached directly or, for everything but [`RowSide::install`], [`RowSide::uninstall`], [`RowSide::before_copy`] and
/// [`RowSide::after_copy`], through a pooler in transaction mode. A key that is made equal needs a connection here and one
/// there for as long as it takes, and so does a range that is copied: the pool must have as many as there are such at a time.
#[derive(Clone)]
pub struct PostgresSide {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tables: Arc<Known>,
}

impl fmt::Debug for PostgresSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSide").field("database", &self.database).finish_non_exhaustive()
    }
}

impl PostgresSide {
    /// A side of a move; nothing is asked of it yet. The clock is compared with that of the server.
    #[must_use]
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock, tables: Arc::default() }
    }

    /// The database, for those who look after its connections.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }
}

#[async_trait]
impl RowSide for PostgresSide {
    async fn survey(&self) -> Result<Survey> {
        survey::survey(self).await
    }

    async fn install(&self, first: Standing) -> Result<()> {
        install::install(&self.database, first).await
    }

    async fn uninstall(&self) -> Result<()> {
        install::uninstall(&self.database).await
    }

    async fn standing(&self) -> Result<Option<Standing>> {
        standing::read(&self.database, "side.standing").await
    }

    async fn shift(&self, seen: Standing, mode: Mode, epoch: u64, patience: Duration) -> Result<bool> {
        standing::shift(&self.database, seen, mode, epoch, patience).await
    }

    async fn claim(&self, what: &Claiming) -> Result<Box<dyn Claim>> {
        Ok(Box::new(claim::claim(self, what).await?))
    }

    async fn backlog(&self) -> Result<Backlog> {
        notes::backlog(&self.database).await
    }

    async fn mark(&self, keys: &[MovingKey]) -> Result<()> {
        notes::mark(&self.database, keys).await
    }

    async fn dirty(&self, keys: &[MovingKey]) -> Result<Vec<MovingKey>> {
        notes::dirty(&self.database, keys).await
    }

    async fn quarantine(&self, keys: &[Quarantined]) -> Result<()> {
        notes::quarantine(&self.database, keys).await
    }

    async fn quarantined(&self, limit: u32) -> Result<Vec<Quarantined>> {
        notes::quarantined(&self.database, limit).await
    }

    async fn release(&self) -> Result<u64> {
        notes::release(&self.database).await
    }

    async fn report(&self, id: &str, old_turn: u64, new_turn: u64) -> Result<()> {
        notes::report(&self.database, id, old_turn, new_turn).await
    }

    async fn leave(&self, id: &str) -> Result<()> {
        notes::leave(&self.database, id).await
    }

    async fn forget(&self, id: &str, silent: Duration) -> Result<Forgetting> {
        notes::forget(&self.database, id, silent).await
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        notes::instances(&self.database).await
    }

    async fn hold(&self, epoch: u64, keys: &[MovingKey]) -> Result<Box<dyn Hold>> {
        Ok(Box::new(hold::hold(self, epoch, keys).await?))
    }

    async fn ranges(&self, table: &str, rows: u64) -> Result<Vec<KeyRange>> {
        leaves::ranges(self, table, rows).await
    }

    async fn cut(&self, table: &str, rows: u64) -> Result<Vec<KeyRange>> {
        copy::cut(self, table, rows).await
    }

    async fn copy_out(&self, table: &str, range: &KeyRange) -> Result<Parcel> {
        copy::copy_out(self, table, range).await
    }

    async fn copy_in(&self, epoch: u64, table: &str, range: &KeyRange, parcel: Parcel) -> Result<()> {
        copy::copy_in(self, epoch, table, range, parcel).await
    }

    async fn copied(&self, table: &str) -> Result<Vec<KeyRange>> {
        copy::copied(self, table).await
    }

    async fn before_copy(&self) -> Result<()> {
        aside::before_copy(self).await
    }

    async fn after_copy(&self) -> Result<()> {
        aside::after_copy(self).await
    }

    async fn stretches(&self, table: &str, bytes: u64) -> Result<Vec<KeyRange>> {
        leaves::stretches(self, table, bytes).await
    }

    async fn leaves(
        &self,
        table: &str,
        range: &KeyRange,
        shares: Shares,
        hashing: Hashing,
    ) -> Result<Vec<Leaf>> {
        leaves::leaves(self, table, range, shares, hashing).await
    }

    async fn hashes(
        &self,
        table: &str,
        range: &KeyRange,
        shares: Shares,
        some: &[u32],
        hashing: Hashing,
    ) -> Result<Vec<RowHash>> {
        leaves::hashes(self, table, range, shares, some, hashing).await
    }

    async fn images(&self, keys: &[MovingKey]) -> Result<Vec<Wanted>> {
        claim::images(self, keys).await
    }

    async fn pressure(&self) -> Result<Duration> {
        survey::pressure(self).await
    }
}
