//! Random schedules of everything at once: guests, an application that knows nothing of a move, relays, the copy, changes of the
//! leader there and back, processes that die and coordinators that do not know of one another, over ways on which anything
//! becomes of a call. Each schedule is one number, and the same number is the same schedule.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test support; a failed test is a panic, and its seed is shown"
)]

mod guests;
mod network;
mod schedule;
mod tally;

use schedule::{Course, Schedule};

/// How many schedules of each course there are in a run.
const SCHEDULES: u64 = 40;

/// The seed of the one schedule to run: given by `WAITERIX_SEED` at build time.
fn asked() -> Option<u64> {
    option_env!("WAITERIX_SEED").and_then(|seed| seed.parse().ok())
}

fn run(course: Course, first: u64) {
    let seeds = asked().map_or(first..first + SCHEDULES, |seed| seed..seed + 1);
    let (mut moved, mut deaths) = (0, 0);
    for seed in seeds {
        let story = std::panic::catch_unwind(|| Schedule::run(seed, course));
        match story {
            Ok(story) => {
                moved += story.moved;
                deaths += story.deaths;
            }
            Err(panic) => {
                println!("WAITERIX_SEED={seed} shows it again");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("the lead changed {moved} times, and {deaths} processes died");
    // One schedule alone may be one in which nothing comes to its end.
    assert!(asked().is_some() || (moved > SCHEDULES / 2 && (deaths > 0) == course.has_deaths()));
}

#[test]
fn nothing_is_lost_or_read_late_while_the_lead_goes_there_and_back() {
    run(Course::ThereAndBack, 0);
}

#[test]
fn nothing_is_lost_or_read_late_while_processes_die() {
    run(Course::Deaths, 10_000);
}

#[test]
fn nothing_is_lost_or_read_late_with_two_coordinators() {
    run(Course::Rivals, 20_000);
}

#[test]
fn nothing_is_lost_or_read_late_while_everything_goes_wrong() {
    run(Course::Everything, 30_000);
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    for seed in 0..20 {
        assert_eq!(
            Schedule::run(seed, Course::Everything),
            Schedule::run(seed, Course::Everything),
            "seed {seed}"
        );
    }
}
