//! What a mirror notes in the stores themselves, as temporary data under names of its own.
//!
//! | name | in | says |
//! |---|---|---|
//! | `mirror:gone:<digest>` | both | this session was ended: nothing may bring it back |
//! | `mirror:here:<digest>` | both | this session was here, to end at that time: if it is gone earlier, somebody ended it |
//! | `mirror:owns:<digest>` | the leader | this temporary key was set here: what the other side holds of it is older; or it was carried here from there once |
//!
//! Digests, because a key of temporary data is short and the id of a session is a secret.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use waiterix_domain::Timestamp;
use waiterix_ports::session::MAX_TTL;
use waiterix_ports::{Result, SessionId, SessionStore};

/// How much later than it was told a session may end, because stores keep its end to the second only.
pub(super) const TOLERANCE_S: i64 = 1;

fn name(what: &str, of: &str) -> String {
    Sha256::digest(of).iter().fold(format!("mirror:{what}:"), |mut name, byte| {
        // Writing to a text cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

pub(super) async fn is_gone(store: &dyn SessionStore, id: &SessionId) -> Result<bool> {
    Ok(store.temp_get(&name("gone", id.reveal())).await?.is_some())
}

/// Kept as long as anything can be: how long copies of the session live is not known to whoever ends it.
pub(super) async fn set_gone(store: &dyn SessionStore, id: &SessionId) -> Result<()> {
    store.temp_set(&name("gone", id.reveal()), &json!(true), MAX_TTL).await
}

/// Forgets everything noted of a session, for one that is made anew under its id.
pub(super) async fn forget(store: &dyn SessionStore, id: &SessionId) -> Result<()> {
    store.temp_take(&name("here", id.reveal())).await?;
    store.temp_take(&name("gone", id.reveal())).await?;
    Ok(())
}

/// When the session that was here was to end.
pub(super) async fn here_until(store: &dyn SessionStore, id: &SessionId) -> Result<Option<Timestamp>> {
    let until = store.temp_get(&name("here", id.reveal())).await?;
    Ok(until.as_ref().and_then(Value::as_i64).and_then(Timestamp::from_millis))
}

/// Kept a little longer than the session, so that what is rounded up elsewhere is known to have ended.
pub(super) async fn set_here(
    store: &dyn SessionStore,
    id: &SessionId,
    until: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let left_ms = u64::try_from(until.as_millis().saturating_sub(now.as_millis())).unwrap_or(0);
    let ttl = Duration::from_millis(left_ms).saturating_add(Duration::from_secs(3)).min(MAX_TTL);
    store.temp_set(&name("here", id.reveal()), &json!(until.as_millis()), ttl).await
}

pub(super) async fn forget_here(store: &dyn SessionStore, id: &SessionId) -> Result<bool> {
    Ok(store.temp_take(&name("here", id.reveal())).await?.is_some())
}

/// How a store came by a temporary key of which the other one may hold something, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owned {
    /// It was set here.
    Set,
    /// It was carried here, as the other store has it.
    Carried,
}

/// What is noted of a key that was carried.
const CARRIED: &str = "carried";

pub(super) async fn owned(store: &dyn SessionStore, key: &str) -> Result<Option<Owned>> {
    let noted = store.temp_get(&name("owns", key)).await?;
    Ok(noted.map(|noted| if noted == CARRIED { Owned::Carried } else { Owned::Set }))
}

/// Notes that a key was carried, for as long as the other store has it; that it was set here says more, and stays.
pub(super) async fn set_carried(store: &dyn SessionStore, key: &str, ttl: Duration) -> Result<()> {
    let ttl = ttl.saturating_add(Duration::from_secs(3)).min(MAX_TTL);
    store.temp_set_if_absent(&name("owns", key), &json!(CARRIED), ttl).await.map(drop)
}

/// Whether a key was set here. What was carried is no newer than what the other store has, so that one may be asked as well.
pub(super) async fn owns(store: &dyn SessionStore, key: &str) -> Result<bool> {
    Ok(owned(store, key).await? == Some(Owned::Set))
}

pub(super) async fn set_owns(store: &dyn SessionStore, key: &str) -> Result<()> {
    store.temp_set(&name("owns", key), &json!(true), MAX_TTL).await
}

pub(super) async fn forget_owns(store: &dyn SessionStore, key: &str) -> Result<()> {
    store.temp_take(&name("owns", key)).await.map(drop)
}
