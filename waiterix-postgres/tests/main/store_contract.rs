//! Rows in PostgreSQL against the contract.

use std::sync::Arc;

use waiterix_backends::{Backend, given};
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::Store;
use waiterix_postgres::testing::Scratch;

use crate::stores;

/// A store of a fresh database, reached by way of the given kind of server.
async fn fresh(by_way_of: Backend) -> Option<Fixture<dyn Store>> {
    let (server, way) = (given(Backend::Postgres)?, given(by_way_of)?);
    let scratch = Scratch::migrated(&server).await.unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = stores::clocked(&scratch.through(&way), clock.clone(), |settings| {
        settings.pooled = by_way_of == Backend::PgBouncer;
    });
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
