//! Making the other store equal to the leader, one key at a time.

use tokio::try_join;
use waiterix_domain::Timestamp;
use waiterix_ports::{Error, ErrorKind, Loaded, Result, Retry, Session, SessionId, SessionStore};

use super::marks::{self, TOLERANCE_S};
use super::{DualSessionStore, Sides};
use crate::journal::settle_entry;

/// How often a key that changes meanwhile is tried before it is left to the next walk of the relay.
const TRIES: u32 = 8;

impl DualSessionStore {
    /// Makes both stores equal about a session.
    ///
    /// The other store is read first and the leader afterwards, and the other one is written only where it is still as it was
    /// read. So whoever has read an older state of the leader is refused as soon as a newer one has been written; and what
    /// cannot be refused, because a delete leaves nothing to compare with, is seen when the leader is looked at again.
    pub(super) async fn converge(&self, sides: &Sides<'_>, id: &SessionId) -> Result<()> {
        for _ in 0..TRIES {
            let there = sides.other.load(id).await?;
            if self.is_revoked(sides, id, there.is_some()).await? {
                return self.end_copy(sides, id, sides.other).await;
            }
            let Some(truth) = sides.leader.load(id).await? else {
                return match there {
                    Some(Loaded { session, .. }) => self.adopt(sides, &session).await.map(drop),
                    None => Ok(()),
                };
            };
            // What is noted must never be later than the end of what is there, or a copy that ran out would look ended.
            if there.as_ref().is_some_and(|there| there.session.expires_at > truth.session.expires_at) {
                self.note(sides, &truth.session).await?;
            }
            if !self.write(sides.other, &truth.session, there).await? {
                continue;
            }
            self.note(sides, &truth.session).await?;
            let after = sides.leader.load(id).await?;
            if after.is_some_and(|after| same(&after.session, &truth.session))
                && !self.is_revoked(sides, id, true).await?
            {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Conflict, "mirror.session").retry(Retry::Safe))
    }

    /// Writes a session where the other store is as it was read; answers whether it was.
    async fn write(&self, other: &dyn SessionStore, truth: &Session, there: Option<Loaded>) -> Result<bool> {
        let written = match there {
            Some(there) if same(&there.session, truth) => Ok(()),
            Some(there) => other.update(truth, &there.revision).await.map(drop),
            None => other.create(truth).await,
        };
        match written {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => Ok(false),
            // It ended since it was read.
            Err(error) if error.kind() == ErrorKind::Invalid && truth.expires_at <= self.clock.now() => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes in both stores that the session is there, so that its end by somebody else can be told from its absence.
    async fn note(&self, sides: &Sides<'_>, session: &Session) -> Result<()> {
        let (until, now) = (session.expires_at, self.clock.now());
        try_join!(
            marks::set_here(sides.leader, &session.id, until, now),
            marks::set_here(sides.other, &session.id, until, now),
        )?;
        Ok(())
    }

    /// Whether a session was ended: by a mirror, or by somebody else in either of the stores before it had run out.
    async fn is_revoked(&self, sides: &Sides<'_>, id: &SessionId, is_in_other: bool) -> Result<bool> {
        let (gone_there, gone_here, was_there, was_here) = try_join!(
            marks::is_gone(sides.other, id),
            marks::is_gone(sides.leader, id),
            marks::here_until(sides.other, id),
            marks::here_until(sides.leader, id),
        )?;
        if gone_here || gone_there || (!is_in_other && self.is_ahead(was_there)) {
            return Ok(true);
        }
        // Only now: what is read before the marks could have been made in between.
        Ok(self.is_ahead(was_here) && sides.leader.load(id).await?.is_none())
    }

    fn is_ahead(&self, until: Option<Timestamp>) -> bool {
        until.is_some_and(|until| until > self.clock.now().plus_seconds(TOLERANCE_S))
    }

    /// Copies a session that only the other store has to the leader, with the end it has.
    pub(super) async fn adopt(&self, sides: &Sides<'_>, found: &Session) -> Result<Option<Loaded>> {
        if let Some(until) = marks::here_until(sides.leader, &found.id).await?
            && found.expires_at <= until.plus_seconds(TOLERANCE_S)
        {
            // It has run out here; there it is rounded up.
            return Ok(None);
        }
        match sides.leader.create(found).await {
            Ok(()) => {}
            // Somebody else has copied it, or it was made here.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) if error.kind() == ErrorKind::Invalid && found.expires_at <= self.clock.now() => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        // Whoever ends it marks it first and deletes it afterwards, so either the mark is seen here, or the copy there.
        let (still, gone_there, gone_here) = try_join!(
            sides.other.load(&found.id),
            marks::is_gone(sides.other, &found.id),
            marks::is_gone(sides.leader, &found.id),
        )?;
        if gone_here || gone_there || (still.is_none() && found.expires_at > self.clock.now()) {
            self.end_copy(sides, &found.id, sides.leader).await?;
            return Ok(None);
        }
        let copy = sides.leader.load(&found.id).await?;
        if let Some(copy) = &copy {
            self.note(sides, &copy.session).await?;
        }
        Ok(copy)
    }

    /// Ends a session that was ended by somebody. Where that one is still at work, or will be finished by the relay, only the copy
    /// goes: whoever ends a session is to find it, and to say that it was there.
    async fn end_copy(&self, sides: &Sides<'_>, id: &SessionId, copy_in: &dyn SessionStore) -> Result<()> {
        if self.journal.holds(&super::SessionKey::Ended(id.clone())).await? {
            copy_in.delete(id).await.map(drop)
        } else {
            end(sides, id).await
        }
    }

    /// Reads what the leader does not have from the other store, and copies it.
    pub(super) async fn fall_back(&self, sides: &Sides<'_>, id: &SessionId) -> Result<Option<Loaded>> {
        let Some(found) = sides.other.load(id).await? else { return Ok(None) };
        let entry = self.journal.begin(&super::SessionKey::Session(id.clone())).await?;
        let adopted = match self.is_revoked(sides, id, true).await {
            Ok(true) => self.end_copy(sides, id, sides.leader).await.map(|()| None),
            Ok(false) => self.adopt(sides, &found.session).await,
            Err(error) => Err(error),
        };
        settle_entry(&*self.journal, entry, adopted.is_ok()).await;
        adopted
    }

    /// Takes from the other store what it holds of a temporary key that was set in the leader since.
    pub(super) async fn converge_temp(&self, sides: &Sides<'_>, key: &str) -> Result<()> {
        if marks::owns(sides.leader, key).await? {
            marks::forget_owns(sides.other, key).await?;
            sides.other.temp_take(key).await?;
        }
        Ok(())
    }
}

/// Ends a session on both sides: first the marks, so that nobody copies it in between.
pub(super) async fn end(sides: &Sides<'_>, id: &SessionId) -> Result<()> {
    marks::set_gone(sides.leader, id).await?;
    sides.leader.delete(id).await?;
    marks::set_gone(sides.other, id).await?;
    sides.other.delete(id).await?;
    Ok(())
}

/// Whether two records say the same: ends to the second, rounded up, and other times to the millisecond.
fn same(one: &Session, other: &Session) -> bool {
    let second = |at: Timestamp| -(-at.as_micros()).div_euclid(1_000_000);
    one.user_id == other.user_id
        && one.email == other.email
        && one.created_at.as_millis() == other.created_at.as_millis()
        && one.last_activity.as_millis() == other.last_activity.as_millis()
        && second(one.expires_at) == second(other.expires_at)
        && one.extra == other.extra
}
