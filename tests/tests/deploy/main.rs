//! The stack of a deployment, as osls makes it of `deploy/serverless.yml`. `cargo xtask deploy-check` packages it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

mod gateways;
mod network;
mod rights;
mod stages;
mod stores;
mod template;
mod variables;
mod watching;
