//! Where and when figures were measured.

use std::fs;
use std::process::Command;

use crate::command::{Failure, output_of};

/// One paragraph: date, commit, processor, memory, compiler, and the command that repeats it.
pub(super) fn description(command: &str) -> Result<String, Failure> {
    let date = line(Command::new("date").args(["--utc", "+%Y-%m-%d"]))?;
    let rustc = line(Command::new("rustc").arg("--version"))?;
    let system = line(Command::new("uname").args(["--kernel-name", "--kernel-release", "--machine"]))?;
    let cores = std::thread::available_parallelism()?;
    let gib = memory_gib()?;
    let busy = load_before()?;
    Ok(format!(
        "Measured on {date} with `{command}`: {cores} cores ({}), {gib:.0} GiB, {system}, {rustc}. \
         One-minute load of the machine before: {busy}.",
        processor()?
    ))
}

fn line(command: &mut Command) -> Result<String, Failure> {
    Ok(output_of(command)?.trim().to_owned())
}

fn processor() -> Result<String, Failure> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let names = ["model name", "Model", "CPU part"];
    let found = names.iter().find_map(|name| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    Ok(found.unwrap_or_else(|| "unnamed".to_owned()))
}

fn memory_gib() -> Result<f64, Failure> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u32>().ok()
    });
    let kib = kib.ok_or_else(|| Failure::Said("/proc/meminfo has no MemTotal".to_owned()))?;
    Ok(f64::from(kib) / 1024.0 / 1024.0)
}

fn load_before() -> Result<String, Failure> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}
