//! The contract of [`SessionStore`](waiterix_ports::SessionStore) over every wrapper of the memory.

mod timeout {
    use waiterix_contract::Fixture;

    use crate::memory::{self, TimedOut};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn waiterix_ports::SessionStore> {
        memory::sessions::<TimedOut>()
    }

    waiterix_contract::session_contract!("timeout over memory", fresh);
}

mod retry {
    use waiterix_contract::Fixture;

    use crate::memory::{self, Retried};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn waiterix_ports::SessionStore> {
        memory::sessions::<Retried>()
    }

    waiterix_contract::session_contract!("retry over memory", fresh);
}

mod trace {
    use waiterix_contract::Fixture;

    use crate::memory::{self, Traced};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn waiterix_ports::SessionStore> {
        memory::sessions::<Traced>()
    }

    waiterix_contract::session_contract!("trace over memory", fresh);
}

mod retry_over_chaos {
    use waiterix_contract::Fixture;

    use crate::memory::{self, RetriedChaos};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn waiterix_ports::SessionStore> {
        memory::sessions::<RetriedChaos>()
    }

    waiterix_contract::session_contract!("retry over chaos over memory", fresh);
}
