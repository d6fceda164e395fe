//! Rows in the old database and in the new one at once, while they move. Decision 32 has the reasons.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use waiterix_app::{OsRandom, Random as _};
use waiterix_migration::rows::{
    Converger, DualSettings, DualStore, Event, Lead, Progress, Relay, RelaySettings, Sides, Signal, Stop,
};
use waiterix_ports::moving::MovingPort;
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, Store};
use waiterix_postgres::connect::{Database, PostgresSettings};
use waiterix_postgres::moving::{PostgresPlan, PostgresSide};

use crate::wrapping::CLOSING;

/// How many connections to each database the move has for itself, so that it takes none of those guests wait for: a batch of
/// keys holds one on each side, and there are two at a time.
const CONNECTIONS: u32 = 6;
/// How often it is looked whether the move is to pause.
const LOOK: Duration = Duration::from_secs(1);

/// What is wrong with two databases that are one: rows cannot move to where they are.
pub fn compare(vars: &mut Vars<'_>, old: &PostgresSettings, new: &PostgresSettings) {
    let place =
        |settings: &PostgresSettings| (settings.host.clone(), settings.port, settings.database.clone());
    if place(old) == place(new) {
        vars.problem(
            "LEGACY_DATABASE_URL",
            "names the same database as DATABASE_URL, and rows cannot move to where they are",
        );
    }
}

/// The settings of a database as the move uses it beside the service.
pub(crate) fn beside(settings: &PostgresSettings) -> PostgresSettings {
    PostgresSettings { pool_max: CONNECTIONS, ..settings.clone() }
}

/// What a dual service does besides serving.
#[derive(Debug)]
pub(crate) struct Moving {
    stop: Stop,
    tasks: Vec<JoinHandle<()>>,
    databases: [Database; 2],
    relay: Arc<Relay>,
    /// Both stores, old and new, for those who ask how they are.
    pub(crate) stores: [Arc<dyn Store>; 2],
}

/// Tells the log.
#[derive(Debug)]
struct Logged;

impl Progress for Logged {
    fn tell(&self, event: &Event) {
        if let Event::TriedAgain { what, why } = event {
            tracing::warn!(what, why, "the other database is behind, and it is tried again");
        }
    }
}

/// The port of rows over both databases. In a server it keeps up with changes of the leader and makes the other side equal in
/// the background; a function looks who leads before each read, and has passes of its relay.
pub(crate) fn rows(
    stores: [Arc<dyn Store>; 2],
    databases: [Database; 2],
    is_function: bool,
    clock: &Arc<dyn Clock>,
) -> (Arc<dyn Store>, Moving) {
    let side = |database: &Database| Arc::new(PostgresSide::new(database.clone(), clock.clone()));
    let sides = Sides::new(side(&databases[0]), side(&databases[1]));
    let mut instance = [0; 16];
    OsRandom.fill(&mut instance);
    let instance: String = instance.iter().map(|byte| format!("{byte:02x}")).collect();
    let lead = Arc::new(Lead::new(sides.clone(), instance, clock.clone()));
    let converger = Arc::new(Converger::new(sides));
    let relay = Arc::new(Relay::new(converger.clone(), RelaySettings::default(), Arc::new(Logged)));
    let stop = Stop::default();
    let tasks = if is_function {
        Vec::new()
    } else {
        vec![
            tokio::spawn(keep(lead.clone(), stop.clone())),
            tokio::spawn(run(relay.clone(), stop.clone())),
            tokio::spawn(heed(PostgresPlan::new(databases[1].clone()), stop.clone())),
        ]
    };
    let [old, new] = stores.clone();
    let store = Arc::new(DualStore::new(old, new, lead, converger, DualSettings::default()));
    (store, Moving { stop, tasks, databases, relay, stores })
}

async fn keep(lead: Arc<Lead>, stop: Stop) {
    tokio::select! {
        () = lead.keep() => {}
        () = stopped(&stop) => {}
    }
}

async fn run(relay: Arc<Relay>, stop: Stop) {
    relay.run(&stop).await;
}

/// Pauses and goes on as the ledger says, whoever wrote it there.
async fn heed(ledger: PostgresPlan, stop: Stop) {
    loop {
        if stop.is_stopped() {
            return;
        }
        // Whoever cannot ask goes on as before.
        if let Ok(last) = ledger.last(MovingPort::Rows, &["pause", "resume"]).await
            && !stop.is_stopped()
        {
            let is_paused = last.is_some_and(|last| last.entry.what == "pause");
            stop.set(if is_paused { Signal::Pause } else { Signal::Run });
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stopped(&stop) => return,
        }
    }
}

/// Waits for the end, whether or not there is a pause.
async fn stopped(stop: &Stop) {
    while !stop.is_stopped() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Moving {
    /// Makes the other side equal once, for a process that has nothing in the background.
    pub(crate) async fn pass(&self, within: Duration) {
        let stop = self.stop.clone();
        let relay = self.relay.clone();
        let _ = tokio::time::timeout(within, async move { relay.run(&stop).await }).await;
    }

    /// Ends what runs in the background, and lets go of the connections.
    pub(crate) async fn close(&self) {
        self.stop.set(Signal::Stop);
        let ended = async {
            while !self.tasks.iter().all(JoinHandle::is_finished) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(CLOSING, ended).await.is_err() {
            // A key that is half done is done again.
            self.tasks.iter().for_each(JoinHandle::abort);
        }
        for database in &self.databases {
            database.close(CLOSING).await;
        }
    }
}
