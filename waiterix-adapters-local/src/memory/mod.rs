//! Adapters that keep everything in memory and live by the clock they are given, for tests.

pub mod session;

pub use session::MemorySessionStore;
