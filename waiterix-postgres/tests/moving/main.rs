//! A database as one of the two of a move.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be made must fail")]

#[path = "../common/mod.rs"]
mod common;
mod comparing;
mod copying;
mod guard;
mod journal;
mod making;
mod sides;
mod surveying;
