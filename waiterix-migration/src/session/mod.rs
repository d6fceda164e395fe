//! Sessions in two stores.

mod carry;
mod converge;
mod key;
mod marks;
mod outset;
mod part;
mod sweep;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::{join, try_join};
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::moving::{Journal, Leader, Mirroring};
use waiterix_ports::session::{is_session_id, is_temp_key};
use waiterix_ports::{Clock, Error, ErrorKind, Loaded, Result, Revision, Session, SessionId, SessionStore};

use crate::journal::{Pass, dirty, dirty_while, had_no_effect, settle_entry};
use crate::phase::{Phase, Phases, Writing};
use crate::plan::Held;
pub use carry::{Carried, MAIL_MEMORY, MemoryCompared, MemoryFault, SUPPRESSED};
pub use key::SessionKey;
pub use outset::OutsetSessionStore;
pub use sweep::{SessionDifference, SessionFault, SessionSweep, SessionsCompared, SessionsSwept};

/// Sessions in two stores: a cookie is valid whichever of them leads.
///
/// - Reads ask the leader, and the other store only where the leader answers "not there". What only the other one has is copied
///   with the end it has. An outage is an error and never "not there".
/// - Writes are the leader's; the other store follows. Uses that are noted (`touch`) follow by the relay only, so that a storm
///   of them is one write there.
/// - A session ended in either store is ended: an end is marked in both before anything is deleted, and no copy survives the
///   mark. An end that the other store could not be told of is in the journal. One by somebody who knows nothing of this
///   mirror is noticed when the session is dirty, because its store remembers that it was there; a trigger makes it dirty.
/// - Temporary data is in one store only, so that it is taken once. Reads fall back as with sessions. Counters do not move:
///   they begin anew once when the leader changes.
///
/// Keys of temporary data that begin with `mirror:` are its own. It knows of changes of the leader by `phases` alone: those
/// who change it see to it that no instance writes by an older phase, and that the journal is empty.
#[derive(Debug)]
pub struct DualSessionStore {
    old: Arc<dyn SessionStore>,
    new: Arc<dyn SessionStore>,
    phases: Arc<dyn Phases>,
    journal: Arc<dyn Journal<SessionKey>>,
    clock: Arc<dyn Clock>,
}

/// Who is who during a call.
struct Sides<'a> {
    leader: &'a dyn SessionStore,
    other: &'a dyn SessionStore,
    led_by: Leader,
    mirroring: Mirroring,
    /// Keeps the leader from being changed during a call that writes.
    _call: Writing,
}

impl DualSessionStore {
    /// A mirror over two stores. `clock` tells what has run out, as the clocks of the stores do.
    #[must_use]
    pub fn new(
        old: Arc<dyn SessionStore>,
        new: Arc<dyn SessionStore>,
        phases: Arc<dyn Phases>,
        journal: Arc<dyn Journal<SessionKey>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { old, new, phases, journal, clock }
    }

