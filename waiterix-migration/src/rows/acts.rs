//! The steps of a cutover that change a standing.

use std::time::Duration;

use waiterix_ports::moving::{Mode, Standing};
use waiterix_ports::{Error, ErrorKind, Result};

use super::sides::{Seen, Sides};
use crate::phase::Leader;
use crate::protocol::cutover::{Act, Findings, View, next};

impl Act {
    /// As a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::AwaitReaders => "await readers",
            Self::Fence => "fence",
            Self::Drain => "drain",
            Self::Verify => "verify",
            Self::Decide => "decide",
            Self::Open => "open",
            Self::Follow => "follow",
            Self::Abort => "abort",
            Self::Done => "done",
            Self::Aborted => "aborted",
            Self::Refuse => "refuse",
        }
    }
}

/// Both standings, first that of the side that gives the lead away. If they do not fit together they are of one moment.
pub(super) async fn view(sides: &Sides, from: Leader) -> Result<View> {
    let missing = || Error::new(ErrorKind::Conflict, "moving.view").with("fault", "nothing is installed");
    let mut giving: Standing = sides.of(from).standing().await?.ok_or_else(missing)?;
    loop {
        let taking: Standing = sides.of(from.other()).standing().await?.ok_or_else(missing)?;
        let view = View { from: giving, to: taking };
        if next(view, Findings::default()) != Act::Refuse {
            return Ok(view);
        }
        // Somebody else may have changed both between the two looks. Turns do not come again, so this ends.
        let again: Standing = sides.of(from).standing().await?.ok_or_else(missing)?;
        if again == giving {
            return Ok(view);
        }
        giving = again;
    }
}

/// What a step asks for: whether it is of the side that gives the lead away, the mode and the epoch. `None` where it changes no
/// standing.
const fn asked(view: View, act: Act) -> Option<(bool, Mode, u64)> {
    let epoch = view.from.epoch;
    Some(match act {
        Act::Announce => (true, Mode::Announced, epoch),
        Act::Fence => (true, Mode::Fenced, epoch),
        Act::Decide => (true, Mode::Decided, epoch),
        Act::Abort => (true, Mode::Open, epoch),
        Act::Open => (false, Mode::Open, epoch + 1),
        Act::Follow => (true, Mode::Mirror, epoch + 1),
        Act::AwaitReaders | Act::Drain | Act::Verify | Act::Done | Act::Aborted | Act::Refuse => return None,
    })
}

/// Takes a step, if the standing that it changes is the one that was seen; answers whether it was.
pub(super) async fn shift(
    sides: &Sides,
    from: Leader,
    view: View,
    act: Act,
    patience: Duration,
) -> Result<bool> {
    let Some((gives, mode, epoch)) = asked(view, act) else { return Ok(false) };
    let (side, seen) = if gives { (from, view.from) } else { (from.other(), view.to) };
    sides.of(side).shift(seen, mode, epoch, patience).await
}

/// What the standings are after a step was taken.
pub(super) fn after(view: View, act: Act) -> Option<View> {
    let (gives, mode, epoch) = asked(view, act)?;
    let next = |seen: Standing| Standing { epoch, mode, turn: seen.turn + 1 };
    Some(if gives { View { from: next(view.from), ..view } } else { View { to: next(view.to), ..view } })
}

/// The side that is giving the lead away, if one is.
fn giving(seen: &Seen) -> Option<Leader> {
    let gives = |side: Leader| {
        let standing = seen.of(side)?;
        matches!(standing.mode, Mode::Announced | Mode::Fenced | Mode::Decided)
            .then_some((standing.epoch, side))
    };
    // Of two, the one in the lower epoch is not through yet.
    [gives(Leader::Old), gives(Leader::New)]
        .into_iter()
        .flatten()
        .min_by_key(|(epoch, _)| *epoch)
        .map(|(_, side)| side)
}

/// Ends what somebody began who is not there any more: turns it back where it is not decided, and finishes it where it is. If
/// that somebody is there after all, its next step is refused.
pub(super) async fn settle(sides: &Sides, patience: Duration) -> Result<()> {
    // A change of the leader has fewer steps than that.
    for _ in 0..8 {
        let seen = sides.look().await?;
        let Some(from) = giving(&seen) else { return Ok(()) };
        let view = view(sides, from).await?;
        match next(view, Findings { give_up: true, ..Findings::default() }) {
            Act::Done | Act::Aborted => return Ok(()),
            Act::Refuse => return Err(refused(view)),
            act => {
                shift(sides, from, view, act, patience).await?;
            }
        }
    }
    Ok(())
}

/// The standings are none that this protocol makes.
pub(super) fn refused(view: View) -> Error {
    let text = |standing: Standing| format!("{} in epoch {}", standing.mode.as_str(), standing.epoch);
    Error::new(ErrorKind::Corrupt, "moving.cutover")
        .with("fault", "these standings are not of this protocol, and nothing was touched")
        .with("from", text(view.from))
        .with("to", text(view.to))
}
