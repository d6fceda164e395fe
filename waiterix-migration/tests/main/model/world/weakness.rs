//! What the protocol would be without one of its guards.

use waiterix_migration::protocol::converge::{Act, Stage};
use waiterix_migration::protocol::cutover::{self, Findings, View};
use waiterix_migration::protocol::guard::{self, Writer};
use waiterix_ports::moving::{Mode, Standing};

/// A guard that is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// The leader is read first, and then the keys are locked on the other side.
    ReadsBeforeItHolds,
    /// The keys are not locked at all.
    HoldsNothing,
    /// All entries of a key are deleted, not only those that were claimed.
    ForgetsTheWholeKey,
    /// The entries are deleted before the other side is equal.
    ForgetsBeforeItMakes,
    /// Rows are read that their transaction may take back.
    ReadsWhatIsNotCommitted,
    /// Keys are made equal before they are copied.
    ConvergesBeforeTheCopy,
    /// A range is written again although it is noted as copied.
    CopiesAgain,
    /// The leader changes before everything is copied.
    CutsOverBeforeTheCopy,
    /// The mode is looked at before the transaction of the write, not in it.
    ChecksBeforeItWrites,
    /// A repeatable-read transaction believes the standing of its snapshot.
    BelievesItsSnapshot,
    /// A side that follows lets anybody write.
    MirrorAdmitsAnyone,
    /// A side that follows takes rows of the leader of any epoch.
    IgnoresTheEpoch,
    /// Writes are ended while some are under way.
    FenceDoesNotWait,
    /// A side takes the lead while its rows are being made equal to those of the one before.
    OpeningDoesNotWait,
    /// The journal is filled after the commit of the write.
    NotesAfterTheCommit,
    /// Rows that are made equal are noted too.
    NotesWhatItMakes,
    /// The lead is given away although the journal is not empty.
    DecidesUndrained,
    /// The journal is seen empty before the fence, not after it.
    DrainsBeforeTheFence,
    /// A standing is replaced if its mode and epoch are those that were seen, whatever its turn.
    IgnoresTheTurn,
    /// What was found out in one fence is believed in the next.
    BelievesOldFindings,
    /// What resists is looked for before the fence, and not after it.
    IgnoresTheQuarantine,
    /// The journal is seen empty, and then the quarantine, not both at one moment.
    LooksAtTheQuarantineLater,
    /// The triggers are made while transactions write.
    StartsWhileOthersWrite,
    /// What does not fit together is reported, although it was seen at two moments.
    BelievesTwoMoments,
    /// A coordinator turns back what is decided.
    AbortsWhatIsDecided,
    /// A side takes the lead before the other one has given it away.
    OpensBeforeTheDecision,
    /// The fence does not wait until everybody who reads looks again.
    DoesNotAwaitReaders,
    /// A process looks who leads, and makes itself known afterwards.
    TrustsBeforeItIsKnown,
}

/// The rules of the protocol, less what is taken away.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// What is taken away.
    pub without: Option<Weakness>,
}

impl Rules {
    pub(super) fn lacks(self, weakness: Weakness) -> bool {
        self.without == Some(weakness)
    }

    pub(super) fn admits(self, standing: Standing, writer: Writer) -> bool {
        let weaker = match writer {
            Writer::Anyone => self.lacks(Weakness::MirrorAdmitsAnyone) && standing.mode == Mode::Mirror,
            Writer::Converger { .. } => {
                self.lacks(Weakness::IgnoresTheEpoch)
                    && guard::admits(standing, Writer::Converger { epoch: standing.epoch })
            }
        };
        weaker || guard::admits(standing, writer)
    }

    pub(super) fn is_noted(self, writer: Writer) -> bool {
        self.lacks(Weakness::NotesWhatItMakes) || guard::is_noted(writer)
    }

    /// Whether a change of a standing waits for the writes that are under way. Those who make keys equal are waited for by what
    /// they do itself: it is admitted where it comes about.
    pub(super) fn waits(self, standing: Standing, mode: Mode, epoch: u64) -> bool {
        guard::shuts_out(standing, mode, epoch) && !self.lacks(Weakness::FenceDoesNotWait)
    }

    /// Whether somebody who makes keys equal is admitted when it locks them, and when it writes. The lock of the standing makes the two
    /// one: a side does not take the lead in between.
    pub(super) fn admits_at(self, act: Act, standing: Standing, writer: Writer) -> bool {
        let is_asked = match act {
            Act::Hold => self.lacks(Weakness::OpeningDoesNotWait),
            _ => !self.lacks(Weakness::OpeningDoesNotWait),
        };
        !is_asked || self.admits(standing, writer)
    }

    pub(super) fn may_follow(self, standing: Standing, mode: Mode, epoch: u64) -> bool {
        let weaker = self.lacks(Weakness::AbortsWhatIsDecided)
            && (standing.mode, mode, epoch) == (Mode::Decided, Mode::Open, standing.epoch);
        weaker || guard::may_follow(standing, mode, epoch)
    }

    /// What a coordinator does next.
    pub(super) fn change(self, view: View, mut findings: Findings) -> cutover::Act {
        let View { from, to } = view;
        let waits = (from.mode, to.mode) == (Mode::Fenced, Mode::Mirror);
        if self.lacks(Weakness::BelievesOldFindings) && findings.fenced.is_some() {
            findings.fenced = Some(from.turn);
        }
        if self.lacks(Weakness::DoesNotAwaitReaders) {
            findings.readers_look = true;
        }
        if self.lacks(Weakness::DecidesUndrained) {
            findings.drained = true;
        }
        if self.lacks(Weakness::OpensBeforeTheDecision) && waits && findings.drained && from.epoch == to.epoch
        {
            return cutover::Act::Open;
        }
        let act = cutover::next(view, findings);
        if self.lacks(Weakness::AbortsWhatIsDecided) && act == cutover::Act::Open && findings.give_up {
            return cutover::Act::Abort;
        }
        act
    }

    /// What is done next to make keys equal, and where that leads; nothing when all is done.
    pub(super) fn converge(self, stage: Stage, has_read: bool) -> Option<(Act, Stage)> {
        let swapped = match (self.without, stage) {
            (Some(Weakness::ReadsBeforeItHolds), Stage::Claimed) if !has_read => {
                Some((Act::Read, Stage::Claimed))
            }
            (Some(Weakness::ReadsBeforeItHolds), Stage::Claimed) => Some((Act::Hold, Stage::Read)),
            (Some(Weakness::ForgetsBeforeItMakes), Stage::Read) => Some((Act::Forget, Stage::Made)),
            (Some(Weakness::ForgetsBeforeItMakes), Stage::Made) => Some((Act::Make, Stage::Forgotten)),
            _ => None,
        };
        swapped.or_else(|| stage.next().map(|act| (act, act.done())))
    }
}
