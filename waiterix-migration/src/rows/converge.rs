//! Making keys equal on the side that follows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use waiterix_ports::moving::{Claim, Claiming, MovingKey, Quarantined, RowSide, Wanted};
use waiterix_ports::{Error, ErrorKind, Result};

use super::sides::{Direction, Sides};
use crate::phase::Leader;
use crate::protocol::converge::{Act, Stage};

/// The most keys that are locked and made at once.
pub(super) const LARGEST: usize = 1_000;
/// About how many rows a range of the copy has, unless somebody cut the table otherwise before.
pub(super) const CUT_ROWS: u64 = 50_000;
/// How long what stands in the way is waited for before a batch is cut into parts.
const MOMENT: Duration = Duration::from_millis(10);
/// How often a key is tried before it goes into quarantine.
const TRIES: u32 = 5;
/// For how long it is tried at least: what it waits for may be in the hands of another who makes keys equal.
const TRYING: Duration = Duration::from_secs(10);

/// What became of some keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// How many entries were claimed.
    pub claimed: u64,
    /// The keys that are equal now.
    pub made: Vec<MovingKey>,
    /// How many other rows stood in the way of. They stay dirty.
    pub refused: u64,
    /// How many went into quarantine.
    pub quarantined: u64,
}

/// Makes keys equal. One of them serves a whole process: it remembers which keys resist.
#[derive(Debug)]
pub struct Converger {
    sides: Sides,
    /// The epoch for which the copy is known to be complete.
    complete: Mutex<Option<u64>>,
    resisting: Mutex<HashMap<MovingKey, Resistance>>,
}

#[derive(Debug, Clone, Copy)]
struct Resistance {
    tries: u32,
    since: Instant,
}

/// A panic elsewhere leaves what is counted whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether other rows stood in the way.
fn is_in_the_way(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict
}

impl Converger {
    /// One over two sides.
    #[must_use]
    pub fn new(sides: Sides) -> Self {
        Self { sides, complete: Mutex::default(), resisting: Mutex::default() }
    }

    /// The two sides.
    #[must_use]
    pub fn sides(&self) -> &Sides {
        &self.sides
    }

    /// Whether keys may be made equal: not before every range of every table is copied, or an older row that is still on its way
    /// would come after a newer one.
    ///
    /// # Errors
    /// When that cannot be looked up.
    pub async fn is_ready(&self, direction: Direction) -> Result<bool> {
        if direction.leader == Leader::New || *lock(&self.complete) == Some(direction.epoch) {
            return Ok(true);
        }
        let is_complete = self.sides.is_copied().await?;
        if is_complete {
            *lock(&self.complete) = Some(direction.epoch);
        }
        Ok(is_complete)
    }

    /// Makes the keys of the oldest entries equal, as many as there are, at most 1 000.
    ///
    /// # Errors
    /// When either side fails. Entries stay, and a repeat is harmless.
    pub async fn oldest(&self, direction: Direction) -> Result<Batch> {
        self.converge(direction, &Claiming::Oldest(LARGEST as u32), true).await
    }

    /// Makes these keys equal, where they are dirty and nobody else is at it.
    ///
    /// # Errors
    /// As [`Converger::oldest`].
    pub async fn keys(&self, direction: Direction, keys: Vec<MovingKey>) -> Result<Batch> {
        self.converge(direction, &Claiming::Keys(keys), false).await
    }

    async fn converge(&self, direction: Direction, what: &Claiming, counts: bool) -> Result<Batch> {
        if !self.is_ready(direction).await? {
            return Ok(Batch::default());
        }
        let (from, to) = (self.sides.of(direction.leader), self.sides.of(direction.leader.other()));
        let mut claim = from.claim(what).await?;
        let claimed = claim.entries().len() as u64;
        let keys: BTreeSet<MovingKey> = claim.entries().iter().map(|entry| entry.key.clone()).collect();
        if keys.is_empty() {
            return Ok(Batch::default());
        }
        let (made, refused) = make_all(&mut *claim, to, direction.epoch, keys.into_iter().collect()).await?;
        let given_up = if counts { self.resisted(&made, &refused) } else { Vec::new() };
        let (quarantined, refused) = (given_up.len() as u64, refused.len() as u64);
        let mut settled = made.clone();
        if !given_up.is_empty() {
            // First into quarantine, then out of the journal: a crash in between leaves it in both.
            from.quarantine(&given_up).await?;
            settled.extend(given_up.into_iter().map(|given_up| given_up.key));
        }
        if !settled.is_empty() {
            claim.forget(&settled).await?;
        }
        Ok(Batch { claimed, made, refused: refused - quarantined, quarantined })
    }

