//! The embedded adapters and those in memory: their contracts, and what a contract does not say.

#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod blobs_differential;
mod eml_contract;
mod eml_inbox;
mod folder_blobs;
mod folder_contract;
mod memory_blobs;
mod memory_mailer;
mod memory_notifier;
mod memory_sessions;
mod memory_store;
mod sockets_contract;
mod sqlite_files;
mod sqlite_sessions;
mod sqlite_store;
