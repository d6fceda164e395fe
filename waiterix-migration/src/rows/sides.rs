//! The two databases of a move, and who leads.

use std::sync::Arc;

use tokio::join;
use waiterix_ports::moving::{Mode, RowSide, Standing};
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use crate::phase::Leader;
use crate::protocol::guard::leads;

/// From where to where keys are made equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// The side that is read.
    pub leader: Leader,
    /// Its epoch, in which the other one follows.
    pub epoch: u64,
}

/// Both standings, as somebody saw them; `None` where nothing is installed. They need not be of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Of the side that is moved away from.
    pub old: Option<Standing>,
    /// Of the side that is moved to.
    pub new: Option<Standing>,
}

impl Seen {
    /// What was seen of a side.
    #[must_use]
    pub const fn of(&self, side: Leader) -> Option<Standing> {
        match side {
            Leader::Old => self.old,
            Leader::New => self.new,
        }
    }

    /// The side that holds every write that was answered; `None` where the two standings are of moments too far apart to tell.
    ///
    /// Before the move the old side leads. While nobody takes writes, the side that took the last ones is read.
    #[must_use]
    pub fn reads(&self) -> Option<Leader> {
        let (old, new) = match (self.old, self.new) {
            (None, None) => return Some(Leader::Old),
            (Some(old), None) => return alone(old, Leader::Old),
            (None, Some(new)) => return alone(new, Leader::New),
            (Some(old), Some(new)) => (old, new),
        };
        let higher = if old.epoch > new.epoch { Leader::Old } else { Leader::New };
        match (takes_or_took(old.mode), takes_or_took(new.mode)) {
            (true, true) => Some(higher),
            (true, false) if new.mode == Mode::Mirror || old.epoch > new.epoch => Some(Leader::Old),
            (false, true) if old.mode == Mode::Mirror || new.epoch > old.epoch => Some(Leader::New),
            (true, false) | (false, true) => None,
            (false, false) => match (old.mode, new.mode) {
                // It gave the lead away, and nobody has taken it.
                (Mode::Decided, Mode::Mirror) if old.epoch == new.epoch => Some(Leader::Old),
                (Mode::Mirror, Mode::Decided) if old.epoch == new.epoch => Some(Leader::New),
                // A side follows only in the epoch of a leader there was, and the other one was it.
                (Mode::Mirror, Mode::Mirror) if old.epoch != new.epoch => Some(higher.other()),
                _ => None,
            },
        }
    }

    /// The side that takes writes; `None` while nobody does, or where that cannot be told.
    #[must_use]
    pub fn writes(&self) -> Option<Leader> {
        let side = self.reads()?;
        match self.of(side) {
            Some(standing) => leads(standing.mode).then_some(side),
            // Without triggers anybody may write, if it is the one that leads.
            None => Some(side),
        }
    }

    /// From where to where keys are made equal; `None` while no side follows.
    #[must_use]
    pub fn converging(&self) -> Option<Direction> {
        let leader = self.reads()?;
        let (from, to) = (self.of(leader)?, self.of(leader.other())?);
        let follows = takes_or_took(from.mode) && to.mode == Mode::Mirror && from.epoch == to.epoch;
        follows.then_some(Direction { leader, epoch: from.epoch })
    }

    /// Whether it may be remembered for a while: no change is announced.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.reads().is_some_and(|leader| self.of(leader).is_none_or(|standing| standing.mode == Mode::Open))
    }
}

/// Whether a side takes writes, or took the last ones and may take them again.
const fn takes_or_took(mode: Mode) -> bool {
    matches!(mode, Mode::Open | Mode::Announced | Mode::Fenced)
}

/// Who leads where only one side has a standing: the move is about to begin, or has ended.
const fn alone(standing: Standing, side: Leader) -> Option<Leader> {
    match standing.mode {
        Mode::Open | Mode::Announced | Mode::Fenced => Some(side),
        Mode::Mirror => Some(side.other()),
        Mode::Decided => None,
    }
}

/// The two databases of a move.
#[derive(Debug, Clone)]
pub struct Sides {
    old: Arc<dyn RowSide>,
    new: Arc<dyn RowSide>,
}

