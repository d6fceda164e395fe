//! `cargo xtask ci`: everything that must hold before a change is taken.

use std::process::Command;

use crate::audit;
use crate::backends::program::WHOLE;
use crate::command::{Failure, cargo, root, step};

pub(crate) fn run() -> Result<(), Failure> {
    step("Formatting", cargo().args(["fmt", "--all", "--check"]))?;
    let strict = ["--", "--deny", "warnings"];
    step("Lints", cargo().args(["clippy", "--all-targets"]).args(WHOLE).args(strict))?;
    // What `cargo run` builds has other code at the places where adapters are chosen.
    step("Lints of the default", cargo().args(["clippy", "--package", "waiterix"]).args(strict))?;
    let mut documentation = cargo();
    documentation.args(["doc", "--no-deps", "--document-private-items"]).args(WHOLE);
    step("Documentation", documentation.env("RUSTDOCFLAGS", "--deny warnings"))?;
    audit::rules()?;
    // The README's own command, in a process of its own because a test that is skipped must fail here.
    let mut test = Command::new(std::env::current_exe()?);
    test.arg("test").current_dir(root());
    if std::env::var_os("WAITERIX_REQUIRE").is_none() {
        test.env("WAITERIX_REQUIRE", "all");
    }
    step("Tests", &mut test)
}
