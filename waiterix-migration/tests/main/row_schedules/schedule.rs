//! A schedule, from the first order in the old database to two databases that are equal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use waiterix_domain::Timestamp;
use waiterix_migration::rows::{
    Backfill, BackfillSettings, Converger, Cutover, CutoverSettings, DualSettings, DualStore, Ended,
    GateSettings, Lead, NoLedger, Quiet, Relay, RelaySettings, Sides, Stop, Verifier, VerifySettings,
};
use waiterix_migration::testing::{MemoryRows, MemorySide};
use waiterix_migration::{Leader, Mirroring};
use waiterix_ports::moving::{Mode, RowSide, Standing};
use waiterix_ports::{Clock, Result};

use crate::row_schedules::guests::{Room, Told};
use crate::row_schedules::network::{FarSide, Weather, Wrong, pause};
use crate::row_schedules::tally::{self, Committed, SmallStore};

/// What happens in a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The lead goes there and back, over bad ways.
    ThereAndBack,
    /// And processes die.
    Deaths,
    /// And there are two coordinators.
    Rivals,
    /// All of it.
    Everything,
}

impl Course {
    /// Whether processes die.
    pub fn has_deaths(self) -> bool {
        matches!(self, Self::Deaths | Self::Everything)
    }

    fn has_rivals(self) -> bool {
        matches!(self, Self::Rivals | Self::Everything)
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// How often the lead changed.
    pub moved: u64,
    /// How many processes died.
    pub deaths: u64,
    /// How many reads were answered.
    pub reads: u64,
    /// Every commit, in order.
    pub commits: Vec<Committed>,
    /// Every standing of both sides, in order.
    pub standings: [Vec<Standing>; 2],
}

/// A clock that goes with tokio's time, which stands still while anybody has something to do.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let past = i64::try_from(self.0.elapsed().as_micros()).unwrap();
        Timestamp::from_micros(1_738_314_307_000_000 + past).unwrap()
    }
}

/// Everything of one process that moves rows.
#[derive(Clone)]
struct Process {
    sides: Sides,
    relay: Arc<Relay>,
    converger: Arc<Converger>,
    clock: Arc<dyn Clock>,
}

impl Process {
    fn new(old: Arc<dyn RowSide>, new: Arc<dyn RowSide>, clock: &Arc<dyn Clock>) -> Self {
        let sides = Sides::new(old, new);
        let converger = Arc::new(Converger::new(sides.clone()));
        let settings = RelaySettings { idle: Duration::from_secs(1), ..RelaySettings::default() };
        let relay = Arc::new(Relay::new(converger.clone(), settings, Arc::new(Quiet)));
        Self { sides, relay, converger, clock: clock.clone() }
    }

    fn backfill(&self) -> Backfill {
        let settings = BackfillSettings { rows: 2, ..BackfillSettings::default() };
        Backfill::new(self.sides.clone(), self.relay.clone(), settings, Arc::new(Quiet), Arc::new(|| None))
    }

    fn cutover(&self) -> Cutover {
        let settings = CutoverSettings {
            readers: Duration::from_secs(2),
            gates: GateSettings { compared_within: None, ..GateSettings::default() },
            ..CutoverSettings::default()
        };
        let ledger = Arc::new(NoLedger::default());
        Cutover::new(
            self.sides.clone(),
            self.relay.clone(),
            Arc::new(Quiet),
            ledger,
            self.clock.clone(),
            settings,
        )
    }

    async fn copy(&self) -> Result<bool> {
        let backfill = self.backfill();
        backfill.start(100).await?;
        Ok(backfill.run(&Stop::default()).await?.is_complete)
    }

    /// Copies, if nobody did before.
    async fn is_copied(&self) -> Result<bool> {
        let direction = self.sides.look().await?.converging();
        match direction {
            Some(direction) if self.converger.is_ready(direction).await? => Ok(true),
            _ => self.copy().await,
        }
    }

    /// Copies, and gives the lead to one side after the other, until that is done; nothing that fails is the end of it.
    async fn moves(self, there: Vec<Leader>) {
        while !matches!(self.is_copied().await, Ok(true)) {
            pause(Duration::from_millis(700)).await;
        }
        for to in there {
            for _ in 0..3 {
                pause(Duration::from_millis(600)).await;
                match self.cutover().run(to, None, &Stop::default()).await {
                    Ok(Ended::Moved { .. }) => break,
                    // An instance that died is waited for as long as it counts.
                    Ok(Ended::Aborted { reason }) if reason.contains("look") => {
                        pause(Duration::from_secs(61)).await;
                    }
                    Ok(Ended::Aborted { .. } | Ended::Refused(_)) => pause(Duration::from_secs(2)).await,
                    Err(_) => drop(self.cutover().settle().await),
                }
            }
        }
    }
}

