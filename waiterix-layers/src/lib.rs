//! Wrappers over any port: time-out, retry, trace, chaos.

pub mod ledger;
