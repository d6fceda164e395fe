//! The functions: how large their programs are, how they start and answer, and what the layer of functions costs.

use std::fs;
use std::process::Command;

use super::machine;
use crate::backends::{self, program::WHOLE};
use crate::command::{Failure, built, cargo, output_of, step};
use crate::deploy::archives::{FUNCTIONS, PROFILE, zipped_bytes};

/// The largest archive that is fetched and unpacked fast enough for a start that a guest waits for.
const ARCHIVE_GOAL: &str = "≤ 12 MB";
const BYTES_PER_MB: f64 = 1e6;

/// The example that calls a function as the platform does.
const PLATFORM: &str = "function_speed";

/// What each measures, and the example that does it.
const EXAMPLES: [(&str, &str); 2] = [
    ("The process of `api`, through the real protocol of the platform", PLATFORM),
    ("The layer of functions, from JSON to JSON, beside the service itself", "layer_speed"),
];

/// Measures and answers the figures with their circumstances.
pub(super) fn measure() -> Result<String, Failure> {
    // Alone and with the profile they are deployed with: with others they would share more features of their dependencies.
    for targets in ["--bins", "--examples"] {
        let mut build = cargo();
        build.args(["build", "--profile", PROFILE, "--package", "waiterix-lambda", targets]);
        step("Building the functions, and what measures their layer", &mut build)?;
    }
    let mut build = cargo();
    build.args(["build", "--release"]).args(WHOLE).args(["--example", PLATFORM]);
    step("Building what stands for the platform", &mut build)?;
    let mut text = machine::description("cargo xtask bench functions")?;
    text.push_str(&format!("\n\n### The programs, for the processor of this machine\n\n{}", sizes()?));
    // What stands for the platform starts the programs beside it.
    let examples = built(PROFILE).join("examples");
    fs::copy(built("release").join("examples").join(PLATFORM), examples.join(PLATFORM))?;
    let fleet = backends::launch()?;
    for (what, name) in EXAMPLES {
        println!("\n==> {what}");
        let mut example = Command::new(examples.join(name));
        // Figures of nothing, because a server is missing, would replace those on the page.
        let figures = output_of(example.envs(fleet.variables()).env("WAITERIX_REQUIRE", "all"))?;
        text.push_str(&format!("\n\n### {what}\n\n{}", figures.trim()));
    }
    Ok(text)
}

/// A table of sizes.
fn sizes() -> Result<String, Failure> {
    let mut table = "| function | program | its archive | goal |\n|---|---|---|---|".to_owned();
    for name in FUNCTIONS {
        let program = fs::read(built(PROFILE).join(name))?;
        let mb = |bytes: usize| bytes as f64 / BYTES_PER_MB;
        let (whole, archive) = (mb(program.len()), mb(zipped_bytes(name, &program)?));
        table.push_str(&format!("\n| `{name}` | {whole:.1} MB | {archive:.1} MB | {ARCHIVE_GOAL} |"));
    }
    Ok(table)
}
