//! The ports that a function does not use: nothing was configured for them, and each call of one says so.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;
use waiterix_domain::digest::Digest;
use waiterix_domain::id::{RestaurantId, UserId};
use waiterix_domain::{Audience, ChangeSet, Row, Table, Timestamp};
use waiterix_ports::blob::UploadRequest;
use waiterix_ports::mailer::MailEvents;
use waiterix_ports::{
    Answer, BlobMeta, BlobPage, BlobStore, ChefSelector, CloseReason, Connection, ConnectionId, Delivery,
    Download, Error, ErrorKind, KeyRange, Loaded, Mail, Mailer, Message, Notifier, Outcome, PutBlob, Query,
    Result, Revision, Session, SessionId, SessionStore, Store, Visibility,
};

use crate::family::Family;

/// All ports, unused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unused;

/// What a call is answered with: a mistake in what the function says it needs, which no repeating mends.
fn unused<T>(operation: &'static str) -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, operation)
        .with("fault", "this function says that it does not use the port, so nothing is configured for it"))
}

#[async_trait]
impl Family for Unused {
    async fn store(&mut self) -> std::result::Result<Arc<dyn Store>, String> {
        Ok(Arc::new(Self))
    }

    #[cfg(all(feature = "aws", feature = "legacy"))]
    fn beside(&self) -> std::result::Result<waiterix_postgres::connect::Database, String> {
        Err("no database is configured, because this function does not use one".to_owned())
    }

    async fn blobs(&mut self) -> std::result::Result<Arc<dyn BlobStore>, String> {
        Ok(Arc::new(Self))
    }

    async fn mailer(&mut self, _: &Arc<dyn SessionStore>) -> std::result::Result<Arc<dyn Mailer>, String> {
        Ok(Arc::new(Self))
    }

    #[cfg(all(feature = "aws", feature = "legacy"))]
    async fn bare_mailer(
        &mut self,
        _: &Arc<dyn SessionStore>,
    ) -> std::result::Result<Arc<dyn Mailer>, String> {
        Ok(Arc::new(Self))
    }

    fn mail_events(&self) -> Option<Arc<dyn MailEvents>> {
        None
    }

    #[cfg(all(feature = "aws", feature = "legacy"))]
    fn session_keys(&self) -> std::result::Result<Arc<dyn waiterix_ports::moving::SessionKeys>, String> {
        Err("no sessions are configured, because this function does not use them".to_owned())
    }

    async fn sessions(&mut self) -> std::result::Result<Arc<dyn SessionStore>, String> {
        Ok(Arc::new(Self))
    }

    async fn notifier(&mut self) -> std::result::Result<Arc<dyn Notifier>, String> {
        Ok(Arc::new(Self))
    }

    fn dismiss_sockets(&self) {}

    async fn close(&self) {}
}

#[async_trait]
impl Store for Unused {
    async fn read(&self, _: &Query) -> Result<Answer> {
        unused("unused.store")
    }

    async fn commit(&self, _: &ChangeSet) -> Result<()> {
        unused("unused.store")
    }

    async fn scan(&self, _: Table, _: &KeyRange, _: u32) -> Result<Vec<Row>> {
        unused("unused.store")
    }

    async fn digest(&self, _: Table, _: &KeyRange) -> Result<Digest> {
        unused("unused.store")
    }

    async fn forget_commits(&self, _: Timestamp, _: u32) -> Result<u32> {
        unused("unused.store")
    }

    async fn check(&self) -> Result<()> {
        unused("unused.store")
    }
}

#[async_trait]
impl BlobStore for Unused {
    async fn put(&self, _: &str, _: PutBlob) -> Result<BlobMeta> {
        unused("unused.blobs")
    }

    async fn get(&self, _: &str, _: Option<Range<u64>>) -> Result<Download> {
        unused("unused.blobs")
    }

    async fn head(&self, _: &str) -> Result<BlobMeta> {
        unused("unused.blobs")
    }

