//! Checks the protocols of a move in worlds too large for every run of the tests, and prints how large they were:
//!
//! ```text
//! cargo run --release -p waiterix-migration --example model
//! ```
//!
//! First those of the plan, which take a minute. The one of rows has no end that a usual machine would see, so the search, which goes in breadth, ends after so many steps. It needs
//! about 270 bytes of memory for each state: 7 GB.

#![allow(clippy::print_stdout, reason = "it is what a program says")]

#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the tests use all of it"
)]
#[path = "../tests/main/model/world/mod.rs"]
mod world;

#[allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the tests use all of it"
)]
#[path = "../tests/main/plan_model/world/mod.rs"]
mod plan;

use std::time::Instant;

use stateright::{Checker as _, Model as _};
use world::{Move, Size};

/// How many steps are taken, to states that are new or known.
const STEPS: usize = 300_000_000;

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for size in plan::Size::LARGE {
        let checker = plan::Lead::whole(size).checker().threads(threads).spawn_bfs().join();
        println!("{} states, {} steps deep: {size:?}", checker.unique_state_count(), checker.max_depth());
        checker.assert_properties();
    }
    let began = Instant::now();
    let checker =
        Move::whole(Size::LARGE).checker().threads(threads).target_state_count(STEPS).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!(
        "{states} states, {depth} steps deep, in {:.0} s: {:?}",
        began.elapsed().as_secs_f64(),
        Size::LARGE
    );
    checker.assert_properties();
    println!("every property holds");
}
