//! PostgreSQL by its own `psql`: somebody who writes plain SQL and shares no code with what is tested.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use url::Url;
use waiterix_backends::postgres;

/// What the server says of a statement that did what it should.
pub const DONE: &str = "00000";

/// A database.
#[derive(Debug, Clone)]
pub struct Psql {
    url: Url,
    program: PathBuf,
}

/// What became of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// They are done, and printed this.
    Done(String),
    /// The server has refused one with this SQLSTATE, and undone the others.
    Refused(String),
    /// The connection broke, or there was none: they are done or not.
    Unknown(String),
}

impl Psql {
    /// A database by its URL; nothing is asked yet.
    ///
    /// # Panics
    /// Where there is no psql.
    pub fn at(url: &Url) -> Self {
        Self { url: url.clone(), program: postgres::program("psql").expect("psql") }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Neither the environment nor a file of the developer's has a say in what is read and how it looks.
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--set",
            "VERBOSITY=sqlstate",
        ]);
        command.arg("--dbname").arg(self.url.as_str());
        command.env("PGTZ", "UTC").env("PGDATESTYLE", "ISO").env("PGCLIENTENCODING", "UTF8");
        command.env("PGOPTIONS", "-c client_min_messages=warning").env("PGCONNECT_TIMEOUT", "10");
        command
    }

    /// Runs statements in one round trip: one transaction, unless they say otherwise.
    ///
    /// # Panics
    /// When psql cannot be started.
    pub fn tell(&self, sql: &str) -> Told {
        let output = self.command().args(["--command", sql]).stdin(Stdio::null()).output().expect("psql");
        if output.status.success() {
            return Told::Done(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // What is fatal ends the connection, and may come after a commit.
        let refused = said
            .lines()
            .filter(|_| output.status.code() == Some(1))
            .find_map(|line| line.strip_prefix("ERROR:"));
        match refused {
            Some(sqlstate) => Told::Refused(sqlstate.trim().to_owned()),
            None => Told::Unknown(said),
        }
    }

    /// What statements print that must be done.
    ///
    /// # Panics
    /// When they are not.
    pub fn ask(&self, sql: &str) -> String {
        match self.tell(sql) {
            Told::Done(said) => said,
            other => panic!("{other:?}: {sql}"),
        }
    }

    /// A number that must be answered.
    ///
    /// # Panics
    /// When it is not, or is none.
    pub fn count(&self, sql: &str) -> u64 {
        self.ask(sql).parse().expect(sql)
    }

    /// A connection that takes one statement after the other.
    ///
    /// # Panics
    /// When psql cannot be started.
    pub fn session(&self) -> Session {
        let mut command = self.command();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("psql");
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Session { child, input, output }
    }
}

/// A connection. It ends when this is dropped, and what is not committed is undone.
#[derive(Debug)]
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// Runs a statement, and answers the SQLSTATE of the last one if there are several.
    ///
    /// # Panics
    /// When the connection has ended.
    pub fn run(&mut self, statement: &str) -> String {
        writeln!(self.input, "{statement};\n\\echo said :SQLSTATE").expect("a connection");
        self.input.flush().expect("a connection");
        // Rows come before it.
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.output.read_line(&mut line).expect("its output") > 0, "psql has ended: {statement}");
            if let Some(sqlstate) = line.strip_prefix("said ") {
                return sqlstate.trim().to_owned();
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
