//! A notifier that takes connections of a gateway, for tests to look at. The real one needs servers and is tested with them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Error, ErrorKind, Message, Notifier,
    Result,
};

#[derive(Debug, Default)]
pub struct Desk(Mutex<Book>);

#[derive(Debug, Default)]
pub struct Book {
    pub connections: Vec<Connection>,
    pub left: Vec<ConnectionId>,
    pub sent: Vec<(ConnectionId, String)>,
    /// What every call fails with.
    pub down: Option<ErrorKind>,
    /// Calls are never answered.
    pub mute: bool,
}

impl Desk {
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self, operation: &'static str) -> Result<MutexGuard<'_, Book>> {
        if self.book().mute {
            std::future::pending::<()>().await;
        }
        let book = self.book();
        match book.down {
            Some(kind) => Err(Error::new(kind, operation)),
            None => Ok(book),
        }
    }
}

#[async_trait]
impl Notifier for Desk {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        self.open("desk.connect").await?.connections.push(connection.clone());
        Ok(())
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        self.open("desk.disconnect").await?.left.push(id.clone());
        Ok(())
    }

    async fn publish(&self, _: &Audience, _: &Message) -> Result<Delivery> {
        drop(self.open("desk.publish").await?);
        Ok(Delivery::default())
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        self.open("desk.send").await?.sent.push((id.clone(), text.to_owned()));
        Ok(true)
    }

    async fn close_chefs(&self, _: &RestaurantId, _: &ChefSelector, _: CloseReason) -> Result<u32> {
        Ok(0)
    }

    async fn sweep(&self, _: Timestamp) -> Result<u32> {
        drop(self.open("desk.sweep").await?);
        Ok(3)
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}
