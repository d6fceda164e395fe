//! Sessions in Redis.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::Value;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::session::{MAX_SESSION_BYTES, MAX_TTL, is_session_id};
use waiterix_ports::{
    Clock, Error, ErrorKind, Loaded, Result, Retry, Revision, Session, SessionId, SessionStore,
};

use super::link::{Link, Repeat};
use super::record::{Record, body, millis, session_key};
use super::roll::{self, Member, Roll};
use super::script::{CHECK, SWAP, TOUCH};
use super::settings::RedisSettings;
use super::temp;

/// How often a write reads again because the record changed in between. A round is only lost to a write that succeeded.
const ROUNDS: usize = 64;
/// How many sessions of a user are asked for at once.
const AT_ONCE: usize = 64;

/// A [`SessionStore`] in Redis 7 or newer, in the layout that older software reads and writes too. Sessions and one-time
/// data end by the clock of the server; ends are absolute.
///
/// The connection is made by the first call and replaced when it fails. Several stores may share a database.
pub struct RedisSessionStore {
    link: Link,
    clock: Arc<dyn Clock>,
    marks: Marks,
}

impl fmt::Debug for RedisSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSessionStore").field("link", &self.link).finish_non_exhaustive()
    }
}

/// Texts that no two writes share, of this store or any other. They are no secrets and guard against accidents only, so
/// the seed that the standard library draws for its maps is good enough for the name of a store.
struct Marks {
    store: String,
    next: AtomicU64,
}

impl Marks {
    fn new() -> Self {
        let drawn = [RandomState::new().hash_one(0), RandomState::new().hash_one(1)];
        Self { store: format!("{:016x}{:016x}", drawn[0], drawn[1]), next: AtomicU64::new(0) }
    }

    fn draw(&self) -> String {
        format!("{}-{}", self.store, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// A record as it was found.
struct Stored {
    raw: Vec<u8>,
    ends_ms: i64,
}

/// What became of replacing or removing a record.
enum Swapped {
    Done,
    Gone,
    /// It is not as it was read; with `perhaps_by_us` the answer of a first attempt was lost.
    Changed {
        perhaps_by_us: bool,
    },
}

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

fn corrupt(operation: &'static str) -> Error {
    // A cause could quote the record, so none is kept.
    Error::new(ErrorKind::Corrupt, operation)
}

/// So many others changed a session meanwhile that it was not this one's turn.
fn crowded(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation)
        .retry(Retry::Safe)
        .with("fault", "changed too often meanwhile")
}

/// The answer to a first attempt was lost, and somebody else changed the session since: nobody can tell whether it was
/// done.
fn overtaken(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation)
        .retry(Retry::Ambiguous)
        .with("fault", "answer lost, and changed by another since")
}

impl RedisSessionStore {
    /// A store at a server that is asked by the first call only.
    ///
    /// # Errors
    /// `Invalid` when the file of [`RedisSettings::tls_root_cert`] cannot be read or holds no certificate.
    pub fn new(settings: &RedisSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        if settings.shows_its_password() {
            tracing::warn!("the password of Redis crosses the network in clear: set REDIS_TLS to true");
        }
        Ok(Self { link: Link::new(settings, clock.clone())?, clock, marks: Marks::new() })
    }

    pub(super) const fn link(&self) -> &Link {
        &self.link
    }

    /// The record of a session that may be stored now.
    fn checked(&self, session: &Session, operation: &'static str) -> Result<Record> {
        if !is_session_id(session.id.reveal()) {
            return Err(invalid(operation, "malformed session id"));
        }
        self.check_end(session.expires_at, operation)?;
        let extra = serde_json::to_string(&session.extra).map_err(|_| invalid(operation, "not JSON"))?;
        if extra.len() > MAX_SESSION_BYTES {
            return Err(invalid(operation, "session record is larger than 64 KiB"));
        }
        Record::of(session, self.marks.draw())
            .ok_or_else(|| invalid(operation, "extra holds a member that is the store's own"))
    }

    fn check_end(&self, end: Timestamp, operation: &'static str) -> Result<()> {
        let now = self.clock.now();
        let limit = now.plus_millis(i64::try_from(MAX_TTL.as_millis()).unwrap_or(i64::MAX));
        if end <= now || end > limit {
            return Err(invalid(operation, "end of the session is past or more than 400 days ahead"));
        }
        Ok(())
    }

