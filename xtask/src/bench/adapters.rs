//! Adapters beside the raw client that does the same, each measured by an example of its crate in one run.

use super::machine;
use crate::command::{Failure, cargo, output_of, step};

/// What each measures, and the example that does it.
const EXAMPLES: [(&str, &str, &str); 2] = [
    ("Sessions in Redis beside the plain commands", "waiterix-adapters-aws", "session_speed"),
    (
        "Fan-out of one event through API Gateway beside a plain HTTP client",
        "waiterix-adapters-aws",
        "fanout_speed",
    ),
];

/// Measures and answers the figures with their circumstances.
pub(super) fn measure() -> Result<String, Failure> {
    let mut text = machine::description("cargo xtask bench adapters")?;
    for (what, package, example) in EXAMPLES {
        let which = ["--release", "--package", package, "--example", example];
        step(&format!("Building {example}"), cargo().arg("build").args(which))?;
        let figures = output_of(cargo().args(["run", "--quiet"]).args(which))?;
        text.push_str(&format!("\n\n### {what}\n\n{}", figures.trim()));
    }
    Ok(text)
}
