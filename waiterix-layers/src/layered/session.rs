//! [`SessionStore`] with something around every call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::{Loaded, Result, Revision, Session, SessionId, SessionStore};

use crate::around::{Around, Call, Layered, Wrap};
use crate::operation::session::{
    CHECK, CREATE, DELETE, DELETE_ALL_OF, LOAD, PRUNE, SESSIONS_OF, TEMP_COUNT, TEMP_GET, TEMP_SET,
    TEMP_SET_IF_ABSENT, TEMP_TAKE, TOUCH, UPDATE,
};

impl Wrap for dyn SessionStore {
    fn wrapped(port: Arc<Self>, around: impl Around) -> Arc<Self> {
        Arc::new(Layered { port, around })
    }
}

#[async_trait]
impl<A: Around> SessionStore for Layered<dyn SessionStore, A> {
    async fn create(&self, session: &Session) -> Result<()> {
        self.around.around(Call::new(&CREATE, &|| self.port.create(session))).await
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Loaded>> {
        self.around.around(Call::new(&LOAD, &|| self.port.load(id))).await
    }

    async fn update(&self, session: &Session, revision: &Revision) -> Result<Revision> {
        self.around.around(Call::new(&UPDATE, &|| self.port.update(session, revision))).await
    }

    async fn touch(&self, id: &SessionId, last_activity: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.around.around(Call::new(&TOUCH, &|| self.port.touch(id, last_activity, expires_at))).await
    }

    async fn delete(&self, id: &SessionId) -> Result<bool> {
        self.around.around(Call::new(&DELETE, &|| self.port.delete(id))).await
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionId>> {
        self.around.around(Call::new(&SESSIONS_OF, &|| self.port.sessions_of(user))).await
    }

    async fn delete_all_of(&self, user: &UserId) -> Result<u32> {
        self.around.around(Call::new(&DELETE_ALL_OF, &|| self.port.delete_all_of(user))).await
    }

    async fn temp_set(&self, key: &str, value: &Value, ttl: Duration) -> Result<()> {
        self.around.around(Call::new(&TEMP_SET, &|| self.port.temp_set(key, value, ttl))).await
    }

    async fn temp_set_if_absent(&self, key: &str, value: &Value, ttl: Duration) -> Result<bool> {
        let begin = || self.port.temp_set_if_absent(key, value, ttl);
        self.around.around(Call::new(&TEMP_SET_IF_ABSENT, &begin)).await
    }

    async fn temp_get(&self, key: &str) -> Result<Option<Value>> {
        self.around.around(Call::new(&TEMP_GET, &|| self.port.temp_get(key))).await
    }

    async fn temp_take(&self, key: &str) -> Result<Option<Value>> {
        self.around.around(Call::new(&TEMP_TAKE, &|| self.port.temp_take(key))).await
    }

    async fn temp_count(&self, key: &str, ttl: Duration) -> Result<u64> {
        self.around.around(Call::new(&TEMP_COUNT, &|| self.port.temp_count(key, ttl))).await
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        self.around.around(Call::new(&PRUNE, &|| self.port.prune(limit))).await
    }

    async fn check(&self) -> Result<()> {
        self.around.around(Call::new(&CHECK, &|| self.port.check())).await
    }
}
