//! Adapters that keep everything in memory and live by the clock they are given, for tests.

pub mod blob;
pub mod mailer;
pub mod notifier;
pub mod session;
pub mod store;

pub use blob::MemoryBlobStore;
pub use mailer::MemoryMailer;
pub use notifier::MemoryNotifier;
pub use session::MemorySessionStore;
pub use store::MemoryStore;
