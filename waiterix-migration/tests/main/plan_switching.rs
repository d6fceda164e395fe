//! The leader of the sessions changes while several instances serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Map, json};
use tokio::task::JoinHandle;
use waiterix_contract::race::refused;
use waiterix_contract::{ManualClock, eventually};
use waiterix_migration::plan::{
    Budget, Drain, Ended, Held, Nothing, Pace, Switching, Watch, await_followers, set_mirroring, set_share,
};
use waiterix_migration::rows::{Event, Progress};
use waiterix_migration::{DualSessionStore, Leader, MemoryPlan, Mirroring, Pass, Phase, Writing};
use waiterix_ports::moving::{
    Forgetting, Ledger as _, LedgerEntry, MovingPort, Plan, PlanStore, PortStanding, Stage, Turns, Watcher,
};
use waiterix_ports::{Clock as _, Error, ErrorKind, Result, Session, SessionId, SessionStore};

use crate::pair::Sessions;

const PORT: MovingPort = MovingPort::Sessions;
const SOON: Duration = Duration::from_secs(30);

fn pace() -> Pace {
    Pace {
        every: Duration::from_millis(100),
        near: Duration::from_millis(2),
        overdue: Duration::from_millis(300),
        patience: Duration::from_secs(5),
        ..Pace::default()
    }
}

fn budget() -> Budget {
    Budget { announcing: Duration::from_secs(5), poll: Duration::from_millis(2), ..Budget::default() }
}

/// Several processes over the same two stores, each with its own view of the plan.
struct Service {
    moving: Sessions,
    plan: Arc<MemoryPlan>,
    instances: Vec<(Arc<Watch>, Arc<DualSessionStore>)>,
    running: Vec<JoinHandle<()>>,
}

impl Drop for Service {
    fn drop(&mut self) {
        for task in &self.running {
            task.abort();
        }
    }
}

fn instance(
    moving: &Sessions,
    plan: Arc<dyn PlanStore>,
    name: &str,
    clock: Arc<ManualClock>,
) -> (Arc<Watch>, Arc<DualSessionStore>) {
    let watch = Arc::new(Watch::new(plan, name, pace(), clock));
    let mirror = DualSessionStore::new(
        moving.old_wire.to::<dyn SessionStore>(moving.old.clone()),
        moving.new_wire.to::<dyn SessionStore>(moving.new.clone()),
        watch.phases(PORT),
        moving.journal.clone(),
        moving.clock.clone(),
    );
    (watch, Arc::new(mirror))
}

impl Service {
    fn of(count: usize) -> Self {
        let (moving, plan) = (Sessions::new(Phase::ALL[0]), Arc::new(MemoryPlan::default()));
        let clock = moving.clock.clone();
        let named = |number| instance(&moving, plan.clone(), &format!("i{number}"), clock.clone());
        let instances: Vec<_> = (0..count).map(named).collect();
        let running = instances
            .iter()
            .map(|(watch, _)| {
                let watch = watch.clone();
                tokio::spawn(async move { watch.run(std::future::pending()).await })
            })
            .collect();
        Self { moving, plan, instances, running }
    }

    fn switching(&self) -> Switching {
        Switching::new(self.plan.clone(), PORT, self.instances[0].1.clone(), "ops", budget())
    }

    async fn switch(&self, to: Leader) -> Ended {
        self.switching().run(to, &json!({ "verified": true })).await.unwrap()
    }

    async fn standing(&self) -> PortStanding {
        self.plan.plan().await.unwrap().of(PORT)
    }

    async fn words(&self) -> Vec<String> {
        let recorded = self.plan.recorded(None, 100).await.unwrap();
        recorded.into_iter().map(|one| format!("{}: {}", one.entry.who, one.entry.what)).collect()
    }
}

fn id(name: &str) -> SessionId {
    SessionId::new(format!("{name:_<24}"))
}

