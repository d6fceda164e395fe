//! Checks the protocol of a move of rows in a world too large for every run of the tests, and prints how large it was:
//!
//! ```text
//! cargo run --release -p waiterix-migration --example model
//! ```
//!
//! It needs about 100 bytes of memory for each world that is found.

#![allow(clippy::print_stdout, reason = "it is what a program says")]

#[path = "../tests/model/world/mod.rs"]
mod world;

use std::time::Instant;

use stateright::{Checker as _, Model as _};
use world::{Move, Size};

fn main() {
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = Move::whole(Size::LARGE).checker().threads(threads).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!(
        "{states} states, {depth} steps deep, in {:.0} s: {:?}",
        began.elapsed().as_secs_f64(),
        Size::LARGE
    );
    checker.assert_properties();
    println!("every property holds");
}
