//! The functions, called with events as the platform sends them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

mod api;
mod house;
mod mail_events;
mod relay;
mod websocket;