fn session(moving: &Sessions, name: &str) -> Session {
    let now = moving.clock.now();
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

/// Counts in a session, each time through another instance, until it shall end; answers how often it was told that it did.
async fn count(service: Arc<Service>, name: String, stop: Arc<AtomicBool>, served: Arc<AtomicUsize>) -> u64 {
    let mut counted = 0_u64;
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let (_, mirror) = &service.instances[number % service.instances.len()];
        let mut read = mirror.load(&id(&name)).await.unwrap().expect("it stays signed in");
        let found = read.session.extra.get("count").and_then(serde_json::Value::as_u64).unwrap_or(0);
        assert_eq!(found, counted, "what one instance wrote the next one reads");
        read.session.extra.insert("count".to_owned(), json!(counted + 1));
        match mirror.update(&read.session, &read.revision).await {
            Ok(_) => counted += 1,
            // What was read was another store's: nothing was done, and whoever is told so reads again.
            Err(error) if error.kind() == ErrorKind::Conflict => continue,
            Err(error) => panic!("{error}"),
        }
        served.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
    counted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_and_no_write_is_lost_at_the_change_of_the_leader_and_back() {
    let service = Arc::new(Service::of(3));
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut guests = Vec::new();
    for number in 0..6 {
        let name = format!("guest{number}");
        service.instances[0].1.create(&session(&service.moving, &name)).await.unwrap();
        guests.push(tokio::spawn(count(service.clone(), name, stop.clone(), served.clone())));
    }
    for to in [Leader::New, Leader::Old, Leader::New] {
        let before = served.load(Ordering::SeqCst);
        eventually(SOON, "guests are served", || async { served.load(Ordering::SeqCst) > before + 30 }).await;
        let ended = service.switch(to).await;
        assert!(matches!(ended, Ended::Changed { all_follow: true, .. }), "{ended:?}");
        assert_eq!(service.standing().await.leader, to);
    }
    stop.store(true, Ordering::SeqCst);
    for (number, guest) in guests.into_iter().enumerate() {
        let counted = guest.await.unwrap();
        let (watch, mirror) = &service.instances[number % 3];
        let read = mirror.load(&id(&format!("guest{number}"))).await.unwrap().unwrap();
        assert!(counted > 0 && read.session.extra["count"] == json!(counted), "{watch:?}");
        let there = service.moving.new.load(&id(&format!("guest{number}"))).await.unwrap().unwrap();
        assert_eq!(there.session.extra["count"], json!(counted), "and it is the leader that has it");
    }
    let words = service.words().await;
    assert_eq!(words[..3], ["ops: announced", "ops: held", "ops: changed"]);
    assert_eq!(words.len(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_journal_is_equal_before_the_other_side_leads() {
    let service = Service::of(2);
    for number in 0..50 {
        service.instances[0].1.create(&session(&service.moving, &format!("s{number}"))).await.unwrap();
    }
    assert!(!service.moving.journal.is_empty(), "the other side follows later");
    assert!(matches!(service.switch(Leader::New).await, Ended::Changed { .. }));
    assert!(service.moving.journal.is_empty());
    assert!(service.moving.new.load(&id("s49")).await.unwrap().is_some());
    assert_eq!(service.switch(Leader::New).await, Ended::Already);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_side_that_cannot_be_made_equal_does_not_lead() {
    let service = Service::of(2);
    service.instances[0].1.create(&session(&service.moving, "one")).await.unwrap();
    service.moving.new_wire.cut();
    let Ended::TurnedBack { why, .. } = service.switch(Leader::New).await else { panic!("it led") };
    assert_eq!(why, "1 keys could not be made equal");
    let standing = service.standing().await;
    assert_eq!((standing.leader, standing.stage), (Leader::Old, Stage::Steady));
    service.instances[1].1.create(&session(&service.moving, "two")).await.unwrap();
    assert_eq!(
        service.words().await,
        ["ops: announced", "ops: turned back"],
        "no write had to wait for that"
    );
}

/// Notes at which stage it is asked; at first there is much to do.
#[derive(Debug)]
struct Notes(Arc<MemoryPlan>, std::sync::Mutex<Vec<Stage>>);

#[async_trait]
impl Drain for Notes {
    async fn pass(&self, _: u64) -> Result<Option<Writing>> {
        Ok(Some(Writing::of(Phase::ALL[0])))
    }

    async fn drain(&self, leader: Leader, held: Option<&Held>) -> Result<Pass> {
        assert_eq!(leader, Leader::Old);
        let stage = self.0.plan().await?.of(PORT).stage;
        assert_eq!(held.is_some(), stage == Stage::Held);
        let mut asked = self.1.lock().unwrap();
        asked.push(stage);
        let converged = [1000, 20, 1, 1].get(asked.len() - 1).copied().unwrap_or(0);
        Ok(Pass { converged, ..Pass::default() })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_is_made_equal_before_writes_are_held() {
    let service = Service::of(1);
    let notes = Arc::new(Notes(service.plan.clone(), std::sync::Mutex::default()));
    let switching = Switching::new(service.plan.clone(), PORT, notes.clone(), "ops", budget());
    assert!(matches!(switching.run(Leader::New, &json!({})).await.unwrap(), Ended::Changed { .. }));
    let (announced, held) = (Stage::Announced, Stage::Held);
    assert_eq!(*notes.1.lock().unwrap(), [announced, announced, announced, held, held]);
}

/// A plan that an instance cannot reach while it is told so.
#[derive(Debug)]
struct Reached(Arc<MemoryPlan>, Arc<AtomicBool>);

impl Reached {
    fn way(&self) -> Result<&MemoryPlan> {
        if self.1.load(Ordering::SeqCst) {
            Ok(&self.0)
        } else {
            Err(Error::new(ErrorKind::Unavailable, "plan"))
        }
    }
}

#[async_trait]
impl PlanStore for Reached {
    async fn plan(&self) -> Result<Plan> {
        self.way()?.plan().await
    }

    async fn shift(&self, port: MovingPort, seen: u64, to: &PortStanding, why: &LedgerEntry) -> Result<bool> {
        self.way()?.shift(port, seen, to, why).await
    }

    async fn look(&self, instance: &str, seen: &Turns) -> Result<Plan> {
        self.way()?.look(instance, seen).await
    }

    async fn leave(&self, instance: &str) -> Result<()> {
        self.way()?.leave(instance).await
    }

    async fn forget(&self, instance: &str, silent: Duration, why: &LedgerEntry) -> Result<Forgetting> {
        self.way()?.forget(instance, silent, why).await
    }

    async fn instances(&self) -> Result<Vec<Watcher>> {
        self.way()?.instances().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_does_not_hear_of_the_change_keeps_it_from_happening_and_serves_on() {
    let service = Service::of(1);
    let reaches = Arc::new(AtomicBool::new(true));
    let plan = Arc::new(Reached(service.plan.clone(), reaches.clone()));
    let (watch, deaf) = instance(&service.moving, plan, "deaf", service.moving.clock.clone());
    deaf.create(&session(&service.moving, "one")).await.unwrap();
    reaches.store(false, Ordering::SeqCst);
    // The other one looks within a tenth of it.
    let budget = Budget { announcing: Duration::from_secs(2), ..budget() };
    let sides = service.instances[0].1.clone();
    let switching = Switching::new(service.plan.clone(), PORT, sides, "ops", budget);
    let ended = switching.run(Leader::New, &json!({})).await.unwrap();
    let Ended::TurnedBack { waited_for, .. } = ended else { panic!("it went on without it") };
    assert_eq!(waited_for, ["deaf"]);
    assert!(deaf.load(&id("one")).await.unwrap().is_some(), "what it saw is good for a while");
    deaf.create(&session(&service.moving, "two")).await.unwrap();
    // Whoever is silent for so long is not waited for, and serves nothing itself.
    let long_ago = Instant::now().checked_sub(Duration::from_secs(901)).unwrap();
    service.plan.silence("deaf", long_ago);
    service.moving.clock.advance(Duration::from_secs(901));
    assert!(watch.silent().unwrap() >= Duration::from_secs(901));
    assert!(matches!(switching.run(Leader::New, &json!({})).await.unwrap(), Ended::Changed { .. }));
    refused(deaf.load(&id("one")).await, ErrorKind::Unavailable, "it does not know who leads");
    refused(
        deaf.create(&session(&service.moving, "three")).await,
        ErrorKind::Unavailable,
        "nor where to write",
    );
    reaches.store(true, Ordering::SeqCst);
    assert!(deaf.load(&id("two")).await.unwrap().is_some(), "it looks, and goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_was_frozen_looks_before_it_serves() {
    let service = Service::of(1);
    let frozen = instance(&service.moving, service.plan.clone(), "frozen", service.moving.clock.clone());
    frozen.1.create(&session(&service.moving, "one")).await.unwrap();
    service.plan.silence("frozen", Instant::now().checked_sub(Duration::from_secs(901)).unwrap());
    assert!(matches!(service.switch(Leader::New).await, Ended::Changed { .. }));
    // Its own clock stood still; that of the machine did not.
    service.moving.clock.advance(Duration::from_secs(902));
    frozen.1.create(&session(&service.moving, "two")).await.unwrap();
    assert!(service.moving.new.load(&id("two")).await.unwrap().is_some(), "it knows who leads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_dies_while_writes_are_held_is_turned_back_by_those_who_wait() {
    let service = Service::of(2);
    service.instances[1].1.create(&session(&service.moving, "one")).await.unwrap();
    let why = |what: &str| LedgerEntry {
        who: "dies".to_owned(),
        port: PORT,
        what: what.to_owned(),
        evidence: json!({}),
    };
    let held = PortStanding { stage: Stage::Held, turn: 1, ..PortStanding::FIRST };
    assert!(service.plan.shift(PORT, 0, &held, &why("held")).await.unwrap());
    eventually(SOON, "it is known", || async { format!("{:?}", service.instances[1].0).contains("Held") })
        .await;
    assert!(service.instances[1].1.load(&id("one")).await.unwrap().is_some(), "reads go on");
    let begun = Instant::now();
    service.instances[1].1.create(&session(&service.moving, "two")).await.unwrap();
    assert!(begun.elapsed() >= pace().overdue, "it waited");
    assert_eq!(service.standing().await, PortStanding { turn: 2, ..PortStanding::FIRST });
    assert_eq!(service.words().await.last().unwrap(), "i1: turned back");
    let late = PortStanding { leader: Leader::New, turn: 2, ..PortStanding::FIRST };
    assert!(
        !service.plan.shift(PORT, 1, &late, &why("changed")).await.unwrap(),
        "if it lives, it is refused"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_coordinator_left_half_done_the_next_one_turns_back_and_does_itself() {
    for stage in [Stage::Announced, Stage::Held] {
        let service = Service::of(2);
        let why =
            LedgerEntry { who: "dies".to_owned(), port: PORT, what: "x".to_owned(), evidence: json!({}) };
        let left = PortStanding { stage, turn: 1, ..PortStanding::FIRST };
        assert!(service.plan.shift(PORT, 0, &left, &why).await.unwrap());
        assert!(matches!(service.switch(Leader::New).await, Ended::Changed { .. }));
        let words = service.words().await;
        let expected = ["ops: turned back", "ops: announced", "ops: held", "ops: changed"];
        assert_eq!(words[1..], expected, "{stage:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_coordinators_both_end_and_one_side_leads() {
    for _ in 0..10 {
        let service = Arc::new(Service::of(2));
        let (one, other) = tokio::join!(service.switch(Leader::New), service.switch(Leader::New));
        let standing = service.standing().await;
        assert_eq!(standing.stage, Stage::Steady, "{one:?} {other:?}");
        let leads = [&one, &other].iter().any(|ended| !matches!(ended, Ended::TurnedBack { .. }));
        assert_eq!(standing.leader, if leads { Leader::New } else { Leader::Old }, "{one:?} {other:?}");
    }
}

/// Takes its time, as a store does that answers slowly.
#[derive(Debug)]
struct NeverEqual(Arc<MemoryPlan>);

#[async_trait]
impl Drain for NeverEqual {
    async fn pass(&self, _: u64) -> Result<Option<Writing>> {
        Ok(Some(Writing::of(Phase::ALL[0])))
    }

    async fn drain(&self, _: Leader, _: Option<&Held>) -> Result<Pass> {
        if self.0.plan().await?.of(PORT).stage == Stage::Held {
            std::future::pending::<()>().await;
        }
        Ok(Pass::default())
    }
}

/// Has a key that somebody writes all the time, until nobody may.
#[derive(Debug)]
struct BusyUntilHeld(Arc<MemoryPlan>);

#[async_trait]
impl Drain for BusyUntilHeld {
    async fn pass(&self, _: u64) -> Result<Option<Writing>> {
        Ok(Some(Writing::of(Phase::ALL[0])))
    }

    async fn drain(&self, _: Leader, held: Option<&Held>) -> Result<Pass> {
        let is_held = self.0.plan().await?.of(PORT).stage == Stage::Held;
        assert_eq!(is_held, held.is_some());
        Ok(Pass { busy: u32::from(!is_held), ..Pass::default() })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_written_all_the_time_is_made_equal_when_nobody_writes() {
    let service = Service::of(1);
    let sides = Arc::new(BusyUntilHeld(service.plan.clone()));
    let switching = Switching::new(service.plan.clone(), PORT, sides, "ops", budget());
    let ended = switching.run(Leader::New, &json!({})).await.unwrap();
    assert!(matches!(ended, Ended::Changed { .. }), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_held_no_longer_than_the_budget() {
    let service = Service::of(1);
    let budget = Budget { pause: Duration::from_millis(100), ..budget() };
    let switching =
        Switching::new(service.plan.clone(), PORT, Arc::new(NeverEqual(service.plan.clone())), "ops", budget);
    let begun = Instant::now();
    let ended = switching.run(Leader::New, &json!({})).await.unwrap();
    assert!(matches!(&ended, Ended::TurnedBack { why, .. } if why == "the sides were not equal in time"));
    assert!(begun.elapsed() < Duration::from_secs(4));
    service.instances[0].1.create(&session(&service.moving, "one")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_under_way_is_waited_for_before_the_leader_changes() {
    let service = Service::of(2);
    let (begins, begun) = tokio::sync::oneshot::channel();
    let (goes_on, may_go_on) = tokio::sync::oneshot::channel::<()>();
    service.moving.old_wire.before("session.create", async move {
        begins.send(()).unwrap();
        may_go_on.await.unwrap();
    });
    let (mirror, slow) = (service.instances[1].1.clone(), session(&service.moving, "slow"));
    let writing = tokio::spawn(async move { mirror.create(&slow).await.unwrap() });
    begun.await.unwrap();
    let short = Budget { pause: Duration::from_millis(100), ..budget() };
    let sides = service.instances[0].1.clone();
    let switching = Switching::new(service.plan.clone(), PORT, sides, "ops", short);
    let ended = switching.run(Leader::New, &json!({})).await.unwrap();
    assert!(matches!(&ended, Ended::TurnedBack { waited_for, .. } if *waited_for == ["i1"]), "{ended:?}");
    goes_on.send(()).unwrap();
    writing.await.unwrap();
    assert!(matches!(service.switch(Leader::New).await, Ended::Changed { .. }));
    assert!(service.moving.new.load(&id("slow")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_ends_is_not_waited_for() {
    let service = Service::of(1);
    let (watch, mirror) =
        instance(&service.moving, service.plan.clone(), "ends", service.moving.clock.clone());
    mirror.create(&session(&service.moving, "one")).await.unwrap();
    watch.leave().await.unwrap();
    assert!(matches!(service.switch(Leader::New).await, Ended::Changed { all_follow: true, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_and_ways_of_following_are_told_to_every_instance() {
    let service = Service::of(2);
    let plan: &dyn PlanStore = &*service.plan;
    set_share(plan, MovingPort::Mail, 25, "ops").await.unwrap();
    set_mirroring(plan, PORT, Mirroring::Inline, "ops").await.unwrap();
    refused(set_share(plan, MovingPort::Mail, 101, "ops").await, ErrorKind::Invalid, "of a hundred");
    for (watch, mirror) in &service.instances {
        let share = watch.share(MovingPort::Mail);
        eventually(SOON, "the share is known", || async { share.get_percent() == 25 }).await;
        watch.look().await.unwrap();
        let name = format!("of {:p}", &raw const **mirror).replace(' ', "-");
        mirror.create(&session(&service.moving, &name)).await.unwrap();
        assert!(service.moving.new.load(&id(&name)).await.unwrap().is_some(), "before the answer");
    }
    assert_eq!(service.words().await, ["ops: share", "ops: mirroring"]);
    let why = LedgerEntry { who: "x".to_owned(), port: PORT, what: "x".to_owned(), evidence: json!({}) };
    let announced = PortStanding { stage: Stage::Announced, turn: 2, ..service.standing().await };
    assert!(service.plan.shift(PORT, 1, &announced, &why).await.unwrap());
    let answer = set_mirroring(plan, PORT, Mirroring::Background, "ops").await;
    refused(answer, ErrorKind::Conflict, "not while the leader changes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_of_mail_changes_without_anything_to_be_made_equal() {
    let service = Service::of(2);
    let switching =
        Switching::new(service.plan.clone(), MovingPort::Mail, Arc::new(Nothing), "ops", budget());
    let ended = switching.run(Leader::New, &json!({})).await.unwrap();
    assert!(matches!(ended, Ended::Changed { all_follow: true, .. }));
    assert_eq!(service.standing().await, PortStanding::FIRST, "sessions stay where they are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_longer_for_one_that_is_silent_than_it_said_that_it_serves() {
    let service = Service::of(1);
    let pace = Pace { gone_after: Duration::from_secs(5), ..pace() };
    let clock = service.moving.clock.clone();
    let command = Watch::new(service.plan.clone(), "command", pace, clock);
    command.look().await.unwrap();
    // It was killed.
    let switching = |announcing| {
        let budget = Budget { announcing: Duration::from_millis(announcing), ..budget() };
        Switching::new(service.plan.clone(), PORT, service.instances[0].1.clone(), "ops", budget)
    };
    let ended = switching(1_000).run(Leader::New, &json!({})).await.unwrap();
    assert!(
        matches!(&ended, Ended::TurnedBack { waited_for, .. } if waited_for == &["command"]),
        "{ended:?}"
    );
    service.plan.silence("command", Instant::now().checked_sub(Duration::from_secs(6)).unwrap());
    let ended = switching(5_000).run(Leader::New, &json!({})).await.unwrap();
    assert!(matches!(ended, Ended::Changed { all_follow: true, .. }), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_is_known_to_everybody_when_it_is_said_to_be() {
    let service = Service::of(2);
    for (watch, _) in &service.instances {
        watch.look().await.unwrap();
    }
    let deaf = Watch::new(service.plan.clone(), "deaf", pace(), service.moving.clock.clone());
    deaf.look().await.unwrap();
    let standing = set_share(&*service.plan, MovingPort::Mail, 10, "ops").await.unwrap();
    assert_eq!((standing.share, standing.leader), (10, Leader::Old));
    let within = Budget { following: Duration::from_millis(500), ..budget() };
    let behind = await_followers(&*service.plan, MovingPort::Mail, standing.turn, &within).await.unwrap();
    assert_eq!(behind, ["deaf"]);
    for (watch, _) in &service.instances {
        assert_eq!(watch.share(MovingPort::Mail).get_percent(), 10);
    }
    deaf.look().await.unwrap();
    let behind = await_followers(&*service.plan, MovingPort::Mail, standing.turn, &budget()).await.unwrap();
    assert_eq!(behind, Vec::<String>::new());
    refused(
        set_share(&*service.plan, MovingPort::Mail, 101, "ops").await,
        ErrorKind::Invalid,
        "of a hundred",
    );
}

/// What was told.
#[derive(Debug, Default)]
struct Told(std::sync::Mutex<Vec<&'static str>>);

impl Progress for Told {
    fn tell(&self, event: &Event) {
        if let Event::Step { act, .. } = event {
            self.0.lock().unwrap().push(act);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_a_change_is_told_of_each_step() {
    let service = Service::of(1);
    let told = Arc::new(Told::default());
    service.instances[0].1.create(&session(&service.moving, "one")).await.unwrap();
    service.switching().telling(told.clone()).run(Leader::New, &json!({})).await.unwrap();
    let steps = ["announce", "prepare", "hold", "drain", "change", "follow"];
    assert_eq!(*told.0.lock().unwrap(), steps);
}
