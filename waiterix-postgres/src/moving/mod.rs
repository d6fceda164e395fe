//! What a live move keeps in PostgreSQL, in a schema of its own: `waiterix_migration`.

mod intents;
mod noted;
mod plan;
mod walk;

pub use intents::PostgresJournal;
pub use noted::TriggerJournal;
pub use plan::PostgresPlan;

use waiterix_ports::{Error, ErrorKind};

use crate::statement::Refusal;

/// What a refusal means. Without the schema nothing can be done, and whoever runs the move must be told so.
fn error_of(refusal: Refusal) -> Error {
    match refusal.sqlstate.as_deref() {
        Some("42P01" | "3F000") => {
            refusal.error.with("hint", "the move was not begun: run `waiterix move start`")
        }
        _ => refusal.error,
    }
}

fn corrupt(operation: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, operation).with("fault", "an answer cannot be understood")
}
