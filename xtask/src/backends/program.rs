//! The program `waiterix`, which the end-to-end tests start.

use crate::command::{Failure, step};
use crate::test::Runner;

/// Everything there is, with everything it can be built with.
pub(crate) const WHOLE: [&str; 3] = ["--workspace", "--features", "waiterix/aws,waiterix/legacy"];

/// Builds the program together with all tests. Building it alone would select other features of shared dependencies
/// and compile them twice.
pub(crate) fn build(runner: Runner) -> Result<(), Failure> {
    step("Building the program and the tests", runner.command().args(WHOLE).arg("--no-run"))
}
