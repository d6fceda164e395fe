//! The contract of `Notifier` on two servers that speak DynamoDB, over real sockets.

use waiterix_backends::{Backend, given};
use waiterix_contract::notifier::NotifierFixture;

use crate::apigateway::connections::World;

async fn fixture(backend: Backend) -> Option<NotifierFixture> {
    Some(World::at(&given(backend)?).await.into_fixture())
}

mod ministack {
    use super::{Backend, NotifierFixture};

    async fn fresh() -> Option<NotifierFixture> {
        super::fixture(Backend::Aws).await
    }

    waiterix_contract::notifier_contract!("API Gateway", fresh);
}

mod dynalite {
    use super::{Backend, NotifierFixture};

    async fn fresh() -> Option<NotifierFixture> {
        super::fixture(Backend::Dynalite).await
    }

    waiterix_contract::notifier_contract!("API Gateway on dynalite", fresh);
}
