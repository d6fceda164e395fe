//! What the tests need besides themselves.
//!
//! A backend that is a server gets a file of its own here. It looks, in this order, for a URL in the environment, for
//! Docker, and for a local program that it starts on a free port of 127.0.0.1 with a temporary folder; it answers the
//! variable that tells the tests where the server is, and ends by its own process handle what it started. A backend
//! that cannot be had is said so loudly, and is a failure with `WAITERIX_REQUIRE=all`.
//!
//! Everything the tests need today is built from this workspace: they start the program `waiterix`, and SQLite is
//! part of it.

mod program;

use crate::command::Failure;
use crate::test::Runner;

/// Prepares all of it.
pub(crate) fn prepare(runner: Runner) -> Result<(), Failure> {
    program::build(runner)
}
