//! The project's own commands, called as `cargo xtask …`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for developers: it speaks to them")]

mod adapters;
mod audit;
mod backends;
mod bench;
mod checks;
mod command;
mod connection;
mod demo;
mod deploy;
mod psql;
mod test;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Prepare what the tests need, then run all of them.
    Test(test::Options),
    /// Formatting, lints and documentation without a complaint, then all tests, none of which may be skipped.
    Ci,
    /// Start every server the tests need and say where they are, until you stop it.
    Up,
    /// Write docs/adapters.md from the records of the last test run; a whole run does so itself.
    Adapters,
    /// Package the stack of every stage without an account, and let linters and a test look at it.
    DeployCheck,
    /// Build the functions and bring a stage up to date, with the credentials of your environment.
    Deploy(deploy::Options),
    /// Look for known faults of dependencies, and at their licences and origins.
    Audit,
    /// Measure the release build and write the figures to docs/performance.md.
    Bench(bench::Options),
    /// Move a live service from its old providers to new ones and back, on this machine, while guests order.
    DemoMigration(demo::Options),
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Ci => checks::run(),
        Task::Up => up::run(),
        Task::Adapters => adapters::write(&adapters::folder(), false),
        Task::DeployCheck => deploy::check(),
        Task::Deploy(options) => deploy::deploy(&options),
        Task::Audit => audit::run(),
        Task::Bench(options) => bench::run(&options),
        Task::DemoMigration(options) => demo::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            failure.exit_code()
        }
    }
}
