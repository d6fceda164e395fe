//! dynalite: a second opinion on DynamoDB. It knows neither expiry nor transactions.

use crate::ministack::answers;
use crate::postgres::parsed;
use crate::process::{Plan, folder, free_port};
use crate::{Fault, Running, program};

const VERSION: &str = "4.0.0";

/// Starts an empty server.
///
/// # Errors
/// When it cannot be had.
pub fn start() -> Result<Running, Fault> {
    let server = program::npm("dynalite", VERSION)?;
    let port = free_port()?;
    // Tables are there at once, as after the seconds that AWS takes.
    let arguments = ["--host", "127.0.0.1", "--createTableMs", "0", "--deleteTableMs", "0", "--port"];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
    arguments.push(port.to_string());
    let plan = Plan {
        name: "dynalite",
        program: server,
        arguments,
        variables: Vec::new(),
        unprivileged: false,
        ready: |url| answers(url, "/"),
    };
    Running::start(plan, parsed(&format!("http://127.0.0.1:{port}")), folder(false)?)
}
