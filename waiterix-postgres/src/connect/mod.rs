//! Reaching a PostgreSQL server: settings, credentials, and a small pool that knows when a connection is not to be
//! trusted.

mod database;
pub(crate) mod fault;
mod opening;
mod password;
mod settings;
mod url;

pub use database::{Database, Lease, PoolSnapshot};
pub use password::{FixedPassword, Password};
pub use settings::{Credential, Hosting, PostgresSettings, Tls};
