//! The program `waiterix`, which the end-to-end tests start.

use crate::command::{Failure, step};
use crate::test::Runner;

/// Builds the program together with all tests. Building it alone would select other features of shared dependencies
/// and compile them twice.
pub(crate) fn build(runner: Runner) -> Result<(), Failure> {
    step("Building the program and the tests", runner.command().args(["--workspace", "--no-run"]))
}
