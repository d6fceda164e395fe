//! The in-memory notifier against the contract.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemoryNotifier;
use waiterix_contract::notifier::NotifierFixture;

#[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
async fn fresh() -> NotifierFixture {
    NotifierFixture::sockets(Arc::new(MemoryNotifier::new()))
}

waiterix_contract::notifier_contract!("memory", fresh);
