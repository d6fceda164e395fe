//! The adapters of the providers Waiterix comes from, each a feature.

#[cfg(feature = "websocket")]
pub mod websocket;
