//! Ports whose other side is down: every call is `Unavailable`, or is never answered.

#![allow(missing_docs, unreachable_pub, reason = "test support")]

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use waiterix_domain::id::{RestaurantId, UserId};
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Error, ErrorKind, Loaded, Mail, Mailer,
    Message, Notifier, Outcome, Result, Retry, Revision, Session, SessionId, SessionStore,
};

/// Everything fails: at once, or by never answering.
#[derive(Debug)]
pub enum Down {
    Refusing,
    Silent,
}

impl Down {
    async fn fails<T>(&self, operation: &'static str) -> Result<T> {
        match self {
            Self::Refusing => Err(Error::new(ErrorKind::Unavailable, operation).retry(Retry::Safe)),
            Self::Silent => std::future::pending().await,
        }
    }
}

#[async_trait]
impl SessionStore for Down {
    async fn create(&self, _: &Session) -> Result<()> {
        self.fails("session.create").await
    }
    async fn load(&self, _: &SessionId) -> Result<Option<Loaded>> {
        self.fails("session.load").await
    }
    async fn update(&self, _: &Session, _: &Revision) -> Result<Revision> {
        self.fails("session.update").await
    }
    async fn touch(&self, _: &SessionId, _: Timestamp, _: Timestamp) -> Result<bool> {
        self.fails("session.touch").await
    }
    async fn delete(&self, _: &SessionId) -> Result<bool> {
        self.fails("session.delete").await
    }
    async fn sessions_of(&self, _: &UserId) -> Result<Vec<SessionId>> {
        self.fails("session.sessions_of").await
    }
    async fn delete_all_of(&self, _: &UserId) -> Result<u32> {
        self.fails("session.delete_all_of").await
    }
    async fn temp_set(&self, _: &str, _: &Value, _: Duration) -> Result<()> {
        self.fails("session.temp_set").await
    }
    async fn temp_set_if_absent(&self, _: &str, _: &Value, _: Duration) -> Result<bool> {
        self.fails("session.temp_set_if_absent").await
    }
    async fn temp_get(&self, _: &str) -> Result<Option<Value>> {
        self.fails("session.temp_get").await
    }
    async fn temp_take(&self, _: &str) -> Result<Option<Value>> {
        self.fails("session.temp_take").await
    }
    async fn temp_count(&self, _: &str, _: Duration) -> Result<u64> {
        self.fails("session.temp_count").await
    }
    async fn prune(&self, _: u32) -> Result<u32> {
        self.fails("session.prune").await
    }
    async fn check(&self) -> Result<()> {
        self.fails("session.check").await
    }
}

#[async_trait]
impl Notifier for Down {
    async fn connect(&self, _: &Connection) -> Result<()> {
        self.fails("notifier.connect").await
    }
    async fn disconnect(&self, _: &ConnectionId) -> Result<()> {
        self.fails("notifier.disconnect").await
    }
    async fn publish(&self, _: &Audience, _: &Message) -> Result<Delivery> {
        self.fails("notifier.publish").await
    }
    async fn send(&self, _: &ConnectionId, _: &str) -> Result<bool> {
        self.fails("notifier.send").await
    }
    async fn close_chefs(&self, _: &RestaurantId, _: &ChefSelector, _: CloseReason) -> Result<u32> {
        self.fails("notifier.close_chefs").await
    }
    async fn sweep(&self, _: Timestamp) -> Result<u32> {
        self.fails("notifier.sweep").await
    }
    async fn check(&self) -> Result<()> {
        self.fails("notifier.check").await
    }
}

#[async_trait]
impl Mailer for Down {
    async fn send(&self, _: &Mail) -> Result<Outcome> {
        self.fails("mailer.send").await
    }
    async fn set_suppressed(&self, _: &str, _: bool) -> Result<()> {
        self.fails("mailer.set_suppressed").await
    }
    async fn is_suppressed(&self, _: &str) -> Result<bool> {
        self.fails("mailer.is_suppressed").await
    }
    async fn check(&self) -> Result<()> {
        self.fails("mailer.check").await
    }
}
