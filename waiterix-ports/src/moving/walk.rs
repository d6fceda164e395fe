//! What a walk over all keys of a store needs: the keys themselves, where it was, and what it found out.

use std::fmt;

use async_trait::async_trait;
use waiterix_domain::Timestamp;

use crate::{Result, SessionId};

/// One page of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage<K> {
    /// The keys, in no order.
    pub keys: Vec<K>,
    /// Where the next page begins; `None` on the last. A page may be empty and not the last.
    pub next: Option<String>,
}

/// A key of temporary data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TempKey {
    /// The key, as it was given to [`crate::SessionStore::temp_set`].
    pub key: String,
    /// When its value ends.
    pub ends_at: Timestamp,
}

/// What a store of sessions holds. A key that is there from the beginning of a walk to its end is named, perhaps more than
/// once; one that comes or goes meanwhile may be named or not.
#[async_trait]
pub trait SessionKeys: fmt::Debug + Send + Sync + 'static {
    /// The ids of sessions that have not ended, those with unreadable records included; about `limit` a page.
    ///
    /// # Errors
    /// `Invalid` for a place that is none, `Unavailable`, `Timeout`.
    async fn session_ids(&self, from: Option<&str>, limit: u32) -> Result<KeyPage<SessionId>>;

    /// The keys of temporary values that begin with a prefix and have not ended; counters are not among them.
    ///
    /// # Errors
    /// As [`SessionKeys::session_ids`].
    async fn temp_keys(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<KeyPage<TempKey>>;
}

/// How far a walk has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Where it goes on; `None` at the beginning, and when it is finished.
    pub at: Option<String>,
    /// How many keys it has seen to.
    pub done: u64,
    /// Whether it came to the end.
    pub finished: bool,
}

/// Remembers how far walks have come, so that one that was interrupted goes on.
#[async_trait]
pub trait Places: fmt::Debug + Send + Sync + 'static {
    /// How far a walk has come; the beginning where nothing is known of it.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn place(&self, walk: &str) -> Result<Place>;

    /// Remembers it.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn keep_place(&self, walk: &str, place: &Place) -> Result<()>;
}

/// That an object was found equal on both sides, byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRecord {
    /// Which object.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, which is ours and no provider's.
    pub sha256: [u8; 32],
    /// What the old store called this state of it.
    pub old_etag: String,
    /// What the new store called this state of it.
    pub new_etag: String,
}

/// Remembers which objects were found equal in which state, so that they need not be read again as long as both stores call
/// them the same.
#[async_trait]
pub trait ObjectRecords: fmt::Debug + Send + Sync + 'static {
    /// Remembers objects, in place of what was remembered of them.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn keep_records(&self, records: &[ObjectRecord]) -> Result<()>;

    /// What is remembered of these keys, in no order.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn records(&self, keys: &[&str]) -> Result<Vec<ObjectRecord>>;

    /// Forgets keys.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn forget_records(&self, keys: &[&str]) -> Result<()>;
}
