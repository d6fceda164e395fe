//! Giving the lead to the other side.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use waiterix_ports::moving::{Ledger, LedgerEntry, Mode, MovingKey, MovingPort};
use waiterix_ports::{Clock, Error, ErrorKind, Result, Retry};

use super::acts;
use super::differ::compare;
use super::gates::{GateSettings, Gates};
use super::lead::{REFRESH, SILENCE};
use super::progress::{Event, Progress, Stop};
use super::relay::Relay;
use super::sides::{Direction, Sides};
use super::verify::Report;
use crate::phase::Leader;
use crate::protocol::cutover::{Act, Findings, View, next};

/// How a cutover is done.
#[derive(Debug, Clone, PartialEq)]
pub struct CutoverSettings {
    /// Who asked for it, for the ledger.
    pub who: String,
    /// How long nobody may write, at most; then it is given up. 2 s.
    pub pause: Duration,
    /// How long a change of a standing waits for writes that are under way; new ones wait meanwhile. 500 ms.
    pub lock: Duration,
    /// How long to wait until all instances know. 90 s; more than [`SILENCE`].
    pub readers: Duration,
    /// How long to try on to finish what is decided. 60 s.
    pub finish: Duration,
    /// What must be true before.
    pub gates: GateSettings,
}

impl Default for CutoverSettings {
    fn default() -> Self {
        Self {
            who: String::new(),
            pause: Duration::from_secs(2),
            lock: Duration::from_millis(500),
            readers: SILENCE + Duration::from_secs(30),
            finish: Duration::from_secs(60),
            gates: GateSettings::default(),
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The other side leads.
    Moved {
        /// Its epoch.
        epoch: u64,
        /// How long nobody could write.
        paused: Duration,
        /// How many keys were made equal in the pause.
        drained: u64,
    },
    /// It was not begun: something is not as it must be.
    Refused(Gates),
    /// It was given up, and the side that led leads on.
    Aborted {
        /// Why.
        reason: String,
    },
}

/// How often a step is tried whose outcome is unknown.
const TRIES: u32 = 3;
/// The pause before something is looked at again.
const AGAIN: Duration = Duration::from_millis(20);
/// The pause before something is tried again that was refused.
const LONG: Duration = Duration::from_secs(5);

/// Whether a failure says nothing of what became of the step, or that nobody was reached.
fn is_unknown(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable || error.retry_advice() == Retry::Ambiguous
}

/// Gives the lead to the other side. The way back is the same with the sides in the other order.
///
/// It may die at any step: what is not decided by then is turned back, and what is decided is finished, by the next
/// [`Cutover::settle`], by a writer that waits too long, or by an instance that sees it left behind.
#[derive(Debug)]
pub struct Cutover {
    sides: Sides,
    relay: Arc<Relay>,
    progress: Arc<dyn Progress>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    settings: CutoverSettings,
}

/// What one cutover knows.
struct Run {
    from: Leader,
    began: Instant,
    findings: Findings,
    reason: Option<String>,
    fence: Option<Instant>,
    opened: Option<Instant>,
    dirty: Vec<MovingKey>,
    /// What was written all the time while all was compared.
    busy: Vec<MovingKey>,
    troubles: u32,
    entries: Vec<LedgerEntry>,
}

impl Run {
    fn give_up(&mut self, reason: impl Into<String>) {
        self.findings.give_up = true;
        self.reason.get_or_insert(reason.into());
    }

    /// When the pause must be over.
    fn end(&self, pause: Duration) -> Instant {
        self.fence.unwrap_or(self.began) + pause
    }
}

impl Cutover {
    /// A coordinator over two sides.
    #[must_use]
    pub fn new(
        sides: Sides,
        relay: Arc<Relay>,
        progress: Arc<dyn Progress>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        settings: CutoverSettings,
    ) -> Self {
        Self { sides, relay, progress, ledger, clock, settings }
    }

    /// Ends what a coordinator began that is not there any more.
    ///
    /// # Errors
    /// When a side cannot be reached, or the standings are none of this protocol.
    pub async fn settle(&self) -> Result<()> {
        acts::settle(&self.sides, self.settings.lock).await?;
        self.ledger.note(&self.entry("settle", json!({}))).await
    }

    /// Looks at the gates.
    ///
    /// # Errors
    /// When a side cannot be asked.
    pub async fn gates(&self, from: Leader, report: Option<&Report>) -> Result<Gates> {
        Gates::look(&self.sides, from, report, self.clock.now(), &self.settings.gates).await
    }

    /// Gives the lead to a side, if all gates are open; `report` is the last comparison.
    ///
    /// # Errors
    /// Before it is begun: when a side or the ledger cannot be reached. Afterwards: when the standings cannot be read or changed
    /// for long; [`Cutover::settle`] ends it then.
    pub async fn run(&self, to: Leader, report: Option<&Report>, stop: &Stop) -> Result<Ended> {
        let from = to.other();
        let gates = self.gates(from, report).await?;
        let found: Vec<Value> =
            gates.gates.iter().map(|(name, fault)| json!({ "gate": name, "fault": fault })).collect();
        self.ledger.note(&self.entry("gates", json!({ "to": to.as_str(), "gates": found }))).await?;
        if !gates.are_open() {
            return Ok(Ended::Refused(gates));
        }
        let mut run = Run {
            from,
            began: Instant::now(),
            findings: Findings::default(),
            reason: None,
            fence: None,
            opened: None,
            dirty: Vec::new(),
            busy: report.into_iter().flat_map(Report::busy).cloned().collect(),
            troubles: 0,
            entries: Vec::new(),
        };
        let ended = self.steps(&mut run, stop).await;
        let evidence = match &ended {
            Ok(ended) => json!({ "ended": format!("{ended:?}") }),
            Err(error) => json!({ "failed": error.to_string() }),
        };
        run.entries.push(self.entry("ended", evidence));
        for entry in &run.entries {
            // It is done; a ledger that is down now changes nothing of it.
            if let Err(error) = self.ledger.note(entry).await {
                self.progress.tell(&Event::TriedAgain { what: "ledger", why: error.to_string() });
                break;
            }
        }
        ended
    }

    fn entry(&self, what: &str, evidence: Value) -> LedgerEntry {
        LedgerEntry {
            who: self.settings.who.clone(),
            port: MovingPort::Rows,
            what: what.to_owned(),
            evidence,
        }
    }

    async fn steps(&self, run: &mut Run, stop: &Stop) -> Result<Ended> {
        // What a step made of the standings is known without another look: each step is refused if that is not so any more.
        let mut known = None;
        loop {
            if stop.is_stopped() {
                run.give_up("somebody wanted it to end");
            }
            let view = match known.take() {
                Some(view) => view,
                None => match acts::view(&self.sides, run.from).await {
                    Ok(view) => view,
                    Err(error) => {
                        self.trouble(run, error).await?;
                        continue;
                    }
                },
            };
            if view.from.mode == Mode::Fenced && Instant::now() >= run.end(self.settings.pause) {
                run.give_up("the pause was longer than it may be");
            }
            let act = next(view, run.findings);
            self.note(run, act, view);
            let taken = match act {
                Act::Announce if run.findings.announced.is_some() => {
                    run.give_up("somebody else turned it back");
                    Ok(None)
                }
                Act::Announce | Act::Fence | Act::Decide | Act::Open | Act::Follow | Act::Abort => {
                    self.shift(run, act, view).await
                }
                Act::AwaitReaders => self.await_readers(run, view, stop).await.map(|()| None),
                Act::Drain => self.drain(run, view).await.map(|()| Some(view)),
                Act::Verify => self.verify(run).await.map(|()| Some(view)),
                Act::Done => return Ok(self.moved(run, view)),
                Act::Aborted => {
                    let reason = run.reason.take();
                    let reason = reason
                        .unwrap_or_else(|| "an earlier change of the leader is not finished".to_owned());
                    return Ok(Ended::Aborted { reason });
                }
                Act::Refuse => return Err(acts::refused(view)),
            };
            match taken {
                Ok(view) => known = view,
                Err(error) => self.trouble(run, error).await?,
            }
        }
    }

    fn note(&self, run: &mut Run, act: Act, view: View) {
        let after = run.began.elapsed();
        self.progress.tell(&Event::Step { act: act.as_str(), after });
        let standing = |standing: waiterix_ports::moving::Standing| json!({ "mode": standing.mode.as_str(), "epoch": standing.epoch, "turn": standing.turn });
        let evidence = json!({
            "from": run.from.as_str(),
            "seen": [standing(view.from), standing(view.to)],
            "after_ms": u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
            "reason": run.reason,
        });
        run.entries.push(self.entry(act.as_str(), evidence));
    }

    fn moved(&self, run: &Run, view: View) -> Ended {
        let paused = match (run.fence, run.opened) {
            (Some(fence), Some(opened)) => opened - fence,
            // Somebody else opened it; the pause ended when that was seen, at the latest.
            (Some(fence), None) => fence.elapsed(),
            (None, _) => Duration::ZERO,
        };
        Ended::Moved { epoch: view.to.epoch, paused, drained: run.dirty.len() as u64 }
    }

    /// A step failed. What is not decided is given up after a few failures; a fence that waited in vain for the writes before it is
    /// given up at once, because new writes wait with it. The way back waits for nobody, and what is decided must be finished: both
    /// are tried again at once.
    async fn trouble(&self, run: &mut Run, error: Error) -> Result<()> {
        self.progress.tell(&Event::TriedAgain { what: "cutover", why: error.to_string() });
        run.troubles += 1;
        if run.troubles >= TRIES || !is_unknown(&error) {
            run.give_up(error.to_string());
        }
        let longest = self.settings.readers + self.settings.pause + self.settings.finish;
        if run.began.elapsed() > longest {
            return Err(error);
        }
        let is_soon = is_unknown(&error) || error.kind() == ErrorKind::Timeout;
        let pause = if is_soon { AGAIN } else { LONG };
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Takes a step that changes a standing; answers what the standings are then, if it was taken.
    async fn shift(&self, run: &mut Run, act: Act, view: View) -> Result<Option<View>> {
        if act == Act::Fence {
            self.catch_up(run).await;
            run.fence = Some(Instant::now());
        }
        let mut tries = 0;
        let shifted = loop {
            tries += 1;
            match acts::shift(&self.sides, run.from, view, act, self.settings.lock).await {
                // A repeat of what was done finds it done.
                Err(error) if tries < TRIES && is_unknown(&error) => {}
                answer => break answer,
            }
        }?;
        if !shifted {
            return Ok(None);
        }
        run.troubles = 0;
        match act {
            Act::Announce => run.findings.announced = Some(view.from.turn + 1),
            Act::Fence => run.findings.fenced = Some(view.from.turn + 1),
            Act::Open => run.opened = Some(Instant::now()),
            _ => {}
        }
        Ok(acts::after(view, act))
    }

    /// What can be done before the pause is not done in it.
    async fn catch_up(&self, run: &Run) {
        let Ok(seen) = self.sides.look().await else { return };
        let Some(direction) = seen.converging().filter(|direction| direction.leader == run.from) else {
            return;
        };
        let end = Instant::now() + self.settings.pause;
        while Instant::now() < end {
            match self.relay.round(direction).await {
                Ok(batch) if batch.claimed > 100 => {}
                _ => return,
            }
        }
    }

    async fn await_readers(&self, run: &mut Run, view: View, stop: &Stop) -> Result<()> {
        let end = run.began + self.settings.readers;
        // One that was forgotten and lives sees the announcement by then, and looks before each read from then on.
        let heard = Instant::now() + 2 * REFRESH;
        loop {
            let behind = self.sides.behind(run.from, view.from.turn).await?;
            if behind.is_empty() && (Instant::now() >= heard || !self.sides.have_forgotten().await?) {
                run.findings.readers_look = true;
                return Ok(());
            }
            if Instant::now() >= end && !behind.is_empty() {
                run.give_up(format!("these instances did not look in time: {}", behind.join(", ")));
                return Ok(());
            }
            if stop.is_stopped() || self.sides.of(run.from).standing().await? != Some(view.from) {
                return Ok(());
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn drain(&self, run: &mut Run, view: View) -> Result<()> {
        let direction = Direction { leader: run.from, epoch: view.from.epoch };
        match timeout_at(run.end(self.settings.pause), self.relay.drain(direction)).await {
            Ok(Ok(batch)) if batch.quarantined > 0 => run.give_up("a key is in quarantine"),
            Ok(Ok(mut batch)) => {
                run.dirty.append(&mut batch.made);
                run.findings.drained = true;
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => run.give_up("the journal did not become empty in time"),
        }
        Ok(())
    }

    /// Compares what was made equal in the pause, and what was too busy before; everything else was compared for the gates.
    async fn verify(&self, run: &mut Run) -> Result<()> {
        let (from, to) = (self.sides.of(run.from), self.sides.of(run.from.other()));
        run.dirty.sort();
        run.dirty.dedup();
        let suspects = [run.dirty.as_slice(), run.busy.as_slice()].concat();
        let compared = timeout_at(run.end(self.settings.pause), compare(from, to, &suspects)).await;
        match compared {
            Ok(Ok(differences)) if differences.is_empty() => run.findings.verified = true,
            Ok(Ok(differences)) => run.give_up(format!("{} keys differ after the drain", differences.len())),
            Ok(Err(error)) => return Err(error),
            Err(_) => run.give_up("what was dirty was not compared in time"),
        }
        Ok(())
    }
}