    /// Who is who in a call that only reads.
    async fn reading(&self) -> Result<Sides<'_>> {
        Ok(self.sides(Writing::of(self.phases.reading().await?)))
    }

    /// Who is who in a call that writes.
    async fn writing(&self) -> Result<Sides<'_>> {
        Ok(self.sides(self.phases.writing().await?))
    }

    /// A pass for whoever changes the leader in a turn.
    pub(crate) async fn pass(&self, turn: u64) -> Result<Option<Writing>> {
        self.phases.changing(turn).await
    }

    fn sides(&self, call: Writing) -> Sides<'_> {
        let (leader, other) = match call.phase.leader {
            Leader::Old => (&*self.old, &*self.new),
            Leader::New => (&*self.new, &*self.old),
        };
        Sides { leader, other, led_by: call.phase.leader, mirroring: call.phase.mirroring, _call: call }
    }

    /// Makes both stores equal about every dirty key; a key that fails stays dirty.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn relay(&self) -> Result<Pass> {
        let mut pass = Pass::default();
        for dirty in dirty(&*self.journal).await? {
            let settled = match self.writing().await {
                Ok(sides) => self.settle(&sides, &dirty.key).await,
                Err(error) => Err(error),
            };
            pass.close(&*self.journal, &dirty, settled).await;
        }
        Ok(pass)
    }

    /// Makes both stores equal about every dirty key, for whoever is about to change the leader: this one leads until then. While
    /// writes are held, no entry of a write needs to be kept.
    ///
    /// # Errors
    /// When the journal cannot be read, or it is not known whether the hold stands.
    pub async fn drain(&self, leader: Leader, held: Option<&Held>) -> Result<Pass> {
        let mut pass = Pass::default();
        for dirty in dirty_while(&*self.journal, held).await? {
            let sides = self.sides(Writing::of(Phase { leader, mirroring: Mirroring::Inline }));
            let settled = self.settle(&sides, &dirty.key).await;
            pass.close(&*self.journal, &dirty, settled).await;
        }
        Ok(pass)
    }

    async fn settle(&self, sides: &Sides<'_>, key: &SessionKey) -> Result<()> {
        match key {
            SessionKey::Session(id) => self.converge(sides, id).await,
            SessionKey::Ended(id) => converge::end(sides, id).await,
            SessionKey::Temp(key) => self.converge_temp(sides, key).await,
        }
    }

    /// Writes the leader between an entry in the journal and, inline, what makes the other store follow.
    async fn mirrored<T: Send>(
        &self,
        sides: &Sides<'_>,
        id: &SessionId,
        write: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        if !is_session_id(id.reveal()) {
            // It is refused, and is nothing that a journal should hold.
            return write.await;
        }
        let entry = self.journal.begin(&SessionKey::Session(id.clone())).await?;
        let written = write.await;
        let is_equal = match &written {
            Ok(_) => sides.mirroring == Mirroring::Inline && self.converge(sides, id).await.is_ok(),
            Err(error) => had_no_effect(error),
        };
        settle_entry(&*self.journal, entry, is_equal).await;
        written
    }

    /// A session under an id that was ended before: nothing that was noted of the old one holds for it.
    async fn begin_anew(sides: &Sides<'_>, id: &SessionId) -> Result<()> {
        marks::forget(sides.other, id).await?;
        marks::forget(sides.leader, id).await
    }
}

