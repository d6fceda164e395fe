//! The contract of [`Store`](waiterix_ports::Store) over two databases, whichever leads and whenever the other follows.

use std::sync::Arc;

use waiterix_contract::{Fixture, ManualClock};
use waiterix_migration::rows::{DualSettings, DualStore, ShadowSettings, ShadowStore};
use waiterix_migration::{Leader, Mirroring};
use waiterix_ports::{Clock, Store};

use crate::rows::guarded::SideStore;
use crate::rows::stage::Stage;

/// Two empty databases, in a phase of the move; `None`: before it.
async fn fixture(leader: Option<Leader>, mirroring: Mirroring, is_shadowed: bool) -> Fixture<dyn Store> {
    let manual = Arc::new(ManualClock::default());
    let clock: Arc<dyn Clock> = manual.clone();
    let ((old, old_store), (new, new_store)) = (SideStore::new("old", &clock), SideStore::new("new", &clock));
    let stage = Stage::over(old, new);
    if leader.is_some() {
        stage.process.copy_all(100).await;
    }
    if leader == Some(Leader::New) {
        stage.process.move_to(Leader::New).await;
    }
    let (old, new): (Arc<dyn Store>, Arc<dyn Store>) = (Arc::new(old_store), Arc::new(new_store));
    let settings = DualSettings { mirroring, ..DualSettings::default() };
    let (lead, converger) = (stage.process.lead.clone(), stage.process.converger.clone());
    let store: Arc<dyn Store> =
        Arc::new(DualStore::new(old.clone(), new.clone(), lead.clone(), converger, settings));
    let store: Arc<dyn Store> = if is_shadowed {
        let settings = ShadowSettings { rate: 1.0, ..ShadowSettings::default() };
        Arc::new(ShadowStore::new(store, (old, new), lead, clock, settings, 1))
    } else {
        store
    };
    Fixture::new(store).clocked(manual)
}

macro_rules! phases {
    ($($module:ident: $leader:expr, $mirroring:ident, $shadowed:literal, $name:literal;)+) => {$(
        mod $module {
            use waiterix_contract::Fixture;
            use waiterix_migration::{Leader, Mirroring};
            use waiterix_ports::Store;

            async fn fresh() -> Fixture<dyn Store> {
                let leader: Option<Leader> = $leader;
                super::fixture(leader, Mirroring::$mirroring, $shadowed).await
            }

            waiterix_contract::store_contract!($name, fresh);
        }
    )+};
}

phases! {
    before_the_move: None, Inline, false, "two databases, before the move";
    old_leads_and_new_follows: Some(Leader::Old), Inline, false, "two databases, old leads, new follows";
    new_leads_and_old_follows_later: Some(Leader::New), Background, true, "two databases, new leads, old follows later, with shadows";
}
