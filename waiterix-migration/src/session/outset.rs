//! Sessions of a service that is made for two providers, before the move is begun.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::{Loaded, Result, Revision, Session, SessionId, SessionStore};

use super::DualSessionStore;
use crate::plan::Watch;

/// The old store alone until there is a plan, and the mirror from then on.
///
/// A write that was begun without a plan, and ends when there is one, needs nothing: the table it was written to has a trigger
/// before anything is walked over.
#[derive(Debug)]
pub struct OutsetSessionStore {
    old: Arc<dyn SessionStore>,
    mirror: Arc<DualSessionStore>,
    watch: Arc<Watch>,
}

impl OutsetSessionStore {
    /// The old store and the mirror that takes its place, for a process that watches the plan so.
    #[must_use]
    pub fn new(old: Arc<dyn SessionStore>, mirror: Arc<DualSessionStore>, watch: Arc<Watch>) -> Self {
        Self { old, mirror, watch }
    }

    async fn now(&self) -> Result<&dyn SessionStore> {
        let store: &dyn SessionStore = if self.watch.has_begun().await? { &*self.mirror } else { &*self.old };
        Ok(store)
    }
}

#[async_trait]
impl SessionStore for OutsetSessionStore {
    async fn create(&self, session: &Session) -> Result<()> {
        self.now().await?.create(session).await
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Loaded>> {
        self.now().await?.load(id).await
    }

    async fn update(&self, session: &Session, revision: &Revision) -> Result<Revision> {
        self.now().await?.update(session, revision).await
    }

    async fn touch(&self, id: &SessionId, last_activity: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.now().await?.touch(id, last_activity, expires_at).await
    }

    async fn delete(&self, id: &SessionId) -> Result<bool> {
        self.now().await?.delete(id).await
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionId>> {
        self.now().await?.sessions_of(user).await
    }

    async fn delete_all_of(&self, user: &UserId) -> Result<u32> {
        self.now().await?.delete_all_of(user).await
    }

    async fn temp_set(&self, key: &str, value: &Value, ttl: Duration) -> Result<()> {
        self.now().await?.temp_set(key, value, ttl).await
    }

    async fn temp_set_if_absent(&self, key: &str, value: &Value, ttl: Duration) -> Result<bool> {
        self.now().await?.temp_set_if_absent(key, value, ttl).await
    }

    async fn temp_get(&self, key: &str) -> Result<Option<Value>> {
        self.now().await?.temp_get(key).await
    }

    async fn temp_take(&self, key: &str) -> Result<Option<Value>> {
        self.now().await?.temp_take(key).await
    }

    async fn temp_count(&self, key: &str, ttl: Duration) -> Result<u64> {
        self.now().await?.temp_count(key, ttl).await
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        self.now().await?.prune(limit).await
    }

    async fn check(&self) -> Result<()> {
        self.now().await?.check().await
    }
}
