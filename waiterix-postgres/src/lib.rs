//! PostgreSQL mechanics that the RDS and Neon adapters share.

pub mod connect;
pub mod schema;
#[cfg(feature = "testing")]
pub mod testing;
