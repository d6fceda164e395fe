//! The move of rows over two sides in memory, whose calls can be refused, done without an answer, or never come to an end.

#![allow(
    unreachable_pub,
    clippy::print_stdout,
    reason = "test support; a failed test is a panic, and its seed is shown"
)]

mod compare;
mod contract;
mod copy;
mod cutover;
mod deaths;
mod guarded;
mod load;
mod mirror;
mod quarantine;
mod readers;
mod shadow;
mod stage;
