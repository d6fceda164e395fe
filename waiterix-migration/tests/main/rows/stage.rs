//! Two sides and everything that moves rows between them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use waiterix_domain::Timestamp;
use waiterix_migration::Leader;
use waiterix_migration::rows::{
    Backfill, BackfillSettings, Converger, Cutover, CutoverSettings, Direction, Ended, Event, Latency, Lead,
    NoLedger, Progress, Relay, RelaySettings, Report, Sides, Stop, ThrottleSettings, Verifier,
    VerifySettings,
};
use waiterix_migration::testing::{Faults, MemoryRows, MemorySide, TableRules, Wire};
use waiterix_ports::Clock;
use waiterix_ports::moving::{Image, MovingKey, RowSide, Wanted};

/// A clock that goes with tokio's time, which tests stop.
#[derive(Debug)]
pub struct TokioClock(Instant);

impl Default for TokioClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let past = i64::try_from(self.0.elapsed().as_micros()).unwrap();
        Timestamp::from_micros(1_738_314_307_000_000 + past).unwrap()
    }
}

/// Lets so much of tokio's time pass, which is stopped and goes on when nobody has anything to do.
pub async fn pass(time: Duration) {
    tokio::time::timeout(time, std::future::pending::<()>()).await.unwrap_err();
}

/// Hears everything.
#[derive(Debug, Default)]
pub struct Heard(Mutex<Vec<Event>>);

