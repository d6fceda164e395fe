//! Rows and sessions in SQLite files.
//!
//! Both stores are built alike: a few connections that only read, and one task that writes for everybody and commits
//! in groups, so that a durable commit is cheap (see `docs/decisions/0003-sqlite-group-commit.md`).

mod bound;
mod careful;
mod connect;
mod decode;
mod fault;
mod program;
mod queries;
mod reading;
mod schema;
mod sessions;
mod statement;
mod store;
mod writer;

pub use sessions::SqliteSessionStore;
pub use store::SqliteStore;
