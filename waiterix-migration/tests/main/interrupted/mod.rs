//! A walk that ends in the middle.

use std::sync::Arc;

use async_trait::async_trait;
use waiterix_migration::MemoryPlan;
use waiterix_ports::moving::{Place, Places};
use waiterix_ports::{Error, ErrorKind, Result};

/// Remembers a few places and is then gone, as the process is that is killed.
#[derive(Debug)]
pub(crate) struct Dies(pub(crate) Arc<MemoryPlan>, pub(crate) u64);

#[async_trait]
impl Places for Dies {
    async fn place(&self, walk: &str) -> Result<Place> {
        self.0.place(walk).await
    }

    async fn keep_place(&self, walk: &str, place: &Place) -> Result<()> {
        if place.done > self.1 {
            return Err(Error::new(ErrorKind::Unavailable, "places"));
        }
        self.0.keep_place(walk, place).await
    }
}
