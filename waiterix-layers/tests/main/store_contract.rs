//! The contract of [`Store`](waiterix_ports::Store) over every wrapper of the memory.

mod timeout {
    use waiterix_contract::Fixture;

    use crate::memory::{self, TimedOut};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn waiterix_ports::Store> {
        memory::store::<TimedOut>()
    }

    waiterix_contract::store_contract!("timeout over memory", fresh);
}

mod retry {
    use waiterix_contract::Fixture;

    use crate::memory::{self, Retried};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn waiterix_ports::Store> {
        memory::store::<Retried>()
    }

    waiterix_contract::store_contract!("retry over memory", fresh);
}

mod trace {
    use waiterix_contract::Fixture;

    use crate::memory::{self, Traced};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn waiterix_ports::Store> {
        memory::store::<Traced>()
    }

    waiterix_contract::store_contract!("trace over memory", fresh);
}

mod retry_over_chaos {
    use waiterix_contract::Fixture;

    use crate::memory::{self, RetriedChaos};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> Fixture<dyn waiterix_ports::Store> {
        memory::store::<RetriedChaos>()
    }

    waiterix_contract::store_contract!("retry over chaos over memory", fresh);
}
