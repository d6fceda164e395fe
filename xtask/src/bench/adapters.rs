//! Adapters beside the raw client that does the same, each measured by an example of its crate in one run.

use super::{example, machine};
use crate::command::{Failure, output_of};

/// What each measures, and the example that does it.
pub(super) const EXAMPLES: [(&str, &str); 3] = [
    ("One call after the other, beside the client under the adapter doing the same", "operation_speed"),
    ("Sessions in Redis with sixteen callers, beside one plain command", "session_speed"),
    ("Fan-out of one event through API Gateway beside a plain HTTP client", "fanout_speed"),
];

/// Measures and answers the figures with their circumstances.
pub(super) fn measure() -> Result<String, Failure> {
    let mut text = machine::description("cargo xtask bench adapters")?;
    for (what, name) in EXAMPLES {
        println!("\n==> {what}");
        let figures = output_of(&mut example(name))?;
        text.push_str(&format!("\n\n### {what}\n\n{}", figures.trim()));
    }
    Ok(text)
}
