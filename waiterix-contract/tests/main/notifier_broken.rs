//! Every clause of `Notifier` catches a broken notifier.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemoryNotifier;
use waiterix_contract::broken::assert_every_clause_catches;
use waiterix_contract::broken::notifier::{BrokenNotifier, FAULTS, Fault};
use waiterix_contract::notifier::{CASES, NotifierFixture};

#[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
async fn fresh(fault: Option<Fault>) -> NotifierFixture {
    NotifierFixture::sockets(Arc::new(BrokenNotifier::new(Arc::new(MemoryNotifier::new()), fault)))
}

#[test]
fn every_clause_catches_a_broken_notifier() {
    assert_every_clause_catches(CASES, FAULTS, fresh);
}
