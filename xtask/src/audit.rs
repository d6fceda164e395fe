//! `cargo xtask audit`: the crates the workspace depends on. What is asked of them is in `deny.toml`.

use std::process::Command;

use waiterix_backends::dependencies;

use crate::command::{Failure, root, step};

/// Known faults, which are published from one day to the next, and so are no part of what a change must pass; and the rest.
pub(crate) fn run() -> Result<(), Failure> {
    look("Known faults of dependencies", &["advisories"])?;
    rules()
}

/// Licences, origins and what is not wanted: what only a change of ours can break.
pub(crate) fn rules() -> Result<(), Failure> {
    look("Licences and origins of dependencies", &["bans", "licenses", "sources"])
}

fn look(what: &str, checks: &[&str]) -> Result<(), Failure> {
    let program = dependencies::cargo_deny().map_err(|fault| Failure::Said(fault.to_string()))?;
    let mut deny = Command::new(program);
    deny.current_dir(root()).args(["--locked", "check", "--hide-inclusion-graph"]).args(checks);
    step(what, &mut deny)
}
