//! The adapters of the providers Waiterix comes from, each a feature.

#[cfg(feature = "gcs")]
pub mod gcs;
#[cfg(feature = "neon")]
pub mod neon;
#[cfg(feature = "pg-session")]
pub mod pg_session;
#[cfg(feature = "replit")]
pub mod replit;
#[cfg(feature = "resend")]
pub mod resend;
#[cfg(feature = "websocket")]
pub mod websocket;
