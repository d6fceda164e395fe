//! Every clause of `SessionStore` catches a broken store.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_contract::broken::assert_every_clause_catches;
use waiterix_contract::broken::session::{BrokenSessionStore, FAULTS, Fault};
use waiterix_contract::session::CASES;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::{SessionId, SessionStore};

#[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
async fn fresh(fault: Option<Fault>) -> Fixture<dyn SessionStore> {
    let clock = Arc::new(ManualClock::default());
    let sound = Arc::new(MemorySessionStore::new(clock.clone()));
    let store: Arc<dyn SessionStore> = Arc::new(BrokenSessionStore::new(sound.clone(), fault));
    Fixture::new(store).clocked(clock).vandalised(move |id| {
        sound.spoil(&SessionId::new(id));
        std::future::ready(())
    })
}

#[test]
fn every_clause_catches_a_broken_store() {
    assert_every_clause_catches(CASES, FAULTS, fresh);
}
