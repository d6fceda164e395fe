//! The order in which keys are made equal on the side that follows.
//!
//! The leader is read only after the keys are locked on the other side. So of two that make the same key equal, the later one
//! has read the newer row, and nothing needs a version, a tombstone or an order of events. What was written after the entries
//! were claimed has an entry of its own.

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing is done.
    Begun,
    /// The entries that there were are known.
    Claimed,
    /// The keys are locked on the side that follows, and it follows in the epoch of the leader.
    Held,
    /// The rows of the leader are known.
    Read,
    /// The side that follows has them, and nothing is locked any more.
    Made,
    /// The entries are gone.
    Forgotten,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Note which entries there are of the keys, on the leader.
    Claim,
    /// Lock the keys on the side that follows.
    Hold,
    /// Read the rows of the keys from the leader, as they are committed now.
    Read,
    /// Make the side that follows equal, and let go of the locks.
    Make,
    /// Delete exactly the entries that were claimed.
    Forget,
}

impl Stage {
    /// What comes next; nothing when all is done. Whatever fails is begun anew: every prefix of the order is harmless.
    #[must_use]
    pub const fn next(self) -> Option<Act> {
        Some(match self {
            Self::Begun => Act::Claim,
            Self::Claimed => Act::Hold,
            Self::Held => Act::Read,
            Self::Read => Act::Make,
            Self::Made => Act::Forget,
            Self::Forgotten => return None,
        })
    }
}

impl Act {
    /// Where it leads when it succeeds.
    #[must_use]
    pub const fn done(self) -> Stage {
        match self {
            Self::Claim => Stage::Claimed,
            Self::Hold => Stage::Held,
            Self::Read => Stage::Read,
            Self::Make => Stage::Made,
            Self::Forget => Stage::Forgotten,
        }
    }
}
