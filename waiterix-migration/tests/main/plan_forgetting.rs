//! An operator says that a process is dead. Nobody waits for it any more; and if it lives, it serves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Map, json};
use waiterix_contract::race::refused;
use waiterix_contract::{ManualClock, eventually};
use waiterix_migration::plan::{Budget, Ended, Pace, SILENT, Switching, Watch};
use waiterix_migration::{DualSessionStore, Leader, MemoryPlan, Phase};
use waiterix_ports::moving::{
    Forgetting, Ledger as _, LedgerEntry, MovingPort, Plan, PlanStore, PortStanding, Turns, Watcher,
};
use waiterix_ports::{Clock as _, Error, ErrorKind, Result, Session, SessionId, SessionStore, Violation};

use crate::pair::Sessions;

const PORT: MovingPort = MovingPort::Sessions;
const SOON: Duration = Duration::from_secs(30);

/// Faster than a service, and still slow to whoever takes somebody for dead.
fn pace() -> Pace {
    Pace { every: Duration::from_millis(100), near: Duration::from_millis(2), ..Pace::default() }
}

/// A way to the plan that can be cut.
#[derive(Debug)]
struct Way(Arc<MemoryPlan>, AtomicBool);

impl Way {
    fn to_plan(&self) -> Result<&MemoryPlan> {
        let is_cut = self.1.load(Ordering::SeqCst);
        if is_cut { Err(Error::new(ErrorKind::Unavailable, "plan")) } else { Ok(&self.0) }
    }
}

#[async_trait]
impl PlanStore for Way {
    async fn plan(&self) -> Result<Plan> {
        self.to_plan()?.plan().await
    }

    async fn shift(&self, port: MovingPort, seen: u64, to: &PortStanding, why: &LedgerEntry) -> Result<bool> {
        self.to_plan()?.shift(port, seen, to, why).await
    }

    async fn look(&self, instance: &str, seen: &Turns) -> Result<Plan> {
        self.to_plan()?.look(instance, seen).await
    }

    async fn leave(&self, instance: &str) -> Result<()> {
        self.to_plan()?.leave(instance).await
    }

    async fn forget(&self, instance: &str, silent: Duration, why: &LedgerEntry) -> Result<Forgetting> {
        self.to_plan()?.forget(instance, silent, why).await
    }

    async fn instances(&self) -> Result<Vec<Watcher>> {
        self.to_plan()?.instances().await
    }
}

/// Two stores of sessions, and a plan.
struct Ground {
    moving: Sessions,
    plan: Arc<MemoryPlan>,
}

/// One process, which serves by what it sees on its way to the plan.
struct Process {
    way: Arc<Way>,
    watch: Arc<Watch>,
    sessions: Arc<DualSessionStore>,
}

impl Ground {
    fn new() -> Self {
        Self { moving: Sessions::new(Phase::ALL[0]), plan: Arc::default() }
    }

    fn process(&self, name: &str) -> Process {
        let way = Arc::new(Way(self.plan.clone(), AtomicBool::new(false)));
        let clock: Arc<ManualClock> = self.moving.clock.clone();
        let watch = Arc::new(Watch::new(way.clone(), name, pace(), clock.clone()));
        let sessions = DualSessionStore::new(
            self.moving.old_wire.to::<dyn SessionStore>(self.moving.old.clone()),
            self.moving.new_wire.to::<dyn SessionStore>(self.moving.new.clone()),
            watch.phases(PORT),
            self.moving.journal.clone(),
            clock,
        );
        Process { way, watch, sessions: Arc::new(sessions) }
    }

    fn session(&self, name: &str) -> Session {
        let now = self.moving.clock.now();
        Session {
            id: id(name),
            user_id: None,
            email: None,
            created_at: now,
            last_activity: now,
            expires_at: now.plus_seconds(3600),
            extra: Map::new(),
        }
    }

    async fn switch(&self, by: &Process, to: Leader) -> Ended {
        let budget = Budget { announcing: Duration::from_secs(2), ..Budget::default() };
        let switching = Switching::new(self.plan.clone(), PORT, by.sessions.clone(), "ops", budget);
        switching.run(to, &json!({})).await.unwrap()
    }

    /// As if so much time had gone by since it was heard, for the plan and by its own clock.
    fn let_time_pass(&self, silent: &str, time: Duration) {
        self.plan.silence(silent, Instant::now().checked_sub(time).unwrap());
        self.moving.clock.advance(time);
    }

    async fn forget(&self, name: &str) -> Forgetting {
        let why = LedgerEntry {
            who: "ops".to_owned(),
            port: MovingPort::Rows,
            what: "forgotten".to_owned(),
            evidence: json!({ "instance": name }),
        };
        self.plan.forget(name, SILENT, &why).await.unwrap()
    }
}

fn id(name: &str) -> SessionId {
    SessionId::new(format!("{name:_<24}"))
}

