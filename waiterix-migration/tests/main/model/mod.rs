//! The protocol of a move of rows, in every order of everything that can happen. `docs/proof.md` tells what that proves.

#![allow(
    clippy::print_stdout,
    reason = "a failed test is a panic, and how large a world was is worth reading"
)]

mod guards;
mod world;

use stateright::{Checker as _, Model as _};
use world::{Move, Size, Weakness};

fn check(game: Move) {
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
fn holds_with_one_of_each() {
    check(Move::whole(Size::SMALL));
}

#[test]
fn holds_while_two_keys_are_copied_under_writes() {
    check(Move::whole(Size::COPYING));
}

#[test]
fn holds_with_three_instances_and_the_old_application() {
    check(Move::whole(Size::CROWD));
}

#[test]
fn holds_with_two_coordinators() {
    check(Move::whole(Size::RIVALS));
}

#[test]
fn holds_for_three_that_read_by_what_they_remember() {
    check(Move::whole(Size::READERS));
}

#[test]
fn holds_with_keys_that_resist() {
    check(Move::whole(Size::RESISTING));
}

/// It spares work and is not needed: what comes back is made equal to what it is equal to already.
#[test]
fn noting_what_is_made_equal_would_be_harmless() {
    check(Move::without(Weakness::NotesWhatItMakes, Size::SMALL));
}
