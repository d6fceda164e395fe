//! Shared pieces of the tests: the program as a process, a client of it, and real orders.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test support: a failure is a panic, and says what led to it"
)]

pub mod client;
pub mod cloud;
pub mod data;
pub mod gateway;
pub mod gcs;
pub mod kitchen;
pub mod lambda_runtime;
pub mod program;
pub mod psql;
pub mod resend;
pub mod socket;
pub mod stack;
pub mod stage;
pub mod suppression;
pub mod tree;
