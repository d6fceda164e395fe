//! The protocol of a move of rows, checked in every order of everything that can happen.
#![allow(clippy::print_stdout, reason = "how large the worlds were is worth reading")]

mod guards;
mod world;

use stateright::{Checker as _, Model as _};
use world::{Move, Size};

fn check(name: &str, size: Size) {
    let checker = Move::whole(size).checker().threads(2).spawn_bfs().join();
    println!("{name}: {} states, depth {}", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}


#[test]
fn one_of_each() {
    check("one of each", Size::SMALL);
}

