//! Sessions and objects at two providers, and the plan that says who leads in every port without triggers.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use waiterix_migration::plan::{Drain, Held, Nothing, Pace, Watch};
use waiterix_migration::rows::Stop;
use waiterix_migration::{
    BlobKey, DualBlobStore, DualSessionStore, ObjectSweep, OutsetBlobStore, OutsetSessionStore, Pass,
    SessionKey, SessionSweep, Writing,
};
use waiterix_ports::moving::{Backlog, Journal as _, Leader, MovingPort, SessionKeys};
use waiterix_ports::{BlobStore, Clock, ErrorKind, Result, SessionStore};
use waiterix_postgres::connect::Database;
use waiterix_postgres::moving::{PostgresJournal, PostgresPlan, PostgresSide, TriggerJournal};

use super::outset::Outset;
use super::stopped;

/// The pause after a relay found nothing to do, and after it failed.
const IDLE: Duration = Duration::from_millis(200);
const TROUBLE: Duration = Duration::from_secs(1);
/// How often it is looked whether signed uploads have arrived. Each that may still come costs two requests.
const UPLOADS: Duration = Duration::from_secs(5);

/// The mirrors of the ports that are dual besides rows, mail and sockets, and the plan they go by.
#[derive(Debug)]
pub struct Mirrors {
    /// The plan, in the new database.
    pub plan: Arc<PostgresPlan>,
    /// What this process knows of it.
    pub watch: Arc<Watch>,
    /// Sessions: their mirror, and walks over all of them.
    pub sessions: Option<(Arc<DualSessionStore>, SessionSweep)>,
    /// Objects: likewise.
    pub objects: Option<(Arc<DualBlobStore>, ObjectSweep)>,
    /// What names the sessions of both stores, old and new.
    pub session_keys: Option<[Arc<dyn SessionKeys>; 2]>,
    /// Both stores of objects, old and new.
    pub object_stores: Option<[Arc<dyn BlobStore>; 2]>,
    /// Objects as they are served: by the old store alone until the move is begun.
    served_objects: Option<Arc<OutsetBlobStore>>,
    /// Which sessions others wrote, who know of no mirror.
    noted: Arc<TriggerJournal>,
    session_journal: Arc<PostgresJournal<SessionKey>>,
    object_journal: Arc<PostgresJournal<BlobKey>>,
}

impl Mirrors {
    pub(super) fn over(
        databases: &[Database; 2],
        instance: &str,
        pace: Pace,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let plan = Arc::new(PostgresPlan::new(databases[1].clone()));
        let old = PostgresSide::new(databases[0].clone(), clock.clone());
        let watched = Arc::new(Outset::new(plan.clone(), old));
        let watch = Arc::new(Watch::new(watched, instance, pace, clock.clone()));
        let noted = Arc::new(TriggerJournal::new(databases[0].clone(), "sessions"));
        Self {
            plan,
            watch,
            sessions: None,
            objects: None,
            session_keys: None,
            object_stores: None,
            served_objects: None,
            noted,
            session_journal: Arc::new(PostgresJournal::new(databases[1].clone())),
            object_journal: Arc::new(PostgresJournal::new(databases[1].clone())),
        }
    }

    pub(super) fn sessions(
        &mut self,
        old: Arc<dyn SessionStore>,
        new: Arc<dyn SessionStore>,
        keys: [Arc<dyn SessionKeys>; 2],
        clock: &Arc<dyn Clock>,
    ) -> Arc<dyn SessionStore> {
        let journal = self.session_journal.clone();
        let phases = self.watch.phases(MovingPort::Sessions);
        let mirror = Arc::new(DualSessionStore::new(old.clone(), new, phases, journal, clock.clone()));
        let [old_keys, new_keys] = keys.clone();
        self.session_keys = Some(keys);
        self.sessions = Some((mirror.clone(), SessionSweep::new(mirror.clone(), old_keys, new_keys)));
        Arc::new(OutsetSessionStore::new(old, mirror, self.watch.clone()))
    }

    pub(super) fn objects(
        &mut self,
        old: Arc<dyn BlobStore>,
        new: Arc<dyn BlobStore>,
        clock: &Arc<dyn Clock>,
    ) -> Arc<dyn BlobStore> {
        self.object_stores = Some([old.clone(), new.clone()]);
        let journal = self.object_journal.clone();
        let phases = self.watch.phases(MovingPort::Objects);
        let mirror = Arc::new(DualBlobStore::new(old.clone(), new, phases, journal, clock.clone()));
        self.objects = Some((mirror.clone(), ObjectSweep::new(mirror.clone(), self.plan.clone())));
        let served = Arc::new(OutsetBlobStore::new(old, mirror, self.watch.clone()));
        self.served_objects = Some(served.clone());
        served
    }

    /// Makes the plan and the journals, unless they are there, and has the sessions noted that others write.
    ///
    /// # Errors
    /// `Denied` without the privilege to make a schema; `Unsupported` without a table of sessions, or behind a pooler;
    /// `Unavailable`, `Timeout`.
    pub async fn install(&self) -> Result<()> {
        if self.sessions.is_some() {
            self.noted.install().await?;
        }
        self.plan.install().await
    }

    /// Takes away what [`Mirrors::install`] added to the old database, unless its rows move as well.
    ///
    /// # Errors
    /// As [`Mirrors::install`].
    pub async fn uninstall_noting(&self) -> Result<()> {
        self.noted.uninstall().await
    }

