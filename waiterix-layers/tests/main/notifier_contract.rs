//! The contract of [`Notifier`](waiterix_ports::Notifier) over every wrapper of the memory.

mod timeout {
    use waiterix_contract::notifier::NotifierFixture;

    use crate::memory::{self, TimedOut};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> NotifierFixture {
        memory::notifier::<TimedOut>()
    }

    waiterix_contract::notifier_contract!("timeout over memory", fresh);
}

mod retry {
    use waiterix_contract::notifier::NotifierFixture;

    use crate::memory::{self, Retried};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> NotifierFixture {
        memory::notifier::<Retried>()
    }

    waiterix_contract::notifier_contract!("retry over memory", fresh);
}

mod trace {
    use waiterix_contract::notifier::NotifierFixture;

    use crate::memory::{self, Traced};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> NotifierFixture {
        memory::notifier::<Traced>()
    }

    waiterix_contract::notifier_contract!("trace over memory", fresh);
}

mod retry_over_chaos {
    use waiterix_contract::notifier::NotifierFixture;

    use crate::memory::{self, RetriedChaos};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> NotifierFixture {
        memory::notifier::<RetriedChaos>()
    }

    waiterix_contract::notifier_contract!("retry over chaos over memory", fresh);
}
