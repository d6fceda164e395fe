//! One schema: what must be there, what is there, and how the second becomes the first.
//!
//! The old system left databases in five states behind, because some of its migrations were run by hand. [`migrate()`]
//! brings all of them, and an empty database, to the same one by adding what is missing; it never takes anything away.
//! What is different rather than missing, it refuses. [`check`] only compares. See
//! `docs/decisions/0011-one-schema-from-five-states.md`.

mod catalog;
mod compare;
mod duplicates;
mod migrate;
mod plan;
mod target;

pub use catalog::{Catalog, ColumnFound, ForeignKeyFound, IndexFound, TableFound};
pub use compare::{Deviation, OLDEST_SERVER, Report, compare};
pub use duplicates::Duplicates;
pub use migrate::{MigrateError, Migration, Progress, check, migrate};
#[cfg(feature = "testing")]
pub(crate) use plan::whole;
pub use target::{ColumnTarget, IndexTarget, TableTarget, Target, rule_keys};
