//! What every PostgreSQL has in common, on real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

mod common;
mod connect_listener;
mod connect_pool;
mod connect_settings;
mod moving;
mod moving_journal;
mod moving_plan;
mod schema_states;
mod store_contract;
mod store_differential;
mod store_faults;
mod store_legacy;
mod store_pooler;
mod stores;
