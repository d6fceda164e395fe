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
pub mod admin;
pub mod amount;
pub mod analytics;
pub mod assistance;
pub mod blob_ref;
pub mod change;
pub mod country;
pub mod currency;
pub mod demo;
pub mod digest;
pub mod env;
pub mod event;
pub mod facts;
pub mod faq;
pub mod id;
pub mod knowledge;
pub mod line;
pub mod menu;
pub mod menu_csv;
pub mod money;
pub mod order;
pub mod picture;
pub mod question;
pub mod rating;
pub mod receipt;
pub mod rejection;
pub mod report;
pub mod restaurant;
pub mod schema;
pub mod secret;
pub mod support;
pub mod table;
pub mod tax;
pub mod text;
pub mod time;
pub mod value;

#[cfg(test)]
pub(crate) mod sample;

#[cfg(test)]
pub(crate) mod testing;

pub use amount::Amount;
pub use change::{Change, ChangeSet, CommitId, Counter, Requirement};
pub use env::{Decision, Effect, Env, Ids};
pub use event::{Audience, Event};
pub use rejection::{FieldError, Rejection, RejectionKind};
pub use schema::{Row, RowKey, Table, UniqueRule};
pub use secret::Secret;
pub use time::Timestamp;
