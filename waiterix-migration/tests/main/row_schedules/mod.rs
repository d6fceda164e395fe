//! Random schedules of everything at once: guests, an application that knows nothing of a move, relays, the copy, changes of the
//! leader there and back, processes that die and coordinators that do not know of one another, over ways on which anything
//! becomes of a call. Each schedule is one number, and the same number is the same schedule.

#![allow(
    unreachable_pub,
    clippy::print_stdout,
    reason = "test support; a failed test is a panic, and its seed is shown"
)]

mod guests;
mod network;
mod schedule;
mod tally;

use network::Wrong;
use schedule::{Course, Schedule, Story};

/// The seed of the one schedule to run: given by `WAITERIX_SEED` at build time.
fn asked() -> Option<u64> {
    option_env!("WAITERIX_SEED").and_then(|seed| seed.parse().ok())
}

/// A schedule; `None` when something was found to be wrong.
fn happens(seed: u64, course: Course, wrong: Option<Wrong>) -> Option<Story> {
    std::panic::catch_unwind(|| Schedule::run(seed, course, wrong)).ok()
}

fn run(course: Course, seeds: std::ops::Range<u64>) {
    let count = seeds.end - seeds.start;
    let seeds = asked().map_or(seeds, |seed| seed..seed + 1);
    let (mut moved, mut deaths, mut reads) = (0, 0, 0);
    for seed in seeds {
        let Some(story) = happens(seed, course, None) else {
            panic!("WAITERIX_SEED={seed} shows it again");
        };
        (moved, deaths, reads) = (moved + story.moved, deaths + story.deaths, reads + story.reads);
    }
    println!("the lead changed {moved} times, {deaths} processes died, {reads} reads were answered");
    // One schedule alone may be one in which little happens.
    assert!(asked().is_some() || (moved > count && reads > count && (deaths > 0) == course.has_deaths()));
}

/// Each is a thousand schedules, so that they go on beside one another, and none takes long on a busy machine.
macro_rules! schedules {
    ($($name:ident: $course:ident from $first:literal;)*) => {
        $(#[test]
        fn $name() {
            run(Course::$course, $first..$first + 1_000);
        })*
    };
}

mod nothing_is_lost_or_read_late {
    use super::{Course, run};

    schedules! {
        while_the_lead_goes_there_and_back_1: ThereAndBack from 0;
        while_the_lead_goes_there_and_back_2: ThereAndBack from 1_000;
        while_the_lead_goes_there_and_back_3: ThereAndBack from 2_000;
        while_the_lead_goes_there_and_back_4: ThereAndBack from 3_000;
        with_two_coordinators_1: Rivals from 10_000;
        with_two_coordinators_2: Rivals from 11_000;
        with_two_coordinators_3: Rivals from 12_000;
        with_two_coordinators_4: Rivals from 13_000;
        while_processes_die: Deaths from 20_000;
        while_everything_goes_wrong: Everything from 30_000;
    }
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    for seed in 0..20 {
        let story = || happens(seed, Course::Everything, None);
        assert!(story().is_some() && story() == story(), "seed {seed}");
    }
}

/// Schedules in which a side does something wrong, until that is found out.
fn is_found(wrong: Wrong) {
    let found = (0..600).find(|seed| happens(*seed, Course::ThereAndBack, Some(wrong)).is_none());
    println!("{wrong:?}: found in schedule {found:?}");
    assert!(found.is_some(), "{wrong:?} is not found out");
}

#[test]
fn a_side_that_is_read_too_early_is_found_out() {
    is_found(Wrong::ReadsEarly);
}

#[test]
fn a_side_that_forgets_too_much_is_found_out() {
    is_found(Wrong::ForgetsTooMuch);
}

#[test]
fn a_side_that_hides_its_journal_is_found_out() {
    is_found(Wrong::HidesTheJournal);
}

#[test]
fn a_process_that_looks_once_is_found_out() {
    is_found(Wrong::LooksOnce);
}

#[test]
fn a_side_that_commits_twice_is_found_out() {
    is_found(Wrong::CommitsTwice);
}
