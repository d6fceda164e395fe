//! Ports that fail the test when they are called more or less often than they should be.

#![allow(unreachable_pub, missing_docs, reason = "test support")]

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use mockall::mock;
use serde_json::Value;
use url::Url;
use waiterix_domain::digest::Digest;
use waiterix_domain::id::{RestaurantId, UserId};
use waiterix_domain::{Audience, ChangeSet, Row, Table, Timestamp};
use waiterix_ports::blob::UploadRequest;
use waiterix_ports::{
    Answer, BlobMeta, BlobPage, BlobStore, ChefSelector, CloseReason, Connection, ConnectionId, Delivery,
    Download, Error, ErrorKind, KeyRange, Loaded, Mail, Message, Outcome, PutBlob, Query, Result, Retry,
    Revision, Session, SessionId, Visibility,
};

mock! {
    #[derive(Debug)]
    pub Store {}
    #[async_trait]
    impl waiterix_ports::Store for Store {
        async fn read(&self, query: &Query) -> Result<Answer>;
        async fn commit(&self, changes: &ChangeSet) -> Result<()>;
        async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>>;
        async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest>;
        async fn forget_commits(&self, before: Timestamp, limit: u32) -> Result<u32>;
        async fn check(&self) -> Result<()>;
    }
}

// A mock cannot take an optional reference, so its methods leave those out.
mock! {
    #[derive(Debug)]
    pub BlobStore {
        pub fn put(&self, blob: PutBlob) -> Result<BlobMeta>;
        pub fn get(&self, key: &str) -> Result<Download>;
        pub fn head(&self, key: &str) -> Result<BlobMeta>;
        pub fn delete(&self, key: &str) -> Result<()>;
        pub fn list(&self, prefix: &str) -> Result<BlobPage>;
        pub fn copy(&self, from: &str, to: &str) -> Result<()>;
        pub fn set_access(&self, key: &str) -> Result<()>;
        pub fn presign_upload(&self, request: &UploadRequest) -> Result<Url>;
        pub fn presign_download(&self, key: &str) -> Result<Url>;
        pub fn check(&self) -> Result<()>;
    }
}

#[async_trait]
impl BlobStore for MockBlobStore {
    async fn put(&self, _: &str, blob: PutBlob) -> Result<BlobMeta> {
        self.put(blob)
    }

    async fn get(&self, key: &str, _: Option<Range<u64>>) -> Result<Download> {
        self.get(key)
    }

    async fn head(&self, key: &str) -> Result<BlobMeta> {
        self.head(key)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.delete(key)
    }

    async fn list(&self, prefix: &str, _: Option<&str>, _: u32) -> Result<BlobPage> {
        self.list(prefix)
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        self.copy(from, to)
    }

    async fn set_access(&self, key: &str, _: Option<&UserId>, _: Visibility) -> Result<()> {
        self.set_access(key)
    }

    async fn presign_upload(&self, request: &UploadRequest) -> Result<Url> {
        self.presign_upload(request)
    }

    async fn presign_download(&self, key: &str, _: Duration) -> Result<Url> {
        self.presign_download(key)
    }

    async fn check(&self) -> Result<()> {
        self.check()
    }
}

mock! {
    #[derive(Debug)]
    pub Mailer {}
    #[async_trait]
    impl waiterix_ports::Mailer for Mailer {
        async fn send(&self, mail: &Mail) -> Result<Outcome>;
        async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()>;
        async fn is_suppressed(&self, address: &str) -> Result<bool>;
        async fn check(&self) -> Result<()>;
    }
}

mock! {
    #[derive(Debug)]
    pub SessionStore {}
    #[async_trait]
    impl waiterix_ports::SessionStore for SessionStore {
        async fn create(&self, session: &Session) -> Result<()>;
        async fn load(&self, id: &SessionId) -> Result<Option<Loaded>>;
        async fn update(&self, session: &Session, revision: &Revision) -> Result<Revision>;
        async fn touch(&self, id: &SessionId, last_activity: Timestamp, expires_at: Timestamp) -> Result<bool>;
        async fn delete(&self, id: &SessionId) -> Result<bool>;
        async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionId>>;
        async fn delete_all_of(&self, user: &UserId) -> Result<u32>;
        async fn temp_set(&self, key: &str, value: &Value, ttl: Duration) -> Result<()>;
        async fn temp_set_if_absent(&self, key: &str, value: &Value, ttl: Duration) -> Result<bool>;
        async fn temp_get(&self, key: &str) -> Result<Option<Value>>;
        async fn temp_take(&self, key: &str) -> Result<Option<Value>>;
        async fn temp_count(&self, key: &str, ttl: Duration) -> Result<u64>;
        async fn prune(&self, limit: u32) -> Result<u32>;
        async fn check(&self) -> Result<()>;
    }
}

mock! {
    #[derive(Debug)]
    pub Notifier {}
    #[async_trait]
    impl waiterix_ports::Notifier for Notifier {
        async fn connect(&self, connection: &Connection) -> Result<()>;
        async fn disconnect(&self, id: &ConnectionId) -> Result<()>;
        async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery>;
        async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool>;
        async fn close_chefs(
            &self,
            restaurant: &RestaurantId,
            who: &ChefSelector,
            reason: CloseReason,
        ) -> Result<u32>;
        async fn sweep(&self, made_before: Timestamp) -> Result<u32>;
        async fn check(&self) -> Result<()>;
    }
}

/// A failure of the outside with this advice.
pub fn failure(advice: Retry) -> Error {
    Error::new(ErrorKind::Unavailable, "outside").retry(advice)
}
