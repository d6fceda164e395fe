//! The move, port by port: its protocol, its engine, and whatever can go wrong with them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

mod blob_contract;
mod blob_races;
mod blob_schedules;
mod blob_sweep;
mod interrupted;
mod line;
mod mail;
mod mail_memory;
mod mail_routes;
mod mailer_contract;
mod model;
mod notifier_contract;
mod notifier_drain;
mod notifier_hand_over;
mod outset;
mod pair;
mod plan_forgetting;
mod plan_leaving;
mod plan_model;
mod plan_overtaken;
mod plan_switching;
mod postgres;
mod row_schedules;
mod rows;
mod search;
mod session_contract;
mod session_races;
mod session_schedules;
mod session_sweep;