    /// A record with its end. These are two commands, because a script costs the server six times as much, and this is what
    /// every request of the service asks for. What comes in between can only make the end that of a later state, which a
    /// caller who comes a moment later finds as well.
    async fn read(&self, operation: &'static str, id: &SessionId) -> Result<Option<Stored>> {
        let key = session_key(id);
        let mut commands = redis::Pipeline::with_capacity(2);
        commands.cmd("GET").arg(&key).cmd("PEXPIRETIME").arg(&key);
        let (raw, ends_ms) = self.link.ask_all::<(Option<Vec<u8>>, i64)>(operation, &commands).await?;
        match (raw, ends_ms) {
            // -2 is what the end of no key is.
            (None, _) | (_, -2) => Ok(None),
            // Everything here has an end; a record without one is not of those who keep to this layout.
            (Some(_), ..0) => Err(corrupt(operation)),
            (Some(raw), _) => Ok(Some(Stored { raw, ends_ms })),
        }
    }

    /// Replaces the record that was read, or removes it.
    async fn swap(
        &self,
        operation: &'static str,
        id: &SessionId,
        was: &[u8],
        new: Option<(&str, i64)>,
    ) -> Result<Swapped> {
        let key = session_key(id);
        let ends = new.map(|(_, ends_ms)| ends_ms.to_string());
        let mut arguments: Vec<&[u8]> = vec![body(was)];
        if let (Some((raw, _)), Some(ends)) = (new, &ends) {
            arguments.extend([raw.as_bytes(), ends.as_bytes()]);
        }
        let reply =
            self.link.run::<String>(operation, &SWAP, Some(&key), &arguments, Repeat::Harmless).await?;
        Ok(match reply.value.as_str() {
            "done" => Swapped::Done,
            // It was read a moment ago: the lost attempt may have removed it, and removed it is.
            "gone" if reply.repeated && new.is_none() => Swapped::Done,
            "gone" => Swapped::Gone,
            _ => Swapped::Changed { perhaps_by_us: reply.repeated },
        })
    }

    /// Has the user's list vouch for a record that is about to be written.
    async fn enrol(&self, operation: &'static str, id: &SessionId, record: &Record) -> Result<()> {
        let Some(user) = &record.user else { return Ok(()) };
        let member = Member::new(id, record.mark.as_deref());
        roll::enrol(&self.link, operation, user, &[(member, record.listed_until_ms())]).await
    }

    /// Takes the membership of a record back that can no longer be found. Where something else is found instead, the id
    /// leaves the user's set if that is known to be another's; where nothing is known, the next reading of the list will
    /// tell.
    async fn withdraw(&self, operation: &'static str, id: &SessionId, record: &Record, now: Option<&Record>) {
        let Some(user) = &record.user else { return };
        let is_anothers = now.is_some_and(|now| now.user.as_ref() != Some(user));
        let member = Member::new(id, record.mark.as_deref());
        roll::withdraw(&self.link, operation, user, &[member], is_anothers).await;
    }

    /// Brings a record into our form with an end that the user's list vouches for. Answers whether it was there.
    async fn touch_anew(
        &self,
        operation: &'static str,
        id: &SessionId,
        last_activity: Timestamp,
        ends_ms: i64,
    ) -> Result<Option<bool>> {
        let Some(stored) = self.read(operation, id).await? else { return Ok(Some(false)) };
        let mut record = Record::parse(&stored.raw).ok_or_else(|| corrupt(operation))?;
        record.last_activity = last_activity;
        let record = record.until(ends_ms);
        self.enrol(operation, id, &record).await?;
        Ok(
            match self
                .swap(operation, id, &stored.raw, Some((&record.write_over(&stored.raw), ends_ms)))
                .await?
            {
                Swapped::Done => Some(true),
                Swapped::Gone => Some(false),
                Swapped::Changed { .. } => None,
            },
        )
    }

    /// Ends a session if it is the user's, or whoever's; answers the record that was removed, if it could be understood.
    async fn end(
        &self,
        operation: &'static str,
        id: &SessionId,
        of: Option<&UserId>,
    ) -> Result<Option<Option<Record>>> {
        for _ in 0..ROUNDS {
            let stored = match self.read(operation, id).await {
                Ok(Some(stored)) => stored,
                Ok(None) => return Ok(None),
                // Not a record at all: whatever it is, it goes.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    let mut command = redis::cmd("DEL");
                    command.arg(session_key(id));
                    let removed = self.link.ask::<i64>(operation, &command, Repeat::Harmless).await?;
                    return Ok((removed.value > 0 || removed.repeated).then_some(None));
                }
                Err(error) => return Err(error),
            };
            let record = Record::parse(&stored.raw);
            // What cannot be understood belongs to those whose lists name it.
            if of.is_some() && record.as_ref().is_some_and(|record| record.user.as_ref() != of) {
                return Ok(None);
            }
            match self.swap(operation, id, &stored.raw, None).await? {
                Swapped::Done => return Ok(Some(record)),
                Swapped::Gone => return Ok(None),
                Swapped::Changed { .. } => {}
            }
        }
        Err(crowded(operation))
    }
}

