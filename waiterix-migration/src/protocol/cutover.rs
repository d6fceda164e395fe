//! Who leads next.
//!
//! There is no memory but the two standings: whoever looks at them knows what is to be done, so a coordinator that dies
//! is replaced by anybody who looks. What only a coordinator knows (that *its* fence was drained and found equal) it must not
//! pass on, so without it the move is turned back as long as it is not decided, and finished when it is.

use waiterix_ports::moving::{Mode, Standing};

/// Both standings, seen one after the other: first that of the side which gives the lead away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View {
    /// The side that led when it began.
    pub from: Standing,
    /// The side that shall lead.
    pub to: Standing,
}

/// What a coordinator has found out itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Findings {
    /// The turn in which this coordinator announced the fence.
    pub announced: Option<u64>,
    /// Everybody who reads looks again before each read, or is gone, since that turn.
    pub readers_look: bool,
    /// The turn in which this coordinator fenced.
    pub fenced: Option<u64>,
    /// Journal and quarantine were seen empty after that turn, both in one look.
    pub drained: bool,
    /// What was dirty was compared after that and found equal.
    pub verified: bool,
    /// It takes too long, something is not as it must be, or somebody wants it to end.
    pub give_up: bool,
}

/// What to do next. An act that changes a standing names it by the view, and is refused if it is another by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Tell those who read that the lead will change: `from` becomes announced.
    Announce,
    /// Wait until they know.
    AwaitReaders,
    /// End the writes: `from` becomes fenced.
    Fence,
    /// Make everything in the journal of `from` equal on `to`, and see that nothing is in quarantine: what is there is not in the
    /// journal any more.
    Drain,
    /// Compare what was dirty.
    Verify,
    /// `from` gives the lead away: it becomes decided. From here on there is no way back but the next cutover.
    Decide,
    /// `to` takes the lead in the next epoch: it becomes open.
    Open,
    /// `from` follows it: it becomes a mirror in that epoch.
    Follow,
    /// `from` leads on: it becomes open again.
    Abort,
    /// It is done: `to` leads and `from` follows.
    Done,
    /// It was given up, or not begun: `from` leads on, and `to` follows it or is about to.
    Aborted,
    /// Nobody who keeps to the protocol can have made these standings at one moment: touch nothing, if `from` is still as it
    /// was seen. Else they were of two moments, which need not fit together, and it is looked again.
    Refuse,
}

/// What to do next.
#[must_use]
pub fn next(view: View, findings: Findings) -> Act {
    let View { from, to } = view;
    match (from.mode, to.mode) {
        (Mode::Open, Mode::Mirror) if from.epoch == to.epoch => {
            if findings.give_up {
                Act::Aborted
            } else {
                Act::Announce
            }
        }
        (Mode::Announced, Mode::Mirror) if from.epoch == to.epoch => {
            if findings.give_up || findings.announced != Some(from.turn) {
                Act::Abort
            } else if findings.readers_look {
                Act::Fence
            } else {
                Act::AwaitReaders
            }
        }
        (Mode::Fenced, Mode::Mirror) if from.epoch == to.epoch => {
            if findings.give_up || findings.fenced != Some(from.turn) {
                Act::Abort
            } else if !findings.drained {
                Act::Drain
            } else if !findings.verified {
                Act::Verify
            } else {
                Act::Decide
            }
        }
        // The earlier change of the leader is not finished: its own direction is, first.
        (Mode::Open, Mode::Decided) if from.epoch == to.epoch + 1 => Act::Aborted,
        (Mode::Decided, Mode::Mirror) if from.epoch == to.epoch => Act::Open,
        (Mode::Decided, Mode::Open | Mode::Announced | Mode::Fenced | Mode::Decided)
            if to.epoch == from.epoch + 1 =>
        {
            Act::Follow
        }
        (Mode::Mirror, Mode::Open | Mode::Announced | Mode::Fenced | Mode::Decided)
            if to.epoch == from.epoch =>
        {
            Act::Done
        }
        _ => Act::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(epoch: u64, mode: Mode, turn: u64) -> Standing {
        Standing { epoch, mode, turn }
    }

    #[test]
    fn a_coordinator_decides_only_what_it_drained_and_compared_itself() {
        let view = View { from: standing(1, Mode::Fenced, 7), to: standing(1, Mode::Mirror, 1) };
        let mine = Findings { fenced: Some(7), ..Findings::default() };
        assert_eq!(next(view, Findings::default()), Act::Abort);
        assert_eq!(
            next(view, Findings { fenced: Some(5), drained: true, verified: true, ..mine }),
            Act::Abort
        );
        assert_eq!(next(view, mine), Act::Drain);
        assert_eq!(next(view, Findings { drained: true, ..mine }), Act::Verify);
        assert_eq!(next(view, Findings { drained: true, verified: true, ..mine }), Act::Decide);
        assert_eq!(next(view, Findings { drained: true, verified: true, give_up: true, ..mine }), Act::Abort);
    }

    #[test]
    fn what_is_decided_is_finished_by_anybody() {
        let decided = standing(1, Mode::Decided, 8);
        for findings in [Findings::default(), Findings { give_up: true, ..Findings::default() }] {
            assert_eq!(next(View { from: decided, to: standing(1, Mode::Mirror, 1) }, findings), Act::Open);
            assert_eq!(next(View { from: decided, to: standing(2, Mode::Open, 2) }, findings), Act::Follow);
            let view = View { from: standing(2, Mode::Mirror, 9), to: standing(2, Mode::Open, 2) };
            assert_eq!(next(view, findings), Act::Done);
        }
    }

    #[test]
    fn a_way_back_waits_until_the_other_side_follows() {
        let view = View { from: standing(2, Mode::Open, 2), to: standing(1, Mode::Decided, 4) };
        assert_eq!(next(view, Findings::default()), Act::Aborted);
    }

    #[test]
    fn two_that_lead_are_left_alone() {
        let view = View { from: standing(1, Mode::Open, 1), to: standing(1, Mode::Open, 1) };
        assert_eq!(next(view, Findings::default()), Act::Refuse);
        let view = View { from: standing(1, Mode::Mirror, 1), to: standing(1, Mode::Mirror, 1) };
        assert_eq!(next(view, Findings::default()), Act::Refuse);
    }
}
