//! The five ports with something around every call: each method says which operation it is, and nothing else.

#![deny(clippy::missing_trait_methods, reason = "a wrapper that forgets to forward a method hides it")]

mod blob;
mod mailer;
mod notifier;
mod session;
mod store;
