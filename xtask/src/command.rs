//! Running programs, step by step, with their exit codes passed on.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Instant;

/// Why a task failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A program ended with something else than success; it has said why itself.
    Ended {
        /// What was being done.
        step: String,
        /// The exit code, unless a signal ended it.
        code: Option<i32>,
    },
    /// Anything else.
    Said(String),
}

impl Failure {
    /// The exit code to pass on.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Ended { code: Some(code), .. } => {
                u8::try_from(*code).map_or(ExitCode::FAILURE, ExitCode::from)
            }
            Self::Ended { code: None, .. } | Self::Said(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { step, code: Some(code) } => write!(f, "{step}: failed with exit code {code}"),
            Self::Ended { step, code: None } => write!(f, "{step}: ended by a signal"),
            Self::Said(what) => f.write_str(what),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Said(error.to_string())
    }
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The cargo that runs this task. What it was told of this very program is not passed on: crates whose build scripts look at
/// such variables (`ring` does), and everything above them, would be built once for tasks and once more by hand.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root());
    let of_this_program = ["CARGO_PKG_", "CARGO_MANIFEST_"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| of_this_program.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// Where cargo puts what it builds with a profile (`debug` or `release`).
pub(crate) fn built(profile: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    root().join(target).join(profile)
}

/// Says what is done, does it, and says how long it took. Output goes straight to the terminal.
pub(crate) fn step(what: &str, command: &mut Command) -> Result<(), Failure> {
    println!("\n==> {what}\n    {}", shown(command));
    let begun = Instant::now();
    let status = command.status().map_err(|error| cannot_run(command, &error))?;
    if status.success() {
        println!("    {what}: done in {:.1} s", begun.elapsed().as_secs_f64());
        Ok(())
    } else {
        Err(Failure::Ended { step: what.to_owned(), code: status.code() })
    }
}

/// Runs a program quietly and answers its standard output.
pub(crate) fn output_of(command: &mut Command) -> Result<String, Failure> {
    let Output { status, stdout, .. } =
        command.stderr(Stdio::inherit()).output().map_err(|error| cannot_run(command, &error))?;
    if !status.success() {
        return Err(Failure::Ended { step: shown(command), code: status.code() });
    }
    String::from_utf8(stdout).map_err(|error| Failure::Said(format!("{}: {error}", shown(command))))
}

fn cannot_run(command: &Command, error: &std::io::Error) -> Failure {
    Failure::Said(format!("cannot run {}: {error}", shown(command)))
}

/// A command as a person would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_passed_on() {
        let failure = step("fail", Command::new("sh").args(["-c", "exit 7"])).unwrap_err();
        assert_eq!(failure.exit_code(), ExitCode::from(7));
        assert_eq!(failure.to_string(), "fail: failed with exit code 7");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = step("try", &mut Command::new("no-such-program")).unwrap_err();
        assert!(failure.to_string().starts_with("cannot run no-such-program"), "{failure}");
    }
}
