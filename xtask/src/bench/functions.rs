//! The functions: how large their programs are, how they start and answer, and what the layer of functions costs.

use std::fs;
use std::process::Command;

use super::{example, machine};
use crate::backends;
use crate::command::{Failure, built, cargo, output_of, step};
use crate::deploy::archives::{FUNCTIONS, zipped_bytes};

/// The largest archive that is fetched and unpacked fast enough for a start that a guest waits for.
const ARCHIVE_GOAL: &str = "≤ 12 MB";
const BYTES_PER_MB: f64 = 1e6;

/// What each measures, and the example that does it.
const EXAMPLES: [(&str, &str); 2] = [
    ("The process of `api`, through the real protocol of the platform", "function_speed"),
    ("The layer of functions, from JSON to JSON, beside the service itself", "layer_speed"),
];

/// Measures and answers the figures with their circumstances.
pub(super) fn measure() -> Result<String, Failure> {
    // Alone, as they are deployed: with others they would share more features of their dependencies.
    let mut build = cargo();
    build.args(["build", "--release", "--package", "waiterix-lambda", "--bins"]);
    step("Building the functions", &mut build)?;
    let sizes = sizes()?;
    for package in ["waiterix-lambda", "waiterix-tests"] {
        let mut build = cargo();
        build.args(["build", "--release", "--package", package, "--examples"]);
        step("Building what measures them", &mut build)?;
    }
    let mut text = machine::description("cargo xtask bench functions")?;
    text.push_str(&format!("\n\n### The programs, for the processor of this machine\n\n{sizes}"));
    let fleet = backends::launch()?;
    for (what, name) in EXAMPLES {
        println!("\n==> {what}");
        // Figures of nothing, because a server is missing, would replace those on the page.
        let figures = output_of(example(name).envs(fleet.variables()).env("WAITERIX_REQUIRE", "all"))?;
        text.push_str(&format!("\n\n### {what}\n\n{}", figures.trim()));
    }
    Ok(text)
}

/// A table of sizes, without symbols, which is how functions are deployed.
fn sizes() -> Result<String, Failure> {
    let folder = tempfile::tempdir()?;
    let mut table =
        "| function | program without symbols | its archive | goal |\n|---|---|---|---|".to_owned();
    for name in FUNCTIONS {
        let program = folder.path().join(name);
        let mut strip = Command::new("strip");
        strip.arg("--strip-all").arg("-o").arg(&program).arg(built("release").join(name));
        output_of(&mut strip)?;
        let program = fs::read(program)?;
        let mb = |bytes: usize| bytes as f64 / BYTES_PER_MB;
        let (whole, archive) = (mb(program.len()), mb(zipped_bytes(name, &program)?));
        table.push_str(&format!("\n| `{name}` | {whole:.1} MB | {archive:.1} MB | {ARCHIVE_GOAL} |"));
    }
    Ok(table)
}
