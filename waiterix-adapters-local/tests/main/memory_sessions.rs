//! The in-memory session store against the contract.

use std::sync::Arc;

use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_ports::{SessionId, SessionStore};

#[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
async fn fresh() -> Fixture<dyn SessionStore> {
    let clock = Arc::new(ManualClock::default());
    let store = Arc::new(MemorySessionStore::new(clock.clone()));
    let spoilt = store.clone();
    Fixture::new(store as Arc<dyn SessionStore>).clocked(clock).vandalised(move |id| {
        spoilt.spoil(&SessionId::new(id));
        std::future::ready(())
    })
}

waiterix_contract::session_contract!("memory", fresh);