/// A world and who is in it.
pub struct Schedule {
    seed: u64,
    wrong: Option<Wrong>,
    number: AtomicU64,
    is_calm: Arc<AtomicBool>,
    room: Arc<Room>,
    sides: [MemorySide; 2],
    rows: [Arc<MemoryRows>; 2],
    clock: Arc<dyn Clock>,
}

/// Who can die.
const SERVERS: usize = 2;
const RELAY: usize = SERVERS;
const MOVER: usize = SERVERS + 1;
const MORTALS: usize = SERVERS + 2;

impl Schedule {
    /// Lets a schedule happen, in a time of its own.
    pub fn run(seed: u64, course: Course, wrong: Option<Wrong>) -> Story {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async { Self::new(seed, wrong).happens(course).await })
    }

    fn new(seed: u64, wrong: Option<Wrong>) -> Self {
        let ((old, old_rows), (new, new_rows)) = (tally::side("old"), tally::side("new"));
        Self {
            seed,
            wrong,
            number: AtomicU64::new(0),
            is_calm: Arc::default(),
            room: Arc::default(),
            sides: [old, new],
            rows: [old_rows, new_rows],
            clock: Arc::new(TokioClock(Instant::now())),
        }
    }

    /// A seed that nobody else has.
    fn next(&self) -> u64 {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        self.seed.wrapping_mul(1_000_003).wrapping_add(number)
    }

    /// The ways of a process to both sides.
    fn ways(&self, wrong: Option<Wrong>) -> [FarSide; 2] {
        [0, 1].map(|side| {
            let weather = Weather::new(self.next(), 8, self.is_calm.clone(), wrong);
            FarSide::new(&self.sides[side], &weather)
        })
    }

    fn process(&self) -> Process {
        let [old, new] = self.ways(self.wrong.filter(|wrong| *wrong != Wrong::LooksOnce));
        Process::new(Arc::new(old), Arc::new(new), &self.clock)
    }

    /// A process that serves guests.
    fn server(&self) -> JoinSet<()> {
        let ways = self.ways(self.wrong);
        let [old, new] = [0, 1].map(|side| SmallStore::new(&ways[side], &self.rows[side], &self.room.tally));
        let [old_side, new_side] = ways;
        let process = Process::new(Arc::new(old_side), Arc::new(new_side), &self.clock);
        let seed = self.next();
        let lead = Arc::new(Lead::new(process.sides, format!("instance {seed}"), self.clock.clone()));
        let mirroring = if seed.is_multiple_of(3) { Mirroring::Inline } else { Mirroring::Background };
        let settings = DualSettings { mirroring, ..DualSettings::default() };
        let store = Arc::new(DualStore::new(
            Arc::new(old),
            Arc::new(new),
            lead.clone(),
            process.converger.clone(),
            settings,
        ));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { lead.keep(std::future::pending()).await });
        for _ in 0..1 + seed % 2 {
            tasks.spawn(self.room.clone().guest(store.clone(), self.next(), true));
        }
        tasks
    }

    /// The old application, which writes where it always did.
    fn stranger(&self) -> JoinSet<()> {
        let [old, _] = self.ways(self.wrong);
        let store = Arc::new(SmallStore::new(&old, &self.rows[0], &self.room.tally));
        let mut tasks = JoinSet::new();
        tasks.spawn(self.room.clone().guest(store, self.next(), false));
        tasks
    }

    fn relay(&self) -> JoinSet<()> {
        let relay = self.process().relay;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { relay.run(&Stop::default()).await });
        tasks
    }

    fn mover(&self, there: Vec<Leader>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(self.process().moves(there));
        tasks
    }

    async fn happens(self, course: Course) -> Story {
        let mut dice = fastrand::Rng::with_seed(self.next());
        self.furnish().await;
        let there = || vec![Leader::New, Leader::Old];
        let mut mortals: Vec<JoinSet<()>> = (0..SERVERS).map(|_| self.server()).collect();
        mortals.extend([self.relay(), self.mover(there())]);
        let mut others = self.stranger();
        if course.has_rivals() {
            let there = [Leader::New, Leader::Old, Leader::New].into_iter().filter(|_| dice.bool()).collect();
            others.spawn(self.process().moves(there));
        }
        let mut deaths = 0;
        if course.has_deaths() {
            for _ in 0..dice.u64(1..4) {
                pause(Duration::from_millis(dice.u64(0..6_000))).await;
                let who = dice.usize(0..MORTALS);
                check(&mut mortals[who]);
                mortals[who] = match who {
                    RELAY => self.relay(),
                    MOVER => self.mover(there()),
                    _ => self.server(),
                };
                deaths += 1;
            }
        }
        // Whoever moves comes to an end, or this is as long as anybody looks.
        let _ = tokio::time::timeout(Duration::from_secs(200), mortals[MOVER].join_next()).await;
        self.room.is_over.store(true, Ordering::SeqCst);
        self.is_calm.store(true, Ordering::SeqCst);
        // A guest thinks, and a write waits, but neither for ever.
        let all_left = async {
            while self.room.guests() > 0 {
                pause(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all_left).await.expect("guests leave");
        for tasks in mortals.iter_mut().chain([&mut others]) {
            check(tasks);
        }
        drop((mortals, others));
        // What was on its way arrives.
        pause(Duration::from_secs(30)).await;
        self.end(deaths).await
    }

    async fn furnish(&self) {
        let calm = Weather::new(0, 0, Arc::new(AtomicBool::new(true)), None);
        let store = SmallStore::new(&FarSide::new(&self.sides[0], &calm), &self.rows[0], &self.room.tally);
        for number in 0..3 {
            let set =
                waiterix_domain::ChangeSet::new(waiterix_domain::CommitId::new(format!("first {number}")));
            let order = waiterix_contract::store::sample::order(&format!("o{number}"), "r", -number);
            waiterix_ports::Store::commit(&store, &set.insert(order)).await.unwrap();
        }
    }

    /// Everything is brought to its end, and nothing is missing.
    async fn end(self, deaths: u64) -> Story {
        let [old, new] = &self.sides;
        let quiet = Process::new(Arc::new(old.clone()), Arc::new(new.clone()), &self.clock);
        quiet.cutover().settle().await.unwrap();
        let (ours, theirs) = (old.stands(), new.stands());
        let leads = |standing: Option<Standing>| standing.is_some_and(|standing| standing.mode == Mode::Open);
        if ours.is_none() || theirs.is_none() || !(leads(theirs) || quiet.sides.is_copied().await.unwrap()) {
            assert!(quiet.copy().await.unwrap());
        }
        assert!(leads(old.stands()) != leads(new.stands()), "{:?} {:?}", old.stands(), new.stands());
        for side in [old, new] {
            side.release().await.unwrap();
        }
        let direction = quiet.sides.look().await.unwrap().converging().unwrap();
        let drained = tokio::time::timeout(Duration::from_secs(60), quiet.relay.drain(direction)).await;
        drained.expect("the journal becomes empty").unwrap();
        let settings = VerifySettings { stretch_bytes: 500, ..VerifySettings::default() };
        let report =
            Verifier::new(quiet.converger, settings, Arc::new(Quiet), self.clock.clone(), Arc::new(|| None));
        assert!(report.verify().await.unwrap().is_clean());

        let tally = &self.room.tally;
        let (ours, theirs) = (numbers(old).await, numbers(new).await);
        assert_eq!(ours, theirs, "the sides differ when it is quiet");
        assert_eq!(ours, tally.last(), "something is lost, or came back");
        let commits = tally.all();
        let there: BTreeSet<&str> = commits.iter().map(|commit| commit.id.as_str()).collect();
        assert_eq!(there.len(), commits.len(), "something was done twice");
        for (id, told) in self.room.told.lock().unwrap().iter() {
            match told {
                Told::Done => assert!(there.contains(id.as_str()), "{id} was answered and is not there"),
                Told::Refused => assert!(!there.contains(id.as_str()), "{id} was refused and is there"),
                Told::Unknown => {}
            }
        }
        let standings = [old.history(), new.history()];
        let moved = standings.iter().flatten().map(|standing| standing.epoch).max().unwrap() - 100;
        Story { moved, deaths, reads: self.room.reads(), commits, standings }
    }
}

/// Ends a process, unless it failed of itself.
fn check(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.try_join_next() {
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    tasks.abort_all();
}

/// The numbers of all orders of a side.
async fn numbers(side: &MemorySide) -> BTreeMap<String, i64> {
    let all = side.everything().await;
    let orders = all.into_iter().filter(|((table, _), _)| table == "orders");
    orders
        .map(|((_, id), row)| {
            let row: serde_json::Value = serde_json::from_str(&row).unwrap();
            (id, row["number"].as_i64().unwrap())
        })
        .collect()
}
