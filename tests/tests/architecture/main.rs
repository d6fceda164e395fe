//! The invariants of ARCHITECTURE.md, held by tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

mod dependencies;
mod sources;
