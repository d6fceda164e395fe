//! The function behind the HTTP API.

use std::process::ExitCode;

fn main() -> ExitCode {
    waiterix_lambda::run(waiterix_lambda::api::Api::new)
}
