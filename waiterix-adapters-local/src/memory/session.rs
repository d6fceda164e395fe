//! Sessions in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::moving::{KeyPage, SessionKeys, TempKey};
use waiterix_ports::session::{MAX_SESSION_BYTES, MAX_TEMP_BYTES, MAX_TTL, is_session_id, is_temp_key};
use waiterix_ports::{Clock, Error, ErrorKind, Loaded, Result, Revision, Session, SessionId, SessionStore};

/// A [`SessionStore`] that forgets everything with the process; for tests.
pub struct MemorySessionStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<SessionId, Record>,
    values: HashMap<String, Ending<Value>>,
    counters: HashMap<String, Ending<u64>>,
    /// The revision given last; never used twice, so that a session made anew is another one.
    revision: u64,
}

struct Record {
    user_id: Option<UserId>,
    /// The rest of the session as JSON, as in a real store, so that it can be spoilt like one.
    content: String,
    revision: u64,
    last_activity: Timestamp,
    expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Content {
    email: Option<String>,
    created_at_micros: i64,
    extra: Map<String, Value>,
}

struct Ending<T> {
    value: T,
    end: Timestamp,
}

impl fmt::Debug for MemorySessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessionStore")
            .field("sessions", &self.state().sessions.len())
            .finish_non_exhaustive()
    }
}

impl MemorySessionStore {
    /// An empty store that lives by a clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Makes the record of a session unreadable, so that a test can see what becomes of that.
    pub fn spoil(&self, id: &SessionId) {
        if let Some(record) = self.state().sessions.get_mut(id) {
            record.content = "{ not json".to_owned();
        }
    }

    /// A panic elsewhere while the lock was held leaves the maps whole, so the poison is of no interest.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The JSON of a session that may be stored now.
    fn content_of(&self, session: &Session, operation: &'static str) -> Result<String> {
        if !is_session_id(session.id.reveal()) {
            return Err(invalid(operation, "malformed session id"));
        }
        self.check_end(session.expires_at, operation)?;
        let extra =
            serde_json::to_string(&session.extra).map_err(|e| invalid(operation, "extra").because(e))?;
        if extra.len() > MAX_SESSION_BYTES {
            return Err(invalid(operation, "session record is larger than 64 KiB"));
        }
        let content = Content {
            email: session.email.clone(),
            created_at_micros: session.created_at.as_micros(),
            extra: session.extra.clone(),
        };
        serde_json::to_string(&content).map_err(|error| invalid(operation, "session").because(error))
    }

    fn check_end(&self, end: Timestamp, operation: &'static str) -> Result<()> {
        let now = self.clock.now();
        if end <= now || end > after(now, MAX_TTL) {
            return Err(invalid(operation, "end of the session is past or more than 400 days ahead"));
        }
        Ok(())
    }

    /// When a temporary record under this key and with this time to live ends.
    fn end_of(&self, key: &str, ttl: Duration, operation: &'static str) -> Result<Timestamp> {
        if !is_temp_key(key) {
            return Err(invalid(operation, "malformed key"));
        }
        if !(Duration::from_secs(1)..=MAX_TTL).contains(&ttl) {
            return Err(invalid(operation, "time to live is not 1 second to 400 days"));
        }
        Ok(after(self.clock.now(), ttl))
    }
}

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

