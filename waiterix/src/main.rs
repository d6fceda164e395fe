//! The Waiterix command line.

mod banner;
mod command;
mod demo;
mod doctor;
#[cfg(all(feature = "aws", feature = "legacy"))]
mod migrate;
#[cfg(any(feature = "aws", feature = "legacy"))]
mod schema;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;
use command::{Command, Waiterix};

/// A row is a dozen short texts, and most of what a menu costs beside the database is to find room for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let given = Waiterix::parse();
    let outcome = match given.command.unwrap_or_default() {
        Command::Serve(options) => serve::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        #[cfg(any(feature = "aws", feature = "legacy"))]
        Command::Schema(what) => schema::run(what),
        #[cfg(all(feature = "aws", feature = "legacy"))]
        Command::Migrate(what) => migrate::run(what),
        Command::Openapi => {
            banner::say(&waiterix_app::http::document().to_pretty_json().unwrap_or_default());
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            banner::complain(&fault);
            ExitCode::FAILURE
        }
    }
}
