//! gcp-storage-emulator: Google Cloud Storage. It keeps objects and what is known about them; it asks for no right, checks no
//! signature, and ignores conditions and pages.

use crate::ministack::answers;
use crate::postgres::parsed;
use crate::process::{Plan, folder, free_port};
use crate::{Fault, Running, program};

const VERSION: &str = "2026.7.19";

/// Starts an empty server.
///
/// # Errors
/// When it cannot be had.
pub fn start() -> Result<Running, Fault> {
    let server = program::python("gcp-storage-emulator", "gcp-storage-emulator", VERSION)?;
    let port = free_port()?;
    let arguments = ["start", "--host", "127.0.0.1", "--in-memory", "--port", &port.to_string()];
    let plan = Plan {
        name: "gcp-storage-emulator",
        program: server,
        arguments: arguments.map(str::to_owned).to_vec(),
        variables: Vec::new(),
        unprivileged: false,
        ready: |url| answers(url, "/"),
    };
    Running::start(plan, parsed(&format!("http://127.0.0.1:{port}")), folder(false)?)
}