impl Heard {
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

impl Progress for Heard {
    fn tell(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// Houses, each with a name of its own, and dishes of a house.
pub const TABLES: [TableRules; 2] = [
    TableRules { name: "houses", unique: Some("name"), parent: None },
    TableRules { name: "dishes", unique: None, parent: Some(("house", "houses")) },
];

pub fn key(table: &str, id: &str) -> MovingKey {
    MovingKey { table: table.into(), id: id.to_owned() }
}

pub fn house(id: &str, name: &str) -> Wanted {
    Wanted { key: key("houses", id), image: Some(Image(json!({ "id": id, "name": name }).to_string())) }
}

pub fn dish(id: &str, house: &str, price: u32) -> Wanted {
    let row = json!({ "id": id, "house": house, "price": price });
    Wanted { key: key("dishes", id), image: Some(Image(row.to_string())) }
}

pub fn gone(table: &str, id: &str) -> Wanted {
    Wanted { key: key(table, id), image: None }
}

/// Measured all the time, as calls take none of it.
const THROTTLE: ThrottleSettings = ThrottleSettings {
    most: 4,
    pressure: Duration::from_millis(100),
    latency: Duration::from_millis(250),
    pause: Duration::from_secs(1),
    measure: Duration::ZERO,
};

/// Everything of one process that moves rows.
#[derive(Clone)]
pub struct Process {
    pub sides: Sides,
    pub lead: Arc<Lead>,
    pub converger: Arc<Converger>,
    pub relay: Arc<Relay>,
    pub clock: Arc<dyn Clock>,
    pub heard: Arc<Heard>,
    pub ledger: Arc<NoLedger>,
    pub latency: Latency,
}

impl Process {
    pub fn new(old: Arc<dyn RowSide>, new: Arc<dyn RowSide>, clock: &Arc<dyn Clock>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("instance {}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let (sides, heard) = (Sides::new(old, new), Arc::new(Heard::default()));
        let converger = Arc::new(Converger::new(sides.clone()));
        Self {
            lead: Arc::new(Lead::new(sides.clone(), name, clock.clone())),
            relay: Arc::new(Relay::new(converger.clone(), RelaySettings::default(), heard.clone())),
            converger,
            sides,
            clock: clock.clone(),
            heard,
            ledger: Arc::default(),
            latency: Arc::new(|| None),
        }
    }

    pub fn backfill(&self, rows: u64) -> Backfill {
        let settings = BackfillSettings { rows, throttle: THROTTLE, ..BackfillSettings::default() };
        Backfill::new(
            self.sides.clone(),
            self.relay.clone(),
            settings,
            self.heard.clone(),
            self.latency.clone(),
        )
    }

    /// The move begins, and all is copied, in ranges of so many rows.
    pub async fn copy_all(&self, rows: u64) {
        let backfill = self.backfill(rows);
        backfill.start(100).await.unwrap();
        assert!(backfill.run(&Stop::default()).await.unwrap().is_complete);
    }

    pub fn cutover(&self) -> Cutover {
        let settings = CutoverSettings { who: "a test".to_owned(), ..CutoverSettings::default() };
        Cutover::new(
            self.sides.clone(),
            self.relay.clone(),
            self.heard.clone(),
            self.ledger.clone(),
            self.clock.clone(),
            settings,
        )
    }

    pub fn verifier(&self) -> Verifier {
        let settings = VerifySettings {
            leaf_rows: 4,
            stretch_bytes: 3_000,
            held_keys: 9,
            throttle: THROTTLE,
            ..VerifySettings::default()
        };
        Verifier::new(
            self.converger.clone(),
            settings,
            self.heard.clone(),
            self.clock.clone(),
            self.latency.clone(),
        )
    }

    pub async fn verify(&self) -> Report {
        self.verifier().verify().await.unwrap()
    }

    /// Gives the lead to a side, whatever it takes; there must be nothing in the way.
    pub async fn move_to(&self, to: Leader) -> Ended {
        self.drain().await;
        let report = self.verify().await;
        let ended = self.cutover().run(to, Some(&report), &Stop::default()).await.unwrap();
        assert!(matches!(ended, Ended::Moved { .. }), "{ended:?}");
        ended
    }

    pub async fn direction(&self) -> Direction {
        self.sides.look().await.unwrap().converging().unwrap()
    }

    /// Makes up for everything in the journal.
    pub async fn drain(&self) {
        let drained = self.relay.drain(self.direction().await);
        tokio::time::timeout(Duration::from_secs(60), drained)
            .await
            .expect("the journal becomes empty")
            .unwrap();
    }
}

/// Two sides in memory, and one process over them whose ways can be cut.
pub struct Stage {
    pub old: MemorySide,
    pub new: MemorySide,
    pub old_wire: Arc<Wire>,
    pub new_wire: Arc<Wire>,
    pub clock: Arc<dyn Clock>,
    pub process: Process,
}

impl Stage {
    pub fn new() -> Self {
        let side = |name: &str| MemorySide::new(name, Arc::new(MemoryRows::new(&TABLES)));
        Self::over(side("old"), side("new"))
    }

    pub fn over(old: MemorySide, new: MemorySide) -> Self {
        let (old_wire, new_wire) = (Arc::new(Wire::default()), Arc::new(Wire::default()));
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::default());
        let process = Process::new(
            Arc::new(old.through(old_wire.clone())),
            Arc::new(new.through(new_wire.clone())),
            &clock,
        );
        Self { old, new, old_wire, new_wire, clock, process }
    }

    /// A process of its own, with faults of its own on the ways to both sides.
    pub fn process(&self, old: Arc<dyn Faults>, new: Arc<dyn Faults>) -> Process {
        Process::new(Arc::new(self.old.through(old)), Arc::new(self.new.through(new)), &self.clock)
    }

    /// One without faults.
    pub fn quiet_process(&self) -> Process {
        self.process(Arc::new(Wire::default()), Arc::new(Wire::default()))
    }

    /// Some houses and dishes, in the old database before the move.
    pub async fn furnish(&self, houses: u32) {
        for number in 0..houses {
            self.old.write(&[house(&format!("h{number:03}"), &format!("house {number}"))]).await.unwrap();
            for place in 0..3 {
                let id = format!("d{number:03}{place}");
                self.old.write(&[dish(&id, &format!("h{number:03}"), place)]).await.unwrap();
            }
        }
    }

    /// The move has begun, and all is copied.
    pub async fn copied(houses: u32) -> Self {
        let stage = Self::new();
        stage.furnish(houses).await;
        stage.process.copy_all(5).await;
        stage
    }

    pub async fn price(side: &MemorySide, id: &str) -> Option<Value> {
        let all = side.everything().await;
        let row: Value = serde_json::from_str(all.get(&("dishes".to_owned(), id.to_owned()))?).unwrap();
        Some(row["price"].clone())
    }

    /// That both sides hold the same, and nothing is left to do.
    pub async fn assert_equal(&self) {
        assert_eq!(self.old.everything().await, self.new.everything().await);
        assert_eq!((self.old.journal(), self.new.journal()), (vec![], vec![]));
        assert_eq!((self.old.in_quarantine(), self.new.in_quarantine()), (vec![], vec![]));
    }
}
