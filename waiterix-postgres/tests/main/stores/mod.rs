//! Stores of databases for tests.

use std::sync::Arc;

use url::Url;
use waiterix_contract::ManualClock;
use waiterix_domain::Secret;
use waiterix_postgres::PostgresStore;
use waiterix_postgres::connect::{Database, FixedPassword, PostgresSettings};
use waiterix_postgres::testing::{Scratch, settings};

/// A store by the URL of its database, with other settings than usual.
pub(crate) fn with(url: &Url, change: impl FnOnce(&mut PostgresSettings)) -> PostgresStore {
    clocked(url, Arc::new(ManualClock::default()), change)
}

/// The same, living by a clock.
pub(crate) fn clocked(
    url: &Url,
    clock: Arc<ManualClock>,
    change: impl FnOnce(&mut PostgresSettings),
) -> PostgresStore {
    let mut settings = settings(url).unwrap();
    change(&mut settings);
    let password = settings.password.clone().unwrap_or_else(|| Secret::new(""));
    let database = Database::new(settings, Arc::new(FixedPassword::new(password)), clock.clone()).unwrap();
    PostgresStore::new(database, clock)
}

/// A store that reaches its server directly.
pub(crate) fn direct(scratch: &Scratch) -> PostgresStore {
    with(&scratch.url(), |_| {})
}

/// A store that reaches its server through a pooler.
pub(crate) fn pooled(scratch: &Scratch, pooler: &Url) -> PostgresStore {
    with(&scratch.through(pooler), |settings| settings.pooled = true)
}
