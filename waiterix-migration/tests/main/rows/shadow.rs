//! What the other side answers is compared, and changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use waiterix_contract::store::sample;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{ChangeSet, CommitId, Row};
use waiterix_migration::rows::{DualSettings, DualStore, ShadowSettings, ShadowStore, Shadowing, Stop};
use waiterix_ports::{Clock, Query, Store};

use crate::rows::guarded::SideStore;
use crate::rows::stage::{Stage, TokioClock, pass};

struct Shadows {
    stage: Stage,
    old: SideStore,
    store: ShadowStore,
}

impl Shadows {
    async fn new(settings: ShadowSettings) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::default());
        let ((old_side, old), (new_side, new)) =
            (SideStore::new("old", &clock), SideStore::new("new", &clock));
        let stage = Stage::over(old_side, new_side);
        let rows = [Row::from(sample::user("u")), Row::from(sample::restaurant("r", "u"))];
        old.commit(&ChangeSet::new(CommitId::new("first")).insert_all(rows)).await.unwrap();
        stage.process.backfill(100).start(100).await.unwrap();
        stage.process.backfill(100).run(&Stop::default()).await.unwrap();
        stage.process.lead.refresh().await.unwrap();
        let stores: (Arc<dyn Store>, Arc<dyn Store>) = (Arc::new(old.clone()), Arc::new(new));
        let below = Arc::new(DualStore::new(
            stores.0.clone(),
            stores.1.clone(),
            stage.process.lead.clone(),
            stage.process.converger.clone(),
            DualSettings::default(),
        ));
        let store = ShadowStore::new(below, stores, stage.process.lead.clone(), clock, settings, 7);
        Self { stage, old, store }
    }

    /// Reads, and lets the comparison come to its end.
    async fn read(&self, query: Query) {
        self.store.read(&query).await.unwrap();
        for _ in 0..20 {
            tokio::time::advance(Duration::from_millis(250)).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn counted(&self, kind: &str) -> Shadowing {
        self.store.tally().get(kind).copied().unwrap_or_default()
    }
}

fn all() -> ShadowSettings {
    ShadowSettings { rate: 1.0, ..ShadowSettings::default() }
}

fn house() -> Query {
    Query::Restaurant(RestaurantId::new("r"))
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_the_same_in_the_end_are_equal() {
    let shadows = Shadows::new(all()).await;
    shadows.read(house()).await;
    let set = ChangeSet::new(CommitId::new("t")).insert(sample::table("t1", "r", "1"));
    shadows.old.commit(&set).await.unwrap();
    let relay = shadows.stage.process.relay.clone();
    let direction = shadows.stage.process.direction().await;
    let later = tokio::spawn(async move {
        pass(Duration::from_millis(700)).await;
        relay.drain(direction).await.unwrap();
    });
    shadows.read(Query::Tables(RestaurantId::new("r"))).await;
    later.await.unwrap();
    for kind in ["Restaurant", "Tables"] {
        assert_eq!(shadows.counted(kind), Shadowing { equal: 1, ..Shadowing::default() }, "{kind}");
    }
    assert_eq!(shadows.store.mismatches(), []);
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_is_counted_and_kept_without_what_is_in_it() {
    let shadows = Shadows::new(ShadowSettings { kept: 2, ..all() }).await;
    let mut wrong = sample::restaurant("r", "u");
    wrong.name = "Secret Garden".to_owned();
    let columns = crate::rows::guarded::columns_of_row(&wrong.into());
    shadows.stage.new.spoil("restaurants", "r", Some(columns)).await.unwrap();
    for _ in 0..3 {
        shadows.read(house()).await;
    }
    assert_eq!(shadows.counted("Restaurant"), Shadowing { different: 3, ..Shadowing::default() });
    let kept = shadows.store.mismatches();
    assert_eq!(kept.len(), 2);
    assert_eq!((kept[0].kind.as_str(), kept[0].rows), ("Restaurant", (1, 1)));
    assert_eq!(kept[0].columns, BTreeSet::from(["restaurants.name".to_owned()]));
    assert!(!format!("{kept:?}").contains("Secret"));
    shadows.stage.new.spoil("restaurants", "r", None).await.unwrap();
    shadows.read(house()).await;
    let kept = shadows.store.mismatches().pop().unwrap();
    assert_eq!((kept.rows, kept.columns), ((1, 0), BTreeSet::from(["restaurants".to_owned()])));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_chosen_or_ignored_is_not_asked() {
    let none = Shadows::new(ShadowSettings { rate: 0.0, ..all() }).await;
    none.read(house()).await;
    let ignored = BTreeSet::from(["Restaurant".to_owned()]);
    let some = Shadows::new(ShadowSettings { ignored, ..all() }).await;
    some.read(house()).await;
    some.read(Query::Tables(RestaurantId::new("r"))).await;
    assert!(none.store.tally().is_empty());
    assert_eq!(some.store.tally().into_keys().collect::<Vec<_>>(), ["Tables"]);
}

#[tokio::test(start_paused = true)]
async fn a_side_that_is_down_delays_nobody() {
    let shadows = Shadows::new(all()).await;
    let slow: Arc<dyn Store> = Arc::new(Never);
    let old: Arc<dyn Store> = Arc::new(shadows.old.clone());
    let settings = ShadowSettings { at_once: 1, ..all() };
    let lead = shadows.stage.process.lead.clone();
    let store = ShadowStore::new(old.clone(), (old, slow), lead, shadows.stage.clock.clone(), settings, 1);
    let began = tokio::time::Instant::now();
    for _ in 0..10 {
        store.read(&house()).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(3)).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    // One at once, so nine were not asked.
    assert_eq!(store.tally()["Restaurant"], Shadowing { unknown: 1, ..Shadowing::default() });
}

/// A database that does not answer.
#[derive(Debug)]
struct Never;

#[async_trait::async_trait]
impl Store for Never {
    async fn read(&self, _: &Query) -> waiterix_ports::Result<waiterix_ports::Answer> {
        std::future::pending().await
    }
    async fn commit(&self, _: &ChangeSet) -> waiterix_ports::Result<()> {
        std::future::pending().await
    }
    async fn scan(
        &self,
        _: waiterix_domain::Table,
        _: &waiterix_ports::KeyRange,
        _: u32,
    ) -> waiterix_ports::Result<Vec<Row>> {
        std::future::pending().await
    }
    async fn digest(
        &self,
        _: waiterix_domain::Table,
        _: &waiterix_ports::KeyRange,
    ) -> waiterix_ports::Result<waiterix_domain::digest::Digest> {
        std::future::pending().await
    }
    async fn forget_commits(&self, _: waiterix_domain::Timestamp, _: u32) -> waiterix_ports::Result<u32> {
        std::future::pending().await
    }
    async fn check(&self) -> waiterix_ports::Result<()> {
        std::future::pending().await
    }
}
