//! The service while the lead changes: no request fails, none is lost, and none has its effect twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use waiterix_contract::store::sample;
use waiterix_domain::id::{RestaurantId, UserId};
use waiterix_domain::{ChangeSet, CommitId, Counter, Row, Table};
use waiterix_migration::rows::{DualSettings, DualStore, Ended, Stop};
use waiterix_migration::testing::{Dice, Fault, Faults, Wire};
use waiterix_migration::{Leader, Mirroring};
use waiterix_ports::moving::Mode;
use waiterix_ports::{Clock, KeyRange, Query, Reads, Result, Store};

use crate::rows::guarded::SideStore;
use crate::rows::stage::{Process, Stage, TokioClock, pass};

/// Two databases of the application.
struct House {
    stage: Stage,
    old: SideStore,
    new: SideStore,
}

/// A process of the application.
struct Server {
    process: Process,
    store: Arc<dyn Store>,
}

impl House {
    async fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::default());
        let ((old_side, old), (new_side, new)) =
            (SideStore::new("old", &clock), SideStore::new("new", &clock));
        let house = Self { stage: Stage::over(old_side, new_side), old, new };
        let rows = [Row::from(sample::user("u")), Row::from(sample::restaurant("r", "u"))];
        house.old.commit(&ChangeSet::new(CommitId::new("first")).insert_all(rows)).await.unwrap();
        house.stage.process.copy_all(100).await;
        house
    }

    fn server(&self, mirroring: Mirroring, old: Arc<dyn Faults>, new: Arc<dyn Faults>) -> Server {
        let process = self.stage.process(old.clone(), new.clone());
        let stores: [Arc<dyn Store>; 2] = [
            Arc::new(self.old.through(self.stage.old.through(old))),
            Arc::new(self.new.through(self.stage.new.through(new))),
        ];
        let settings = DualSettings { mirroring, ..DualSettings::default() };
        let [old, new] = stores;
        let store = DualStore::new(old, new, process.lead.clone(), process.converger.clone(), settings);
        Server { process, store: Arc::new(store) }
    }

    fn quiet(&self, mirroring: Mirroring) -> Server {
        self.server(mirroring, Arc::new(Wire::default()), Arc::new(Wire::default()))
    }
}

fn order(id: &str) -> ChangeSet {
    ChangeSet::new(CommitId::new(format!("c-{id}")))
        .insert(sample::order(id, "r", 0))
        .insert(sample::line(&format!("{id}-1"), id, Some(1)))
        .add(Counter::RestaurantAiUsage, "r", 1)
}

async fn orders(store: &dyn Store) -> Vec<String> {
    let rows = store.scan(Table::Orders, &KeyRange::default(), 10_000).await.unwrap();
    rows.iter().map(|row| row.key().to_owned()).collect()
}

async fn usage(store: &dyn Store) -> i32 {
    Reads(store).restaurant(&RestaurantId::new("r")).await.unwrap().unwrap().ai_usage_count
}

