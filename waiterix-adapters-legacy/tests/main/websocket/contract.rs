//! The contract, with all connections at one process and with several.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use waiterix_adapters_legacy::websocket::WebSocketNotifier;
use waiterix_contract::notifier::NotifierFixture;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Message, Notifier, Result,
};
use waiterix_postgres::testing::Scratch;

use crate::websocket::processes::{database, joined};

/// Several processes that look like one notifier, and the database they are on.
#[derive(Debug)]
struct Several {
    /// Where connections are made: one that is made again is made at the same process.
    holders: Vec<Arc<WebSocketNotifier>>,
    /// Who is asked for everything else, one after the other.
    askers: Vec<Arc<WebSocketNotifier>>,
    asked: AtomicUsize,
    _database: Scratch,
}

impl Several {
    fn asker(&self) -> &WebSocketNotifier {
        &self.askers[self.asked.fetch_add(1, Ordering::Relaxed) % self.askers.len()]
    }
}

#[async_trait]
impl Notifier for Several {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        connection.id.hash(&mut hasher);
        self.holders[hasher.finish() as usize % self.holders.len()].connect(connection).await
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        self.asker().disconnect(id).await
    }

    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        self.asker().publish(audience, message).await
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        self.asker().send(id, text).await
    }

    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        reason: CloseReason,
    ) -> Result<u32> {
        self.asker().close_chefs(restaurant, who, reason).await
    }

    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        self.asker().sweep(made_before).await
    }

    async fn check(&self) -> Result<()> {
        self.asker().check().await
    }
}

async fn several(processes: u8, holders: &[usize], askers: &[usize]) -> Option<NotifierFixture> {
    let database = database().await?;
    let mut all = Vec::new();
    for number in 0..processes {
        all.push(joined(&database.url(), number).await);
    }
    let chosen = |places: &[usize]| places.iter().map(|place| all[*place].clone()).collect();
    let several = Several {
        holders: chosen(holders),
        askers: chosen(askers),
        asked: AtomicUsize::new(0),
        _database: database,
    };
    Some(NotifierFixture::sockets(Arc::new(several)))
}

mod one {
    use super::*;

    async fn fresh() -> Option<NotifierFixture> {
        several(1, &[0], &[0]).await
    }

    waiterix_contract::notifier_contract!("WebSocket server", fresh);
}

mod two {
    use super::*;

    /// All connections are at one process, and everything else is asked of the other.
    async fn fresh() -> Option<NotifierFixture> {
        several(2, &[1], &[0]).await
    }

    waiterix_contract::notifier_contract!("WebSocket server, two processes", fresh);
}

mod three {
    use super::*;

    /// Connections are at all processes, and each of them is asked in its turn.
    async fn fresh() -> Option<NotifierFixture> {
        several(3, &[0, 1, 2], &[0, 1, 2]).await
    }

    waiterix_contract::notifier_contract!("WebSocket server, three processes", fresh);
}
