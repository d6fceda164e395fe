//! A PostgreSQL database that takes part in a live move: [`PostgresSide`], a [`RowSide`](waiterix_ports::moving::RowSide).
//!
//! Triggers in the schema `waiterix_migration` let in whom its [`Standing`](waiterix_ports::moving::Standing) lets in, in the
//! transaction of each write, and note which keys were written. So every writer obeys and is seen: this program, the old
//! application, an operator, a cascade. `docs/decisions/0028-moving-rows.md` has the reasons.

mod aside;
mod claim;
mod copy;
mod hold;
mod install;
mod intents;
mod leaves;
mod noted;
mod notes;
mod plan;
mod record;
pub mod rehearsal;
mod side;
mod standing;
mod survey;
mod tables;
mod triggers;
mod tuples;
mod walk;
mod work;

use waiterix_ports::{Error, ErrorKind};

use crate::statement::Refusal;
pub use intents::PostgresJournal;
pub use noted::TriggerJournal;
pub use plan::PostgresPlan;
pub use side::PostgresSide;

/// Whether a refusal says that what was asked for was never made, or was taken away.
fn is_absent(refusal: &Refusal) -> bool {
    matches!(refusal.sqlstate.as_deref(), Some("42P01" | "3F000"))
}

/// What a refusal means. Without the schema nothing can be done, and whoever runs the move must be told so.
fn error_of(refusal: Refusal) -> Error {
    if is_absent(&refusal) {
        return refusal.error.with("hint", "the move was not begun: run `waiterix migrate start`");
    }
    refusal.error
}

fn corrupt(operation: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, operation).with("fault", "an answer cannot be understood")
}
