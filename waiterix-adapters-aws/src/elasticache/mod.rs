//! Sessions and one-time data in ElastiCache, or any other Redis from version 7 on.
//!
//! Every step that must happen at once is one command or script on **one** key, so the same code works in cluster mode, where
//! keys of different slots cannot be changed together. What spans a session and its user's list is ordered so that each
//! moment in between is harmless; `docs/decisions/0014-sessions-in-redis.md` has the argument.

mod fault;
mod keys;
mod link;
mod record;
mod roll;
mod script;
mod settings;
mod store;
mod temp;

pub use settings::RedisSettings;
pub use store::RedisSessionStore;
