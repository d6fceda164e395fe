//! Rows in PostgreSQL against the contract.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made must fail")]

use std::sync::Arc;

use waiterix_backends::{Backend, given};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_domain::Secret;
use waiterix_ports::Store;
use waiterix_postgres::PostgresStore;
use waiterix_postgres::connect::{Database, FixedPassword};
use waiterix_postgres::testing::{Scratch, settings};

/// A store of a fresh database, reached by way of the given kind of server.
async fn fresh(by_way_of: Backend) -> Option<Fixture<dyn Store>> {
    let (server, way) = (given(Backend::Postgres)?, given(by_way_of)?);
    let scratch = Scratch::migrated(&server).await.unwrap();
    let mut settings = settings(&scratch.through(&way)).unwrap();
    settings.pooled = by_way_of == Backend::PgBouncer;
    let clock = Arc::new(ManualClock::default());
    let password = settings.password.clone().unwrap_or_else(|| Secret::new(""));
    let database = Database::new(settings, Arc::new(FixedPassword::new(password)), clock.clone()).unwrap();
    let store = PostgresStore::new(database, clock.clone());
    Some(Fixture::new(Arc::new(store) as Arc<dyn Store>).clocked(clock).guarded(scratch))
}

mod direct {
    use super::*;

    async fn fresh() -> Option<Fixture<dyn Store>> {
        super::fresh(Backend::Postgres).await
    }

    waiterix_contract::store_contract!("PostgreSQL", fresh);
}

mod pooled {
    use super::*;

    async fn fresh() -> Option<Fixture<dyn Store>> {
        super::fresh(Backend::PgBouncer).await
    }

    waiterix_contract::store_contract!("PostgreSQL through PgBouncer", fresh);
}
