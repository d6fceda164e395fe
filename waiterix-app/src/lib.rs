//! The Waiterix service.
