//! What one process knows of the plan.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::RwLock;
use tokio::time::{Instant, sleep};
use waiterix_domain::Timestamp;
use waiterix_ports::moving::{LEASE, LedgerEntry, MovingPort, Plan, PlanStore, PortStanding, Stage, Turns};
use waiterix_ports::{Clock, Error, ErrorKind, Result, Retry, Violation};

use super::step::{self, Act};
use crate::mail::Share;
use crate::phase::{Phase, Phases, Writing};

/// How often the plan is looked at, and how long what was seen is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often it is looked at while nothing is about to change.
    pub every: Duration,
    /// How often it is while something is.
    pub near: Duration,
    /// After this time without a look an instance refuses to serve from what it has seen, and nobody waits for it: it says so with
    /// every look. At most [`super::Budget::gone_after`].
    pub gone_after: Duration,
    /// How long writes are held before whoever waits takes the coordinator for dead and turns it back.
    pub overdue: Duration,
    /// How long a write waits at most.
    pub patience: Duration,
    /// How long a change may stand where it stands, with or without anybody who waits for it, before an instance that sees it turns
    /// it back. More than any coordinator takes.
    pub left_behind: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            near: Duration::from_millis(10),
            gone_after: Duration::from_secs(15 * 60),
            overdue: Duration::from_secs(5),
            patience: Duration::from_secs(8),
            left_behind: Duration::from_secs(5 * 60),
        }
    }
}

const PORTS: usize = MovingPort::ALL.len();

/// The plan as one process sees it. It says what it has seen to everybody, so that a leader is changed only when all know.
///
/// - While nothing is about to change, a call goes by what was seen at most two looks ago; one that was frozen for longer looks
///   first. When the plan cannot be read, what was seen is good until [`Pace::gone_after`], and then nothing is served.
/// - That there is no plan yet is good for two looks and no longer, because nobody waits for whoever has not seen one. Whoever makes
///   it waits for that time before anything else.
/// - Once a change is announced, every call looks first.
/// - While writes are held, they wait; reads go on. A hold that takes too long is turned back by those who wait.
/// - A process that was forgotten serves nothing from its next look on, whoever leads.
pub struct Watch {
    store: Arc<dyn PlanStore>,
    clock: Arc<dyn Clock>,
    instance: String,
    pace: Pace,
    seen: Mutex<Option<Seen>>,
    /// One look at a time.
    looking: tokio::sync::Mutex<()>,
    has_left: AtomicBool,
    is_forgotten: AtomicBool,
    /// How many looks have begun, and which was the last that succeeded.
    begun: AtomicU64,
    succeeded: AtomicU64,
    /// Held shared by every write that is under way.
    gates: [Arc<RwLock<()>>; PORTS],
    shares: [Arc<Share>; PORTS],
}

#[derive(Clone)]
struct Seen {
    plan: Plan,
    /// When the look began, by both clocks: one of them may have stood still while the process was frozen.
    at: (Instant, Timestamp),
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.seen().as_ref().map(|seen| seen.plan.clone());
        f.debug_struct("Watch").field("instance", &self.instance).field("plan", &plan).finish_non_exhaustive()
    }
}

