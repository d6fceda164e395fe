//! Changing the leader of a port while guests use it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use waiterix_ports::moving::{Leader, LedgerEntry, Mirroring, MovingPort, PlanStore, PortStanding, Turns};
use waiterix_ports::{Error, Result};

use super::step::{self, Act, Findings};
use crate::blob::DualBlobStore;
use crate::journal::Pass;
use crate::phase::{Phase, Writing};
use crate::rows::{Event, Progress, Quiet, Stop};
use crate::session::DualSessionStore;

/// Writes that a coordinator holds, when it has seen that none is under way.
#[derive(Debug)]
pub struct Held {
    plan: Arc<dyn PlanStore>,
    port: MovingPort,
    turn: u64,
}

impl Held {
    /// Those of a port, in the turn in which they were held.
    #[must_use]
    pub fn new(plan: Arc<dyn PlanStore>, port: MovingPort, turn: u64) -> Self {
        Self { plan, port, turn }
    }

    /// Whether nobody has turned it back, so that no write has begun since.
    ///
    /// # Errors
    /// Those of [`PlanStore::plan`].
    pub async fn stands(&self) -> Result<bool> {
        Ok(self.plan.plan().await?.of(self.port).turn == self.turn)
    }
}

/// How often what is in the journal is made equal before writes are held, and how few keys are left for then.
const ROUNDS: u32 = 5;
const FEW: u32 = 10;

/// Why it ended for whoever has no reason of its own.
const OVERTAKEN: &str = "somebody else turned it back";

/// What makes both sides of a port equal.
#[async_trait]
pub trait Drain: fmt::Debug + Send + Sync + 'static {
    /// Keeps everybody else from changing the leader, as a write does, for as long as what is answered is kept; `None` if the port stands in
    /// another turn than this one. Whoever was turned back would otherwise go on to copy from a side that does not lead any more.
    ///
    /// # Errors
    /// `Unavailable` when nobody can say who leads.
    async fn pass(&self, turn: u64) -> Result<Option<Writing>>;

    /// Makes everything equal that is in the journal; this one leads. It is called while writes are held, and shortly before, so that
    /// little is left for then.
    ///
    /// # Errors
    /// When the journal cannot be read, or it is not known whether the hold stands.
    async fn drain(&self, leader: Leader, held: Option<&Held>) -> Result<Pass>;
}

#[async_trait]
impl Drain for DualSessionStore {
    async fn pass(&self, turn: u64) -> Result<Option<Writing>> {
        Self::pass(self, turn).await
    }

    async fn drain(&self, leader: Leader, held: Option<&Held>) -> Result<Pass> {
        Self::drain(self, leader, held).await
    }
}

#[async_trait]
impl Drain for DualBlobStore {
    async fn pass(&self, turn: u64) -> Result<Option<Writing>> {
        Self::pass(self, turn).await
    }

    async fn drain(&self, leader: Leader, held: Option<&Held>) -> Result<Pass> {
        Self::drain(self, leader, held).await
    }
}

/// For ports whose sides are never made equal: mail and sockets.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

#[async_trait]
impl Drain for Nothing {
    async fn pass(&self, _: u64) -> Result<Option<Writing>> {
        Ok(Some(Writing::of(Phase { leader: Leader::Old, mirroring: Mirroring::Background })))
    }

    async fn drain(&self, _: Leader, _: Option<&Held>) -> Result<Pass> {
        Ok(Pass::default())
    }
}

/// How long each part may take before all is turned back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Until every instance has heard of the change.
    pub announcing: Duration,
    /// While writes are held.
    pub pause: Duration,
    /// Until every instance follows, which is only looked at.
    pub following: Duration,
    /// After which time an instance that does not look at the plan is gone, unless it said that it is earlier; see
    /// [`super::Pace::gone_after`].
    pub gone_after: Duration,
    /// How often instances are looked at.
    pub poll: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            announcing: Duration::from_secs(60),
            pause: Duration::from_secs(2),
            following: Duration::from_secs(60),
            gone_after: Duration::from_secs(15 * 60),
            poll: Duration::from_millis(10),
        }
    }
}

/// How a change of the leader ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The other side leads.
    Changed {
        /// How long writes were held.
        pause: Duration,
        /// Whether every instance was seen to follow in time. One that was not is one that looks before each call.
        all_follow: bool,
    },
    /// It led already.
    Already,
    /// The one that led leads on.
    TurnedBack {
        /// Why.
        why: String,
        /// Instances that were waited for.
        waited_for: Vec<String>,
    },
}

