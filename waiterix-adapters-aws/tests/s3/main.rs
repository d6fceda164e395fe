//! The S3 adapter against servers that speak S3.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

mod access;
mod contract;
mod differential;
mod emulator;
mod faults;
mod fixture;
mod layout;
mod parts;
mod s3s_server;
mod scripted;
mod signing;
