//! `cargo xtask ci`: everything that must hold before a change is taken.

use std::process::Command;

use crate::command::{Failure, cargo, root, step};

pub(crate) fn run() -> Result<(), Failure> {
    step("Formatting", cargo().args(["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    step("Lints", cargo().args(lints))?;
    let documentation = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    step("Documentation", cargo().args(documentation).env("RUSTDOCFLAGS", "--deny warnings"))?;
    // The README's own command, in a process of its own because a test that is skipped must fail here.
    let mut test = Command::new(std::env::current_exe()?);
    test.arg("test").current_dir(root());
    if std::env::var_os("WAITERIX_REQUIRE").is_none() {
        test.env("WAITERIX_REQUIRE", "all");
    }
    step("Tests", &mut test)
}
