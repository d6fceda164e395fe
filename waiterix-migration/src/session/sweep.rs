//! All sessions of two stores, while guests use them: copied, compared, and made equal again.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use sha2::{Digest as _, Sha256};
use waiterix_domain::Timestamp;
use waiterix_ports::moving::{Journal, Leader, Mirroring, Places, SessionKeys};
use waiterix_ports::session::is_session_id;
use waiterix_ports::{ErrorKind, Result, Session, SessionId};

use super::marks::TOLERANCE_S;
use super::{DualSessionStore, SessionKey, Sides};
use crate::journal::{Pass, dirty};
use crate::phase::{Phase, Writing};
use crate::rows::Stop;

/// How many ids are listed at once.
const PAGE: u32 = 500;
/// How many sessions are seen to at once.
const AT_ONCE: usize = 16;
/// How often a session that differs is looked at before it counts as different.
const LOOKS: u32 = 3;

/// What a walk over all sessions came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionsSwept {
    /// Ids that were named; some more than once.
    pub seen: u64,
    /// Sessions that are equal on both sides now, or gone from both.
    pub equal: u64,
    /// Sessions that could not be made equal; they are in the journal.
    pub failed: u64,
    /// Records of the leader that nobody can understand. They stay where they are, and whoever has the cookie signs in again.
    pub unreadable: u64,
    /// Whether it was asked to end before its end; then it goes on from there the next time.
    pub interrupted: bool,
}

/// In which way a session differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SessionFault {
    /// The side that follows does not have it.
    Missing,
    /// Only the side that follows has it.
    Extra,
    /// It says something else.
    Content,
    /// It ends at another time, by more than a second.
    End,
    /// It cannot be understood.
    Unreadable,
}

/// A session that differs. Its id is a secret, so it is shown by the beginning of its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionDifference {
    /// Which session.
    pub id: SessionId,
    /// In which way.
    pub fault: SessionFault,
}

impl SessionDifference {
    /// What it is called in reports: the first half of the SHA-256 of its id, in hexadecimal.
    #[must_use]
    pub fn name(&self) -> String {
        Sha256::digest(self.id.reveal()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for SessionDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.fault, self.name())
    }
}

/// What comparing all sessions came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionsCompared {
    /// How many sessions were compared, of both sides together, each once.
    pub compared: u64,
    /// Those that differ still after they were looked at again.
    pub differences: Vec<SessionDifference>,
}

/// Walks over all sessions of a mirror.
#[derive(Debug, Clone)]
pub struct SessionSweep {
    pub(super) mirror: Arc<DualSessionStore>,
    old: Arc<dyn SessionKeys>,
    new: Arc<dyn SessionKeys>,
}

impl SessionSweep {
    /// Over a mirror, and what its two stores hold.
    #[must_use]
    pub fn new(mirror: Arc<DualSessionStore>, old: Arc<dyn SessionKeys>, new: Arc<dyn SessionKeys>) -> Self {
        Self { mirror, old, new }
    }

    pub(super) fn keys_of(&self, leader: Leader) -> &dyn SessionKeys {
        match leader {
            Leader::Old => &*self.old,
            Leader::New => &*self.new,
        }
    }

    /// Makes the side that follows equal to the leader about every session the leader has, by the same step as the mirror, so it
    /// does no harm to what is written meanwhile. A walk that was interrupted goes on where it was; one that was finished begins
    /// anew.
    ///
    /// # Errors
    /// When the leader's sessions cannot be listed, or nobody can remember how far this is. It can be called again.
    pub async fn backfill(&self, places: &dyn Places) -> Result<SessionsSwept> {
        self.backfill_until(places, &Stop::default(), &|_, _| {}).await
    }

