//! `cargo xtask test`: the one test command.

use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use clap::Args;

use waiterix_backends::{deployment, required};

use crate::backends::program::WHOLE;
use crate::command::{Failure, cargo, step};
use crate::{adapters, backends, deploy};

/// How many tests run at once, for nextest. Most wait for servers, so one more than there are processors keeps these busy.
const THREADS: &str = "NEXTEST_TEST_THREADS";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only tests whose name contains this.
    filter: Option<String>,
}

/// What runs the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `cargo nextest`: a process per test.
    Nextest,
    /// `cargo test`, where nextest is not installed.
    Libtest,
}

impl Runner {
    pub(crate) fn found() -> Self {
        let mut asked = cargo();
        asked.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
        if asked.status().is_ok_and(|status| status.success()) { Self::Nextest } else { Self::Libtest }
    }

    /// The beginning of its command.
    pub(crate) fn command(self) -> Command {
        let mut command = cargo();
        match self {
            Self::Nextest => command.args(["nextest", "run"]),
            Self::Libtest => command.arg("test"),
        };
        command
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let runner = Runner::found();
    if runner == Runner::Libtest {
        println!("cargo-nextest is not installed; cargo test runs the same tests, more slowly");
    }
    backends::program::build(runner)?;
    let fleet = backends::launch()?;
    let templates = deploy::templates()?;
    // Documentation first, so that the last lines are the summary of everything else.
    step("Examples in the documentation", filtered(cargo().args(["test", "--doc"]).args(WHOLE), options))?;
    let mut tests = runner.command();
    tests.args(WHOLE).envs(fleet.variables());
    if runner == Runner::Libtest {
        // Without these it would repeat the examples above, and one failure would hide those of all crates after it.
        tests.args(["--lib", "--bins", "--tests", "--no-fail-fast"]);
    }
    if runner == Runner::Nextest && std::env::var_os(THREADS).is_none() {
        let processors = available_parallelism().map_or(1, usize::from);
        tests.env(THREADS, (processors + 1).to_string());
    }
    tests.envs(templates.map(|folder| (deployment::VARIABLE, folder)));
    let proven = adapters::fresh_folder()?;
    tests.env(adapters::VARIABLE, &proven);
    step("Tests", filtered(&mut tests, options))?;
    // Part of the tests proves part of the clauses.
    if options.filter.is_none() { adapters::write(&proven, required()) } else { Ok(()) }
}

fn filtered<'a>(command: &'a mut Command, options: &Options) -> &'a mut Command {
    command.args(&options.filter)
}