#[async_trait]
impl SessionStore for RedisSessionStore {
    async fn create(&self, session: &Session) -> Result<()> {
        const OPERATION: &str = "session.create";
        let record = self.checked(session, OPERATION)?;
        let ends_ms = millis(session.expires_at);
        self.enrol(OPERATION, &session.id, &record).await?;
        let mut command = redis::cmd("SET");
        command.arg(session_key(&session.id)).arg(record.write()).arg("NX").arg("PXAT").arg(ends_ms);
        let reply = self.link.ask::<Option<redis::Value>>(OPERATION, &command, Repeat::Harmless).await?;
        if reply.value.is_some() {
            return Ok(());
        }
        // The id is in use; when the answer of a first attempt was lost, then perhaps by this very session.
        let found = match self.read(OPERATION, &session.id).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => None,
            found => found?,
        };
        let found = found.and_then(|stored| Record::parse(&stored.raw));
        if found.as_ref().is_some_and(|found| found.mark == record.mark) {
            return Ok(());
        }
        self.withdraw(OPERATION, &session.id, &record, found.as_ref()).await;
        Err(if reply.repeated { overtaken(OPERATION) } else { Error::new(ErrorKind::Conflict, OPERATION) })
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Loaded>> {
        const OPERATION: &str = "session.load";
        if !is_session_id(id.reveal()) {
            return Ok(None);
        }
        let Some(stored) = self.read(OPERATION, id).await? else { return Ok(None) };
        let record = Record::parse(&stored.raw).ok_or_else(|| corrupt(OPERATION))?;
        let ends = Timestamp::from_millis(stored.ends_ms).ok_or_else(|| corrupt(OPERATION))?;
        let revision = record.revision_of(&stored.raw);
        Ok(Some(Loaded { session: record.session(id, ends), revision }))
    }

