//! All of it together: adapters that must agree, the service as a program and as functions, the move, and the rules of the tree.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed test is a panic, and what led to it is shown"
)]

mod architecture;
mod aws;
mod checklist;
mod configuration;
mod documents;
mod functions;
mod guards_agree;
mod handshake;
mod logs;
mod mail_events;
mod mailers_agree;
mod migrate;
mod notifiers_agree;
mod program;
mod real_orders;
#[allow(dead_code, reason = "the adapter's own tests use all of it")]
#[path = "../../../waiterix-adapters-legacy/tests/main/resend_scripted/mod.rs"]
mod resend_scripted;
mod service;
mod stack;
mod stores_agree;
