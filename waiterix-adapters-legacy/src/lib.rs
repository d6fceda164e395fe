//! The adapters of the providers Waiterix comes from, each a feature.

#[cfg(feature = "gcs")]
pub mod gcs;
#[cfg(feature = "replit")]
pub mod replit;