    async fn update(&self, session: &Session, revision: &Revision) -> Result<Revision> {
        const OPERATION: &str = "session.update";
        let record = self.checked(session, OPERATION)?;
        let (id, ends_ms) = (&session.id, millis(session.expires_at));
        let mut is_enrolled = false;
        let mut perhaps_done = false;
        let (refusal, found) = 'refused: {
            for _ in 0..ROUNDS {
                let Some(stored) = self.read(OPERATION, id).await? else {
                    break 'refused (Error::new(ErrorKind::NotFound, OPERATION), None);
                };
                let old = Record::parse(&stored.raw).ok_or_else(|| corrupt(OPERATION))?;
                if old.mark == record.mark {
                    // A first attempt was done, only its answer was lost.
                    return Ok(old.revision_of(&stored.raw));
                }
                if old.revision_of(&stored.raw) != *revision {
                    let conflict = Error::new(ErrorKind::Conflict, OPERATION);
                    break 'refused (if perhaps_done { overtaken(OPERATION) } else { conflict }, Some(old));
                }
                if !is_enrolled {
                    self.enrol(OPERATION, id, &record).await?;
                    is_enrolled = true;
                }
                match self.swap(OPERATION, id, &stored.raw, Some((&record.write(), ends_ms))).await? {
                    Swapped::Done => {
                        self.withdraw(OPERATION, id, &old, Some(&record)).await;
                        return Ok(record.revision());
                    }
                    Swapped::Changed { perhaps_by_us } => perhaps_done |= perhaps_by_us,
                    Swapped::Gone => {}
                }
            }
            (crowded(OPERATION), None)
        };
        if is_enrolled {
            self.withdraw(OPERATION, id, &record, found.as_ref()).await;
        }
        Err(refusal)
    }

    async fn touch(&self, id: &SessionId, last_activity: Timestamp, expires_at: Timestamp) -> Result<bool> {
        const OPERATION: &str = "session.touch";
        self.check_end(expires_at, OPERATION)?;
        if !is_session_id(id.reveal()) {
            return Ok(false);
        }
        let (key, ends_ms) = (session_key(id), millis(expires_at));
        let ends = Timestamp::from_millis(ends_ms).unwrap_or(expires_at);
        let arguments = [last_activity.to_string(), ends.to_string(), ends_ms.to_string()];
        for _ in 0..ROUNDS {
            let reply =
                self.link.run::<String>(OPERATION, &TOUCH, Some(&key), &arguments, Repeat::Harmless).await?;
            match reply.value.as_str() {
                "done" => return Ok(true),
                "gone" => return Ok(false),
                _ => {
                    if let Some(was_there) = self.touch_anew(OPERATION, id, last_activity, ends_ms).await? {
                        return Ok(was_there);
                    }
                }
            }
        }
        Err(crowded(OPERATION))
    }

    async fn delete(&self, id: &SessionId) -> Result<bool> {
        const OPERATION: &str = "session.delete";
        if !is_session_id(id.reveal()) {
            return Ok(false);
        }
        let Some(ended) = self.end(OPERATION, id, None).await? else { return Ok(false) };
        if let Some(record) = ended
            && let Some(user) = &record.user
        {
            let member = Member::new(id, record.mark.as_deref());
            roll::withdraw(&self.link, OPERATION, user, &[member], true).await;
        }
        Ok(true)
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionId>> {
        const OPERATION: &str = "session.sessions_of";
        let roll = Roll::read(&self.link, OPERATION, user).await?;
        // Older software takes other ids as well, which `load` would not find.
        let ids = roll.ids().into_iter().filter(|id| is_session_id(id));
        let ids: Vec<SessionId> = ids.map(SessionId::new).collect();
        let (mut named, mut live) = (Vec::new(), Vec::new());
        for some in ids.chunks(AT_ONCE) {
            let found = join_all(some.iter().map(|id| self.read(OPERATION, id))).await;
            for (id, found) in some.iter().zip(found) {
                let stored = match found {
                    Ok(None) => continue,
                    Ok(Some(stored)) => stored,
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        named.push(id.clone());
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                match Record::parse(&stored.raw) {
                    Some(record) if record.user.as_ref() == Some(user) => {
                        let needed_ms = stored.ends_ms.max(record.listed_until_ms());
                        live.push((Member::new(id, record.mark.as_deref()), needed_ms));
                        named.push(id.clone());
                    }
                    Some(_) => {}
                    // It is there, and nobody but this user's list says whose it is.
                    None => named.push(id.clone()),
                }
            }
        }
        roll.repair(&self.link, OPERATION, user, &live, &named).await;
        Ok(named)
    }

    async fn delete_all_of(&self, user: &UserId) -> Result<u32> {
        const OPERATION: &str = "session.delete_all_of";
        let roll = Roll::read(&self.link, OPERATION, user).await?;
        let ids: Vec<SessionId> = roll.ids().into_iter().map(SessionId::new).collect();
        let mut count = 0;
        let mut failure = None;
        for some in ids.chunks(AT_ONCE) {
            let mut members = Vec::new();
            let ended = join_all(some.iter().map(|id| self.end(OPERATION, id, Some(user)))).await;
            for (id, ended) in some.iter().zip(ended) {
                match ended {
                    Ok(None) => {}
                    Ok(Some(record)) => {
                        count += 1;
                        members.push(Member::new(id, record.and_then(|record| record.mark).as_deref()));
                    }
                    // The others end all the same.
                    Err(error) => failure = Some(error),
                }
            }
            roll::withdraw(&self.link, OPERATION, user, &members, true).await;
        }
        if let Some(error) = failure {
            return Err(error);
        }
        roll.sweep(&self.link, OPERATION, user, &[], &[]).await;
        Ok(count)
    }

    async fn temp_set(&self, key: &str, value: &Value, ttl: Duration) -> Result<()> {
        temp::store(&self.link, key, value, ttl).await
    }

    async fn temp_set_if_absent(&self, key: &str, value: &Value, ttl: Duration) -> Result<bool> {
        temp::store_if_absent(&self.link, key, value, ttl).await
    }

    async fn temp_get(&self, key: &str) -> Result<Option<Value>> {
        temp::read(&self.link, key).await
    }

    async fn temp_take(&self, key: &str) -> Result<Option<Value>> {
        temp::take(&self.link, key).await
    }

    async fn temp_count(&self, key: &str, ttl: Duration) -> Result<u64> {
        temp::count(&self.link, key, ttl).await
    }

    /// The server forgets by itself, and lists of users forget what has ended whenever they are read or added to.
    async fn prune(&self, _limit: u32) -> Result<u32> {
        Ok(0)
    }

    /// Also proves that writing is possible: a replica or a full server refuses.
    async fn check(&self) -> Result<()> {
        let none: [&str; 0] = [];
        self.link.run::<redis::Value>("session.check", &CHECK, None, &none, Repeat::Harmless).await.map(drop)
    }
}
