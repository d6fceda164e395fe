//! Wrappers over any port: time-out, retry, trace, chaos; and for mailers a [ledger] and a list of [suppression].
//!
//! A wrapper is an [`Around`]: something done around the call of any [operation], which is known by name, by
//! whether it reads or writes, how much it moves, and what happens when it is sent twice. [`wrap`] makes a port of it, any
//! of the five, and wrappers stack. The order for a service, from the inside out:
//!
//! ```
//! use std::sync::Arc;
//! use waiterix_layers::{Limits, Meter, RetryPolicy, Wrap};
//!
//! /// Each attempt ends in time, what may be sent again is, and what came of it is told once.
//! fn hardened<P: Wrap + ?Sized>(port: Arc<P>, meter: Arc<dyn Meter>, seed: u64) -> Arc<P> {
//!     let port = waiterix_layers::timeout(port, Limits::default());
//!     let port = waiterix_layers::retry(port, RetryPolicy::default(), seed);
//!     waiterix_layers::trace(port, meter)
//! }
//! ```
//!
//! A wrapped port keeps the contract of its port, and passes its suite. By when an answer is needed is said by a
//! [`Deadline`] around the work as a whole.

mod around;
mod attempts;
mod chaos;
mod deadline;
mod layered;
pub mod ledger;
pub mod operation;
mod retry;
pub mod suppression;
mod timeout;
mod trace;
mod upload;

use std::sync::Arc;

pub use around::{Around, Call, Wrap, wrap};
pub use chaos::{Chaos, Odds};
pub use deadline::Deadline;
pub use operation::Operation;
pub use retry::{Retry, RetryPolicy};
pub use timeout::{Limits, Timeout};
pub use trace::{Ending, Meter, Observation, Trace};

/// A port whose calls are given up in time; see [`Timeout`].
#[must_use]
pub fn timeout<P: Wrap + ?Sized>(port: Arc<P>, limits: Limits) -> Arc<P> {
    wrap(port, Timeout::new(limits))
}

/// A port whose calls are sent again where that is allowed, with a budget of its own; see [`Retry`].
#[must_use]
pub fn retry<P: Wrap + ?Sized>(port: Arc<P>, policy: RetryPolicy, seed: u64) -> Arc<P> {
    wrap(port, Retry::new(policy, seed))
}

/// A port whose calls are told of; `Arc::new(())` is a meter that takes no notice. See [`Trace`].
#[must_use]
pub fn trace<P: Wrap + ?Sized>(port: Arc<P>, meter: Arc<dyn Meter>) -> Arc<P> {
    wrap(port, Trace::new(meter))
}

/// A port whose calls fail by chance, for tests; see [`Chaos`].
#[must_use]
pub fn chaos<P: Wrap + ?Sized>(port: Arc<P>, chaos: Chaos) -> Arc<P> {
    wrap(port, chaos)
}