impl Watch {
    /// Watches a plan for a process that is called so by nobody else, not even before its last start. It asks nothing yet.
    #[must_use]
    pub fn new(
        store: Arc<dyn PlanStore>,
        instance: impl Into<String>,
        pace: Pace,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            clock,
            instance: instance.into(),
            pace,
            seen: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            has_left: AtomicBool::new(false),
            is_forgotten: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            succeeded: AtomicU64::new(0),
            gates: std::array::from_fn(|_| Arc::default()),
            shares: std::array::from_fn(|_| Arc::default()),
        }
    }

    /// The phases of a port, for its mirror.
    #[must_use]
    pub fn phases(self: &Arc<Self>, port: MovingPort) -> Arc<dyn Phases> {
        Arc::new(PortPhases { watch: self.clone(), port })
    }

    /// How many of a hundred are the new provider's, kept up to date by every look.
    #[must_use]
    pub fn share(&self, port: MovingPort) -> Arc<Share> {
        self.shares[port as usize].clone()
    }

    /// Where a port stood when the plan was looked at last; `None` before that.
    #[must_use]
    pub fn known(&self, port: MovingPort) -> Option<PortStanding> {
        self.seen_of(port)
    }

    /// How long ago the plan was looked at with success; `None` if it never was.
    #[must_use]
    pub fn silent(&self) -> Option<Duration> {
        self.seen().as_ref().map(|seen| self.age(seen))
    }

    /// Looks at the plan until something is over: a service runs it beside its work. Without it, as in functions that are frozen
    /// between calls, calls look themselves.
    ///
    /// It ends between two looks. One that was dropped under way might still be heard after [`Watch::leave`], and all would wait for a
    /// process that is no more. It also ends when the process [was forgotten](Watch::is_forgotten): then there is nothing to look for.
    pub async fn run(&self, until: impl Future<Output = ()> + Send) {
        let mut until = pin!(until);
        let mut standing_since = HashMap::new();
        loop {
            let is_near = match self.look().await {
                Ok(plan) => {
                    self.end_what_was_left(&plan, &mut standing_since).await;
                    MovingPort::ALL.into_iter().any(|port| plan.of(port).stage != Stage::Steady)
                }
                Err(_) if self.is_forgotten() => return,
                // Calls find out themselves what it means for them.
                Err(_) => false,
            };
            let again = sleep(if is_near { self.pace.near } else { self.pace.every });
            tokio::select! {
                () = &mut until => return,
                () = again => {}
            }
        }
    }

    /// Turns back a change that stands where it stood long ago: its coordinator died, and perhaps nobody writes who would find out.
    async fn end_what_was_left(&self, plan: &Plan, since: &mut HashMap<MovingPort, (u64, Instant)>) {
        for port in MovingPort::ALL {
            let standing = plan.of(port);
            if standing.stage == Stage::Steady {
                since.remove(&port);
                continue;
            }
            let (turn, at) = since.entry(port).or_insert((standing.turn, Instant::now()));
            if *turn != standing.turn {
                (*turn, *at) = (standing.turn, Instant::now());
            } else if at.elapsed() > self.pace.left_behind {
                // If it cannot be done now it is tried again at the next look.
                let _ = self.turn_back(port, standing, "nobody went on with it").await;
            }
        }
    }

    /// Whether there is a plan, as freshly as a call needs to know it. One that was seen once is there.
    ///
    /// # Errors
    /// `Unavailable` when nobody can say.
    pub async fn has_begun(&self) -> Result<bool> {
        let seen = self.seen().clone();
        match seen {
            Some(seen) if seen.plan.is_made() => Ok(true),
            Some(seen) if self.age(&seen) <= self.pace.every * 2 => Ok(false),
            _ => self.look().await.map(|plan| plan.is_made()).map_err(blind),
        }
    }

    /// Whether somebody said of this process that it is dead. It serves nothing more of what moves, until it is started anew.
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.is_forgotten.load(Ordering::SeqCst)
    }

    /// Says that this process ends, so that nobody waits for it. It waits for a look and for writes that are under way, and there are
    /// none afterwards: nothing is served any more, not even by what was seen last.
    ///
    /// # Errors
    /// Those of [`PlanStore::leave`]; then it is waited for until [`Pace::gone_after`].
    pub async fn leave(&self) -> Result<()> {
        self.has_left.store(true, Ordering::SeqCst);
        drop(self.looking.lock().await);
        for gate in &self.gates {
            drop(gate.write().await);
        }
        if self.begun.load(Ordering::SeqCst) == 0 {
            // It never said anything. Whether a look was answered does not matter: it may have been heard all the same.
            return Ok(());
        }
        self.store.leave(&self.instance).await
    }

    /// Whoever has left is waited for by nobody, so it must not go by anything.
    fn has_not_left(&self) -> Result<()> {
        if self.has_left.load(Ordering::SeqCst) {
            let error = Error::new(ErrorKind::Unavailable, "plan.look");
            return Err(error.with("fault", "this process has left the plan, because it ends"));
        }
        Ok(())
    }

    /// A panic elsewhere leaves what was seen whole, so the poison is of no interest.
    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn age(&self, seen: &Seen) -> Duration {
        let (instant, at) = seen.at;
        let by_wall = self.clock.now().as_micros().saturating_sub(at.as_micros());
        instant.elapsed().max(Duration::from_micros(u64::try_from(by_wall).unwrap_or(0)))
    }

    fn seen_of(&self, port: MovingPort) -> Option<PortStanding> {
        self.seen().as_ref().map(|seen| seen.plan.of(port))
    }

    /// What this process can stand by: that it goes by these turns, and where writes are held, that none of its own is under way.
    fn acknowledged(&self) -> Turns {
        let lease = u64::try_from(self.pace.gone_after.as_millis()).unwrap_or(u64::MAX);
        let lease = (LEASE.to_owned(), lease);
        let Some(seen) = self.seen().clone() else { return Turns::from([lease]) };
        let stands_by = |port: &MovingPort| {
            // Whoever gets a pass after this looks at what was seen once more, and finds the hold.
            seen.plan.of(*port).stage != Stage::Held || self.gates[*port as usize].try_write().is_ok()
        };
        let ports = MovingPort::ALL.into_iter().filter(stands_by);
        ports.map(|port| (port.as_str().to_owned(), seen.plan.of(port).turn)).chain([lease]).collect()
    }

    /// Looks at the plan and says what was seen. Answers what somebody else has seen if that one began to look after this call.
    ///
    /// # Errors
    /// Those of [`PlanStore::look`].
    pub async fn look(&self) -> Result<Plan> {
        let asked = self.begun.load(Ordering::SeqCst);
        let _alone = self.looking.lock().await;
        self.has_not_left()?;
        if self.is_forgotten() {
            return Err(forgotten());
        }
        if self.succeeded.load(Ordering::SeqCst) > asked
            && let Some(seen) = &*self.seen()
        {
            return Ok(seen.plan.clone());
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let mut said = self.acknowledged();
        loop {
            let at = (Instant::now(), self.clock.now());
            let plan = match self.store.look(&self.instance, &said).await {
                Err(error) if error.violation() == Some(&Violation::Forgotten) => {
                    // Nobody waits for it, so what it saw is good for nothing any more.
                    self.is_forgotten.store(true, Ordering::SeqCst);
                    *self.seen() = None;
                    return Err(error);
                }
                looked => looked?,
            };
            if !plan.is_made() && self.seen().as_ref().is_some_and(|seen| seen.plan.is_made()) {
                // It was taken away, so the move is over. Without a plan the old side would lead, as before it.
                let error = Error::new(ErrorKind::Unavailable, "plan.look");
                return Err(error.with("fault", "the plan is gone: the move is over"));
            }
            for port in MovingPort::ALL {
                self.shares[port as usize].set_percent(plan.of(port).share);
            }
            *self.seen() = Some(Seen { plan: plan.clone(), at });
            let now = self.acknowledged();
            if now == said {
                self.succeeded.store(number, Ordering::SeqCst);
                return Ok(plan);
            }
            // Something was seen for the first time: that is said at once, since somebody waits for it.
            said = now;
        }
    }

    /// Where a port stands, as freshly as a call needs it now.
    async fn standing(&self, port: MovingPort) -> Result<PortStanding> {
        self.has_not_left().map_err(blind)?;
        let seen = self.seen().clone();
        if let Some(seen) = &seen
            && seen.plan.of(port).stage == Stage::Steady
        {
            let age = self.age(seen);
            if age <= self.pace.every * 2 {
                return Ok(seen.plan.of(port));
            }
            return match self.look().await {
                // Whoever cannot ask is waited for until then; whoever left or was forgotten is not.
                Err(error) if self.has_left.load(Ordering::SeqCst) || self.is_forgotten() => {
                    Err(blind(error))
                }
                Err(_) if age <= self.pace.gone_after && seen.plan.is_made() => Ok(seen.plan.of(port)),
                looked => looked.map(|plan| plan.of(port)).map_err(blind),
            };
        }
        self.look().await.map(|plan| plan.of(port)).map_err(blind)
    }

    async fn writing(&self, port: MovingPort) -> Result<Writing> {
        let begun = Instant::now();
        let mut held: Option<(u64, Instant)> = None;
        loop {
            let standing = self.standing(port).await?;
            if standing.stage != Stage::Held {
                let pass = self.gates[port as usize].clone().read_owned().await;
                self.has_not_left().map_err(blind)?;
                // Only what is still so with the pass in hand was acknowledged to nobody as quiet.
                if self.seen_of(port).is_some_and(|seen| seen.turn == standing.turn) {
                    return Ok(Writing::with_pass(phase_of(standing), pass));
                }
                continue;
            }
            let since = match held {
                Some((turn, since)) if turn == standing.turn => since,
                _ => Instant::now(),
            };
            held = Some((standing.turn, since));
            if since.elapsed() > self.pace.overdue {
                self.turn_back(port, standing, "writes were held for too long").await?;
                continue;
            }
            if begun.elapsed() > self.pace.patience {
                let error = Error::new(ErrorKind::Unavailable, "plan.writing").retry(Retry::Safe);
                return Err(error.with("port", port.as_str()).with("fault", "writes are held for too long"));
            }
            sleep(self.pace.near).await;
        }
    }

    /// A pass in a turn that somebody else may have ended. Looked at first, so that this process is known to whoever did.
    async fn changing(&self, port: MovingPort, turn: u64) -> Result<Option<Writing>> {
        self.look().await.map_err(blind)?;
        let pass = self.gates[port as usize].clone().read_owned().await;
        self.has_not_left().map_err(blind)?;
        // With the pass in hand, as in a write: no later hold has been acknowledged as quiet.
        let seen = self.seen_of(port).filter(|seen| seen.turn == turn);
        Ok(seen.map(|seen| Writing::with_pass(phase_of(seen), pass)))
    }

    /// Whoever began the change has not gone on, and is taken for dead. If it lives, its next step is refused.
    async fn turn_back(&self, port: MovingPort, held: PortStanding, fault: &str) -> Result<()> {
        let Some(to) = step::made(held.leader, held, Act::Abort) else { return Ok(()) };
        let why = LedgerEntry {
            who: self.instance.clone(),
            port,
            what: "turned back".to_owned(),
            evidence: json!({ "fault": fault, "turn": held.turn }),
        };
        // Whether it was this one or somebody else who was faster, it is turned back.
        self.store.shift(port, held.turn, &to, &why).await.map(drop)
    }
}

fn forgotten() -> Error {
    Error::new(ErrorKind::Unavailable, "plan.look").violating(Violation::Forgotten)
}

/// Who leads is not known, and guessing is the one thing that must not be done.
fn blind(error: Error) -> Error {
    let is_lasting = error.violation() == Some(&Violation::Forgotten);
    let retry = if is_lasting { Retry::No } else { Retry::Safe };
    Error::new(ErrorKind::Unavailable, "plan.look").retry(retry).because(error)
}

const fn phase_of(standing: PortStanding) -> Phase {
    Phase { leader: standing.leader, mirroring: standing.mirroring }
}

#[derive(Debug)]
struct PortPhases {
    watch: Arc<Watch>,
    port: MovingPort,
}

#[async_trait]
impl Phases for PortPhases {
    async fn reading(&self) -> Result<Phase> {
        // While writes are held nothing changes, so who led still answers rightly.
        self.watch.standing(self.port).await.map(phase_of)
    }

    async fn writing(&self) -> Result<Writing> {
        self.watch.writing(self.port).await
    }

    async fn changing(&self, turn: u64) -> Result<Option<Writing>> {
        self.watch.changing(self.port, turn).await
    }
}
