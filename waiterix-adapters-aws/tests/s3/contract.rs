//! The contract, in both layouts.

mod one_bucket {
    use waiterix_backends::{Backend, given};
    use waiterix_contract::Fixture;
    use waiterix_ports::BlobStore;

    async fn fresh() -> Option<Fixture<dyn BlobStore>> {
        Some(crate::fixture::fresh(&given(Backend::Aws)?, 1).await)
    }

    waiterix_contract::blob_contract!("S3", fresh);
}

mod two_buckets {
    use waiterix_backends::{Backend, given};
    use waiterix_contract::Fixture;
    use waiterix_ports::BlobStore;

    async fn fresh() -> Option<Fixture<dyn BlobStore>> {
        Some(crate::fixture::fresh(&given(Backend::Aws)?, 2).await)
    }

    waiterix_contract::blob_contract!("S3, two buckets", fresh);
}
