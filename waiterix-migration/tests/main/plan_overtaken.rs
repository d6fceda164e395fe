//! Two change the leader at once, and one of them is turned back by the other one, or by those who wait.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use waiterix_contract::eventually;
use waiterix_migration::plan::{Budget, Drain, Ended, Held, Pace, Switching, Watch};
use waiterix_migration::{DualSessionStore, Leader, MemoryPlan, Pass, Phase, Writing};
use waiterix_ports::moving::{Ledger as _, LedgerEntry, MovingPort, PlanStore as _, PortStanding, Stage};
use waiterix_ports::{Clock as _, Result, Session, SessionId, SessionStore};

use crate::pair::Sessions;

const PORT: MovingPort = MovingPort::Sessions;
const SOON: Duration = Duration::from_secs(30);

/// A process that watches the plan.
struct Process {
    mirror: Arc<DualSessionStore>,
    watching: JoinHandle<()>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Process {
    fn new(name: &str, moving: &Sessions, plan: &Arc<MemoryPlan>) -> Self {
        let pace =
            Pace { every: Duration::from_millis(100), near: Duration::from_millis(2), ..Pace::default() };
        let watch = Arc::new(Watch::new(plan.clone(), name, pace, moving.clock.clone()));
        let mirror = Arc::new(DualSessionStore::new(
            moving.old_wire.to::<dyn SessionStore>(moving.old.clone()),
            moving.new_wire.to::<dyn SessionStore>(moving.new.clone()),
            watch.phases(PORT),
            moving.journal.clone(),
            moving.clock.clone(),
        ));
        let watching = tokio::spawn(async move { watch.run(std::future::pending()).await });
        Self { mirror, watching }
    }
}

fn switching(plan: &Arc<MemoryPlan>, sides: Arc<dyn Drain>, who: &str) -> Switching {
    let budget =
        Budget { pause: Duration::from_millis(300), poll: Duration::from_millis(2), ..Budget::default() };
    Switching::new(plan.clone(), PORT, sides, who, budget)
}

async fn words(plan: &MemoryPlan) -> Vec<String> {
    let recorded = plan.recorded(None, 100).await.unwrap();
    recorded.into_iter().map(|one| format!("{}: {}", one.entry.who, one.entry.what)).collect()
}

/// Finds both sides equal, and is turned back in this very moment.
#[derive(Debug)]
struct TurnedBack(Arc<MemoryPlan>);

#[async_trait]
impl Drain for TurnedBack {
    async fn pass(&self, _: u64) -> Result<Option<Writing>> {
        Ok(Some(Writing::of(Phase::ALL[0])))
    }

    async fn drain(&self, _: Leader, held: Option<&Held>) -> Result<Pass> {
        let standing = self.0.plan().await?.of(PORT);
        if held.is_some() {
            let what = "turned back".to_owned();
            let why = LedgerEntry { who: "guest".to_owned(), port: PORT, what, evidence: json!({}) };
            let to = PortStanding { stage: Stage::Steady, turn: standing.turn + 1, ..standing };
            assert!(self.0.shift(PORT, standing.turn, &to, &why).await?);
        }
        Ok(Pass::default())
    }
}

/// That everybody is quiet and all is equal is of a turn that is over: it would change the leader under the writes that go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_turned_back_does_not_begin_anew_with_what_it_had_found_out() {
    let (moving, plan) = (Sessions::new(Phase::ALL[0]), Arc::new(MemoryPlan::default()));
    let _serves = Process::new("serves", &moving, &plan);
    let sides = Arc::new(TurnedBack(plan.clone()));
    let ended = switching(&plan, sides, "ops").run(Leader::New, &json!({})).await.unwrap();
    let Ended::TurnedBack { why, .. } = ended else { panic!("{ended:?}") };
    assert_eq!(why, "somebody else turned it back");
    assert_eq!(words(&plan).await, ["ops: announced", "ops: held", "guest: turned back"]);
    assert_eq!(plan.plan().await.unwrap().of(PORT), PortStanding { turn: 3, ..PortStanding::FIRST });
}

/// What it copies then would be of a side that does not lead any more, over what was written since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_that_was_turned_back_still_copies_nobody_else_changes_the_leader() {
    let (moving, plan) = (Sessions::new(Phase::ALL[0]), Arc::new(MemoryPlan::default()));
    let (one, two) = (Process::new("one", &moving, &plan), Process::new("two", &moving, &plan));
    let now = moving.clock.now();
    let session = Session {
        id: SessionId::new(format!("{:_<24}", "guest")),
        user_id: None,
        email: None,
        created_at: now,
        last_activity: now,
        expires_at: now.plus_seconds(3600),
        extra: Map::new(),
    };
    two.mirror.create(&session).await.unwrap();
    // The first one is slow to copy it.
    let (begins, begun) = oneshot::channel();
    let (goes_on, may_go_on) = oneshot::channel::<()>();
    moving.new_wire.before("session.create", async move {
        begins.send(()).unwrap();
        may_go_on.await.unwrap();
    });
    let slow = switching(&plan, one.mirror.clone(), "slow");
    let slow = tokio::spawn(async move { slow.run(Leader::New, &json!({})).await.unwrap() });
    begun.await.unwrap();
    let quick = switching(&plan, two.mirror.clone(), "quick");
    let ended = quick.run(Leader::New, &json!({})).await.unwrap();
    assert!(matches!(&ended, Ended::TurnedBack { waited_for, .. } if waited_for == &["one"]), "{ended:?}");
    goes_on.send(()).unwrap();
    let ended = slow.await.unwrap();
    assert!(matches!(ended, Ended::TurnedBack { .. }), "{ended:?}");
    let ended = quick.run(Leader::New, &json!({})).await.unwrap();
    assert!(matches!(ended, Ended::Changed { all_follow: true, .. }), "{ended:?}");
    eventually(SOON, "it is there", async || moving.new.load(&session.id).await.unwrap().is_some()).await;
}
