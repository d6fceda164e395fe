//! The store below the service, measured by the example `store_speed` of its crate, in the process itself.

use super::machine;
use crate::command::{Failure, cargo, output_of, step};

const EXAMPLE: [&str; 5] = ["--release", "--package", "waiterix-adapters-local", "--example", "store_speed"];

/// Measures and answers the figures with their circumstances.
pub(super) fn measure() -> Result<String, Failure> {
    step("Building the measurement of the store", cargo().arg("build").args(EXAMPLE))?;
    let circumstances = machine::description("cargo xtask bench store")?;
    let figures = output_of(cargo().args(["run", "--quiet"]).args(EXAMPLE))?;
    Ok(format!("{circumstances}\n\n```text\n{}\n```", figures.trim()))
}
