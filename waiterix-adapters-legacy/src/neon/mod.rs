//! Rows in Neon.
//!
//! Neon speaks plain PostgreSQL, so the store is that of `waiterix_postgres`. What Neon adds is in its settings: a pooler
//! that is known by its name, computing that sleeps and has to be woken up, and a way round the pooler for what needs a
//! session of its own. `docs/decisions/0020-neon.md` has the reasons.

mod settings;

use std::sync::Arc;

use waiterix_ports::{Clock, Error, ErrorKind, Result};
use waiterix_postgres::PostgresStore;
use waiterix_postgres::connect::{Database, FixedPassword};

pub use settings::NeonSettings;

/// Rows in Neon.
pub type NeonStore = PostgresStore;

/// A store of the rows of a database in Neon. Connects when it is used; the clock is that of [`PostgresStore::new`].
///
/// # Errors
/// Those of [`database`].
pub fn open(settings: &NeonSettings, clock: &Arc<dyn Clock>) -> Result<NeonStore> {
    Ok(PostgresStore::new(database(settings, clock)?, clock.clone()))
}

/// The connections to a database in Neon: for a store, for sessions kept there, or, with [`NeonSettings::direct`], for
/// looking after its schema.
///
/// # Errors
/// `Invalid` when the settings hold no password, which [`NeonSettings::read`] reports.
pub fn database(settings: &NeonSettings, clock: &Arc<dyn Clock>) -> Result<Database> {
    let password = settings.postgres.password.clone().ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "store.open").with("fault", "the settings hold no password")
    })?;
    Database::new(settings.postgres.clone(), Arc::new(FixedPassword::new(password)), clock.clone())
}
