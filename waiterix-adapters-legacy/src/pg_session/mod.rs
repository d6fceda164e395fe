//! Sessions and one-time data in PostgreSQL, in the table and the form of express-session 1.18 with connect-pg-simple 10, so
//! that the old server and this one can read, use and end each other's sessions at the same time.
//!
//! Every step is one statement on one row; what has to be read before it is written is written only if it is still the row
//! that was read. `docs/decisions/0019-sessions-in-postgresql.md` says what is kept where, and why.

mod digest;
mod escapes;
mod keys;
mod record;
mod settings;
mod store;
mod temp;

use std::sync::Arc;

use waiterix_ports::{Clock, Result};

pub use settings::{PgSessionSettings, SameSite};
pub use store::PgSessionStore;

/// A store of the sessions in the database that the settings name, with connections of its own. Connects when it is used.
/// Where rows are in the same database, [`PgSessionStore::new`] lets both share their connections.
///
/// # Errors
/// Those of [`crate::neon::database`].
pub fn open(settings: &PgSessionSettings, clock: &Arc<dyn Clock>) -> Result<PgSessionStore> {
    let database = crate::neon::database(&settings.database, clock)?;
    Ok(PgSessionStore::new(database, clock.clone(), settings.same_site))
}
