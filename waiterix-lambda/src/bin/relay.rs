//! The function that is called by a schedule.

use std::process::ExitCode;

fn main() -> ExitCode {
    waiterix_lambda::run(waiterix_lambda::relay::Relay::new)
}