#[async_trait]
impl SessionStore for DualSessionStore {
    async fn create(&self, session: &Session) -> Result<()> {
        let (sides, id) = (self.writing().await?, &session.id);
        // Whether the other store knows the id is asked but need not be answered: ids are drawn from so many that a sign-in
        // shall not wait for a store that is down.
        let (gone, there) = join!(marks::is_gone(sides.leader, id), sides.other.load(id));
        if gone? {
            Self::begin_anew(&sides, id).await?;
        } else if matches!(there, Ok(Some(_))) && self.load(id).await?.is_some() {
            return Err(Error::new(ErrorKind::Conflict, "session.create"));
        }
        self.mirrored(&sides, id, sides.leader.create(session)).await
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Loaded>> {
        let sides = self.reading().await?;
        let (gone, loaded) = join!(marks::is_gone(sides.leader, id), sides.leader.load(id));
        if gone? {
            return Ok(None);
        }
        match loaded? {
            Some(loaded) => Ok(Some(loaded)),
            None => self.fall_back(&sides, id).await,
        }
    }

    async fn update(&self, session: &Session, revision: &Revision) -> Result<Revision> {
        let (sides, id) = (self.writing().await?, &session.id);
        let updated = self.mirrored(&sides, id, sides.leader.update(session, revision)).await;
        match updated {
            // The leader may not have it yet; then what the caller read is another store's.
            Err(error) if error.kind() == ErrorKind::NotFound && self.load(id).await?.is_some() => {
                Err(Error::new(ErrorKind::Conflict, "session.update"))
            }
            answer => answer,
        }
    }

    async fn touch(&self, id: &SessionId, last_activity: Timestamp, expires_at: Timestamp) -> Result<bool> {
        let sides = self.writing().await?;
        if !is_session_id(id.reveal()) {
            return sides.leader.touch(id, last_activity, expires_at).await;
        }
        let entry = self.journal.begin(&SessionKey::Session(id.clone())).await?;
        let mut touched = sides.leader.touch(id, last_activity, expires_at).await;
        if matches!(touched, Ok(false)) {
            // The leader may not have it yet.
            touched = match self.load(id).await {
                Ok(Some(_)) => sides.leader.touch(id, last_activity, expires_at).await,
                Ok(None) => Ok(false),
                Err(error) => Err(error),
            };
        }
        let had_none = matches!(touched, Ok(false)) || touched.as_ref().is_err_and(had_no_effect);
        settle_entry(&*self.journal, entry, had_none).await;
        touched
    }

    async fn delete(&self, id: &SessionId) -> Result<bool> {
        if !is_session_id(id.reveal()) {
            return Ok(false);
        }
        let sides = self.writing().await?;
        let entry = self.journal.add(&SessionKey::Ended(id.clone())).await?;
        marks::set_gone(sides.leader, id).await?;
        let was_here = sides.leader.delete(id).await?;
        let there = async {
            marks::set_gone(sides.other, id).await?;
            let was_there = sides.other.delete(id).await?;
            // A copy is no session of its own: whoever ended the original has counted it.
            let copied = was_there && marks::forget_here(sides.other, id).await?;
            self.journal.done(&[entry]).await?;
            Ok::<bool, Error>(was_there && !copied)
        };
        // What fails on the other side stays in the journal. What a relay ended there in the meantime, because it found the
        // entry, is not counted here.
        Ok(there.await.unwrap_or(false) || was_here)
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionId>> {
        let sides = self.reading().await?;
        let (here, there) = try_join!(sides.leader.sessions_of(user), sides.other.sessions_of(user))?;
        let all: HashSet<SessionId> = here.into_iter().chain(there).collect();
        let mut live = Vec::with_capacity(all.len());
        for id in all {
            // One that cannot be read is one that `load` finds, in its way.
            let is_of_user = match self.load(&id).await {
                Ok(loaded) => loaded.is_some_and(|loaded| loaded.session.user_id.as_ref() == Some(user)),
                Err(error) if error.kind() == ErrorKind::Corrupt => true,
                Err(error) => return Err(error),
            };
            if is_of_user {
                live.push(id);
            }
        }
        Ok(live)
    }

    async fn delete_all_of(&self, user: &UserId) -> Result<u32> {
        let mut ended = 0;
        for id in self.sessions_of(user).await? {
            ended += u32::from(self.delete(&id).await?);
        }
        Ok(ended)
    }

    async fn temp_set(&self, key: &str, value: &Value, ttl: Duration) -> Result<()> {
        let sides = self.writing().await?;
        if !is_temp_key(key) {
            return sides.leader.temp_set(key, value, ttl).await;
        }
        let entry = self.journal.begin(&SessionKey::Temp(key.to_owned())).await?;
        let written = match sides.leader.temp_set(key, value, ttl).await {
            Ok(()) => marks::set_owns(sides.leader, key).await,
            refusal => refusal,
        };
        let is_equal = match &written {
            Ok(()) => sides.mirroring == Mirroring::Inline && self.converge_temp(&sides, key).await.is_ok(),
            Err(error) => had_no_effect(error),
        };
        settle_entry(&*self.journal, entry, is_equal).await;
        written
    }

    async fn temp_set_if_absent(&self, key: &str, value: &Value, ttl: Duration) -> Result<bool> {
        let sides = self.writing().await?;
        let is_older_there =
            !marks::owns(sides.leader, key).await? && sides.other.temp_get(key).await?.is_some();
        Ok(!is_older_there && sides.leader.temp_set_if_absent(key, value, ttl).await?)
    }

    async fn temp_get(&self, key: &str) -> Result<Option<Value>> {
        let sides = self.reading().await?;
        match sides.leader.temp_get(key).await? {
            Some(value) => Ok(Some(value)),
            None if marks::owns(sides.leader, key).await? => Ok(None),
            None => sides.other.temp_get(key).await,
        }
    }

    async fn temp_take(&self, key: &str) -> Result<Option<Value>> {
        let sides = self.writing().await?;
        match sides.leader.temp_take(key).await? {
            Some(value) => Ok(Some(value)),
            None if marks::owns(sides.leader, key).await? => Ok(None),
            None => sides.other.temp_take(key).await,
        }
    }

    async fn temp_count(&self, key: &str, ttl: Duration) -> Result<u64> {
        self.writing().await?.leader.temp_count(key, ttl).await
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        let sides = self.writing().await?;
        let (here, there) = try_join!(sides.leader.prune(limit), sides.other.prune(limit))?;
        Ok(here.max(there))
    }

    async fn check(&self) -> Result<()> {
        self.reading().await?.leader.check().await
    }
}
