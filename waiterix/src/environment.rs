//! The one place that reads environment variables.

use std::collections::BTreeMap;

/// The environment, as the configuration readers take it. Names or values that are no Unicode are left out.
#[allow(clippy::disallowed_methods, reason = "this is the one module that reads the environment")]
pub(crate) fn read() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
