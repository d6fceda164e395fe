//! Without any one of its guards the protocol is wrong, and the checker says how. So a guard that somebody takes for
//! superfluous is not, and the model is one in which things can go wrong.

use crate::model::world::{Move, Size, Weakness};
use crate::search::shortest;

const LOST: &str = "no acknowledged write is lost";
const EQUAL: &str = "the sides are equal when it is quiet";
const COMMITTED: &str = "nothing is there that was never committed";
const BACK: &str = "what was deleted or replaced never comes back";
const ONE: &str = "at most one side lets everybody write";
const CURRENT: &str = "nobody reads what is out of date";

/// Takes a guard away, and wants the way to where a property fails.
fn refuted(weakness: Weakness, size: Size, property: &'static str) {
    match shortest(Move::without(weakness, size), property) {
        Ok(steps) => {
            println!("{weakness:?} is refuted in {} steps, by \"{property}\":", steps.len());
            for step in steps {
                println!("    {step:?}");
            }
        }
        Err(states) => panic!("{weakness:?} is harmless to \"{property}\", in {states} states"),
    }
}

/// Nobody needs to die for these to be refuted.
const SMALL: Size = Size { failures: false, ..Size::SMALL };
const COPIED: Size = Size { copiers: 1, coordinators: 0, inline: true, ..SMALL };

#[test]
fn the_leader_is_read_under_the_lock() {
    refuted(Weakness::ReadsBeforeItHolds, Size { relays: 2, coordinators: 0, ..SMALL }, EQUAL);
    refuted(Weakness::ReadsBeforeItHolds, Size { relays: 2, coordinators: 0, ..SMALL }, BACK);
}

#[test]
fn keys_are_locked_while_they_are_made_equal() {
    refuted(Weakness::HoldsNothing, Size { relays: 2, coordinators: 0, ..SMALL }, BACK);
}

#[test]
fn only_claimed_entries_are_forgotten() {
    refuted(Weakness::ForgetsTheWholeKey, Size { coordinators: 0, ..SMALL }, EQUAL);
}

#[test]
fn entries_are_forgotten_last() {
    refuted(Weakness::ForgetsBeforeItMakes, Size { coordinators: 0, failures: true, ..SMALL }, EQUAL);
}

#[test]
fn only_what_is_committed_is_moved() {
    refuted(Weakness::ReadsWhatIsNotCommitted, Size { instances: 2, coordinators: 0, ..SMALL }, COMMITTED);
}

#[test]
fn keys_are_copied_before_they_are_made_equal() {
    refuted(Weakness::ConvergesBeforeTheCopy, COPIED, EQUAL);
    refuted(Weakness::ConvergesBeforeTheCopy, COPIED, BACK);
}

#[test]
fn a_range_is_copied_once() {
    refuted(Weakness::CopiesAgain, Size { copiers: 2, ..COPIED }, BACK);
}

#[test]
fn everything_is_copied_before_the_leader_changes() {
    refuted(Weakness::CutsOverBeforeTheCopy, Size { copiers: 1, ..SMALL }, LOST);
}

#[test]
fn the_guard_is_in_the_transaction_of_the_write() {
    refuted(Weakness::ChecksBeforeItWrites, SMALL, LOST);
}

#[test]
fn an_old_snapshot_does_not_pass_the_guard() {
    let size = Size { instances: 0, foreign: true, repeatable: true, ..SMALL };
    refuted(Weakness::BelievesItsSnapshot, size, LOST);
}

#[test]
fn the_side_that_follows_refuses_everybody_else() {
    refuted(Weakness::MirrorAdmitsAnyone, Size { coordinators: 0, ..SMALL }, LOST);
}

#[test]
fn rows_of_a_former_leader_are_refused() {
    refuted(Weakness::IgnoresTheEpoch, Size { relays: 2, dirty: true, writes: 1, ..SMALL }, BACK);
}

#[test]
fn the_fence_waits_for_writes_under_way() {
    refuted(Weakness::FenceDoesNotWait, SMALL, LOST);
}

#[test]
fn a_side_that_takes_the_lead_waits_for_those_who_make_it_equal() {
    refuted(Weakness::OpeningDoesNotWait, Size { relays: 2, ..SMALL }, LOST);
}

#[test]
fn the_journal_is_in_the_transaction_of_the_write() {
    refuted(Weakness::NotesAfterTheCommit, Size { coordinators: 0, failures: true, ..SMALL }, EQUAL);
}

#[test]
fn the_journal_is_empty_before_the_decision() {
    refuted(Weakness::DecidesUndrained, SMALL, LOST);
}

#[test]
fn the_journal_is_seen_empty_after_the_fence() {
    refuted(Weakness::DrainsBeforeTheFence, SMALL, LOST);
}

const RIVALS: Size = Size { turns: 7, failures: false, ..Size::RIVALS };

#[test]
fn a_decision_is_of_one_turn() {
    refuted(Weakness::IgnoresTheTurn, RIVALS, LOST);
}

#[test]
fn findings_are_of_one_turn() {
    refuted(Weakness::BelievesOldFindings, RIVALS, LOST);
}

#[test]
fn what_is_decided_is_not_turned_back() {
    refuted(Weakness::AbortsWhatIsDecided, Size { failures: true, ..RIVALS }, ONE);
}

#[test]
fn the_lead_is_given_away_before_it_is_taken() {
    refuted(Weakness::OpensBeforeTheDecision, RIVALS, ONE);
}

const READERS: Size = Size { readers: true, writes: 1, ..SMALL };

#[test]
fn everybody_who_reads_looks_again_before_the_fence() {
    refuted(Weakness::DoesNotAwaitReaders, READERS, CURRENT);
}

#[test]
fn an_instance_is_known_before_it_trusts() {
    refuted(Weakness::TrustsBeforeItIsKnown, READERS, CURRENT);
}

#[test]
fn what_resists_keeps_the_leader_from_changing() {
    refuted(Weakness::IgnoresTheQuarantine, Size { resists: true, writes: 1, ..SMALL }, LOST);
}

#[test]
fn journal_and_quarantine_are_seen_empty_at_one_moment() {
    refuted(Weakness::LooksAtTheQuarantineLater, Size { resists: true, writes: 1, ..SMALL }, LOST);
}

#[test]
fn the_journal_begins_between_transactions() {
    refuted(Weakness::StartsWhileOthersWrite, Size { starts: true, ..COPIED }, EQUAL);
}

#[test]
fn only_what_is_of_one_moment_is_refused() {
    refuted(Weakness::BelievesTwoMoments, Size { writes: 0, ..RIVALS }, "no coordinator is refused");
}
