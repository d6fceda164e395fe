//! Who leads, as an instance remembers it.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use waiterix_domain::Timestamp;
use waiterix_ports::moving::Standing;
use waiterix_ports::{Clock, Error, ErrorKind, Result, Retry, Violation};

use super::acts;
use super::sides::{Seen, Sides};
use crate::phase::Leader;

/// How long what was seen is believed without another look, at most.
pub const REFRESH: Duration = Duration::from_secs(1);
/// How long an instance may be silent before a cutover counts it as gone. After three quarters of this time without having
/// been heard, an instance looks before each read.
pub const SILENCE: Duration = Duration::from_secs(60);
/// After which time anybody ends what a cutover left behind that died before it stopped the writes.
const LEFT_BEHIND: Duration = Duration::from_secs(300);
/// How often an instance says what it has seen while nothing changes.
const REPORT: Duration = Duration::from_secs(15);

#[derive(Debug, Default)]
struct Known {
    seen: Option<Seen>,
    /// When the last look began that is over.
    looked_at: Option<Timestamp>,
    /// How many looks have begun.
    begun: u64,
    /// The number of the last look that is over.
    ended: u64,
    /// Since when what is seen is unsettled and the same.
    unsettled: Option<(Seen, Timestamp)>,
    /// When the last report began that was heard, and what it said. It is one of an unbroken line of reports, the first of
    /// which came before a look.
    reported: Option<(Timestamp, u64, u64)>,
}

