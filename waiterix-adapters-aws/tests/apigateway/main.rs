//! The adapter of API Gateway with DynamoDB: its contract on two servers, and what the contract does not say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

mod callback;
mod connections;
mod contract;
mod end_to_end;
mod signature;
