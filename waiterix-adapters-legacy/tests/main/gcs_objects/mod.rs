//! Objects in Google Cloud Storage, directly and by way of the hosting platform's sidecar.
//!
//! The emulator keeps the objects. It checks no signature, asks for no token and ignores conditions, so a [`front`] stands
//! before it that does all of it as Google does, and that can fail on purpose.

#![allow(clippy::result_large_err, reason = "a refusal of the front is an answer as well")]

mod account;
mod contract;
mod differential;
mod emulator;
mod faults;
mod fixture;
mod front;
mod layout;
mod policy;
mod scripted;
mod sidecar;
mod signing;
mod tokens;
