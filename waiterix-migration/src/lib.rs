//! Two providers at once, while a live service moves from one to the other.
//!
//! A mirror is a port over the ports of two providers, *old* and *new*. One of them [leads](Phase): it answers, and what it
//! holds is the truth. The other one is made equal to it. The mirrors do not repeat operations: they remember in a [`Journal`]
//! which keys are dirty, before these are written, and *converge* a key by reading it from the leader afresh and making the
//! other side equal. So a crash, a repeat, and two that converge at once are all harmless, and the way back after a change of
//! leader is the way there. Decision 26 has the reasons.
//!
//! | mirror | port | other side down |
//! |---|---|---|
//! | [`DualSessionStore`] | sessions, one-time data | writes go on; what only it could know is an error, never "not there" |
//! | [`DualBlobStore`] | objects | the same |
//! | [`RoutedMailer`] | mail, each by exactly one provider | the other one sends, if the first certainly did not |
//! | [`rows::DualStore`] | rows | nothing; what it lacks is in the journal of the side that leads |
//! | [`DualNotifier`] | connections, each in exactly one transport | its connections hear nothing, and the answer says so |
//!
//! A mirror keeps the contract of its port in every phase, and passes its suite. What the other side still lacks is made up for
//! by `relay`, which whoever runs the service calls from time to time. What was there before the move is walked over
//! ([`SessionSweep`], [`ObjectSweep`]), and the [plan] says who leads and changes it; decision 31 has the reasons. Rows are moved by
//! an engine of their own, [`rows`], because both of their databases enforce who leads.

mod blob;
mod drain;
mod journal;
mod mail;
mod memory;
mod notifier;
mod phase;
pub mod plan;
pub mod protocol;
pub mod rows;
mod session;
#[cfg(feature = "testing")]
pub mod testing;

pub use blob::{
    BlobKey, Depth, DualBlobStore, ObjectDifference, ObjectFault, ObjectSweep, ObjectsCompared, ObjectsSwept,
    OutsetBlobStore,
};
pub use drain::{DrainableNotifier, Drained};
pub use journal::{MemoryJournal, Pass};
pub use mail::{RoutedMailer, Share};
pub use memory::MemoryPlan;
pub use notifier::DualNotifier;
pub use phase::{Phase, Phases, Switch, Writing};
pub use session::{
    Carried, DualSessionStore, MAIL_MEMORY, MemoryCompared, MemoryFault, OutsetSessionStore, SUPPRESSED,
    SessionDifference, SessionFault, SessionKey, SessionSweep, SessionsCompared, SessionsSwept,
};
pub use waiterix_ports::moving::{Entry, EntryId, Journal, JournalKey, Leader, Mirroring};
