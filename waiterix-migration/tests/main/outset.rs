//! Before a move is begun, when it is begun while somebody writes, and after it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use waiterix_contract::race::refused;
use waiterix_contract::{ManualClock, eventually};
use waiterix_migration::plan::{Pace, Watch};
use waiterix_migration::{MemoryPlan, ObjectSweep, OutsetBlobStore, OutsetSessionStore, Phase};
use waiterix_ports::blob::UploadRequest;
use waiterix_ports::moving::{
    Forgetting, Leader, Ledger as _, LedgerEntry, MovingPort, Plan, PlanStore, PortStanding, Stage, Turns,
    Watcher,
};
use waiterix_ports::{
    BlobStore, Clock as _, Error, ErrorKind, PutBlob, Result, Session, SessionId, SessionStore,
};

use crate::pair::{Blobs, Sessions};

const NOT_MADE: u8 = 0;
const MADE: u8 = 1;
const OUT_OF_REACH: u8 = 2;

/// A plan that is made when the test says so.
#[derive(Debug, Default)]
struct Later {
    plan: MemoryPlan,
    state: AtomicU8,
}

impl Later {
    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }
}

#[async_trait]
impl PlanStore for Later {
    async fn plan(&self) -> Result<Plan> {
        self.plan.plan().await
    }

    async fn shift(&self, port: MovingPort, seen: u64, to: &PortStanding, why: &LedgerEntry) -> Result<bool> {
        self.plan.shift(port, seen, to, why).await
    }

    async fn look(&self, instance: &str, seen: &Turns) -> Result<Plan> {
        match self.state.load(Ordering::SeqCst) {
            NOT_MADE => Ok(Plan::none()),
            MADE => self.plan.look(instance, seen).await,
            _ => Err(Error::new(ErrorKind::Unavailable, "plan.look")),
        }
    }

    async fn leave(&self, instance: &str) -> Result<()> {
        self.plan.leave(instance).await
    }

    async fn forget(&self, instance: &str, silent: Duration, why: &LedgerEntry) -> Result<Forgetting> {
        self.plan.forget(instance, silent, why).await
    }

    async fn instances(&self) -> Result<Vec<Watcher>> {
        self.plan.instances().await
    }
}

fn watch(plan: &Arc<Later>, clock: &Arc<ManualClock>, pace: Pace) -> Arc<Watch> {
    Arc::new(Watch::new(plan.clone(), "i", pace, clock.clone()))
}

struct Objects {
    blobs: Blobs,
    plan: Arc<Later>,
    served: Arc<OutsetBlobStore>,
    watch: Arc<Watch>,
}

impl Objects {
    async fn new() -> Self {
        let (blobs, plan) = (Blobs::new(Phase::ALL[0]).await, Arc::new(Later::default()));
        let watch = watch(&plan, &blobs.clock, Pace::default());
        let old = blobs.old_wire.to::<dyn BlobStore>(blobs.old.clone());
        let served = Arc::new(OutsetBlobStore::new(old, blobs.mirror.clone(), watch.clone()));
        Self { blobs, plan, served, watch }
    }

    /// Somebody begins the move and walks over everything, just before the next call gets through to the old store.
    fn begun_before(&self, operation: &'static str) {
        let (plan, mirror) = (self.plan.clone(), self.blobs.mirror.clone());
        self.blobs.old_wire.before(operation, async move {
            plan.set(MADE);
            let records = Arc::new(MemoryPlan::default());
            ObjectSweep::new(mirror, records.clone()).copy(&*records).await.unwrap();
        });
    }

    async fn put(&self, key: &str) {
        self.served.put(key, PutBlob::new(key.to_owned())).await.unwrap();
    }

    /// Whether the new store has it after the relay came by.
    async fn follows(&self, key: &str) -> bool {
        self.served.hand_over().await.unwrap();
        self.blobs.mirror.relay().await.unwrap();
        self.blobs.new.head(key).await.is_ok()
    }
}

