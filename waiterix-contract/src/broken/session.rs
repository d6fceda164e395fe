//! Broken session stores.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::session::MAX_TTL;
use waiterix_ports::{Error, ErrorKind, Loaded, Result, Revision, Session, SessionId, SessionStore};

use super::held;

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Replaces a session with the same id.
    CreateReplaces,
    /// Enters a session into its user's list a little later.
    ListsLater,
    /// Loses what it does not know.
    DropsExtra,
    /// Says yes to what cannot be stored.
    TakesAnything,
    /// Serves ended and deleted sessions from a cache.
    CachesForEver,
    /// Moves the expiry at every read, as the old Redis store did.
    ReadingRenews,
    /// Takes a record it does not understand for none.
    HidesCorruption,
    /// Updates whatever is there.
    LastWriterWins,
    /// Stores an updated session that is gone.
    UpdateResurrects,
    /// Leaves a session in the list it was created in.
    UpdateKeepsUser,
    /// Answers the revision it was given.
    OldRevision,
    /// Writes back a session that is gone.
    TouchResurrects,
    /// Touches by reading and writing all of it.
    TouchRewrites,
    /// Says that it deleted.
    DeletesNothing,
    /// Lists every session there ever was.
    ListsEnded,
    /// Ends the first fifty sessions of a user.
    EndsOnePage,
    /// Keeps temporary values as long as it may.
    ValuesStay,
    /// Looks first and sets then.
    LooksThenSets,
    /// Removes what is read.
    ReadingTakes,
    /// Reads first and removes then.
    ReadsThenRemoves,
    /// Never begins to count anew.
    CountsForEver,
    /// Keeps counters among the values.
    CounterIsValue,
    /// Prunes what lives.
    PrunesTheLiving,
    /// Is never well.
    CheckFails,
}

/// Which clause each fault breaks.
pub const FAULTS: &[(&str, Fault)] = &[
    ("N1", Fault::CreateReplaces),
    ("N2", Fault::ListsLater),
    ("N3", Fault::DropsExtra),
    ("N4", Fault::TakesAnything),
    ("N10", Fault::CachesForEver),
    ("N11", Fault::ReadingRenews),
    ("N12", Fault::HidesCorruption),
    ("N20", Fault::LastWriterWins),
    ("N21", Fault::UpdateResurrects),
    ("N22", Fault::UpdateKeepsUser),
    ("N23", Fault::OldRevision),
    ("N30", Fault::TouchResurrects),
    ("N31", Fault::TouchRewrites),
    ("N40", Fault::DeletesNothing),
    ("N50", Fault::ListsEnded),
    ("N60", Fault::EndsOnePage),
    ("N70", Fault::ValuesStay),
    ("N71", Fault::LooksThenSets),
    ("N72", Fault::ReadingTakes),
    ("N73", Fault::ReadsThenRemoves),
    ("N74", Fault::CountsForEver),
    ("N75", Fault::CounterIsValue),
    ("N80", Fault::PrunesTheLiving),
    ("N90", Fault::CheckFails),
];

/// A sound store with one fault, or none.
#[derive(Debug)]
pub struct BrokenSessionStore {
    inner: Arc<dyn SessionStore>,
    fault: Option<Fault>,
    created: Mutex<HashMap<SessionId, Session>>,
    loaded: Mutex<HashMap<SessionId, Loaded>>,
    counts: Mutex<HashMap<String, u64>>,
}

impl BrokenSessionStore {
    /// Breaks a store.
    #[must_use]
    pub fn new(inner: Arc<dyn SessionStore>, fault: Option<Fault>) -> Self {
        let (created, loaded, counts) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { inner, fault, created, loaded, counts }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn remembered(&self) -> Vec<Session> {
        held(&self.created).values().cloned().collect()
    }

    async fn create_in_two_steps(&self, session: &Session) -> Result<()> {
        self.inner.create(&Session { user_id: None, ..session.clone() }).await?;
        pause().await;
        if let Some(loaded) = self.inner.load(&session.id).await? {
            self.inner.update(session, &loaded.revision).await?;
        }
        Ok(())
    }

    async fn update_anyhow(&self, session: &Session) -> Result<Revision> {
        loop {
            let Some(loaded) = self.inner.load(&session.id).await? else {
                return Err(Error::new(ErrorKind::NotFound, "broken.update"));
            };
            match self.inner.update(session, &loaded.revision).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                answer => return answer,
            }
        }
    }
}

/// Long enough for others to come in between.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