#[tokio::test]
async fn a_dead_process_holds_up_a_change_until_it_is_forgotten_and_no_longer() {
    let ground = Ground::new();
    let (lives, dies) = (ground.process("lives"), ground.process("dies"));
    dies.sessions.create(&ground.session("one")).await.unwrap();
    ground.let_time_pass("dies", SILENT);
    assert!(lives.sessions.load(&id("one")).await.unwrap().is_some());
    let running = lives.watch.clone();
    let running = tokio::spawn(async move { running.run(std::future::pending()).await });
    let Ended::TurnedBack { waited_for, .. } = ground.switch(&lives, Leader::New).await else {
        panic!("it went on without it")
    };
    assert_eq!(waited_for, ["dies"]);
    assert!(matches!(ground.forget("lives").await, Forgetting::Heard(_)), "it lives");
    assert_eq!(ground.forget("nobody").await, Forgetting::Unknown);
    for _ in 0..2 {
        assert_eq!(ground.forget("dies").await, Forgetting::Done);
    }
    let begun = Instant::now();
    let ended = ground.switch(&lives, Leader::New).await;
    assert!(matches!(ended, Ended::Changed { all_follow: true, .. }), "{ended:?}");
    assert!(begun.elapsed() < pace().gone_after / 60, "it went at once");
    let said = ground.plan.recorded(None, 100).await.unwrap().into_iter().map(|one| one.entry);
    let said: Vec<_> = said.filter(|entry| entry.what == "forgotten").collect();
    assert_eq!(said.len(), 1, "it is written down, once");
    assert_eq!(said[0].evidence, json!({ "instance": "dies" }));
    running.abort();
}

#[tokio::test]
async fn a_process_that_was_forgotten_and_lives_serves_nothing_any_more() {
    let ground = Ground::new();
    let (lives, frozen) = (ground.process("lives"), ground.process("frozen"));
    frozen.sessions.create(&ground.session("one")).await.unwrap();
    lives.watch.look().await.unwrap();
    // It stands still for a moment, which is enough for somebody to take it for dead.
    ground.let_time_pass("frozen", SILENT);
    let running = lives.watch.clone();
    let running = tokio::spawn(async move { running.run(std::future::pending()).await });
    assert_eq!(ground.forget("frozen").await, Forgetting::Done);
    assert!(matches!(ground.switch(&lives, Leader::New).await, Ended::Changed { .. }));
    // It goes on where it was, and what it saw is too old to go by.
    for _ in 0..2 {
        refused(frozen.sessions.load(&id("one")).await, ErrorKind::Unavailable, "nobody waits for it");
        let write = frozen.sessions.create(&ground.session("two")).await;
        refused(write, ErrorKind::Unavailable, "nor for its writes");
    }
    assert!(frozen.watch.is_forgotten() && !lives.watch.is_forgotten());
    assert_eq!(frozen.watch.known(PORT), None, "it goes by nothing");
    refused(frozen.watch.has_begun().await, ErrorKind::Unavailable, "not even by that there is a plan");
    let error = frozen.watch.look().await.unwrap_err();
    assert_eq!(error.violation(), Some(&Violation::Forgotten), "{error}");
    for store in [&ground.moving.old, &ground.moving.new] {
        assert!(store.load(&id("two")).await.unwrap().is_none(), "nothing was written anywhere");
    }
    // Started anew it is another one.
    let anew = ground.process("anew");
    anew.sessions.create(&ground.session("three")).await.unwrap();
    assert!(ground.moving.new.load(&id("three")).await.unwrap().is_some());
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_forgotten_finds_out_by_itself_and_ends_its_looks() {
    let ground = Ground::new();
    let lives = ground.process("lives");
    lives.watch.look().await.unwrap();
    ground.plan.silence("lives", Instant::now().checked_sub(SILENT).unwrap());
    assert_eq!(ground.forget("lives").await, Forgetting::Done);
    assert!(!lives.watch.is_forgotten(), "it has not looked since");
    let running = lives.watch.clone();
    let running = tokio::spawn(async move { running.run(std::future::pending()).await });
    eventually(SOON, "it ends", async || running.is_finished()).await;
    assert!(lives.watch.is_forgotten());
}

/// What is left of the danger, and why an operator must be sure: nobody can tell it to a process that cannot reach the plan.
#[tokio::test]
async fn a_process_that_is_cut_off_from_the_plan_does_not_hear_that_it_was_forgotten_before_its_lease_ends() {
    let ground = Ground::new();
    let deaf = ground.process("deaf");
    deaf.sessions.create(&ground.session("one")).await.unwrap();
    deaf.way.1.store(true, Ordering::SeqCst);
    ground.let_time_pass("deaf", SILENT);
    assert_eq!(ground.forget("deaf").await, Forgetting::Done);
    assert!(deaf.sessions.load(&id("one")).await.unwrap().is_some(), "it goes by what it saw");
    ground.moving.clock.advance(pace().gone_after);
    refused(deaf.sessions.load(&id("one")).await, ErrorKind::Unavailable, "its lease is over");
    // It is refused for good when it is there again.
    deaf.way.1.store(false, Ordering::SeqCst);
    refused(deaf.sessions.load(&id("one")).await, ErrorKind::Unavailable, "it was forgotten");
    assert!(deaf.watch.is_forgotten());
}