#[tokio::test]
async fn without_a_plan_the_old_store_serves_objects_alone() {
    let objects = Objects::new().await;
    objects.blobs.new_wire.cut();
    objects.put("one").await;
    assert_eq!(objects.served.head("one").await.unwrap().size, 3);
    refused(objects.served.head("none").await, ErrorKind::NotFound, "nobody else is asked");
    objects.served.copy("one", "two").await.unwrap();
    assert_eq!(objects.served.list("", None, 10).await.unwrap().keys.len(), 2);
    objects.served.delete("one").await.unwrap();
    objects.served.check().await.unwrap();
    assert!(objects.blobs.journal.is_empty());
    objects.blobs.new_wire.mend();
    assert!(objects.blobs.new.list("", None, 10).await.unwrap().keys.is_empty());
}

#[tokio::test]
async fn without_a_plan_the_old_store_serves_sessions_alone() {
    let (moving, plan) = (Sessions::new(Phase::ALL[0]), Arc::new(Later::default()));
    let watch = watch(&plan, &moving.clock, Pace::default());
    let served = OutsetSessionStore::new(moving.old.clone(), moving.mirror.clone(), watch);
    moving.new_wire.cut();
    let now = moving.clock.now();
    let session = Session {
        id: SessionId::new("a-session-of-somebody"),
        user_id: None,
        email: None,
        created_at: now,
        last_activity: now,
        expires_at: now.plus_seconds(60),
        extra: serde_json::Map::new(),
    };
    served.create(&session).await.unwrap();
    assert!(served.load(&session.id).await.unwrap().is_some());
    assert!(served.load(&SessionId::new("a-session-of-nobody")).await.unwrap().is_none());
    assert!(served.touch(&session.id, now, now.plus_seconds(90)).await.unwrap());
    served.temp_set("code", &serde_json::json!(1), Duration::from_secs(60)).await.unwrap();
    assert!(moving.journal.is_empty());

    moving.new_wire.mend();
    plan.set(MADE);
    moving.clock.advance(Duration::from_secs(3));
    served.touch(&session.id, now, now.plus_seconds(90)).await.unwrap();
    assert!(!moving.journal.is_empty(), "from now on the other side follows");
    assert_eq!(served.temp_take("code").await.unwrap(), Some(serde_json::json!(1)));
}

#[tokio::test]
async fn a_write_that_was_begun_without_a_plan_is_not_lost_when_the_walk_has_passed_it() {
    let objects = Objects::new().await;
    objects.begun_before("blob.put");
    objects.put("one").await;
    assert!(objects.blobs.new.head("one").await.is_err(), "the walk saw nothing of it");
    assert!(objects.follows("one").await);

    let objects = Objects::new().await;
    objects.put("one").await;
    objects.begun_before("blob.copy");
    objects.served.copy("one", "two").await.unwrap();
    assert!(objects.follows("two").await);
}

#[tokio::test]
async fn a_delete_that_was_begun_without_a_plan_is_followed_although_the_walk_has_copied_it() {
    let objects = Objects::new().await;
    objects.put("one").await;
    objects.begun_before("blob.delete");
    objects.served.delete("one").await.unwrap();
    assert!(objects.blobs.new.head("one").await.is_ok(), "the walk has copied it");
    assert!(!objects.follows("one").await);
}

#[tokio::test]
async fn what_ends_while_nobody_can_say_whether_there_is_a_plan_is_noted_later() {
    let objects = Objects::new().await;
    let plan = objects.plan.clone();
    objects.blobs.old_wire.before("blob.put", async move { plan.set(OUT_OF_REACH) });
    objects.put("one").await;
    objects.plan.set(MADE);
    objects.blobs.clock.advance(Duration::from_secs(3));
    assert!(objects.follows("one").await);
}

