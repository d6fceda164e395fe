//! Ports whose other side is down: every call is `Unavailable`.

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

/// Everything fails.
#[derive(Debug)]
pub struct Down;

fn down<T>(operation: &'static str) -> Result<T> {
    Err(Error::new(ErrorKind::Unavailable, operation).retry(Retry::Safe))
}

#[async_trait]
impl SessionStore for Down {
    async fn create(&self, _: &Session) -> Result<()> {
        down("session.create")
    }
    async fn load(&self, _: &SessionId) -> Result<Option<Loaded>> {
        down("session.load")
    }
    async fn update(&self, _: &Session, _: &Revision) -> Result<Revision> {
        down("session.update")
    }
    async fn touch(&self, _: &SessionId, _: Timestamp, _: Timestamp) -> Result<bool> {
        down("session.touch")
    }
    async fn delete(&self, _: &SessionId) -> Result<bool> {
        down("session.delete")
    }
    async fn sessions_of(&self, _: &UserId) -> Result<Vec<SessionId>> {
        down("session.sessions_of")
    }
    async fn delete_all_of(&self, _: &UserId) -> Result<u32> {
        down("session.delete_all_of")
    }
    async fn temp_set(&self, _: &str, _: &Value, _: Duration) -> Result<()> {
        down("session.temp_set")
    }
    async fn temp_set_if_absent(&self, _: &str, _: &Value, _: Duration) -> Result<bool> {
        down("session.temp_set_if_absent")
    }
    async fn temp_get(&self, _: &str) -> Result<Option<Value>> {
        down("session.temp_get")
    }
    async fn temp_take(&self, _: &str) -> Result<Option<Value>> {
        down("session.temp_take")
    }
    async fn temp_count(&self, _: &str, _: Duration) -> Result<u64> {
        down("session.temp_count")
    }
    async fn prune(&self, _: u32) -> Result<u32> {
        down("session.prune")
    }
    async fn check(&self) -> Result<()> {
        down("session.check")
    }
}

#[async_trait]
impl Notifier for Down {
    async fn connect(&self, _: &Connection) -> Result<()> {
        down("notifier.connect")
    }
    async fn disconnect(&self, _: &ConnectionId) -> Result<()> {
        down("notifier.disconnect")
    }
    async fn publish(&self, _: &Audience, _: &Message) -> Result<Delivery> {
        down("notifier.publish")
    }
    async fn send(&self, _: &ConnectionId, _: &str) -> Result<bool> {
        down("notifier.send")
    }
    async fn close_chefs(&self, _: &RestaurantId, _: &ChefSelector, _: CloseReason) -> Result<u32> {
        down("notifier.close_chefs")
    }
    async fn sweep(&self, _: Timestamp) -> Result<u32> {
        down("notifier.sweep")
    }
    async fn check(&self) -> Result<()> {
        down("notifier.check")
    }
}

#[async_trait]
impl Mailer for Down {
    async fn send(&self, _: &Mail) -> Result<Outcome> {
        down("mailer.send")
    }
    async fn set_suppressed(&self, _: &str, _: bool) -> Result<()> {
        down("mailer.set_suppressed")
    }
    async fn is_suppressed(&self, _: &str) -> Result<bool> {
        down("mailer.is_suppressed")
    }
    async fn check(&self) -> Result<()> {
        down("mailer.check")
    }
}
