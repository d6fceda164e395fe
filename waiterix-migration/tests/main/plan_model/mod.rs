//! The change of a leader where no store enforces it, in every order of everything that can happen. `docs/proof.md` tells what that proves.

#![allow(clippy::print_stdout, reason = "how large a world was is worth reading")]

mod guards;
mod progress;
mod world;

use stateright::{Checker as _, Model as _};
use world::{Lead, Size};

fn check(game: Lead) {
    let checker = game.checker().threads(2).spawn_bfs().join();
    println!(
        "{} states, {} steps deep, of {:?}",
        checker.unique_state_count(),
        checker.max_depth(),
        game.size
    );
    checker.assert_properties();
}

#[test]
fn holds_for_two_calls_in_one_process() {
    check(Lead::whole(Size::ALONE));
}

#[test]
fn holds_there_and_back() {
    check(Lead::whole(Size::BACK));
}

#[test]
fn holds_for_two_processes_of_which_one_fails() {
    check(Lead::whole(Size::PAIR));
}

#[test]
fn holds_with_two_coordinators() {
    check(Lead::whole(Size::RIVALS));
}

#[test]
fn holds_for_those_who_read() {
    check(Lead::whole(Size::READERS));
}
