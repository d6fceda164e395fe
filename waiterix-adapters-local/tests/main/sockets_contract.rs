//! Sockets of this process against the contract.

use std::sync::Arc;

use waiterix_adapters_local::sockets::SocketNotifier;
use waiterix_contract::notifier::NotifierFixture;

#[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
async fn fresh() -> NotifierFixture {
    NotifierFixture::sockets(Arc::new(SocketNotifier::new()))
}

waiterix_contract::notifier_contract!("sockets", fresh);
