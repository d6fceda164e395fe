//! Ports that are served by the old provider and the new one at once, while the service moves. Decision 32 has the reasons.

mod apart;
mod mirrors;
mod outset;
mod rows;
pub mod sockets;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use waiterix_app::{OsRandom, Ports, Random as _};
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_migration::plan::Pace;
use waiterix_migration::rows::{DualStore, Signal, Stop};
use waiterix_migration::{DrainableNotifier, DualNotifier, RoutedMailer};
use waiterix_ports::moving::{MovingPort, PlanStore as _};
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, Store};
use waiterix_postgres::connect::{Database, PostgresSettings};
use waiterix_postgres::moving::PostgresPlan;

use crate::family::{Families, plain};
use crate::metrics::{self, Metrics};
use crate::wrapping::CLOSING;
use crate::{Choice, Selection};

pub use apart::Apart;
pub use mirrors::Mirrors;
use sockets::Leaving;

/// How many connections to each database the move has for itself, so that it takes none of those guests wait for: a batch of
/// keys holds one on each side, and there are two at a time.
const CONNECTIONS: u32 = 10;
/// How often it is looked whether the move is to pause.
const LOOK: Duration = Duration::from_secs(1);

/// What is wrong with two databases that are one: rows cannot move to where they are.
pub fn compare(vars: &mut Vars<'_>, old: &PostgresSettings, new: &PostgresSettings) {
    let place =
        |settings: &PostgresSettings| (settings.host.clone(), settings.port, settings.database.clone());
    if place(old) == place(new) {
        vars.problem(
            "LEGACY_DATABASE_URL",
            "names the same database as DATABASE_URL, and nothing can move to where it is",
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
    rows: Option<Arc<rows::Rows>>,
    mirrors: Arc<Mirrors>,
}

/// The ports of a selection, and what goes on beside them: it is known who leads, and the side that follows is made equal.
pub(crate) async fn ports(
    families: &mut Families,
    selection: Selection,
    clock: &Arc<dyn Clock>,
    metrics: Option<&Arc<Metrics>>,
) -> Result<(Ports, Option<Moving>), String> {
    if !selection.uses(Choice::Dual) {
        return Ok((plain(families, selection).await?, None));
    }
    let databases = [families.of(Choice::Legacy).beside()?, families.of(Choice::Aws).beside()?];
    let instance = fresh_name();
    let mut mirrors = Mirrors::over(&databases, &instance, Pace::default(), clock);
    let sessions = match selection.sessions {
        Choice::Dual => {
            let (old, new) =
                (families.of(Choice::Legacy).sessions().await?, families.of(Choice::Aws).sessions().await?);
            let keys =
                [families.of(Choice::Legacy).session_keys()?, families.of(Choice::Aws).session_keys()?];
            mirrors.sessions(old, new, keys, clock)
        }
        one => families.of(one).sessions().await?,
    };
    let blobs = match selection.blobs {
        Choice::Dual => {
            let (old, new) =
                (families.of(Choice::Legacy).blobs().await?, families.of(Choice::Aws).blobs().await?);
            mirrors.objects(old, new, clock)
        }
        one => families.of(one).blobs().await?,
    };
    let mailer = match selection.mailer {
        Choice::Dual => {
            let old = families.of(Choice::Legacy).bare_mailer(&sessions).await?;
            let new = families.of(Choice::Aws).bare_mailer(&sessions).await?;
            let routed = Arc::new(RoutedMailer::new(old, new, mirrors.watch.share(MovingPort::Mail)));
            // Around both, so that a repeat knows what either has sent.
            Arc::new(LedgeredMailer::new(routed, sessions.clone(), clock.clone()))
        }
        one => families.of(one).mailer(&sessions).await?,
    };
    let stop = Stop::default();
    let mut tasks = Vec::new();
    let notifier = match selection.notifier {
        Choice::Dual => {
            let (old, new) =
                (families.of(Choice::Legacy).notifier().await?, families.of(Choice::Aws).notifier().await?);
            let old = Arc::new(DrainableNotifier::new(old));
            let leaving = Leaving::new(old.clone(), &mirrors, &instance);
            let until = stop.clone();
            tasks.push(tokio::spawn(async move { leaving.keep(&until).await }));
            Arc::new(DualNotifier::new(old, new))
        }
        one => families.of(one).notifier().await?,
    };
    let (store, rows) = match selection.store {
        Choice::Dual => {
            let stores =
                [families.of(Choice::Legacy).store().await?, families.of(Choice::Aws).store().await?];
            let (store, rows) = rows::over(stores, &databases, &instance, clock);
            tasks.extend(rows.follow(&stop));
            (store, Some(rows))
        }
        one => (families.of(one).store().await?, None),
    };
    let rows = rows.map(Arc::new);
    let dual = rows.as_ref().map(|rows| rows.dual.clone());
    tasks.push(tokio::spawn(heed(PostgresPlan::new(databases[1].clone()), dual, stop.clone())));
    tasks.extend(mirrors.follow(&stop));
    let mirrors = Arc::new(mirrors);
    if let Some(metrics) = metrics {
        tasks.push(tokio::spawn(tell(metrics.clone(), rows.clone(), mirrors.clone(), stop.clone())));
    }
    let ports = Ports { store, blobs, mailer, sessions, notifier };
    Ok((ports, Some(Moving { stop, tasks, databases, rows, mirrors })))
}

/// A name that no process had before.
fn fresh_name() -> String {
    let mut name = [0; 16];
    OsRandom.fill(&mut name);
    name.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Pauses and goes on as the ledger says, whoever wrote it there, and mirrors rows as the plan says.
async fn heed(plan: PostgresPlan, dual: Option<Arc<DualStore>>, stop: Stop) {
    loop {
        if let Some(dual) = &dual
            && let Ok(plan) = plan.plan().await
        {
            dual.mirror(plan.of(MovingPort::Rows).mirroring);
        }
        // Whoever cannot ask goes on as before.
        if let Ok(last) = plan.last(MovingPort::Rows, &["pause", "resume"]).await
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

/// Tells how far the side that follows is behind, as often as other numbers are written, also in a pause.
async fn tell(metrics: Arc<Metrics>, rows: Option<Arc<rows::Rows>>, mirrors: Arc<Mirrors>, stop: Stop) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(metrics::EVERY) => {}
            () = stopped(&stop) => return,
        }
        // What cannot be asked has no number, which is a reason to look as well; the relays say in the log what it is.
        if let Some(rows) = &rows
            && let Ok(Some(backlog)) = rows.backlog().await
        {
            metrics.write_backlog(MovingPort::Rows, &backlog);
        }
        for port in [MovingPort::Sessions, MovingPort::Objects] {
            if mirrors.has(port)
                && let Ok(Some(backlog)) = mirrors.backlog(port).await
            {
                metrics.write_backlog(port, &backlog);
            }
        }
    }
}

/// Waits for the end, whether or not there is a pause.
pub(crate) async fn stopped(stop: &Stop) {
    while !stop.is_stopped() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Moving {
    /// The rows of both sides, old and new, if they are dual.
    pub(crate) fn stores(&self) -> Option<&[Arc<dyn Store>; 2]> {
        self.rows.as_ref().map(|rows| &rows.stores)
    }

    /// The mirrors of the other ports.
    pub(crate) fn mirrors(&self) -> &Mirrors {
        &self.mirrors
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
        if let Some(rows) = &self.rows {
            // So that nobody waits until this process has been silent for long.
            let _ = tokio::time::timeout(CLOSING, rows.leave()).await;
        }
        // Otherwise whoever changes a leader waits for this process until it counts as gone.
        let _ = tokio::time::timeout(CLOSING, self.mirrors.watch.leave()).await;
        for database in &self.databases {
            database.close(CLOSING).await;
        }
    }
}
