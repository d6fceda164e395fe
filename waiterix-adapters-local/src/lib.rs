//! The embedded default of Waiterix: everything the service needs, in one folder and one process.
//!
//! | port | adapter | kept in |
//! |---|---|---|
//! | `Store` | [`sqlite::SqliteStore`] | `waiterix.db` |
//! | `SessionStore` | [`sqlite::SqliteSessionStore`] | `sessions.db` |
//! | `BlobStore` | [`folder::FolderBlobStore`] | a folder |
//! | `Mailer` | [`eml::EmlMailer`] | a folder of `.eml` files |
//! | `Notifier` | [`sockets::SocketNotifier`] | the process |
//!
//! [`memory`] holds fakes of all five, for tests: they pass the same contract suite.

pub mod eml;
pub mod folder;
pub mod memory;
pub mod sockets;
pub mod sqlite;
