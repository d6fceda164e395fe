//! Programs for Node.js with the libraries they need: the originals that an adapter claims to be compatible with.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::{Fault, program};

/// Installs libraries, each at a version, unless they are there; answers the folder of modules.
///
/// # Errors
/// When npm is not there or cannot fetch them.
pub fn libraries(name: &str, packages: &[(&str, &str)]) -> Result<PathBuf, Fault> {
    program::npm_modules(name, packages)
}

/// A program under way. It is told to end by the end of its standard input, and made to when this is dropped.
#[derive(Debug)]
pub struct Script {
    child: Child,
    _input: Option<ChildStdin>,
}

impl Script {
    /// Starts a program with the libraries of a folder of modules. Answers the first line that it writes, which it does
    /// when it is ready.
    ///
    /// # Errors
    /// When Node.js is not there, or the program ends without a line.
    pub fn start(file: &Path, modules: &Path, arguments: &[String]) -> Result<(Self, String), Fault> {
        use std::io::BufRead as _;
        let mut command = Command::new("node");
        command.arg(file).args(arguments).env("NODE_PATH", modules);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|error| Fault::Missing {
            program: "node",
            why: error.to_string(),
            remedy: "install Node.js 20".to_owned(),
        })?;
        let input = child.stdin.take();
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            std::io::BufReader::new(output).read_line(&mut line)?;
        }
        let script = Self { child, _input: input };
        if line.is_empty() {
            let said = "it ended without having said that it is ready".to_owned();
            return Err(Fault::Failed { command: format!("node {}", file.display()), said });
        }
        Ok((script, line.trim().to_owned()))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