    /// The same, for somebody who watches: it waits and ends as it is told, between two pages, and tells after each what it did, and
    /// how many ids were seen to with those of walks before it that were interrupted.
    ///
    /// # Errors
    /// As [`SessionSweep::backfill`].
    pub async fn backfill_until(
        &self,
        places: &dyn Places,
        stop: &Stop,
        told: &(dyn Fn(&SessionsSwept, u64) + Send + Sync),
    ) -> Result<SessionsSwept> {
        let leader = self.mirror.reading().await?.led_by;
        let walk = format!("sessions from {}", leader.as_str());
        let mut place = places.place(&walk).await?;
        if place.finished {
            place = waiterix_ports::moving::Place::default();
        }
        let mut swept = SessionsSwept::default();
        loop {
            if !stop.goes_on().await {
                swept.interrupted = true;
                return Ok(swept);
            }
            let page = self.keys_of(leader).session_ids(place.at.as_deref(), PAGE).await?;
            let seen = page.keys.len() as u64;
            let steps = page.keys.into_iter().map(|id| self.step(id));
            let mut steps = stream::iter(steps).buffer_unordered(AT_ONCE);
            while let Some(step) = steps.next().await {
                match step? {
                    Step::Equal => swept.equal += 1,
                    Step::Failed => swept.failed += 1,
                    Step::Unreadable => swept.unreadable += 1,
                }
            }
            swept.seen += seen;
            place.done += seen;
            place.finished = page.next.is_none();
            place.at = page.next;
            places.keep_place(&walk, &place).await?;
            told(&swept, place.done);
            if place.finished {
                return Ok(swept);
            }
        }
    }

    pub(super) async fn step(&self, id: SessionId) -> Result<Step> {
        let done = match self.mirror.writing().await {
            Ok(sides) => self.mirror.converge(&sides, &id).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => Ok(Step::Equal),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Step::Unreadable),
            Err(_) => {
                self.mirror.journal.add(&SessionKey::Session(id)).await?;
                Ok(Step::Failed)
            }
        }
    }

    /// Compares all sessions of both sides: what they say, and when they end, to the second. One that is being written is made
    /// equal first, as the relay would; a difference counts if it is still there when it is looked at again.
    ///
    /// # Errors
    /// When the sessions of a side cannot be listed or read.
    pub async fn verify(&self) -> Result<SessionsCompared> {
        self.compare_each(|id| self.look(id)).await
    }

    /// Looks at every session of both sides, each once.
    pub(super) async fn compare_each<F>(
        &self,
        look: impl Fn(SessionId) -> F + Send + Sync,
    ) -> Result<SessionsCompared>
    where
        F: Future<Output = Result<Option<SessionDifference>>> + Send,
    {
        let leader = self.mirror.reading().await?.led_by;
        let mut report = SessionsCompared::default();
        let mut known = HashSet::new();
        for side in [leader, leader.other()] {
            let mut at = None;
            loop {
                let page = self.keys_of(side).session_ids(at.as_deref(), PAGE).await?;
                let mut new: Vec<SessionId> = page.keys;
                new.retain(|id| known.insert(id.clone()));
                report.compared += new.len() as u64;
                let looks = new.into_iter().map(&look);
                let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
                while let Some(look) = looks.next().await {
                    report.differences.extend(look?);
                }
                at = page.next;
                if at.is_none() {
                    break;
                }
            }
        }
        Ok(report)
    }

    /// Makes the sessions equal that a comparison found to differ, and compares them again; answers those that still differ.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn repair(&self, found: &SessionsCompared) -> Result<Vec<SessionDifference>> {
        let mut left = Vec::new();
        for SessionDifference { id, .. } in &found.differences {
            // What fails here is still different below, and is in the journal.
            self.step(id.clone()).await?;
            left.extend(self.look(id.clone()).await?);
        }
        Ok(left)
    }

    async fn look(&self, id: SessionId) -> Result<Option<SessionDifference>> {
        let mut seen = None;
        for _ in 0..LOOKS {
            let sides = self.mirror.reading().await?;
            let Some(fault) = compare(&sides, &id, self.mirror.clock.now()).await? else { return Ok(None) };
            let is_dirty = self.mirror.journal.holds(&SessionKey::Session(id.clone())).await?
                || self.mirror.journal.holds(&SessionKey::Ended(id.clone())).await?;
            if !is_dirty && seen == Some(fault) {
                break;
            }
            seen = Some(fault);
            if is_dirty {
                drop(sides);
                self.step(id.clone()).await?;
            }
        }
        Ok(seen.map(|fault| SessionDifference { id, fault }))
    }

    /// Makes the sessions equal that a trigger noted in the old store, where others write too.
    ///
    /// # Errors
    /// When what was noted cannot be read.
    pub async fn relay_noted(&self, noted: &dyn Journal<String>) -> Result<Pass> {
        self.settle_noted(noted, None).await
    }

    /// The same, for whoever is about to change the leader: this one leads until then.
    ///
    /// # Errors
    /// As [`SessionSweep::relay_noted`].
    pub async fn drain_noted(&self, noted: &dyn Journal<String>, leader: Leader) -> Result<Pass> {
        self.settle_noted(noted, Some(leader)).await
    }

    async fn settle_noted(&self, noted: &dyn Journal<String>, led_by: Option<Leader>) -> Result<Pass> {
        let mut pass = Pass::default();
        for dirty in dirty(noted).await? {
            let settled = if is_session_id(&dirty.key) {
                let sides = match led_by {
                    Some(leader) => {
                        Ok(self.mirror.sides(Writing::of(Phase { leader, mirroring: Mirroring::Inline })))
                    }
                    None => self.mirror.writing().await,
                };
                match sides {
                    Ok(sides) => self.mirror.converge(&sides, &SessionId::new(&*dirty.key)).await,
                    Err(error) => Err(error),
                }
            } else {
                // No cookie of this service can have it, so it is nobody's session.
                Ok(())
            };
            let settled = match settled {
                // It cannot be copied, and noting it for ever helps nobody; a comparison names it.
                Err(error) if error.kind() == ErrorKind::Corrupt => Ok(()),
                settled => settled,
            };
            pass.close(noted, &dirty, settled).await;
        }
        Ok(pass)
    }
}