#[tokio::test]
async fn an_upload_that_was_allowed_without_a_plan_is_looked_for_when_there_is_one() {
    let objects = Objects::new().await;
    let request = UploadRequest {
        key: "late".to_owned(),
        content_type: None,
        size: None,
        max_size: 100,
        ttl: Duration::from_secs(900),
    };
    objects.served.presign_upload(&request).await.unwrap();
    objects.plan.set(MADE);
    objects.blobs.clock.advance(Duration::from_secs(3));
    assert!(!objects.follows("late").await);
    let held = objects.blobs.journal.len();
    assert_eq!(held, 1, "it may still come");
    objects.blobs.old.put("late", PutBlob::new("a picture")).await.unwrap();
    assert!(objects.follows("late").await);
}

#[tokio::test]
async fn that_there_is_no_plan_is_believed_for_two_looks_and_no_longer() {
    let objects = Objects::new().await;
    objects.put("one").await;
    objects.plan.set(OUT_OF_REACH);
    assert!(objects.served.head("one").await.is_ok(), "it was asked a moment ago");
    objects.blobs.clock.advance(Duration::from_millis(2_100));
    refused(objects.served.head("one").await, ErrorKind::Unavailable, "a plan may have been made");
    refused(objects.served.delete("one").await, ErrorKind::Unavailable, "or changed since");
    assert!(objects.blobs.old.head("one").await.is_ok());
    objects.plan.set(NOT_MADE);
    assert!(objects.served.head("one").await.is_ok());
}

#[tokio::test]
async fn whoever_went_by_a_plan_does_not_take_its_end_for_the_time_before_it() {
    let objects = Objects::new().await;
    objects.plan.set(MADE);
    objects.put("one").await;
    objects.plan.set(NOT_MADE);
    objects.blobs.clock.advance(Duration::from_secs(3));
    let fault = objects.watch.look().await.unwrap_err();
    assert!(fault.to_string().contains("the move is over"), "{fault}");
    assert!(objects.watch.has_begun().await.unwrap());
}

#[tokio::test]
async fn a_change_whose_coordinator_died_is_ended_although_nobody_writes() {
    let plan = Arc::new(Later::default());
    plan.set(MADE);
    for stage in [Stage::Announced, Stage::Held] {
        let turn = plan.plan().await.unwrap().of(MovingPort::Sessions).turn;
        let left = PortStanding { stage, turn: turn + 1, ..PortStanding::FIRST };
        let why = LedgerEntry {
            who: "a coordinator".to_owned(),
            port: MovingPort::Sessions,
            what: stage.as_str().to_owned(),
            evidence: serde_json::Value::Null,
        };
        assert!(plan.shift(MovingPort::Sessions, turn, &left, &why).await.unwrap());
        let pace = Pace { left_behind: Duration::from_millis(100), ..Pace::default() };
        let watch = watch(&plan, &Arc::default(), pace);
        let running = tokio::spawn(async move { watch.run(std::future::pending()).await });
        eventually(Duration::from_secs(20), "it is turned back", async || {
            plan.plan().await.unwrap().of(MovingPort::Sessions).stage == Stage::Steady
        })
        .await;
        running.abort();
        assert_eq!(plan.plan().await.unwrap().of(MovingPort::Sessions).leader, Leader::Old);
    }
    let words: Vec<String> =
        plan.plan.recorded(None, 10).await.unwrap().into_iter().map(|one| one.entry.what).collect();
    assert_eq!(words, ["announced", "turned back", "held", "turned back"]);
}

#[tokio::test]
async fn a_command_that_was_killed_is_waited_for_as_long_as_it_said_and_no_longer() {
    let (plan, clock) = (Arc::new(Later::default()), Arc::<ManualClock>::default());
    plan.set(MADE);
    watch(&plan, &clock, Pace { gone_after: Duration::from_secs(10), ..Pace::default() })
        .look()
        .await
        .unwrap();
    let usual = Pace::default().gone_after;
    let [mut killed] = <[Watcher; 1]>::try_from(plan.instances().await.unwrap()).unwrap();
    for (silent, may_serve) in [(9, true), (10, true), (11, false)] {
        killed.silent = Duration::from_secs(silent);
        assert_eq!(killed.may_serve(usual), may_serve, "after {silent} s");
    }
    killed.turns.clear();
    assert!(killed.may_serve(usual), "one that says nothing is waited for as usual");
}
