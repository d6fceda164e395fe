//! A transport of gateways: it has connections of its own and cannot reach sockets of this process.

#![allow(unreachable_pub, missing_docs, reason = "test support")]

use async_trait::async_trait;
use tokio::sync::mpsc;
use waiterix_adapters_local::memory::MemoryNotifier;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Error, ErrorKind, Frame, Message,
    Notifier, Outlet, Result, Role, notifier::fault_of,
};

/// A chef's connection.
pub fn chef(id: &str, outlet: Outlet) -> Connection {
    Connection {
        id: ConnectionId::new(id),
        restaurant: "r".into(),
        role: Role::Chef { user: "anna".into(), session_digest: None },
        connected_at: Timestamp::EPOCH,
        outlet,
    }
}

/// A way out by a gateway.
pub fn gateway() -> Outlet {
    Outlet::Gateway { endpoint: "https://gateway.example.org/stage".to_owned() }
}

/// The memory of a gateway: an endpoint stands for a line that always hears.
#[derive(Debug, Default)]
pub struct NoSockets {
    memory: MemoryNotifier,
    heard: std::sync::Mutex<Vec<mpsc::Receiver<Frame>>>,
}

impl NoSockets {
    /// How many frames arrived at all of its connections since it was asked last.
    #[allow(clippy::unwrap_used, reason = "a failed test is a panic")]
    pub fn heard(&self) -> usize {
        let mut lines = self.heard.lock().unwrap();
        lines.iter_mut().map(|line| std::iter::from_fn(|| line.try_recv().ok()).count()).sum()
    }
}

#[async_trait]
impl Notifier for NoSockets {
    #[allow(clippy::unwrap_used, reason = "a failed test is a panic")]
    async fn connect(&self, connection: &Connection) -> Result<()> {
        if let Some(fault) = fault_of(connection) {
            return Err(Error::new(ErrorKind::Invalid, "notifier.connect").with("fault", fault));
        }
        let Outlet::Gateway { endpoint } = &connection.outlet else {
            return Err(Error::new(ErrorKind::Unsupported, "notifier.connect"));
        };
        if !endpoint.contains("gateway") {
            return Err(Error::new(ErrorKind::Unsupported, "notifier.connect"));
        }
        let (sender, receiver) = mpsc::channel(64);
        let line = Connection { outlet: Outlet::Socket(sender), ..connection.clone() };
        self.memory.connect(&line).await?;
        self.heard.lock().unwrap().push(receiver);
        Ok(())
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        self.memory.disconnect(id).await
    }

    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        self.memory.publish(audience, message).await
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        self.memory.send(id, text).await
    }

    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        reason: CloseReason,
    ) -> Result<u32> {
        self.memory.close_chefs(restaurant, who, reason).await
    }

    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        self.memory.sweep(made_before).await
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}