fn after(now: Timestamp, ttl: Duration) -> Timestamp {
    now.plus_millis(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
}

fn check_value(value: &Value, operation: &'static str) -> Result<()> {
    let json = serde_json::to_string(value).map_err(|error| invalid(operation, "value").because(error))?;
    if json.len() > MAX_TEMP_BYTES {
        return Err(invalid(operation, "value is larger than 16 KiB"));
    }
    Ok(())
}

impl State {
    fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// The record of a session that has not ended.
    fn live(&mut self, id: &SessionId, now: Timestamp) -> Option<&mut Record> {
        self.sessions.get_mut(id).filter(|record| record.expires_at > now)
    }

    /// Stores a temporary value where none is live; answers whether it did.
    fn set_if_absent(&mut self, key: &str, value: &Value, end: Timestamp, now: Timestamp) -> bool {
        if self.values.get(key).is_some_and(|held| held.end > now) {
            return false;
        }
        self.values.insert(key.to_owned(), Ending { value: value.clone(), end });
        true
    }

    /// Removes at most `limit` ended records; answers how many.
    fn prune(&mut self, limit: u32, now: Timestamp) -> u32 {
        let mut left = limit;
        let mut stays = |end: Timestamp| {
            let goes = end <= now && left > 0;
            left -= u32::from(goes);
            !goes
        };
        self.sessions.retain(|_, record| stays(record.expires_at));
        self.values.retain(|_, held| stays(held.end));
        self.counters.retain(|_, held| stays(held.end));
        limit - left
    }
}

#[async_trait]
impl SessionStore for MemorySessionStore {
    async fn create(&self, session: &Session) -> Result<()> {
        let content = self.content_of(session, "session.create")?;
        let (mut state, now) = (self.state(), self.clock.now());
        if state.live(&session.id, now).is_some() {
            return Err(Error::new(ErrorKind::Conflict, "session.create"));
        }
        let record = Record {
            user_id: session.user_id.clone(),
            content,
            revision: state.next_revision(),
            last_activity: session.last_activity,
            expires_at: session.expires_at,
        };
        state.sessions.insert(session.id.clone(), record);
        Ok(())
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Loaded>> {
        let (mut state, now) = (self.state(), self.clock.now());
        let Some(record) = state.live(id, now) else { return Ok(None) };
        let corrupt = || Error::new(ErrorKind::Corrupt, "session.load");
        // The cause could quote the record, so it is not kept.
        let content: Content = serde_json::from_str(&record.content).map_err(|_| corrupt())?;
        let session = Session {
            id: id.clone(),
            user_id: record.user_id.clone(),
            email: content.email,
            created_at: Timestamp::from_micros(content.created_at_micros).ok_or_else(corrupt)?,
            last_activity: record.last_activity,
            expires_at: record.expires_at,
            extra: content.extra,
        };
        Ok(Some(Loaded { session, revision: Revision::new(record.revision.to_string()) }))
    }

    async fn update(&self, session: &Session, revision: &Revision) -> Result<Revision> {
        let content = self.content_of(session, "session.update")?;
        let (mut state, now) = (self.state(), self.clock.now());
        let next = state.next_revision();
        let record =
            state.live(&session.id, now).ok_or_else(|| Error::new(ErrorKind::NotFound, "session.update"))?;
        if record.revision.to_string() != revision.as_str() {
            return Err(Error::new(ErrorKind::Conflict, "session.update"));
        }
        *record = Record {
            user_id: session.user_id.clone(),
            content,
            revision: next,
            last_activity: session.last_activity,
            expires_at: session.expires_at,
        };
        Ok(Revision::new(next.to_string()))
    }

    async fn touch(&self, id: &SessionId, last_activity: Timestamp, expires_at: Timestamp) -> Result<bool> {
        self.check_end(expires_at, "session.touch")?;
        let (mut state, now) = (self.state(), self.clock.now());
        let Some(record) = state.live(id, now) else { return Ok(false) };
        record.last_activity = last_activity;
        record.expires_at = expires_at;
        Ok(true)
    }

    async fn delete(&self, id: &SessionId) -> Result<bool> {
        let now = self.clock.now();
        Ok(self.state().sessions.remove(id).is_some_and(|record| record.expires_at > now))
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionId>> {
        let now = self.clock.now();
        let state = self.state();
        let live = state.sessions.iter().filter(|(_, record)| record.expires_at > now);
        Ok(live
            .filter(|(_, record)| record.user_id.as_ref() == Some(user))
            .map(|(id, _)| id.clone())
            .collect())
    }

    async fn delete_all_of(&self, user: &UserId) -> Result<u32> {
        let now = self.clock.now();
        let mut ended = 0;
        self.state().sessions.retain(|_, record| {
            let of_user = record.user_id.as_ref() == Some(user);
            ended += u32::from(of_user && record.expires_at > now);
            !of_user
        });
        Ok(ended)
    }

    async fn temp_set(&self, key: &str, value: &Value, ttl: Duration) -> Result<()> {
        let end = self.end_of(key, ttl, "session.temp_set")?;
        check_value(value, "session.temp_set")?;
        self.state().values.insert(key.to_owned(), Ending { value: value.clone(), end });
        Ok(())
    }

    async fn temp_set_if_absent(&self, key: &str, value: &Value, ttl: Duration) -> Result<bool> {
        let end = self.end_of(key, ttl, "session.temp_set_if_absent")?;
        check_value(value, "session.temp_set_if_absent")?;
        Ok(self.state().set_if_absent(key, value, end, self.clock.now()))
    }

    async fn temp_get(&self, key: &str) -> Result<Option<Value>> {
        let now = self.clock.now();
        Ok(self.state().values.get(key).filter(|held| held.end > now).map(|held| held.value.clone()))
    }

    async fn temp_take(&self, key: &str) -> Result<Option<Value>> {
        let now = self.clock.now();
        Ok(self.state().values.remove(key).filter(|held| held.end > now).map(|held| held.value))
    }

    async fn temp_count(&self, key: &str, ttl: Duration) -> Result<u64> {
        let end = self.end_of(key, ttl, "session.temp_count")?;
        let (mut state, now) = (self.state(), self.clock.now());
        let counter = state.counters.entry(key.to_owned()).or_insert(Ending { value: 0, end });
        if counter.end <= now {
            *counter = Ending { value: 0, end };
        }
        counter.value += 1;
        Ok(counter.value)
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        let now = self.clock.now();
        Ok(self.state().prune(limit, now))
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// A page of sorted keys behind another one.
fn page<K>(mut keys: Vec<(String, K)>, from: Option<&str>, limit: u32) -> KeyPage<K> {
    keys.retain(|(name, _)| from.is_none_or(|from| name.as_str() > from));
    keys.sort_by(|one, other| one.0.cmp(&other.0));
    let is_last = keys.len() <= limit as usize;
    keys.truncate(limit as usize);
    let next = keys.last().filter(|_| !is_last).map(|(name, _)| name.clone());
    KeyPage { keys: keys.into_iter().map(|(_, key)| key).collect(), next }
}

#[async_trait]
impl SessionKeys for MemorySessionStore {
    async fn session_ids(&self, from: Option<&str>, limit: u32) -> Result<KeyPage<SessionId>> {
        let (state, now) = (self.state(), self.clock.now());
        let live = state.sessions.iter().filter(|(_, record)| record.expires_at > now);
        Ok(page(live.map(|(id, _)| (id.reveal().to_owned(), id.clone())).collect(), from, limit))
    }

    async fn temp_keys(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<KeyPage<TempKey>> {
        let (state, now) = (self.state(), self.clock.now());
        let live = state.values.iter().filter(|(key, held)| held.end > now && key.starts_with(prefix));
        let keys = live.map(|(key, held)| (key.clone(), TempKey { key: key.clone(), ends_at: held.end }));
        Ok(page(keys.collect(), from, limit))
    }
}