    /// What makes both sides of a port equal before the leader changes.
    #[must_use]
    pub fn drain(&self, port: MovingPort) -> Arc<dyn Drain> {
        match (port, &self.sessions, &self.objects) {
            (MovingPort::Sessions, Some((mirror, sweep)), _) => Arc::new(SessionDrain {
                mirror: mirror.clone(),
                sweep: sweep.clone(),
                noted: self.noted.clone(),
            }),
            (MovingPort::Objects, _, Some((mirror, _))) => mirror.clone(),
            _ => Arc::new(Nothing),
        }
    }

    /// Whether a port is mirrored here.
    pub(super) const fn has(&self, port: MovingPort) -> bool {
        match port {
            MovingPort::Sessions => self.sessions.is_some(),
            MovingPort::Objects => self.objects.is_some(),
            MovingPort::Rows | MovingPort::Mail | MovingPort::Sockets => false,
        }
    }

    /// How much is to be made up for in a port; nothing where nothing is ever made equal.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    pub async fn backlog(&self, port: MovingPort) -> Result<Option<Backlog>> {
        match port {
            MovingPort::Sessions => {
                let own = self.session_journal.backlog().await?;
                let others = match self.noted.backlog().await {
                    Ok(others) => others,
                    // Sessions were not begun.
                    Err(error) if error.kind() == ErrorKind::Unsupported => Backlog::default(),
                    Err(error) => return Err(error),
                };
                let (entries, age) = (own.entries + others.entries, own.age.max(others.age));
                Ok(Some(Backlog { entries, age, ..own }))
            }
            MovingPort::Objects => self.object_journal.backlog().await.map(Some),
            MovingPort::Rows | MovingPort::Mail | MovingPort::Sockets => Ok(None),
        }
    }

    /// Keeps up with the plan and makes the other sides equal, in the background.
    pub(super) fn follow(&self, stop: &Stop) -> Vec<JoinHandle<()>> {
        let (watch, watching) = (self.watch.clone(), stop.clone());
        let watching = async move {
            watch.run(stopped(&watching)).await;
            if watch.is_forgotten() {
                tracing::error!(
                    "this process was said to be dead, by `waiterix migrate forget`: it serves nothing more of what moves until it is \
                     started anew"
                );
            }
        };
        let mut tasks = vec![tokio::spawn(watching)];
        if let Some((mirror, sweep)) = &self.sessions {
            let (mirror, sweep, noted) = (mirror.clone(), sweep.clone(), self.noted.clone());
            tasks.push(tokio::spawn(relay("sessions", self.watch.clone(), stop.clone(), move || {
                let (mirror, sweep, noted) = (mirror.clone(), sweep.clone(), noted.clone());
                async move { sessions(&mirror, &sweep, &noted).await }
            })));
        }
        if let (Some((mirror, _)), Some(served)) = (&self.objects, &self.served_objects) {
            let (mirror, served) = (mirror.clone(), served.clone());
            let looked = Arc::new(Mutex::new(None));
            tasks.push(tokio::spawn(relay("objects", self.watch.clone(), stop.clone(), move || {
                let (mirror, served, looked) = (mirror.clone(), served.clone(), looked.clone());
                async move {
                    served.hand_over().await?;
                    if is_time(&looked) {
                        mirror.relay().await
                    } else {
                        mirror.relay_what_was_written().await
                    }
                }
            })));
        }
        tasks
    }
}

/// Whether uploads are to be looked for again.
fn is_time(looked: &Mutex<Option<Instant>>) -> bool {
    let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
    let is_time = looked.is_none_or(|looked| looked.elapsed() >= UPLOADS);
    if is_time {
        *looked = Some(Instant::now());
    }
    is_time
}

/// Sessions before their leader changes: those this service wrote, and those that others wrote.
#[derive(Debug)]
struct SessionDrain {
    mirror: Arc<DualSessionStore>,
    sweep: SessionSweep,
    noted: Arc<TriggerJournal>,
}

#[async_trait]
impl Drain for SessionDrain {
    async fn pass(&self, turn: u64) -> Result<Option<Writing>> {
        Drain::pass(&*self.mirror, turn).await
    }

    async fn drain(&self, leader: Leader, held: Option<&Held>) -> Result<Pass> {
        let others = self.sweep.drain_noted(&*self.noted, leader).await?;
        let own = self.mirror.drain(leader, held).await?;
        // Who knows no mirror cannot be held, so what they write meanwhile is not waited for.
        let converged = if held.is_some() { 0 } else { others.converged };
        Ok(Pass { converged: own.converged + converged, failed: own.failed + others.failed, ..own })
    }
}

/// What this service wrote, and what others did.
async fn sessions(mirror: &DualSessionStore, sweep: &SessionSweep, noted: &TriggerJournal) -> Result<Pass> {
    let own = mirror.relay().await?;
    let others = sweep.relay_noted(noted).await?;
    Ok(Pass {
        converged: own.converged + others.converged,
        failed: own.failed + others.failed,
        waiting: own.waiting + others.waiting,
        busy: own.busy + others.busy,
    })
}

/// Works until it is told to end. Before the move is begun there is nothing to do.
async fn relay<F: Future<Output = Result<Pass>> + Send>(
    what: &'static str,
    watch: Arc<Watch>,
    stop: Stop,
    step: impl Fn() -> F + Send + Sync,
) {
    while stop.goes_on().await {
        let pass = match watch.has_begun().await {
            Ok(true) => step().await.map(Some),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        let pause = match pass {
            Ok(pass) if pass.is_none_or(|pass| pass.failed == 0) => IDLE,
            Ok(pass) => {
                tracing::warn!(
                    what,
                    failed = pass.map_or(0, |pass| pass.failed),
                    "keys could not be made equal, and it is tried again"
                );
                TROUBLE
            }
            Err(error) => {
                tracing::warn!(what, %error, "the other side is behind, and it is tried again");
                TROUBLE
            }
        };
        if !stop.after(pause).await {
            return;
        }
    }
}
