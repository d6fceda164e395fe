//! The contract of [`BlobStore`](waiterix_ports::BlobStore) over every wrapper of the memory.

mod timeout {
    use waiterix_contract::Fixture;

    use crate::memory::{self, TimedOut};

    async fn fresh() -> Fixture<dyn waiterix_ports::BlobStore> {
        memory::blobs::<TimedOut>().await
    }

    waiterix_contract::blob_contract!("timeout over memory", fresh);
}

mod retry {
    use waiterix_contract::Fixture;

    use crate::memory::{self, Retried};

    async fn fresh() -> Fixture<dyn waiterix_ports::BlobStore> {
        memory::blobs::<Retried>().await
    }

    waiterix_contract::blob_contract!("retry over memory", fresh);
}

mod trace {
    use waiterix_contract::Fixture;

    use crate::memory::{self, Traced};

    async fn fresh() -> Fixture<dyn waiterix_ports::BlobStore> {
        memory::blobs::<Traced>().await
    }

    waiterix_contract::blob_contract!("trace over memory", fresh);
}

mod retry_over_chaos {
    use waiterix_contract::Fixture;

    use crate::memory::{self, RetriedChaos};

    async fn fresh() -> Fixture<dyn waiterix_ports::BlobStore> {
        memory::blobs::<RetriedChaos>().await
    }

    waiterix_contract::blob_contract!("retry over chaos over memory", fresh);
}
