//! `cargo xtask deploy` and `deploy-check`: the stack in an account, and the same without one.

pub(crate) mod archives;
mod checkov;
mod package;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use waiterix_backends::deployment::{self, STAGES, Tools, template};
use waiterix_backends::required;

use crate::backends::program::WHOLE;
use crate::command::{Failure, built, root, step};
use crate::test::Runner;

/// The stage that has everything; smaller ones lack some of it.
const PRODUCTION: &str = "production";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// dev, staging or production; its names are in `deploy/.env.STAGE`.
    stage: String,
}

/// Where everything is that is made for a deployment.
fn workshop() -> PathBuf {
    built("deploy")
}

/// Packages every stage with archives that hold nothing, and lets the linters and our own test look at what comes out.
/// Nobody's account is asked.
pub(crate) fn check() -> Result<(), Failure> {
    let Some(templates) = templates()? else { return Ok(()) };
    let mut tests = Runner::found().command();
    tests.args(WHOLE).args(["--test", "deploy"]).env(deployment::VARIABLE, templates);
    step("Tests of the templates", &mut tests)
}

/// The templates, packaged and looked at by the linters; none, which is said loudly, where the tools cannot be had.
pub(crate) fn templates() -> Result<Option<PathBuf>, Failure> {
    println!("\n==> Tools for the stack");
    let tools = match deployment::tools() {
        Ok(tools) => tools,
        Err(fault) if required() => return Err(Failure::Said(fault.to_string())),
        Err(fault) => {
            println!("    NOT THERE, so the stack is not checked: {fault}");
            return Ok(None);
        }
    };
    let (archives, folder) = (workshop().join("nothing"), workshop().join("templates"));
    archives::placeholders(&archives)?;
    for stage in STAGES {
        package::example(&tools.osls, stage, &archives, &folder)?;
    }
    let plain = folder.join("without-domains");
    package::without_domains(&tools.osls, PRODUCTION, &archives, &plain)?;
    lint(&tools, &folder, &plain)?;
    Ok(Some(folder))
}

fn lint(tools: &Tools, folder: &Path, plain: &Path) -> Result<(), Failure> {
    let mut cfn_lint = Command::new(&tools.cfn_lint);
    cfn_lint.args(["--non-zero-exit-code", "error", "--regions", package::REGION, "--template"]);
    cfn_lint.args(STAGES.map(|stage| template(folder, stage))).arg(template(plain, PRODUCTION));
    step("Rules of CloudFormation", &mut cfn_lint)?;
    // Smaller stages lack on purpose what production has; that they differ in sizes alone is one of the tests.
    checkov::run(&tools.checkov, &template(folder, PRODUCTION), &root().join("deploy/checkov-skips.txt"))
}

/// Builds the functions and brings a stage up to date.
pub(crate) fn deploy(options: &Options) -> Result<(), Failure> {
    let stage = options.stage.as_str();
    if !STAGES.contains(&stage) {
        return Err(Failure::Said(format!("there is no stage {stage}; there are {}", STAGES.join(", "))));
    }
    let names = root().join("deploy").join(format!(".env.{stage}"));
    if !names.is_file() {
        return Err(Failure::Said(format!("deploy/.env.{stage} is not there; copy deploy/.env.example")));
    }
    let osls = deployment::osls().map_err(|fault| Failure::Said(fault.to_string()))?;
    let archives = workshop().join("archives");
    archives::functions(&archives)?;
    step(&format!("Deploying {stage}"), package::osls(&osls, &archives).args(["deploy", "--stage", stage]))
}