/// Remembers who leads, for one process.
///
/// Writes need not trust it: a side that does not lead refuses them. Reads do. What was seen is believed for [`REFRESH`], and
/// only while the instance is registered where a cutover looks who must know of it; otherwise there is a look before each
/// read. So nobody who was paused, cut off, forgotten or never heard reads from a side that has given the lead away.
pub struct Lead {
    sides: Sides,
    instance: String,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    looking: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lead")
            .field("instance", &self.instance)
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// Whether an instant lies less than `age` back. One that lies ahead is of a clock that was set back, and proves nothing.
fn is_within(now: Timestamp, then: Timestamp, age: Duration) -> bool {
    u128::try_from(now.as_micros() - then.as_micros()).is_ok_and(|past| past < age.as_micros())
}

impl Lead {
    /// What the instance with this name knows of two sides; the name is of one process and of no earlier one.
    #[must_use]
    pub fn new(sides: Sides, instance: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self {
            sides,
            instance: instance.into(),
            clock,
            known: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// The two sides.
    #[must_use]
    pub fn sides(&self) -> &Sides {
        &self.sides
    }

    /// What was seen last; `None` before the first look.
    #[must_use]
    pub fn known(&self) -> Option<Seen> {
        self.state().seen
    }

    fn state(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks who leads, not earlier than now. Who waits for the same is served by one look.
    ///
    /// # Errors
    /// As [`Sides::look`]; a side that is down is no error while the other one leads.
    pub async fn look(&self) -> Result<Seen> {
        let begun = self.state().begun;
        let _alone = self.looking.lock().await;
        if let Some(seen) = self.seen_since(begun) {
            return Ok(seen);
        }
        let (number, at) = self.begin();
        let known = self.known();
        let seen = match known {
            Some(known) if self.sides.still_holds(&known).await => known,
            _ => self.sides.look_knowing(&known.unwrap_or_default()).await?,
        };
        Ok(self.end(number, at, seen))
    }

    /// What was seen by a look that began after so many others, if there was one.
    fn seen_since(&self, begun: u64) -> Option<Seen> {
        let state = self.state();
        if state.ended > begun { state.seen } else { None }
    }

    fn begin(&self) -> (u64, Timestamp) {
        let mut state = self.state();
        state.begun += 1;
        (state.begun, self.clock.now())
    }

    fn end(&self, number: u64, began: Timestamp, looked: Seen) -> Seen {
        let mut state = self.state();
        // A look that took long must not take the place of a younger one.
        let seen = match state.seen {
            Some(seen) if state.ended > number => {
                Seen { old: later(looked.old, seen.old), new: later(looked.new, seen.new) }
            }
            Some(seen) => Seen { old: later(seen.old, looked.old), new: later(seen.new, looked.new) },
            None => looked,
        };
        if state.ended < number {
            state.ended = number;
            state.looked_at = Some(began);
        }
        state.seen = Some(seen);
        seen
    }

    /// The side to read from.
    ///
    /// # Errors
    /// When that must be looked up and cannot be.
    pub async fn to_read(&self) -> Result<Leader> {
        match self.believed() {
            Some(leader) => Ok(leader),
            None => self.look().await?.reads().ok_or_else(unclear),
        }
    }

    /// The side that takes writes, as far as is remembered; `None` while nobody does.
    ///
    /// # Errors
    /// When nothing is remembered and a look fails.
    pub async fn to_write(&self) -> Result<Option<Leader>> {
        match self.known() {
            Some(seen) => Ok(seen.writes()),
            None => Ok(self.look().await?.writes()),
        }
    }

    /// The leader, if what is remembered may be believed.
    fn believed(&self) -> Option<Leader> {
        let (now, state) = (self.clock.now(), self.state());
        let seen = state.seen.filter(Seen::is_settled)?;
        let is_fresh = state.looked_at.is_some_and(|at| is_within(now, at, REFRESH));
        let is_heard = state.reported.is_some_and(|(at, ..)| is_within(now, at, SILENCE * 3 / 4));
        if is_fresh && is_heard { seen.reads() } else { None }
    }

    fn is_registered(&self) -> bool {
        let now = self.clock.now();
        self.state().reported.is_some_and(|(at, ..)| is_within(now, at, SILENCE * 3 / 4))
    }

    /// Looks at both sides, and says where a cutover listens what was seen. Whoever serves calls this twice a second, or runs
    /// [`Lead::keep`].
    ///
    /// # Errors
    /// When it cannot look or is not heard. Then there is a look before each read, and nothing else is to be done.
    pub async fn refresh(&self) -> Result<Seen> {
        let is_registered = self.is_registered();
        let asked = self.clock.now();
        if !is_registered {
            // First the name, then the look: a cutover that does not find the name has announced itself before the look.
            self.tell(0, 0).await?;
        }
        // Without the lock: readers do not wait for the side that does not lead.
        let (number, at) = self.begin();
        let looked = self.sides.look_knowing(&self.known().unwrap_or_default()).await?;
        let seen = self.end(number, at, looked);
        if !is_registered {
            self.state().reported = Some((asked, 0, 0));
        }
        self.report(seen).await?;
        Ok(seen)
    }

    async fn report(&self, seen: Seen) -> Result<()> {
        let turn = |side: Leader| seen.of(side).map_or(0, |standing| standing.turn);
        let (old, new, now) = (turn(Leader::Old), turn(Leader::New), self.clock.now());
        let is_known = self.state().reported.is_some_and(|(at, old_turn, new_turn)| {
            (old, new) == (old_turn, new_turn) && is_within(now, at, REPORT)
        });
        if !is_known {
            self.tell(old, new).await?;
            self.state().reported = Some((now, old, new));
        }
        Ok(())
    }

    async fn tell(&self, old: u64, new: u64) -> Result<()> {
        let told = self.sides.of(Leader::New).report(&self.instance, old, new).await;
        if let Err(error) = &told
            && error.violation() == Some(&Violation::Forgotten)
        {
            // Nobody waits for it, so it believes nothing any more.
            self.state().reported = None;
        }
        told
    }

    /// Says that this process ends, so that nobody waits for it. Whoever reads here afterwards looks before each read, and does not
    /// register again unless it is told to [`Lead::refresh`].
    ///
    /// # Errors
    /// When it is not heard; then it is waited for until it has been silent for [`SILENCE`].
    pub async fn leave(&self) -> Result<()> {
        // First it believes nothing any more, and then it says so.
        self.state().reported = None;
        self.sides.of(Leader::New).leave(&self.instance).await
    }

    /// Refreshes until something is over, and ends what a cutover left behind that died.
    ///
    /// It ends between two looks. What was dropped under way might still be heard after [`Lead::leave`], and all would wait for a process
    /// that is no more.
    pub async fn keep(&self, until: impl Future<Output = ()> + Send) {
        let mut until = pin!(until);
        loop {
            // A failure has its effect in `believed`.
            if let Ok(seen) = self.refresh().await
                && self.is_overdue(seen, LEFT_BEHIND)
            {
                let _ = acts::settle(&self.sides, REFRESH).await;
            }
            tokio::select! {
                () = &mut until => return,
                () = tokio::time::sleep(REFRESH / 2) => {}
            }
        }
    }

    /// Whether a change of the leader stands where it stood this long ago, and nobody here was told so since.
    pub(super) fn is_overdue(&self, seen: Seen, age: Duration) -> bool {
        let (now, mut state) = (self.clock.now(), self.state());
        if !seen.is_changing() {
            state.unsettled = None;
            return false;
        }
        match state.unsettled {
            Some((same, since)) if same == seen => {
                let is_overdue = !is_within(now, since, age);
                if is_overdue {
                    // One try in each such time: a try may have to wait for writes, and keeps new ones waiting meanwhile.
                    state.unsettled = Some((seen, now));
                }
                is_overdue
            }
            _ => {
                state.unsettled = Some((seen, now));
                false
            }
        }
    }
}

/// The standing that came later. Without one the triggers are gone, or about to come.
fn later(known: Option<Standing>, looked: Option<Standing>) -> Option<Standing> {
    match (known, looked) {
        // Turns begin anew when triggers are taken away and made again, and then so do epochs.
        (Some(known), Some(looked)) if known.epoch >= looked.epoch && known.turn > looked.turn => Some(known),
        (_, looked) => looked,
    }
}

fn unclear() -> Error {
    Error::new(ErrorKind::Unavailable, "moving.look").retry(Retry::Safe)
}
