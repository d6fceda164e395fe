//! Sessions in PostgreSQL against the contract: in the table of the migrations, in the one that the session library makes, and
//! through a pooler.

/// As the old server's migrations and ours make the table.
mod migrated {
    use std::sync::Arc;

    use waiterix_contract::{Fixture, ManualClock};
    use waiterix_ports::SessionStore;

    use crate::pg_session_tables::{Made, fixture, scratch, store};

    async fn fresh() -> Option<Fixture<dyn SessionStore>> {
        let (scratch, clock) = (scratch(Made::ByMigration).await?, Arc::new(ManualClock::default()));
        let store = store(&scratch.url(), clock.clone(), |_| {});
        Some(fixture(store, clock, scratch))
    }

    waiterix_contract::session_contract!("PostgreSQL sessions", fresh);
}

/// As connect-pg-simple makes the table for itself.
mod by_library {
    use std::sync::Arc;

    use waiterix_contract::{Fixture, ManualClock};
    use waiterix_ports::SessionStore;

    use crate::pg_session_tables::{Made, fixture, scratch, store};

    async fn fresh() -> Option<Fixture<dyn SessionStore>> {
        let (scratch, clock) = (scratch(Made::ByLibrary).await?, Arc::new(ManualClock::default()));
        let store = store(&scratch.url(), clock.clone(), |_| {});
        Some(fixture(store, clock, scratch))
    }

    waiterix_contract::session_contract!("PostgreSQL sessions, table of the library", fresh);
}

/// As on Neon's pooled hosts.
mod pooled {
    use std::sync::Arc;

    use waiterix_backends::{Backend, given};
    use waiterix_contract::{Fixture, ManualClock};
    use waiterix_ports::SessionStore;

    use crate::pg_session_tables::{Made, fixture, scratch, store};

    async fn fresh() -> Option<Fixture<dyn SessionStore>> {
        let pooler = given(Backend::PgBouncer)?;
        let (scratch, clock) = (scratch(Made::ByMigration).await?, Arc::new(ManualClock::default()));
        let store = store(&scratch.through(&pooler), clock.clone(), |settings| settings.pooled = true);
        Some(fixture(store, clock, scratch))
    }

    waiterix_contract::session_contract!("PostgreSQL sessions through PgBouncer", fresh);
}