    /// Counts tries; answers what has been tried enough.
    fn resisted(&self, made: &[MovingKey], refused: &[(MovingKey, Error)]) -> Vec<Quarantined> {
        let mut resisting = lock(&self.resisting);
        if !resisting.is_empty() {
            for key in made {
                resisting.remove(key);
            }
        }
        let mut given_up = Vec::new();
        for (key, error) in refused {
            let start = Resistance { tries: 0, since: Instant::now() };
            let known = resisting.entry(key.clone()).or_insert(start);
            known.tries += 1;
            if known.tries >= TRIES && known.since.elapsed() >= TRYING {
                resisting.remove(key);
                given_up.push(Quarantined { key: key.clone(), reason: error.to_string() });
            }
        }
        given_up
    }
}

impl Sides {
    /// Whether every range of every table is noted as copied.
    ///
    /// # Errors
    /// When that cannot be looked up.
    pub async fn is_copied(&self) -> Result<bool> {
        let (old, new) = (self.of(Leader::Old), self.of(Leader::New));
        let tables = old.survey().await?.tables;
        for table in &tables {
            let there = new.copied(&table.name).await?;
            let ranges = old.cut(&table.name, CUT_ROWS).await?;
            if ranges.iter().any(|range| !there.contains(range)) {
                return Ok(false);
            }
        }
        Ok(!tables.is_empty())
    }
}

/// Makes keys of a claim equal, all together if that can be, else in parts. Answers the keys that are equal, and those that
/// other rows stand in the way of.
async fn make_all(
    claim: &mut dyn Claim,
    to: &dyn RowSide,
    epoch: u64,
    keys: Vec<MovingKey>,
) -> Result<(Vec<MovingKey>, Vec<(MovingKey, Error)>)> {
    let (mut made, mut left) = (Vec::with_capacity(keys.len()), keys);
    let mut may_wait = true;
    loop {
        let mut refused = Vec::new();
        let before = left.len();
        // The first part is the last of the stack.
        let mut parts: Vec<Vec<MovingKey>> = left.chunks(LARGEST).rev().map(<[MovingKey]>::to_vec).collect();
        while let Some(mut part) = parts.pop() {
            match make(claim, to, epoch, &part).await {
                Ok(()) => made.append(&mut part),
                Err(error) if is_in_the_way(&error) && may_wait => {
                    // Most likely it is a row that somebody else is making just now, in one transaction like this one.
                    may_wait = false;
                    tokio::time::sleep(MOMENT).await;
                    parts.push(part);
                }
                Err(error) if is_in_the_way(&error) && part.len() > 1 => {
                    let half = part.split_off(part.len() / 2);
                    parts.push(half);
                    parts.push(part);
                }
                Err(error) if is_in_the_way(&error) => {
                    refused.extend(part.into_iter().map(|key| (key, error_of(&error))));
                }
                Err(error) => return Err(error),
            }
        }
        // What stood in the way may have been made after it.
        if refused.is_empty() || refused.len() == before {
            return Ok((made, refused));
        }
        left = refused.into_iter().map(|(key, _)| key).collect();
    }
}

/// The same failure once more.
fn error_of(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.operation());
    match error.violation() {
        Some(violation) => copy.violating(violation.clone()),
        None => copy,
    }
}

/// Makes claimed keys equal in one transaction of the side that follows, in the order of the protocol.
async fn make(claim: &mut dyn Claim, to: &dyn RowSide, epoch: u64, keys: &[MovingKey]) -> Result<()> {
    let (mut stage, mut held, mut wanted) = (Stage::Claimed, None, Vec::<Wanted>::new());
    while let Some(act) = stage.next() {
        match act {
            Act::Hold => held = Some(to.hold(epoch, keys).await?),
            Act::Read => wanted = claim.images(keys).await?,
            Act::Make => {
                if let Some(held) = held.take() {
                    held.make(&wanted).await?;
                }
            }
            // Claimed before, and forgotten when all parts are made.
            Act::Claim | Act::Forget => return Ok(()),
        }
        stage = act.done();
    }
    Ok(())
}
