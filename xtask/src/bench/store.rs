//! The stores, measured by the benchmark `store` of the tests crate, which links them.

use super::{Options, machine};
use crate::command::{Failure, cargo, output_of};

/// Measures and answers a table with its circumstances.
pub(super) fn measure(options: &Options) -> Result<String, Failure> {
    println!("\n==> Building and running the benchmark of the stores");
    let circumstances = machine::description(&options.command_line("store"))?;
    let mut bench = cargo();
    bench.args(["bench", "--package", "waiterix-tests", "--bench", "store", "--"]);
    bench.args(["--seconds", &options.seconds.to_string(), "--tasks", &options.connections.to_string()]);
    Ok(format!("{circumstances}\n\n{}", output_of(&mut bench)?))
}
