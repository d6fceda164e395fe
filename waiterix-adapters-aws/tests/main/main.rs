//! The adapters of AWS: their contracts, and what a contract does not say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

#[cfg(feature = "apigateway")]
mod apigateway;
#[cfg(feature = "elasticache")]
mod elasticache_contract;
#[cfg(feature = "elasticache")]
mod elasticache_differential;
#[cfg(feature = "elasticache")]
mod elasticache_faults;
#[cfg(feature = "elasticache")]
mod elasticache_keys;
#[cfg(feature = "elasticache")]
mod elasticache_old_records;
#[cfg(feature = "elasticache")]
mod elasticache_refusals;
#[cfg(feature = "ses")]
#[path = "../../../waiterix-adapters-local/tests/main/eml_inbox/mod.rs"]
mod eml_inbox;
#[cfg(feature = "ses")]
mod mail_bytes;
#[cfg(feature = "elasticache")]
mod own_redis;
#[cfg(feature = "rds")]
mod rds_contract;
#[cfg(feature = "rds")]
mod rds_tls;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "ses")]
mod scripted_ses;
#[cfg(feature = "ses")]
mod ses_contract;
#[cfg(feature = "ses")]
mod ses_faults;
#[cfg(feature = "ses")]
mod ses_logs;
