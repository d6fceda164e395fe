//! What a side lets happen. The database enforces the same in triggers; a test compares the two in every case.

use waiterix_ports::moving::{Mode, Standing};

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writer {
    /// This program for a guest, the old application, an operator: anybody.
    Anyone,
    /// Whoever makes rows equal to those of the leader of this epoch.
    Converger {
        /// The epoch whose leader was read.
        epoch: u64,
    },
}

/// Whether a write is admitted. It is decided within the transaction of the write, which then keeps the standing from being
/// replaced until its end.
#[must_use]
pub fn admits(standing: Standing, writer: Writer) -> bool {
    match writer {
        Writer::Anyone => leads(standing.mode),
        Writer::Converger { epoch } => standing.mode == Mode::Mirror && standing.epoch == epoch,
    }
}

/// Whether a write is noted in the journal. What makes a side equal to the other one must not come back from there.
#[must_use]
pub const fn is_noted(writer: Writer) -> bool {
    matches!(writer, Writer::Anyone)
}

/// Whether a side in this mode takes the writes of everybody.
#[must_use]
pub const fn leads(mode: Mode) -> bool {
    matches!(mode, Mode::Open | Mode::Announced)
}

/// Whether a standing may be replaced by another one only when no write is under way that it let in. Waiting keeps new writes waiting
/// too, so nobody waits without need.
///
/// It is needed exactly where somebody is shut out: whoever was let in before writes on by a rule that is not that of the side any
/// more. Of what [`may_follow`] that is the fence (after it nobody may write what the drain does not see) and a side that takes the
/// lead (after it nobody may make rows equal to those of the former leader). Otherwise those who were let in are let in still, as when
/// a fence is announced or taken back before it came; or nobody was let in, as when a fence is taken back, or decided, or a side begins
/// to follow. Whoever looked a moment before such a change and is refused comes again.
#[must_use]
pub const fn shuts_out(standing: Standing, mode: Mode, epoch: u64) -> bool {
    match standing.mode {
        Mode::Open | Mode::Announced => !leads(mode),
        Mode::Mirror => !matches!(mode, Mode::Mirror) || epoch != standing.epoch,
        Mode::Fenced | Mode::Decided => false,
    }
}

/// Whether a standing may be followed by another one; whatever else is asked of a side is a mistake.
#[must_use]
pub fn may_follow(standing: Standing, mode: Mode, epoch: u64) -> bool {
    match (standing.mode, mode) {
        (Mode::Open, Mode::Announced)
        | (Mode::Announced, Mode::Fenced)
        // Nobody else can lead before it is decided, so going back is always right.
        | (Mode::Announced | Mode::Fenced, Mode::Open)
        | (Mode::Fenced, Mode::Decided) => epoch == standing.epoch,
        (Mode::Decided, Mode::Mirror) | (Mode::Mirror, Mode::Open) => epoch == standing.epoch + 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_takes_writes_of_everybody_or_of_those_who_follow_or_of_nobody() {
        for mode in Mode::ALL {
            let standing = Standing { epoch: 3, mode, turn: 9 };
            let anyone = admits(standing, Writer::Anyone);
            let followers = [2, 3, 4].map(|epoch| admits(standing, Writer::Converger { epoch }));
            let expected = match mode {
                Mode::Open | Mode::Announced => (true, [false, false, false]),
                Mode::Fenced | Mode::Decided => (false, [false, false, false]),
                Mode::Mirror => (false, [false, true, false]),
            };
            assert_eq!((anyone, followers), expected, "{mode:?}");
        }
    }

    #[test]
    fn the_lead_is_given_away_before_it_is_taken() {
        for from in Mode::ALL {
            let standing = Standing { epoch: 1, mode: from, turn: 1 };
            let next: Vec<_> = Mode::ALL
                .into_iter()
                .flat_map(|mode| [(mode, 1), (mode, 2)])
                .filter(|(mode, epoch)| may_follow(standing, *mode, *epoch))
                .collect();
            let expected = match from {
                Mode::Open => vec![(Mode::Announced, 1)],
                Mode::Announced => vec![(Mode::Open, 1), (Mode::Fenced, 1)],
                Mode::Fenced => vec![(Mode::Open, 1), (Mode::Decided, 1)],
                Mode::Decided => vec![(Mode::Mirror, 2)],
                Mode::Mirror => vec![(Mode::Open, 2)],
            };
            assert_eq!(next, expected, "{from:?}");
        }
    }

    #[test]
    fn writes_are_waited_for_exactly_where_somebody_is_shut_out() {
        let mut waits = Vec::new();
        for (from, mode) in Mode::ALL.into_iter().flat_map(|from| Mode::ALL.map(|mode| (from, mode))) {
            for epoch in [1, 2] {
                let (standing, next) =
                    (Standing { epoch: 1, mode: from, turn: 1 }, Standing { epoch, mode, turn: 2 });
                let writers =
                    [Writer::Anyone, Writer::Converger { epoch: 1 }, Writer::Converger { epoch: 2 }];
                let is_shut_out = |writer| admits(standing, writer) && !admits(next, writer);
                let expected = writers.into_iter().any(is_shut_out);
                assert_eq!(shuts_out(standing, mode, epoch), expected, "{standing:?} to {next:?}");
                if expected && may_follow(standing, mode, epoch) {
                    waits.push((from, mode));
                }
            }
        }
        assert_eq!(waits, [(Mode::Announced, Mode::Fenced), (Mode::Mirror, Mode::Open)]);
    }
}
