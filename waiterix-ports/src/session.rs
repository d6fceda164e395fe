//! Sessions and one-time data.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use waiterix_domain::id::UserId;
use waiterix_domain::{Secret, Timestamp};

use crate::Result;

/// The id of a session: a bearer secret, so it is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Secret);

impl SessionId {
    /// Wraps an id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(Secret::new(id))
    }

    /// The id itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// A session, independent of how a store writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The signed-in user, if any.
    pub user_id: Option<UserId>,
    /// The user's e-mail address, if known.
    pub email: Option<String>,
    /// Creation, to the millisecond.
    pub created_at: Timestamp,
    /// Last use known to the store, to the millisecond.
    pub last_activity: Timestamp,
    /// When it ends, absolutely; to the second in some stores, rounded up.
    pub expires_at: Timestamp,
    /// Everything else: other top-level members, kept as they are.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// What a stored session looked like when it was read; opaque to callers.
#[derive(Clone, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// Made by adapters.
    #[must_use]
    pub fn new(revision: impl Into<String>) -> Self {
        Self(revision.into())
    }

    /// Read by adapters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revision(…)")
    }
}

/// A session as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The session.
    pub session: Session,
    /// Its state, for [`SessionStore::update`].
    pub revision: Revision,
}

/// Sessions and one-time data.
///
/// A session id has 16 to 128 characters of `A–Z a–z 0–9 - _`; a temp key has 1 to 256 printable ASCII
/// characters without blanks. A session record is at most 64 KiB, a temp value 16 KiB, a time to live 1 second to
/// 400 days. Whatever is outside is `Invalid` on writes and simply absent on reads.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Stores a new session.
    ///
    /// - **N1** Never overwrites: an id in use is `Conflict` and the old session stays as it was.
    /// - **N2** The session and its membership in the user's list appear together.
    /// - **N3** Everything in it survives a round trip, `extra` included; times to the millisecond, expiry to the
    ///   second.
    /// - **N4** A session that has already ended, a malformed id or an oversize record is `Invalid`; nothing is stored.
    ///
    /// # Errors
    /// `Conflict`, `Invalid`, `Unavailable`, `Timeout`.
    async fn create(&self, session: &Session) -> Result<()>;

    /// Reads a session.
    ///
    /// - **N10** An unknown, deleted or ended session is `None`; an outage is `Unavailable`, never `None`.
    /// - **N11** Reading changes nothing, in particular not the expiry.
    /// - **N12** A record that cannot be understood is `Corrupt`.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`, `Timeout`.
    async fn load(&self, id: &SessionId) -> Result<Option<Loaded>>;

    /// Replaces a session that is still as it was read.
    ///
    /// - **N20** A session changed since is `Conflict`: of several updates from one revision exactly one succeeds.
    /// - **N21** A session that is gone is `NotFound` and is not resurrected.
    /// - **N22** A changed user moves the session to the other user's list.
    /// - **N23** Answers the new revision, with which the next update succeeds.
    ///
    /// # Errors
    /// `Conflict`, `NotFound`, `Invalid`, `Unavailable`, `Timeout`.
    async fn update(&self, session: &Session, revision: &Revision) -> Result<Revision>;

    /// Notes a use and moves the expiry, without touching anything else.
    ///
    /// - **N30** A session that is gone is `false` and is not resurrected, also when a delete happens at the same
    ///   time.
    /// - **N31** A touch never conflicts with an update and never undoes one.
    ///
    /// # Errors
    /// `Invalid`, `Unavailable`, `Timeout`.
    async fn touch(&self, id: &SessionId, last_activity: Timestamp, expires_at: Timestamp) -> Result<bool>;

    /// Ends a session; answers whether there was one.
    ///
    /// - **N40** After the answer no load finds it and no list names it; a delete always wins.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn delete(&self, id: &SessionId) -> Result<bool>;

    /// The live sessions of a user, in no order.
    ///
    /// - **N50** Exactly those that `load` would find; ended ones are not named, and their traces go away.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionId>>;

    /// Ends every session of a user; answers how many.
    ///
    /// - **N60** Sessions created before the call are gone after it, and only those of this user.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn delete_all_of(&self, user: &UserId) -> Result<u32>;

    /// Stores a temporary value, replacing one that is there.
    ///
    /// - **N70** It is found until its time to live is over, and not after that (to the second).
    ///
    /// # Errors
    /// `Invalid`, `Unavailable`, `Timeout`.
    async fn temp_set(&self, key: &str, value: &serde_json::Value, ttl: Duration) -> Result<()>;

    /// Stores a temporary value unless one is there; answers whether it did.
    ///
    /// - **N71** Of several at once exactly one succeeds; an expired value counts as absent.
    ///
    /// # Errors
    /// `Invalid`, `Unavailable`, `Timeout`.
    async fn temp_set_if_absent(&self, key: &str, value: &serde_json::Value, ttl: Duration) -> Result<bool>;

    /// Reads a temporary value.
    ///
    /// - **N72** Reading changes nothing.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`, `Timeout`.
    async fn temp_get(&self, key: &str) -> Result<Option<serde_json::Value>>;

    /// Reads and removes a temporary value in one step.
    ///
    /// - **N73** Of several at once exactly one gets it.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`, `Timeout`.
    async fn temp_take(&self, key: &str) -> Result<Option<serde_json::Value>>;

    /// Adds one to a counter and answers the new count. The counter starts at 0 and ends `ttl` after its first use.
    ///
    /// - **N74** Many at once get each number exactly once; later calls do not move the end.
    /// - **N75** Counters and values of the same key do not meet.
    ///
    /// # Errors
    /// `Invalid`, `Unavailable`, `Timeout`.
    async fn temp_count(&self, key: &str, ttl: Duration) -> Result<u64>;

    /// Removes what has ended, at most `limit` records; answers how many. For stores that do not forget by
    /// themselves; others answer 0.
    ///
    /// - **N80** Removes only what has ended; repeated until 0 it removes all of that.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn prune(&self, limit: u32) -> Result<u32>;

    /// Proves that the store answers, at the price of one round trip.
    ///
    /// - **N90** Succeeds on a working store and changes nothing.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`, `Denied`.
    async fn check(&self) -> Result<()>;
}

/// Whether a text may be a session id.
#[must_use]
pub fn is_session_id(text: &str) -> bool {
    (16..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether a text may be a key of temporary data.
#[must_use]
pub fn is_temp_key(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The longest time to live: 400 days.
pub const MAX_TTL: Duration = Duration::from_secs(400 * 86_400);
/// The largest session record in bytes, counted as JSON of `extra`.
pub const MAX_SESSION_BYTES: usize = 64 * 1024;
/// The largest temporary value in bytes, counted as JSON.
pub const MAX_TEMP_BYTES: usize = 16 * 1024;