/// How often both standings are read until they fit together.
const LOOKS: u32 = 5;

impl Sides {
    /// The side that is moved away from, and the one that is moved to.
    #[must_use]
    pub fn new(old: Arc<dyn RowSide>, new: Arc<dyn RowSide>) -> Self {
        Self { old, new }
    }

    /// A side.
    #[must_use]
    pub fn of(&self, side: Leader) -> &dyn RowSide {
        match side {
            Leader::Old => &*self.old,
            Leader::New => &*self.new,
        }
    }

    /// Reads both standings.
    ///
    /// # Errors
    /// When either cannot be read, or when they do not fit together.
    pub async fn look(&self) -> Result<Seen> {
        self.look_knowing(&Seen::default()).await
    }

    /// Takes away what a move added, while the old side leads: as if it had never begun. What is on the new side stays there.
    ///
    /// # Errors
    /// `Conflict` when the new side leads, or a change of the leader is under way; `Denied`, `Unavailable`, `Timeout`.
    pub async fn cancel(&self) -> Result<()> {
        self.must_lead(Leader::Old).await?;
        // The new side refuses everybody until the old one asks nobody any more.
        self.old.uninstall().await?;
        self.new.uninstall().await
    }

    /// Takes away what a move added to the new side, which leads, and ends the move: there is no way back. The old side keeps its
    /// guard, so that nobody who knows no better writes rows there that nobody would ever see.
    ///
    /// # Errors
    /// As [`Sides::cancel`], with the sides in the other order.
    pub async fn finish(&self) -> Result<()> {
        self.must_lead(Leader::New).await?;
        self.new.uninstall().await
    }

    /// That a side leads and no change is under way. A repeat finds part of it gone.
    async fn must_lead(&self, leader: Leader) -> Result<()> {
        let seen = self.look().await?;
        let follows = seen.of(leader.other()).is_none_or(|standing| standing.mode == Mode::Mirror);
        if seen.reads() == Some(leader) && seen.is_settled() && follows {
            return Ok(());
        }
        let fault =
            format!("the {} side does not lead, or a change of the leader is under way", leader.as_str());
        Err(Error::new(ErrorKind::Conflict, "moving.end").with("fault", fault))
    }

    /// Whether what is known holds still, as far as the side that leads can tell alone: while its standing is the same, nobody
    /// else has taken the lead.
    pub(super) async fn still_holds(&self, known: &Seen) -> bool {
        let Some(leader) = known.reads() else { return false };
        let before = known.of(leader);
        let is_telling = before.map_or(leader == Leader::Old, |standing| takes_or_took(standing.mode));
        is_telling && matches!(self.of(leader).standing().await, Ok(now) if now == before)
    }

    /// Reads both standings. Where one cannot be read, what was known of it serves, unless it is what the answer hangs on.
    pub(super) async fn look_knowing(&self, known: &Seen) -> Result<Seen> {
        for _ in 0..LOOKS {
            let (old, new) = join!(self.old.standing(), self.new.standing());
            let seen = match (old, new) {
                (Ok(old), Ok(new)) => Seen { old, new },
                (Ok(old), Err(error)) => survives(Leader::Old, old, known, error)?,
                (Err(error), Ok(new)) => survives(Leader::New, new, known, error)?,
                (Err(error), Err(_)) => return Err(error),
            };
            let Some(side) = seen.reads() else { continue };
            if seen.of(side).is_some_and(|standing| standing.mode == Mode::Decided) {
                // The other one may have taken the lead after it was looked at and before this one was.
                let again = self.of(side.other()).standing().await?;
                if again != seen.of(side.other()) {
                    continue;
                }
            }
            return Ok(seen);
        }
        Err(Error::new(ErrorKind::Unavailable, "moving.look")
            .retry(Retry::Safe)
            .with("fault", "the standings of the two databases do not fit together"))
    }
}