/// Changes the leader of one port.
#[derive(Debug)]
pub struct Switching {
    plan: Arc<dyn PlanStore>,
    port: MovingPort,
    sides: Arc<dyn Drain>,
    who: String,
    budget: Budget,
    progress: Arc<dyn Progress>,
    stop: Stop,
}

impl Switching {
    /// Changes of a port in the name of somebody.
    #[must_use]
    pub fn new(
        plan: Arc<dyn PlanStore>,
        port: MovingPort,
        sides: Arc<dyn Drain>,
        who: impl Into<String>,
        budget: Budget,
    ) -> Self {
        let (progress, stop) = (Arc::new(Quiet), Stop::default());
        Self { plan, port, sides, who: who.into(), budget, progress, stop }
    }

    /// Turns back what is not changed yet when it is to end.
    #[must_use]
    pub fn until(self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self }
    }

    /// Tells somebody of each step that was taken.
    #[must_use]
    pub fn telling(self, progress: Arc<dyn Progress>) -> Self {
        Self { progress, ..self }
    }

    /// Makes a side lead. What another coordinator left half done is turned back first, and a change that takes too long is
    /// turned back as well. Can be called again whatever became of it, also by another process.
    ///
    /// # Errors
    /// When the plan cannot be read or written. Writes may be held then, until somebody calls this again or those who wait turn it
    /// back.
    pub async fn run(&self, to: Leader, evidence: &Value) -> Result<Ended> {
        let mut findings = Findings::default();
        let (mut began, mut held_at, mut pause) = (Instant::now(), None, None);
        let (mut fault, mut waited_for, mut is_prepared) = (None, Vec::new(), false);
        let start = Instant::now();
        let tell = |act| self.progress.tell(&Event::Step { act, after: start.elapsed() });
        loop {
            if self.stop.is_stopped() && !findings.give_up && findings.changed.is_none() {
                (findings.give_up, fault) = (true, Some("somebody wanted it to end".to_owned()));
            }
            let standing = self.plan.plan().await?.of(self.port);
            let act = step::next(to, standing, &findings);
            match act {
                Act::Hold if !is_prepared => {
                    is_prepared = true;
                    tell("prepare");
                    let left = self.budget.announcing.saturating_sub(began.elapsed());
                    fault = self.prepare(standing, left).await.err();
                    findings.give_up = fault.is_some();
                }
                Act::Done if findings.changed.is_none() => return Ok(Ended::Already),
                Act::Done => {
                    let pause = pause.unwrap_or_default();
                    return Ok(Ended::Changed { pause, all_follow: findings.all_follow });
                }
                Act::Aborted => {
                    // Who has no reason of its own was overtaken.
                    let why = fault.unwrap_or_else(|| OVERTAKEN.to_owned());
                    return Ok(Ended::TurnedBack { why, waited_for });
                }
                Act::Announce | Act::Hold | Act::Change | Act::Abort => {
                    let evidence = self.evidence(act, evidence, fault.as_deref(), &waited_for);
                    let Some(made) = self.shift(to, standing, act, evidence).await? else {
                        // Somebody else was faster. What this one had found out holds no more.
                        findings = findings.overtaken();
                        continue;
                    };
                    tell(word(act));
                    findings = findings.after(act, made.turn);
                    match act {
                        Act::Announce => began = Instant::now(),
                        Act::Hold => held_at = Some(Instant::now()),
                        Act::Change => {
                            pause = held_at.map(|held_at| held_at.elapsed());
                            began = Instant::now();
                        }
                        _ => {}
                    }
                }
                Act::AwaitLookers | Act::AwaitQuiet | Act::AwaitFollowers => {
                    let (since, budget) = match act {
                        Act::AwaitLookers => (began, self.budget.announcing),
                        Act::AwaitQuiet => (held_at.unwrap_or(began), self.budget.pause),
                        _ => (began, self.budget.following),
                    };
                    waited_for = self.waited_for(standing.turn).await?;
                    if waited_for.is_empty() {
                        findings = findings.after(act, standing.turn);
                        match act {
                            Act::AwaitQuiet => tell("drain"),
                            Act::AwaitFollowers => tell("follow"),
                            _ => {}
                        }
                    } else if since.elapsed() >= budget {
                        findings.give_up = true;
                        fault = Some("instances did not answer in time".to_owned());
                    } else {
                        sleep(self.budget.poll).await;
                    }
                }
                Act::Drain => {
                    let left =
                        self.budget.pause.saturating_sub(held_at.map_or(Duration::ZERO, |at| at.elapsed()));
                    let held = Held::new(self.plan.clone(), self.port, standing.turn);
                    match self.drain(standing, Some(&held), left).await {
                        Ok(pass) if pass.found_all_equal() => findings = findings.after(act, standing.turn),
                        // What was made equal is looked at once more.
                        Ok(_) => {}
                        Err(why) => (findings.give_up, fault) = (true, Some(why)),
                    }
                }
            }
        }
    }

    /// Makes most of it equal while writes go on; answers why that cannot be, if it cannot.
    async fn prepare(&self, announced: PortStanding, within: Duration) -> Result<(), String> {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            let left = within.saturating_sub(begun.elapsed());
            if self.drain(announced, None, left).await?.converged <= FEW {
                break;
            }
        }
        Ok(())
    }

    async fn drain(&self, now: PortStanding, held: Option<&Held>, within: Duration) -> Result<Pass, String> {
        let drained = async {
            let Some(_pass) = self.sides.pass(now.turn).await? else { return Ok(None) };
            self.sides.drain(now.leader, held).await.map(Some)
        };
        match timeout(within, drained).await {
            Ok(Ok(None)) => Err(OVERTAKEN.to_owned()),
            Ok(Ok(Some(pass))) if pass.failed == 0 => Ok(pass),
            Ok(Ok(Some(pass))) => Err(format!("{} keys could not be made equal", pass.failed)),
            Ok(Err::<_, Error>(error)) => Err(error.to_string()),
            Err(_) => Err("the sides were not equal in time".to_owned()),
        }
    }

    /// Replaces the standing; `None` where it was not what it was seen to be.
    async fn shift(
        &self,
        to: Leader,
        seen: PortStanding,
        act: Act,
        evidence: Value,
    ) -> Result<Option<PortStanding>, Error> {
        let Some(made) = step::made(to, seen, act) else { return Ok(None) };
        let what = match act {
            Act::Announce => "announced",
            Act::Hold => "held",
            Act::Change => "changed",
            _ => "turned back",
        };
        let why = LedgerEntry { who: self.who.clone(), port: self.port, what: what.to_owned(), evidence };
        Ok(self.plan.shift(self.port, seen.turn, &made, &why).await?.then_some(made))
    }

    fn evidence(&self, act: Act, given: &Value, fault: Option<&str>, waited_for: &[String]) -> Value {
        match act {
            Act::Announce => given.clone(),
            Act::Abort => json!({ "fault": fault.unwrap_or("left half done"), "waited_for": waited_for }),
            _ => {
                json!({ "pause_budget_ms": u64::try_from(self.budget.pause.as_millis()).unwrap_or(u64::MAX) })
            }
        }
    }

    /// The instances that have not acknowledged a turn and are not gone.
    async fn waited_for(&self, turn: u64) -> Result<Vec<String>> {
        behind(&*self.plan, self.port, turn, self.budget.gone_after).await
    }
}

