//! `cargo xtask bench`: measures the release build on this machine.

mod adapters;
mod functions;
mod load;
mod machine;
mod migration;
mod page;
mod postgres;
mod process;
mod restaurant;
mod service;
mod store;

use std::process::Command;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::backends::program::WHOLE;
use crate::command::{Failure, built, cargo, step};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to measure; everything but the move without.
    subject: Option<Subject>,
    /// How long each load over HTTP is measured, in seconds, after a quarter of it to warm up.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many connections send requests, each its next one when the answer to the last is there.
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// Print the figures but leave docs/performance.md as it is.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    whole: migration::Whole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// The service over HTTP: requests per second, latency, memory, start.
    Http,
    /// The store below it: commits and reads per second.
    Store,
    /// The service with its rows in PostgreSQL, beside pgbench.
    Postgres,
    /// Other adapters beside the raw client doing the same.
    Adapters,
    /// The functions of AWS Lambda: size, start, memory, the time of a call.
    Functions,
    /// A move: copying, comparing, repairing, what it costs those who write, and how long they wait. Takes more than an hour, and
    /// only when it is asked for; see `--part`.
    Migration,
}

impl Options {
    fn wants(&self, subject: Subject) -> bool {
        self.subject.is_none_or(|wanted| wanted == subject)
    }

    fn measured(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The command that repeats the measurement over HTTP.
    fn command_line(&self) -> String {
        format!("cargo xtask bench http --seconds {} --connections {}", self.seconds, self.connections)
    }

    fn keep(&self, section: &str, figures: &str) -> Result<(), Failure> {
        println!("\n{figures}");
        if self.dry_run { Ok(()) } else { page::write(section, figures) }
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if options.wants(Subject::Http) {
        step("Building the program", cargo().args(["build", "--release", "--package", "waiterix"]))?;
        let figures = runtime.block_on(service::measure(options))?;
        options.keep("http", &figures)?;
    }
    if options.wants(Subject::Store) {
        options.keep("store", &store::measure()?)?;
    }
    if options.wants(Subject::Postgres) {
        build_whole(&[postgres::EXAMPLE])?;
        let figures = runtime.block_on(postgres::measure(options))?;
        options.keep("postgres", &figures)?;
    }
    if options.wants(Subject::Adapters) {
        build_whole(&adapters::EXAMPLES.map(|(_, name)| name))?;
        options.keep("adapters", &adapters::measure()?)?;
    }
    if options.wants(Subject::Functions) {
        options.keep("functions", &functions::measure()?)?;
    }
    // It needs some ten gigabytes of disk and much time, so it is not part of everything.
    if options.subject == Some(Subject::Migration) {
        migration::measure(&options.whole, |section, figures| {
            if options.whole.is_whole() {
                return options.keep(section, figures);
            }
            println!("\n{figures}\n\nThis was a trial; the page stays as it is.");
            Ok(())
        })?;
    }
    Ok(())
}

/// Builds the program with all adapters together with everything that is measured beside it. The same selection of packages as
/// everywhere: another one would choose other features for what they share, and build it again.
fn build_whole(examples: &[&str]) -> Result<(), Failure> {
    let mut build = cargo();
    build.args(["build", "--release"]).args(WHOLE).args(["--bin", "waiterix"]);
    build.args(examples.iter().flat_map(|name| ["--example", *name]));
    step("Building the program with all adapters, and what is measured beside it", &mut build)
}

fn fault(error: &dyn std::fmt::Display) -> Failure {
    Failure::Said(error.to_string())
}

/// An example that was built with the program.
fn example(name: &str) -> Command {
    Command::new(built("release").join("examples").join(name))
}
