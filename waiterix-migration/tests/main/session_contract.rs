//! The contract of [`SessionStore`](waiterix_ports::SessionStore) over a mirror of two memories, in every phase.

mod old_leads_and_new_follows_later {
    use waiterix_contract::Fixture;
    use waiterix_migration::Phase;
    use waiterix_ports::SessionStore;

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn SessionStore> {
        crate::pair::Sessions::new(Phase::ALL[0]).fixture()
    }

    waiterix_contract::session_contract!("mirror of sessions, old leads, new follows later", fresh);
}

mod old_leads_and_new_follows {
    use waiterix_contract::Fixture;
    use waiterix_migration::Phase;
    use waiterix_ports::SessionStore;

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn SessionStore> {
        crate::pair::Sessions::new(Phase::ALL[1]).fixture()
    }

    waiterix_contract::session_contract!("mirror of sessions, old leads, new follows", fresh);
}

mod new_leads_and_old_follows {
    use waiterix_contract::Fixture;
    use waiterix_migration::Phase;
    use waiterix_ports::SessionStore;

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn SessionStore> {
        crate::pair::Sessions::new(Phase::ALL[2]).fixture()
    }

    waiterix_contract::session_contract!("mirror of sessions, new leads, old follows", fresh);
}

mod new_leads_and_old_follows_later {
    use waiterix_contract::Fixture;
    use waiterix_migration::Phase;
    use waiterix_ports::SessionStore;

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn SessionStore> {
        crate::pair::Sessions::new(Phase::ALL[3]).fixture()
    }

    waiterix_contract::session_contract!("mirror of sessions, new leads, old follows later", fresh);
}