/// The instances that may still go by what was before a turn of a port.
async fn behind(
    plan: &dyn PlanStore,
    port: MovingPort,
    turn: u64,
    gone_after: Duration,
) -> Result<Vec<String>> {
    let is_behind = |turns: &Turns| turns.get(port.as_str()).is_none_or(|seen| *seen < turn);
    let instances = plan.instances().await?.into_iter();
    let behind = instances.filter(|one| one.may_serve(gone_after) && is_behind(&one.turns));
    Ok(behind.map(|one| one.id).collect())
}

/// Waits until every instance has seen a turn of a port; answers those that have not in the time there is.
///
/// # Errors
/// When the instances cannot be read.
pub async fn await_followers(
    plan: &dyn PlanStore,
    port: MovingPort,
    turn: u64,
    budget: &Budget,
) -> Result<Vec<String>> {
    let begun = Instant::now();
    loop {
        let behind = behind(plan, port, turn, budget.gone_after).await?;
        if behind.is_empty() || begun.elapsed() >= budget.following {
            return Ok(behind);
        }
        sleep(budget.poll).await;
    }
}

/// What a step of the change is called for whoever watches it.
const fn word(act: Act) -> &'static str {
    match act {
        Act::Announce => "announce",
        Act::Hold => "hold",
        Act::Change => "change",
        _ => "turn back",
    }
}
