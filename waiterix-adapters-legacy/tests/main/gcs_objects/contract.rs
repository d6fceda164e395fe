//! The contract: by the key of a service account, and by way of the sidecar.

use std::sync::Arc;

use waiterix_adapters_legacy::replit::SignedUploads;
use waiterix_contract::Fixture;
use waiterix_contract::blob::SignedUrls;
use waiterix_ports::BlobStore;

use crate::gcs_objects::fixture::World;
use crate::gcs_objects::sidecar::Sidecar;

mod by_account {
    use super::*;

    async fn fresh() -> Option<Fixture<dyn BlobStore>> {
        let world = World::make().await?;
        let store: Arc<dyn BlobStore> = Arc::new(world.store());
        Some(Fixture::new(store).clocked(world.clock.clone()).guarded(world))
    }

    waiterix_contract::blob_contract!("GCS", fresh);
}

/// Uploads go to URLs that the service honours, downloads to those that the sidecar signs.
mod by_sidecar {
    use super::*;

    async fn fresh() -> Option<Fixture<dyn BlobStore>> {
        let world = World::make().await?;
        let sidecar = Sidecar::start(&world.front, world.clock.clone()).await;
        let settings = world.sidecar_settings(&sidecar, SignedUploads::Service);
        let urls = SignedUrls::bind().await;
        let store: Arc<dyn BlobStore> = Arc::new(world.open(&settings, Some(&urls.signer())));
        let served = urls.serve(store.clone(), world.clock.clone());
        let fixture = Fixture::new(store).clocked(world.clock.clone());
        Some(fixture.guarded(served).guarded(sidecar).guarded(world))
    }

    waiterix_contract::blob_contract!("Replit object storage", fresh);
}