    async fn delete(&self, _: &str) -> Result<()> {
        unused("unused.blobs")
    }

    async fn list(&self, _: &str, _: Option<&str>, _: u32) -> Result<BlobPage> {
        unused("unused.blobs")
    }

    async fn copy(&self, _: &str, _: &str) -> Result<()> {
        unused("unused.blobs")
    }

    async fn set_access(&self, _: &str, _: Option<&UserId>, _: Visibility) -> Result<()> {
        unused("unused.blobs")
    }

    async fn presign_upload(&self, _: &UploadRequest) -> Result<Url> {
        unused("unused.blobs")
    }

    async fn presign_download(&self, _: &str, _: Duration) -> Result<Url> {
        unused("unused.blobs")
    }

    async fn check(&self) -> Result<()> {
        unused("unused.blobs")
    }
}

#[async_trait]
impl Mailer for Unused {
    async fn send(&self, _: &Mail) -> Result<Outcome> {
        unused("unused.mailer")
    }

    async fn set_suppressed(&self, _: &str, _: bool) -> Result<()> {
        unused("unused.mailer")
    }

    async fn is_suppressed(&self, _: &str) -> Result<bool> {
        unused("unused.mailer")
    }

    async fn check(&self) -> Result<()> {
        unused("unused.mailer")
    }
}

#[async_trait]
impl SessionStore for Unused {
    async fn create(&self, _: &Session) -> Result<()> {
        unused("unused.sessions")
    }

    async fn load(&self, _: &SessionId) -> Result<Option<Loaded>> {
        unused("unused.sessions")
    }

    async fn update(&self, _: &Session, _: &Revision) -> Result<Revision> {
        unused("unused.sessions")
    }

    async fn touch(&self, _: &SessionId, _: Timestamp, _: Timestamp) -> Result<bool> {
        unused("unused.sessions")
    }

    async fn delete(&self, _: &SessionId) -> Result<bool> {
        unused("unused.sessions")
    }

    async fn sessions_of(&self, _: &UserId) -> Result<Vec<SessionId>> {
        unused("unused.sessions")
    }

    async fn delete_all_of(&self, _: &UserId) -> Result<u32> {
        unused("unused.sessions")
    }

    async fn temp_set(&self, _: &str, _: &Value, _: Duration) -> Result<()> {
        unused("unused.sessions")
    }

    async fn temp_set_if_absent(&self, _: &str, _: &Value, _: Duration) -> Result<bool> {
        unused("unused.sessions")
    }

    async fn temp_get(&self, _: &str) -> Result<Option<Value>> {
        unused("unused.sessions")
    }

    async fn temp_take(&self, _: &str) -> Result<Option<Value>> {
        unused("unused.sessions")
    }

    async fn temp_count(&self, _: &str, _: Duration) -> Result<u64> {
        unused("unused.sessions")
    }

    async fn prune(&self, _: u32) -> Result<u32> {
        unused("unused.sessions")
    }

    async fn check(&self) -> Result<()> {
        unused("unused.sessions")
    }
}

#[async_trait]
impl Notifier for Unused {
    async fn connect(&self, _: &Connection) -> Result<()> {
        unused("unused.notifier")
    }

    async fn disconnect(&self, _: &ConnectionId) -> Result<()> {
        unused("unused.notifier")
    }

    async fn publish(&self, _: &Audience, _: &Message) -> Result<Delivery> {
        unused("unused.notifier")
    }

    async fn send(&self, _: &ConnectionId, _: &str) -> Result<bool> {
        unused("unused.notifier")
    }

    async fn close_chefs(&self, _: &RestaurantId, _: &ChefSelector, _: CloseReason) -> Result<u32> {
        unused("unused.notifier")
    }

    async fn sweep(&self, _: Timestamp) -> Result<u32> {
        unused("unused.notifier")
    }

    async fn check(&self) -> Result<()> {
        unused("unused.notifier")
    }
}
