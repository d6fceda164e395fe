//! `waiterix migrate`: the built program moves rows between two real databases while guests order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed test is a panic, and what led to it is shown"
)]

mod ground;
mod house;
mod killed;
mod people;
mod races;
mod refused;
mod torture;
mod whole;
