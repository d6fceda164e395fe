//! `waiterix migrate`: the built program moves rows between two real databases while guests order.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test is a panic")]

mod ground;
mod killed;
mod mail;
mod refused;
mod sessions;
mod visitors;
mod whole;
