//! PostgreSQL mechanics that the RDS and Neon adapters share.

mod bind;
mod commit;
pub mod connect;
mod decode;
mod fault;
mod layout;
pub mod moving;
mod queries;
mod reading;
pub mod schema;
mod session;
pub mod statement;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod walk;

pub use store::PostgresStore;
