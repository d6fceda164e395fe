//! What checks the stack of a deployment without an account: osls, cfn-lint and checkov, each at one version.

use std::path::{Path, PathBuf};

use crate::given::missing;
use crate::{Fault, program};

/// The stages there are, from the one for trying things out to the one for guests.
pub const STAGES: [&str; 3] = ["dev", "staging", "production"];
/// The variable that says where the packaged templates are.
pub const VARIABLE: &str = "WAITERIX_TEST_TEMPLATES";

/// The programs.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The Serverless Framework as it is kept by others; version 3 of it.
    pub osls: PathBuf,
    /// The linter of CloudFormation.
    pub cfn_lint: PathBuf,
    /// The linter of what is secure.
    pub checkov: PathBuf,
}

/// Finds or installs all of them.
///
/// # Errors
/// When one cannot be had.
pub fn tools() -> Result<Tools, Fault> {
    Ok(Tools {
        osls: osls()?,
        cfn_lint: program::python("cfn-lint", "cfn-lint", "1.58.0")?,
        checkov: program::python("checkov", "checkov", "3.3.30")?,
    })
}

/// Finds or installs what packages and deploys.
///
/// # Errors
/// When it cannot be had.
pub fn osls() -> Result<PathBuf, Fault> {
    program::npm("osls", "4.3.1")
}

/// Finds or installs what builds functions for another processor: `cargo lambda`, with the linker it needs beside it.
///
/// # Errors
/// When it cannot be had.
pub fn cargo_lambda() -> Result<PathBuf, Fault> {
    program::python("cargo-lambda", "cargo-lambda", "1.9.2")
}

/// The template of a stage within a folder of them.
#[must_use]
pub fn template(folder: &Path, stage: &str) -> PathBuf {
    folder.join(stage).join("cloudformation-template-update-stack.json")
}

/// The folder of templates that the test command has packaged. Without one it says so, see [`missing`].
///
/// # Panics
/// With `WAITERIX_REQUIRE=all` where there is none.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the test command speaks to its tests through the environment")]
pub fn given() -> Option<PathBuf> {
    let folder = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()).map(PathBuf::from);
    if folder.is_none() {
        missing("templates", &format!("{VARIABLE} is not set; `cargo xtask deploy-check` packages them"));
    }
    folder
}
