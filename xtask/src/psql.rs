//! PostgreSQL by its own `psql`: this tool starts fast because it brings no driver, and what it checks shares no code with
//! what it checks.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use waiterix_backends::postgres;

use crate::command::Failure;

/// A database.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
    program: PathBuf,
}

/// What the server says to a statement that did what it should.
pub(crate) const DONE: &str = "00000";

impl Database {
    pub(crate) fn at(url: &str) -> Result<Self, Failure> {
        let program = postgres::program("psql").map_err(|fault| Failure::Said(fault.to_string()))?;
        Ok(Self { url: url.to_owned(), program })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Neither the environment nor a file of the developer's has a say in what is read and how it looks.
        command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--dbname"]).arg(&self.url);
        command.env("PGTZ", "UTC").env("PGDATESTYLE", "ISO").env("PGCLIENTENCODING", "UTF8");
        command.env("PGOPTIONS", "-c client_min_messages=warning");
        command
    }

    /// Runs a script with variables, all or nothing, and answers what it prints.
    pub(crate) fn script(&self, sql: &str, variables: &[(&str, &str)]) -> Result<String, Failure> {
        let mut command = self.command();
        command.args(["--single-transaction", "--set", "ON_ERROR_STOP=1"]);
        for (name, value) in variables {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        command.args(["--file", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        let sql = sql.to_owned();
        // Written by a thread of its own: a script that prints much must be read while it is written.
        let writer = std::thread::spawn(move || input.map(|mut input| input.write_all(sql.as_bytes())));
        let output = child.wait_with_output()?;
        // When psql has ended early, it says why; that it took no more is the consequence.
        let _ = writer.join();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::Said(format!("psql: {}", said.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// A connection that takes one statement after the other.
    pub(crate) fn session(&self) -> Result<Session, Failure> {
        let mut child =
            self.command().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::Said("psql without its streams".to_owned()));
        };
        Ok(Session { child, input, output: BufReader::new(output) })
    }
}

/// A connection of somebody who writes plain SQL. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// Runs a statement that prints nothing and answers its SQLSTATE.
    pub(crate) fn execute(&mut self, statement: &str) -> Result<String, Failure> {
        writeln!(self.input, "{statement};\n\\echo :SQLSTATE")?;
        self.input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(Failure::Said("psql has ended".to_owned()));
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
