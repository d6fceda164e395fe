//! Wrappers over every port: their contracts, and what each does for whom.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod blob_contract;
mod chaos;
mod differential;
#[path = "../../../waiterix-adapters-local/tests/main/eml_inbox/mod.rs"]
mod eml_inbox;
mod ledger_contract;
mod ledger_faults;
mod mailer_contract;
mod memory;
mod mocks;
mod notifier_contract;
mod outside;
mod repeats;
mod retry;
mod sample;
mod session_contract;
mod store_contract;
mod suppression_contract;
mod suppression_faults;
mod timeout;
mod trace;
mod uploads;
