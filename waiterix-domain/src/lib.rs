//! What is true in a Waiterix restaurant.
//!
//! This crate holds the entities of the service ([`schema`]), money ([`Amount`], [`money`]), the rules, and the
//! decisions. A decision is a pure function: it gets the facts it needs, a command and an [`Env`], and answers
//! either with a [`Decision`] (a [`ChangeSet`] to commit, a reply, and effects for afterwards) or with a
//! [`Rejection`] that may be shown to the caller.
//!
//! Nothing here waits, reads a clock, draws random numbers or touches the outside world: time and ids come in
//! through [`Env`].

pub mod account;
pub mod amount;
pub mod blob_ref;
pub mod change;
pub mod country;
pub mod digest;
pub mod env;
pub mod event;
pub mod facts;
pub mod id;
pub mod rejection;
pub mod schema;
pub mod secret;
pub mod text;
pub mod time;
pub mod value;

pub use amount::Amount;
pub use change::{Change, ChangeSet, CommitId, Counter, Requirement};
pub use env::{Decision, Effect, Env, Ids};
pub use event::{Audience, Event};
pub use rejection::{FieldError, Rejection, RejectionKind};
pub use schema::{Row, RowKey, Table, UniqueRule};
pub use secret::Secret;
pub use time::Timestamp;
