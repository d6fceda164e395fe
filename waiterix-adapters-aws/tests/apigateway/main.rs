//! The adapter of API Gateway with DynamoDB: its contract on two servers, and what the contract does not say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

mod callback;
mod callbacks;
mod connections;
mod contract;
mod end_to_end;
mod middle;
mod outages;
mod scale;
mod signature;
mod table;