/// Guests order without pause while the lead goes there, back and there again.
#[tokio::test(start_paused = true)]
async fn no_request_fails_while_the_lead_goes_there_and_back_and_there() {
    let house = House::new().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    let mut keepers = Vec::new();
    for number in 0..3 {
        let mirroring = if number == 0 { Mirroring::Inline } else { Mirroring::Background };
        let Server { process, store } = house.quiet(mirroring);
        process.lead.refresh().await.unwrap();
        let kept = process.lead.clone();
        keepers.push(tokio::spawn(async move { kept.keep(std::future::pending()).await }));
        let relaying = process.relay.clone();
        keepers.push(tokio::spawn(async move { relaying.run(&Stop::default()).await }));
        for guest in 0..3 {
            let (store, over) = (store.clone(), is_over.clone());
            tasks.push(tokio::spawn(async move {
                let (mut done, mut slowest) = (Vec::new(), Duration::ZERO);
                while !over.load(Ordering::SeqCst) {
                    let id = format!("o-{number}-{guest}-{}", done.len());
                    let began = tokio::time::Instant::now();
                    store.commit(&order(&id)).await.expect("no request fails");
                    slowest = slowest.max(began.elapsed());
                    // What was answered is read, by whoever leads.
                    let found = store.read(&Query::Order(id.as_str().into())).await.expect("no read fails");
                    assert_ne!(
                        found,
                        waiterix_ports::Answer::Rows(vec![]),
                        "{id} was answered and is not there"
                    );
                    done.push(id);
                    pass(Duration::from_millis(20)).await;
                }
                (done, slowest)
            }));
        }
    }
    for to in [Leader::New, Leader::Old, Leader::New] {
        pass(Duration::from_secs(1)).await;
        let report = house.stage.process.verify().await;
        let cutover = house.stage.process.cutover();
        let ended = cutover.run(to, Some(&report), &Stop::default()).await.unwrap();
        let Ended::Moved { paused, .. } = ended else { panic!("{ended:?}") };
        assert!(paused < Duration::from_millis(100), "{paused:?}");
    }
    pass(Duration::from_secs(1)).await;
    is_over.store(true, Ordering::SeqCst);
    let mut all = Vec::new();
    for task in tasks {
        let (done, slowest) = task.await.unwrap();
        assert!(done.len() > 50, "{}", done.len());
        assert!(slowest < Duration::from_secs(1), "{slowest:?}");
        all.extend(done);
    }
    for keeper in keepers {
        keeper.abort();
    }
    house.stage.process.drain().await;
    all.sort();
    assert_eq!(orders(&house.new).await, all);
    assert_eq!(usage(&house.new).await, i32::try_from(all.len()).unwrap(), "each was counted once");
    house.stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_commit_is_sent_again_and_counts_once() {
    let house = House::new().await;
    let wire = Arc::new(Wire::default());
    let server = house.server(Mirroring::Inline, wire.clone(), Arc::new(Wire::default()));
    wire.once("write", Fault::Swallow);
    server.store.commit(&order("o1")).await.unwrap();
    assert!(wire.has_happened());
    assert_eq!((usage(&house.old).await, usage(&house.new).await), (1, 1));
    // Its outcome is unknown, and meanwhile the other side takes the lead.
    let (stage, clock) = (&house.stage, house.stage.clock.clone());
    let moving = Process::new(Arc::new(stage.old.clone()), Arc::new(stage.new.clone()), &clock);
    wire.once("write", Fault::Swallow);
    wire.before("begin", async {});
    wire.before("begin", async move { drop(moving.move_to(Leader::New).await) });
    server.store.commit(&order("o2")).await.unwrap();
    assert!(wire.has_happened());
    assert_eq!(usage(&house.new).await, 2, "the new side knows the commit");
    assert_eq!(orders(&house.new).await, ["o1", "o2"]);
    stage.process.drain().await;
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_stays_unknown_is_said_to_be() {
    let house = House::new().await;
    let wire = Arc::new(Wire::default());
    let server = house.server(Mirroring::Background, wire.clone(), Arc::new(Wire::default()));
    for _ in 0..3 {
        wire.once("write", Fault::Swallow);
    }
    let error = server.store.commit(&order("o1")).await.unwrap_err();
    assert_eq!(error.retry_advice(), waiterix_ports::Retry::Ambiguous);
    assert_eq!(usage(&house.old).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_mirrored_inline_is_there_before_the_answer_until_it_is_said_otherwise() {
    let house = House::new().await;
    let process = house.stage.process(Arc::new(Wire::default()), Arc::new(Wire::default()));
    let [old, new]: [Arc<dyn Store>; 2] = [Arc::new(house.old.clone()), Arc::new(house.new.clone())];
    let (lead, converger) = (process.lead.clone(), process.converger.clone());
    let store = DualStore::new(old, new, lead, converger, DualSettings::default());
    let mut arrived = Vec::new();
    for (id, mirroring) in
        [("o1", Mirroring::Background), ("o2", Mirroring::Inline), ("o3", Mirroring::Background)]
    {
        store.mirror(mirroring);
        store.commit(&order(id)).await.unwrap();
        arrived.push(orders(&house.new).await);
    }
    assert_eq!(arrived, [vec![], vec!["o2".to_owned()], vec!["o2".to_owned()]]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_two_phases_behind_writes_where_the_lead_is() {
    let house = House::new().await;
    let behind = house.quiet(Mirroring::Inline);
    behind.process.lead.refresh().await.unwrap();
    house.stage.process.move_to(Leader::New).await;
    // One phase behind: its delete goes to the side that leads, and does not come back from the other.
    let fresh = house.quiet(Mirroring::Background);
    fresh.store.commit(&order("o1")).await.unwrap();
    let delete = ChangeSet::new(CommitId::new("d1")).delete(Table::Orders, "o1");
    behind.store.commit(&delete).await.unwrap();
    house.stage.process.drain().await;
    assert_eq!((orders(&house.old).await, orders(&house.new).await), (vec![], vec![]));
    // Two: the side it remembers leads again, and what it remembers of the epoch is refused.
    let remembering = house.quiet(Mirroring::Inline);
    remembering.process.lead.refresh().await.unwrap();
    house.stage.process.move_to(Leader::Old).await;
    house.stage.process.move_to(Leader::New).await;
    remembering.store.commit(&order("o2")).await.unwrap();
    behind.store.commit(&order("o3")).await.unwrap();
    house.stage.process.drain().await;
    assert_eq!(orders(&house.new).await, ["o2", "o3"]);
    house.stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn writers_wait_for_a_dead_coordinator_and_then_end_what_it_began() {
    for mode in [Mode::Fenced, Mode::Decided] {
        let house = House::new().await;
        let server = house.quiet(Mirroring::Background);
        server.store.commit(&order("o1")).await.unwrap();
        house.stage.process.drain().await;
        let side = waiterix_migration::rows::Sides::new(
            Arc::new(house.stage.old.clone()),
            Arc::new(house.stage.new.clone()),
        );
        for next in [Mode::Announced, Mode::Fenced, Mode::Decided] {
            let seen = house.stage.old.stands().unwrap();
            assert!(side.of(Leader::Old).shift(seen, next, 100, Duration::from_secs(1)).await.unwrap());
            if next == mode {
                break;
            }
        }
        let began = tokio::time::Instant::now();
        server.store.commit(&order("o2")).await.unwrap();
        let waited = began.elapsed();
        assert!((Duration::from_secs(4)..Duration::from_secs(6)).contains(&waited), "{waited:?}");
        let leader = if mode == Mode::Fenced { &house.stage.old } else { &house.stage.new };
        assert_eq!(leader.stands().unwrap().mode, Mode::Open);
        house.stage.process.drain().await;
        house.stage.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_other_side_being_down_or_slow_delays_one_request_and_fails_none() {
    let house = House::new().await;
    let wire = Arc::new(Wire::default());
    let server = house.server(Mirroring::Inline, Arc::new(Wire::default()), wire.clone());
    server.process.lead.refresh().await.unwrap();
    wire.die_at("hold");
    let began = tokio::time::Instant::now();
    server.store.commit(&order("o0")).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(250), "it waited as long as it may");
    wire.set(Fault::Refuse);
    for number in 1..100 {
        let began = tokio::time::Instant::now();
        server.store.commit(&order(&format!("o{number}"))).await.unwrap();
        assert!(server.store.read(&Query::Account(UserId::new("u"))).await.is_ok());
        assert!(began.elapsed() < Duration::from_millis(10), "{number}: {:?}", began.elapsed());
        tokio::time::advance(Duration::from_secs(36)).await;
    }
    wire.set(Fault::None);
    house.stage.process.drain().await;
    house.stage.assert_equal().await;
    // And inline again.
    server.process.lead.refresh().await.unwrap();
    server.store.commit(&order("p")).await.unwrap();
    assert!(orders(&house.new).await.contains(&"p".to_owned()));
}

/// One schedule of guests, relays and changes of the leader, with faults by chance on every way.
async fn schedule(seed: u64) -> Result<()> {
    let house = House::new().await;
    let dice = |number: u64| -> Arc<dyn Faults> {
        Arc::new(Dice::new(seed * 31 + number, 30, 30, Duration::from_millis(5)))
    };
    let servers: Vec<Server> =
        (0..2).map(|number| house.server(Mirroring::Inline, dice(number), dice(number + 10))).collect();
    let mover = house.stage.process(dice(20), dice(21));
    let over = Arc::new(AtomicBool::new(false));
    let relaying = (mover.relay.clone(), Stop::default());
    let relay = tokio::spawn(async move { relaying.0.run(&relaying.1).await });
    let mut guests = Vec::new();
    for (number, server) in servers.iter().enumerate() {
        let (store, over) = (server.store.clone(), over.clone());
        guests.push(tokio::spawn(async move {
            let mut told = BTreeMap::new();
            while !over.load(Ordering::SeqCst) {
                let id = format!("o-{number}-{:03}", told.len());
                let answer = store.commit(&order(&id)).await;
                let is_unknown = answer
                    .as_ref()
                    .is_err_and(|error| error.retry_advice() == waiterix_ports::Retry::Ambiguous);
                told.insert(id, (answer.is_ok(), is_unknown));
            }
            told
        }));
    }
    for to in [Leader::New, Leader::Old, Leader::New] {
        let Ok(report) = mover.verifier().verify().await else { continue };
        let _ = mover.cutover().run(to, Some(&report), &Stop::default()).await;
        tokio::time::advance(Duration::from_millis(50)).await;
    }
    over.store(true, Ordering::SeqCst);
    let mut told = BTreeMap::new();
    for guest in guests {
        told.extend(guest.await.unwrap());
    }
    relay.abort();
    let _ = relay.await;
    house.stage.process.cutover().settle().await?;
    house.stage.process.drain().await;
    house.stage.assert_equal().await;
    let there = orders(&house.new).await;
    for (id, (is_done, is_unknown)) in told {
        let is_there = there.contains(&id);
        assert!(is_there || !is_done, "seed {seed}: {id} was answered and is lost");
        assert!(!is_there || is_done || is_unknown, "seed {seed}: {id} was refused and is there");
    }
    assert_eq!(usage(&house.new).await as usize, there.len(), "seed {seed}: something counted twice");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_nothing_is_lost_and_nothing_counts_twice() {
    for seed in 0..40 {
        println!("seed {seed}");
        schedule(seed).await.unwrap();
    }
}
