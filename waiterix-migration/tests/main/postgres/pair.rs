//! Two databases, a process of the service over both, and what moves rows between them.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use url::Url;
use waiterix_contract::store::sample;
use waiterix_domain::{ChangeSet, CommitId, Counter, Table};
use waiterix_migration::rows::{
    Backfill, BackfillSettings, Converger, Copied, Cutover, CutoverSettings, DualSettings, DualStore, Lead,
    NoLedger, Quiet, Relay, RelaySettings, Sides, Stop, Verifier, VerifySettings,
};
use waiterix_migration::{Leader, Mirroring};
use waiterix_ports::moving::{Hashing, RowSide};
use waiterix_ports::{Clock, KeyRange, Store, SystemClock};
use waiterix_postgres::PostgresStore;
use waiterix_postgres::moving::PostgresSide;
use waiterix_postgres::testing::{Psql, Scratch, database};

/// What moves rows.
pub(crate) struct Mover {
    pub(crate) sides: Sides,
    pub(crate) converger: Arc<Converger>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) backfill: Backfill,
    pub(crate) cutover: Cutover,
    clock: Arc<dyn Clock>,
}

impl Mover {
    fn new(old: Arc<dyn RowSide>, new: Arc<dyn RowSide>, clock: &Arc<dyn Clock>) -> Self {
        let sides = Sides::new(old, new);
        let converger = Arc::new(Converger::new(sides.clone()));
        let relay = Arc::new(Relay::new(converger.clone(), RelaySettings::default(), Arc::new(Quiet)));
        let copying = BackfillSettings { rows: 50, ..BackfillSettings::default() };
        let backfill =
            Backfill::new(sides.clone(), relay.clone(), copying, Arc::new(Quiet), Arc::new(|| None));
        let settings = CutoverSettings { who: "a test".to_owned(), ..CutoverSettings::default() };
        let ledger: Arc<NoLedger> = Arc::default();
        let cutover =
            Cutover::new(sides.clone(), relay.clone(), Arc::new(Quiet), ledger, clock.clone(), settings);
        Self { sides, converger, relay, backfill, cutover, clock: clock.clone() }
    }

    /// The move begins, and all is copied.
    pub(crate) async fn copy_all(&self) -> Copied {
        self.backfill.start(100).await.unwrap();
        let copied = self.backfill.run(&Stop::default()).await.unwrap();
        assert!(copied.is_complete, "{copied:?}");
        copied
    }

    pub(crate) fn verifier(&self, hashing: Hashing) -> Verifier {
        let settings = VerifySettings {
            leaf_rows: 20,
            stretch_bytes: 65_536,
            held_keys: 500,
            pause: Duration::from_millis(20),
            hashing,
            ..VerifySettings::default()
        };
        Verifier::new(
            self.converger.clone(),
            settings,
            Arc::new(Quiet),
            self.clock.clone(),
            Arc::new(|| None),
        )
    }

    pub(crate) async fn drain(&self) {
        let direction = self.sides.look().await.unwrap().converging().unwrap();
        let drained = tokio::time::timeout(Duration::from_secs(30), self.relay.drain(direction)).await;
        drained.expect("the journal becomes empty").unwrap();
    }
}

/// Two databases and a process of the service.
pub(crate) struct Pair {
    pub(crate) old: Arc<dyn Store>,
    pub(crate) new: Arc<dyn Store>,
    pub(crate) old_side: Arc<PostgresSide>,
    pub(crate) new_side: Arc<PostgresSide>,
    /// What the service uses.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) process: Mover,
    tasks: Vec<JoinHandle<()>>,
    databases: [Scratch; 2],
}

impl Pair {
    pub(crate) async fn new(server: &Url, mirroring: Mirroring) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let databases = [Scratch::migrated(server).await.unwrap(), Scratch::migrated(server).await.unwrap()];
        // The service and the move have pools of their own, as two processes would.
        let side =
            |scratch: &Scratch| Arc::new(PostgresSide::new(database(&scratch.url()).unwrap(), clock.clone()));
        let store = |scratch: &Scratch| -> Arc<dyn Store> {
            Arc::new(PostgresStore::new(database(&scratch.url()).unwrap(), clock.clone()))
        };
        let (old_side, new_side) = (side(&databases[0]), side(&databases[1]));
        let (old, new) = (store(&databases[0]), store(&databases[1]));
        let serving = Mover::new(side(&databases[0]), side(&databases[1]), &clock);
        let lead = Arc::new(Lead::new(serving.sides.clone(), "the service", clock.clone()));
        let settings = DualSettings { mirroring, ..DualSettings::default() };
        let dual =
            DualStore::new(old.clone(), new.clone(), lead.clone(), serving.converger.clone(), settings);
        let relay = serving.relay.clone();
        let tasks = vec![
            tokio::spawn(async move { lead.keep(std::future::pending()).await }),
            tokio::spawn(async move { relay.run(&Stop::default()).await }),
        ];
        let process = Mover::new(old_side.clone(), new_side.clone(), &clock);
        let store = Arc::new(dual);
        Self { old, new, old_side, new_side, store, process, tasks, databases }
    }

    /// One who writes in one of both databases and knows nothing of the move.
    pub(crate) async fn psql(&self, side: Leader) -> Psql {
        let [old, new] = &self.databases;
        let scratch = if side == Leader::Old { old } else { new };
        scratch.psql().await.unwrap()
    }

    /// That every table has the same digest on both sides.
    pub(crate) async fn assert_equal(&self) {
        for table in Table::ALL {
            let range = KeyRange::default();
            let (old, new) = (self.old.digest(*table, &range).await, self.new.digest(*table, &range).await);
            assert_eq!(old.unwrap(), new.unwrap(), "{}", table.name());
        }
        for side in [&self.old_side, &self.new_side] {
            assert_eq!(side.backlog().await.unwrap().entries, 0);
            assert_eq!(side.quarantined(10).await.unwrap(), []);
        }
    }

    pub(crate) fn end(self) {
        for task in self.tasks {
            task.abort();
        }
    }
}

/// An order that is counted.
pub(crate) fn order(id: &str) -> ChangeSet {
    ChangeSet::new(CommitId::new(format!("c-{id}")))
        .insert(sample::order(id, "r", 0))
        .insert(sample::line(&format!("{id}-1"), id, Some(1)))
        .add(Counter::RestaurantAiUsage, "r", 1)
}
