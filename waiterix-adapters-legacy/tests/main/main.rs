//! The adapters of the old providers: their contracts, and what a contract does not say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

#[cfg(all(feature = "gcs", feature = "replit"))]
mod gcs_objects;
#[cfg(feature = "neon")]
mod neon_contract;
#[cfg(feature = "neon")]
mod neon_sleeper;
#[cfg(feature = "neon")]
mod neon_waking;
#[cfg(feature = "pg-session")]
mod pg_session_contract;
#[cfg(feature = "pg-session")]
mod pg_session_differential;
#[cfg(feature = "pg-session")]
mod pg_session_faults;
#[cfg(feature = "pg-session")]
mod pg_session_logs;
#[cfg(feature = "pg-session")]
mod pg_session_mirror;
#[cfg(feature = "pg-session")]
mod pg_session_moving;
#[cfg(feature = "pg-session")]
mod pg_session_node;
#[cfg(feature = "pg-session")]
mod pg_session_redis;
#[cfg(feature = "pg-session")]
mod pg_session_rows;
#[cfg(feature = "pg-session")]
mod pg_session_tables;
#[cfg(feature = "resend")]
mod resend_connector;
#[cfg(feature = "resend")]
mod resend_contract;
#[cfg(feature = "resend")]
mod resend_faults;
#[cfg(feature = "resend")]
mod resend_logs;
#[cfg(feature = "resend")]
mod resend_scripted;
#[cfg(feature = "websocket")]
mod websocket;
