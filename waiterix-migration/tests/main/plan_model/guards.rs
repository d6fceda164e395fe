//! Without any one of its guards the protocol is wrong, and the checker says how.

use super::world::{BACK, CURRENT, EQUAL, FORMER, HELD, JOURNAL, LOST, Lead, ONCE, ONE, Size, Weakness};
use crate::search::way;

/// Nobody needs to turn anything back, or to fail, for most of it.
const ALONE: Size = Size { turns_back: false, ..Size::ALONE };
const TURNED_BACK: Size = Size { jobs: 1, relays: false, turns: 7, ..Size::ALONE };
const FAILS: Size = Size { turns_back: false, ..Size::PAIR };
const PAIR: Size = Size { failures: 0, ..FAILS };
const READS: Size = Size { turns_back: false, inline: false, ..Size::READERS };
const RIVALS: Size = Size { turns_back: false, ..Size::RIVALS };

/// Each guard, a world that is large enough to miss it, and what goes wrong there.
const GUARDS: &[(Weakness, Size, &str)] = &[
    (Weakness::DoesNotAwaitLookers, PAIR, HELD),
    (Weakness::DoesNotAwaitQuiet, PAIR, ONE),
    (Weakness::DoesNotAwaitQuiet, PAIR, LOST),
    (Weakness::DoesNotDrain, PAIR, LOST),
    (Weakness::DoesNotDrain, PAIR, FORMER),
    (Weakness::DrainsBeforeTheHold, PAIR, LOST),
    (Weakness::IgnoresTheTurn, RIVALS, LOST),
    (Weakness::GoesOnWhenTurnedBack, TURNED_BACK, LOST),
    (Weakness::TurnsBackWhoOvertook, RIVALS, ONCE),
    (Weakness::FinishesWhatOthersHeld, RIVALS, LOST),
    (Weakness::DrainsWithoutAPass, RIVALS, LOST),
    (Weakness::DrainsWithoutAPass, RIVALS, BACK),
    (Weakness::BelievesThatTheHoldStands, RIVALS, JOURNAL),
    (Weakness::AcknowledgesWhileItWrites, PAIR, LOST),
    (Weakness::DoesNotLookAgainWithThePass, PAIR, LOST),
    (Weakness::TrustsBeforeItIsKnown, PAIR, LOST),
    (Weakness::SharesAnOlderLook, READS, CURRENT),
    (Weakness::ReadsByWhatItRemembers, READS, CURRENT),
    (Weakness::TakesForGoneTooSoon, PAIR, LOST),
    (Weakness::ServesAfterTheLease, FAILS, LOST),
    (Weakness::LeavesWhileItWrites, FAILS, LOST),
    (Weakness::ServesAfterItLeft, FAILS, LOST),
    (Weakness::ForgetsWhatIsUnderWay, ALONE, JOURNAL),
    (Weakness::ForgetsWhatIsUnderWay, ALONE, LOST),
    (Weakness::NotesAfterTheWrite, FAILS, EQUAL),
    (Weakness::WritesUnconditionally, ALONE, BACK),
    (Weakness::RelaysWithoutAPass, ALONE, LOST),
];

#[test]
fn no_guard_of_the_plan_is_superfluous() {
    let mut harmless = Vec::new();
    for (weakness, size, property) in GUARDS {
        match way(Lead::without(*weakness, *size), property, usize::MAX) {
            Ok(steps) => {
                println!("{weakness:?} is refuted in {} steps, by \"{property}\":", steps.len());
                for step in steps {
                    println!("    {step:?}");
                }
            }
            Err(states) => harmless.push(format!("{weakness:?} to \"{property}\", in {states} states")),
        }
    }
    assert!(harmless.is_empty(), "harmless: {harmless:#?}");
}
