//! The contract of [`Mailer`](waiterix_ports::Mailer) over every wrapper of the memory.

mod timeout {
    use waiterix_contract::mailer::MailFixture;

    use crate::memory::{self, TimedOut};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> MailFixture {
        memory::mailer::<TimedOut>()
    }

    waiterix_contract::mailer_contract!("timeout over memory", fresh);
}

mod retry {
    use waiterix_contract::mailer::MailFixture;

    use crate::memory::{self, Retried};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> MailFixture {
        memory::mailer::<Retried>()
    }

    waiterix_contract::mailer_contract!("retry over memory", fresh);
}

mod trace {
    use waiterix_contract::mailer::MailFixture;

    use crate::memory::{self, Traced};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> MailFixture {
        memory::mailer::<Traced>()
    }

    waiterix_contract::mailer_contract!("trace over memory", fresh);
}

mod retry_over_chaos {
    use waiterix_contract::mailer::MailFixture;

    use crate::memory::{self, RetriedChaos};

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> MailFixture {
        memory::mailer::<RetriedChaos>()
    }

    waiterix_contract::mailer_contract!("retry over chaos over memory", fresh);
}