#[async_trait]
impl SessionStore for BrokenSessionStore {
    async fn create(&self, session: &Session) -> Result<()> {
        held(&self.created).insert(session.id.clone(), session.clone());
        let answer = match self.fault {
            Some(Fault::ListsLater) => self.create_in_two_steps(session).await,
            Some(Fault::DropsExtra) => {
                self.inner.create(&Session { extra: serde_json::Map::new(), ..session.clone() }).await
            }
            _ => self.inner.create(session).await,
        };
        match answer {
            Err(error) if error.kind() == ErrorKind::Conflict && self.has(Fault::CreateReplaces) => {
                self.inner.delete(&session.id).await?;
                self.inner.create(session).await
            }
            Err(error) if error.kind() == ErrorKind::Invalid && self.has(Fault::TakesAnything) => Ok(()),
            answer => answer,
        }
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Loaded>> {
        let answer = self.inner.load(id).await;
        match (&answer, self.fault) {
            (Ok(Some(loaded)), Some(Fault::CachesForEver)) => {
                held(&self.loaded).insert(id.clone(), loaded.clone());
            }
            (Ok(None), Some(Fault::CachesForEver)) => return Ok(held(&self.loaded).get(id).cloned()),
            (Ok(Some(Loaded { session, .. })), Some(Fault::ReadingRenews)) => {
                self.inner.touch(id, session.last_activity, session.expires_at.plus_seconds(3600)).await?;
            }
            (Err(error), Some(Fault::HidesCorruption)) if error.kind() == ErrorKind::Corrupt => {
                return Ok(None);
            }
            _ => {}
        }
        answer
    }

    async fn update(&self, session: &Session, revision: &Revision) -> Result<Revision> {
        let answer = match self.fault {
            Some(Fault::LastWriterWins) => self.update_anyhow(session).await,
            Some(Fault::UpdateKeepsUser) => {
                let user_id = self.inner.load(&session.id).await?.and_then(|loaded| loaded.session.user_id);
                self.inner.update(&Session { user_id, ..session.clone() }, revision).await
            }
            _ => self.inner.update(session, revision).await,
        };
        match answer {
            Ok(_) if self.has(Fault::OldRevision) => Ok(revision.clone()),
            Err(error) if error.kind() == ErrorKind::NotFound && self.has(Fault::UpdateResurrects) => {
                self.inner.create(session).await?;
                Ok(Revision::new("resurrected"))
            }
            answer => answer,
        }
    }

    async fn touch(&self, id: &SessionId, last_activity: Timestamp, expires_at: Timestamp) -> Result<bool> {
        if self.has(Fault::TouchRewrites) {
            let Some(Loaded { session, .. }) = self.inner.load(id).await? else { return Ok(false) };
            pause().await;
            self.update_anyhow(&Session { last_activity, expires_at, ..session }).await?;
            return Ok(true);
        }
        let touched = self.inner.touch(id, last_activity, expires_at).await?;
        let known = held(&self.created).get(id).cloned();
        match known {
            Some(session) if !touched && self.has(Fault::TouchResurrects) => {
                self.inner.create(&Session { last_activity, expires_at, ..session }).await?;
                Ok(true)
            }
            _ => Ok(touched),
        }
    }

    async fn delete(&self, id: &SessionId) -> Result<bool> {
        if self.has(Fault::DeletesNothing) { Ok(true) } else { self.inner.delete(id).await }
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionId>> {
        if self.has(Fault::ListsEnded) {
            let of_user = |session: &Session| session.user_id.as_ref() == Some(user);
            return Ok(self.remembered().into_iter().filter(of_user).map(|session| session.id).collect());
        }
        self.inner.sessions_of(user).await
    }

    async fn delete_all_of(&self, user: &UserId) -> Result<u32> {
        if !self.has(Fault::EndsOnePage) {
            return self.inner.delete_all_of(user).await;
        }
        let mut ended = 0;
        for id in self.inner.sessions_of(user).await?.iter().take(50) {
            ended += u32::from(self.inner.delete(id).await?);
        }
        Ok(ended)
    }

    async fn temp_set(&self, key: &str, value: &Value, ttl: Duration) -> Result<()> {
        let ttl = if self.has(Fault::ValuesStay) { MAX_TTL } else { ttl };
        self.inner.temp_set(key, value, ttl).await
    }

    async fn temp_set_if_absent(&self, key: &str, value: &Value, ttl: Duration) -> Result<bool> {
        if !self.has(Fault::LooksThenSets) {
            return self.inner.temp_set_if_absent(key, value, ttl).await;
        }
        let absent = self.inner.temp_get(key).await?.is_none();
        pause().await;
        if absent {
            self.inner.temp_set(key, value, ttl).await?;
        }
        Ok(absent)
    }

    async fn temp_get(&self, key: &str) -> Result<Option<Value>> {
        if self.has(Fault::ReadingTakes) {
            self.inner.temp_take(key).await
        } else {
            self.inner.temp_get(key).await
        }
    }

    async fn temp_take(&self, key: &str) -> Result<Option<Value>> {
        if !self.has(Fault::ReadsThenRemoves) {
            return self.inner.temp_take(key).await;
        }
        let value = self.inner.temp_get(key).await?;
        pause().await;
        self.inner.temp_take(key).await?;
        Ok(value)
    }

    async fn temp_count(&self, key: &str, ttl: Duration) -> Result<u64> {
        match self.fault {
            Some(Fault::CountsForEver) => {
                let mut counts = held(&self.counts);
                let count = counts.entry(key.to_owned()).or_default();
                *count += 1;
                Ok(*count)
            }
            Some(Fault::CounterIsValue) => {
                let count = self.inner.temp_get(key).await?.and_then(|value| value.as_u64()).unwrap_or(0) + 1;
                self.inner.temp_set(key, &json!(count), ttl).await?;
                Ok(count)
            }
            _ => self.inner.temp_count(key, ttl).await,
        }
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        if !self.has(Fault::PrunesTheLiving) {
            return self.inner.prune(limit).await;
        }
        let mut removed = 0;
        for session in self.remembered().iter().take(limit as usize) {
            removed += u32::from(self.inner.delete(&session.id).await?);
        }
        Ok(removed)
    }

    async fn check(&self) -> Result<()> {
        if self.has(Fault::CheckFails) {
            return Err(Error::new(ErrorKind::Unavailable, "broken.check"));
        }
        self.inner.check().await
    }
}
