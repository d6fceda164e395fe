//! The contract of [`BlobStore`](waiterix_ports::BlobStore) over a mirror of two memories, in every phase.

mod old_leads_and_new_follows_later {
    use waiterix_contract::Fixture;
    use waiterix_migration::Phase;
    use waiterix_ports::BlobStore;

    async fn fresh() -> Fixture<dyn BlobStore> {
        crate::pair::Blobs::new(Phase::ALL[0]).await.fixture()
    }

    waiterix_contract::blob_contract!("mirror of objects, old leads, new follows later", fresh);
}

mod old_leads_and_new_follows {
    use waiterix_contract::Fixture;
    use waiterix_migration::Phase;
    use waiterix_ports::BlobStore;

    async fn fresh() -> Fixture<dyn BlobStore> {
        crate::pair::Blobs::new(Phase::ALL[1]).await.fixture()
    }

    waiterix_contract::blob_contract!("mirror of objects, old leads, new follows", fresh);
}

mod new_leads_and_old_follows {
    use waiterix_contract::Fixture;
    use waiterix_migration::Phase;
    use waiterix_ports::BlobStore;

    async fn fresh() -> Fixture<dyn BlobStore> {
        crate::pair::Blobs::new(Phase::ALL[2]).await.fixture()
    }

    waiterix_contract::blob_contract!("mirror of objects, new leads, old follows", fresh);
}

mod new_leads_and_old_follows_later {
    use waiterix_contract::Fixture;
    use waiterix_migration::Phase;
    use waiterix_ports::BlobStore;

    async fn fresh() -> Fixture<dyn BlobStore> {
        crate::pair::Blobs::new(Phase::ALL[3]).await.fixture()
    }

    waiterix_contract::blob_contract!("mirror of objects, new leads, old follows later", fresh);
}