/// What is known when only one side answers. A side that takes writes is the only one; one that follows says that the other
/// leads; and as long as the old side was never asked to follow, it leads. One that gave the lead away does not know who took it.
fn survives(side: Leader, standing: Option<Standing>, known: &Seen, error: Error) -> Result<Seen> {
    let is_enough = standing.map_or(side == Leader::Old, |standing| standing.mode != Mode::Decided);
    if !is_enough {
        return Err(error);
    }
    Ok(match side {
        Leader::Old => Seen { old: standing, new: known.new },
        Leader::New => Seen { old: known.old, new: standing },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(epoch: u64, mode: Mode) -> Option<Standing> {
        Some(Standing { epoch, mode, turn: 1 })
    }

    /// Every pair of standings of a move there and back and there again, with who took the last write.
    fn course() -> Vec<(Seen, Leader)> {
        let (mut old, mut new) = (standing(1, Mode::Open), standing(1, Mode::Mirror));
        let mut course = vec![(Seen { old, new }, Leader::Old)];
        for round in 1..4 {
            let leader = if round % 2 == 1 { Leader::Old } else { Leader::New };
            let mut steps = vec![(leader, round, Mode::Announced), (leader, round, Mode::Fenced)];
            steps.extend([(leader, round, Mode::Open), (leader, round, Mode::Announced)]);
            steps.extend([(leader, round, Mode::Fenced), (leader, round, Mode::Decided)]);
            steps.extend([(leader.other(), round + 1, Mode::Open), (leader, round + 1, Mode::Mirror)]);
            for (side, epoch, mode) in steps {
                *(if side == Leader::Old { &mut old } else { &mut new }) = standing(epoch, mode);
                let taken = new.is_some_and(|new| new.epoch == round + 1 && new.mode != Mode::Mirror)
                    || old.is_some_and(|old| old.epoch == round + 1 && old.mode != Mode::Mirror);
                course.push((Seen { old, new }, if taken { leader.other() } else { leader }));
            }
        }
        course
    }

    #[test]
    fn the_side_that_took_the_last_write_is_read() {
        for (seen, leader) in course() {
            assert_eq!(seen.reads(), Some(leader), "{seen:?}");
            let takes = seen.of(leader).is_some_and(|standing| leads(standing.mode));
            assert_eq!(seen.writes(), takes.then_some(leader), "{seen:?}");
        }
    }

    #[test]
    fn standings_of_two_moments_name_who_leads_in_the_later_one_or_nobody() {
        let course = course();
        for (before, (first, _)) in course.iter().enumerate() {
            // Not further apart than what happens while somebody looks: one change of the leader.
            for (second, leader) in course.iter().skip(before).take(6) {
                for mixed in
                    [Seen { old: first.old, new: second.new }, Seen { old: second.old, new: first.new }]
                {
                    let Some(named) = mixed.reads() else { continue };
                    let decided = mixed.of(named).is_some_and(|standing| standing.mode == Mode::Decided);
                    // The side that was seen later is right in the later moment; the other one was right in the earlier,
                    // and nobody else can have taken a write before the look began.
                    let was = first.reads() == Some(named);
                    assert!(named == *leader || was || decided, "{mixed:?} of {first:?} and {second:?}");
                }
            }
        }
    }

    #[test]
    fn before_and_after_a_move_one_side_says_who_leads() {
        assert_eq!(Seen::default().writes(), Some(Leader::Old));
        let begun = Seen { old: None, new: standing(1, Mode::Mirror) };
        assert_eq!((begun.writes(), begun.converging()), (Some(Leader::Old), None));
        let ended = Seen { old: standing(2, Mode::Mirror), new: None };
        assert_eq!((ended.writes(), ended.converging()), (Some(Leader::New), None));
    }

    #[test]
    fn keys_are_made_equal_only_while_the_other_side_follows() {
        for (seen, _) in course() {
            let direction = seen.converging();
            let expected = match (seen.old.unwrap(), seen.new.unwrap()) {
                (old, new)
                    if takes_or_took(old.mode) && new.mode == Mode::Mirror && old.epoch == new.epoch =>
                {
                    Some(Direction { leader: Leader::Old, epoch: old.epoch })
                }
                (old, new)
                    if takes_or_took(new.mode) && old.mode == Mode::Mirror && old.epoch == new.epoch =>
                {
                    Some(Direction { leader: Leader::New, epoch: new.epoch })
                }
                _ => None,
            };
            assert_eq!(direction, expected, "{seen:?}");
        }
    }
}