pub(super) enum Step {
    Equal,
    Failed,
    Unreadable,
}

/// Compares a session on both sides; one that has run out by now is none on either.
pub(super) async fn compare(
    sides: &Sides<'_>,
    id: &SessionId,
    now: Timestamp,
) -> Result<Option<SessionFault>> {
    let read = async |store: &dyn waiterix_ports::SessionStore| match store.load(id).await {
        Ok(loaded) => Ok(Some(loaded.map(|loaded| loaded.session))),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        Err(error) => Err(error),
    };
    // The leader first: what comes meanwhile comes there first.
    let (here, there) = (read(sides.leader).await?, read(sides.other).await?);
    let (Some(here), Some(there)) = (here, there) else { return Ok(Some(SessionFault::Unreadable)) };
    // Ends are rounded up in some stores, so one side may have forgotten what the other one shows for a moment longer.
    let is_over = |session: &Session| session.expires_at <= now.plus_seconds(TOLERANCE_S);
    Ok(match (here, there) {
        (None, None) => None,
        (Some(one), None) if is_over(&one) => None,
        (None, Some(one)) if is_over(&one) => None,
        (Some(_), None) => Some(SessionFault::Missing),
        (None, Some(_)) => Some(SessionFault::Extra),
        (Some(here), Some(there)) if !says_the_same(&here, &there) => Some(SessionFault::Content),
        (Some(here), Some(there)) => {
            let apart = here.expires_at.as_micros().abs_diff(there.expires_at.as_micros());
            (apart > 1_000_000 * TOLERANCE_S.unsigned_abs()).then_some(SessionFault::End)
        }
    })
}

fn says_the_same(one: &Session, other: &Session) -> bool {
    one.user_id == other.user_id
        && one.email == other.email
        && one.created_at.as_millis() == other.created_at.as_millis()
        && one.last_activity.as_millis() == other.last_activity.as_millis()
        && one.extra == other.extra
}
