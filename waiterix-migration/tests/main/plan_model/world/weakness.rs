//! What the protocol would be without one of its guards.

use waiterix_migration::plan::step::{self, Act, Findings};
use waiterix_ports::moving::{Leader, PortStanding, Stage};

/// A guard that is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// Writes are held before everybody looks.
    DoesNotAwaitLookers,
    /// The stores are made equal while writes are under way.
    DoesNotAwaitQuiet,
    /// The leader changes although the stores are not equal.
    DoesNotDrain,
    /// The journal is seen empty before writes are held, not after it.
    DrainsBeforeTheHold,
    /// The plan is replaced if leader and stage are those that were seen, whatever its turn.
    IgnoresTheTurn,
    /// Whoever was turned back begins anew, with what it had found out.
    GoesOnWhenTurnedBack,
    /// Whoever was overtaken while it announced or held turns back the other one, and begins anew.
    TurnsBackWhoOvertook,
    /// A coordinator takes what another one holds for held, quiet and equal.
    FinishesWhatOthersHeld,
    /// A coordinator leaves alone what another one left half done.
    LeavesHalfDone,
    /// Those who serve turn nothing back.
    TurnsNothingBack,
    /// A coordinator makes the stores equal, and nobody waits for it.
    DrainsWithoutAPass,
    /// A coordinator goes by its hold although it may have been turned back, and takes writes for ended that are under way.
    BelievesThatTheHoldStands,
    /// A process says that none of its writes is under way although one is.
    AcknowledgesWhileItWrites,
    /// What was looked up before the pass is believed with it.
    DoesNotLookAgainWithThePass,
    /// A process reads the plan, and makes itself known afterwards.
    TrustsBeforeItIsKnown,
    /// A call is answered by a look that began before it.
    SharesAnOlderLook,
    /// A process reads without looking although a change is near.
    ReadsByWhatItRemembers,
    /// A process counts as gone before its lease is over.
    TakesForGoneTooSoon,
    /// A process serves by what it saw last after its lease.
    ServesAfterTheLease,
    /// A process leaves the plan while its writes are under way.
    LeavesWhileItWrites,
    /// A process that has left the plan serves by what it saw last.
    ServesAfterItLeft,
    /// The relay forgets entries of writes that may be under way.
    ForgetsWhatIsUnderWay,
    /// The journal is filled after the write.
    NotesAfterTheWrite,
    /// A store that follows is written although it is not as it was read.
    WritesUnconditionally,
    /// Nobody waits for the relay.
    RelaysWithoutAPass,
}

/// The rules of the protocol, less what is taken away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// What is taken away.
    pub(crate) without: Option<Weakness>,
}

impl Rules {
    pub(crate) const fn lacks(self, weakness: Weakness) -> bool {
        matches!(self.without, Some(without) if without as u8 == weakness as u8)
    }

    /// Whether somebody may go by what is over, so that it must be remembered.
    pub(super) const fn uses_what_is_over(self) -> bool {
        self.lacks(Weakness::IgnoresTheTurn)
            || self.lacks(Weakness::ReadsByWhatItRemembers)
            || self.lacks(Weakness::SharesAnOlderLook)
    }

    /// What a coordinator does next.
    pub(super) fn next(self, to: Leader, standing: PortStanding, mut findings: Findings) -> Act {
        let stage = standing.stage;
        match self.without {
            Some(Weakness::DoesNotAwaitLookers) => findings.all_look = true,
            Some(Weakness::DoesNotAwaitQuiet) => findings.all_quiet = true,
            Some(Weakness::DoesNotDrain) => findings.drained = true,
            Some(Weakness::GoesOnWhenTurnedBack) if stage == Stage::Steady => findings.announced = None,
            Some(Weakness::TurnsBackWhoOvertook) => {
                let mine = [findings.announced, findings.held].contains(&Some(standing.turn));
                if !mine && stage != Stage::Steady {
                    return Act::Abort;
                }
                if stage == Stage::Steady {
                    findings = Findings {
                        give_up: findings.give_up,
                        changed: findings.changed,
                        ..Findings::default()
                    };
                }
            }
            Some(Weakness::FinishesWhatOthersHeld) if stage == Stage::Held => {
                (findings.held, findings.all_quiet, findings.drained) = (Some(standing.turn), true, true);
            }
            Some(Weakness::LeavesHalfDone) if stage != Stage::Steady && findings.announced.is_none() => {
                return Act::Aborted;
            }
            _ => {}
        }
        step::next(to, standing, &findings)
    }
}
