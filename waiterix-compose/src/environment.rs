//! The one place that reads environment variables.

use std::collections::BTreeMap;

use waiterix_ports::vars::Vars;

/// The environment, as the configuration readers take it. Names or values that are no Unicode are left out.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the one module that reads the environment")]
pub fn read() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Every problem of the configuration at once.
///
/// # Errors
/// A text for people that names each variable and what is wrong with it, and no value.
pub fn complaint(vars: &Vars<'_>) -> Result<(), String> {
    if vars.problems().is_empty() {
        return Ok(());
    }
    let list: Vec<String> = vars.problems().iter().map(|problem| format!("\n  {problem}")).collect();
    Err(format!("the configuration has problems:{}", list.concat()))
}
