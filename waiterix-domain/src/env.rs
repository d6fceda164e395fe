//! What a decision gets from outside, and what it gives back.

use crate::event::{Audience, Event};
use crate::id::{RestaurantId, UserId};
use crate::{ChangeSet, CommitId, Timestamp};

/// Where new ids come from.
pub trait Ids: Send {
    /// 16 random bytes; ids made of them must be unguessable in production and repeatable in tests.
    fn random(&mut self) -> [u8; 16];

    /// A new random UUID (version 4) in text form.
    fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.random()).into_uuid().hyphenated().to_string()
    }
}

/// The moment and the ids a decision may use.
pub struct Env<'a> {
    /// The current time.
    pub now: Timestamp,
    /// New ids.
    pub ids: &'a mut dyn Ids,
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Env<'_> {
    /// A new row id of the wanted type.
    pub fn id<I: From<String>>(&mut self) -> I {
        I::from(self.ids.uuid())
    }

    /// A new, empty set of changes.
    pub fn changes(&mut self) -> ChangeSet {
        ChangeSet::new(CommitId::new(self.ids.uuid()))
    }
}

/// Something to do after the commit. It can fail without making the commit undone.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell somebody.
    Publish {
        /// Whom.
        audience: Audience,
        /// What.
        event: Box<Event>,
    },
    /// Delete an object nothing refers to any more.
    DeleteBlob {
        /// Its key.
        key: String,
    },
    /// End every session of a user and close the realtime connections made with them.
    RevokeSessions {
        /// The user.
        user: UserId,
        /// The user's restaurant, whose chef connections are closed.
        restaurant: Option<RestaurantId>,
    },
}

/// The outcome of a use case: what to commit, what to answer, what to do afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<T> {
    /// What to commit, all or nothing.
    pub changes: ChangeSet,
    /// What to answer once it is committed.
    pub reply: T,
    /// What to do once it is committed.
    pub effects: Vec<Effect>,
}

impl<T> Decision<T> {
    /// A decision without effects.
    #[must_use]
    pub const fn new(changes: ChangeSet, reply: T) -> Self {
        Self { changes, reply, effects: Vec::new() }
    }

    /// Adds an effect.
    #[must_use]
    pub fn then(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// Adds the publication of an event.
    #[must_use]
    pub fn publish(self, audience: Audience, event: Event) -> Self {
        self.then(Effect::Publish { audience, event: Box::new(event) })
    }
}
