//! What is measured on: a filled database on one server, and an empty one on another, both on this machine and one disk.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use waiterix_backends::{Running, postgres};

use super::super::fault;
use crate::command::Failure;
use crate::demo::rows;
use crate::psql::{DONE, Database};

/// A database that is kept as it was filled; what is measured works on copies of it.
const FILLED: &str = "filled";

/// Both servers and the program that moves rows from one to the other.
pub(super) struct Ground {
    old: Running,
    new: Running,
    program: PathBuf,
    /// Rows of the filled database.
    pub(super) rows: u64,
    /// Its size with indexes.
    pub(super) bytes: u64,
}

/// A pair of databases that goes when this is dropped.
pub(super) struct Pair<'a> {
    ground: &'a Ground,
    pub(super) old: Database,
    pub(super) new: Database,
}

impl Ground {
    pub(super) fn prepare(program: PathBuf, orders: u32) -> Result<Self, Failure> {
        // Commits wait for the disk, as they do in a restaurant; no other setting favours anybody.
        let options = || postgres::Options {
            durable: true,
            settings: vec!["max_wal_size = '4GB'".to_owned()],
            ..postgres::Options::default()
        };
        let [old, new] = [options(), options()].map(|options| postgres::start(&options));
        let (old, new) = (old.map_err(|error| fault(&error))?, new.map_err(|error| fault(&error))?);
        let mut ground = Self { old, new, program, rows: 0, bytes: 0 };
        println!("\n==> Filling a database with {orders} orders and what belongs to them");
        ground.administer(&ground.old, &format!("CREATE DATABASE {FILLED}"))?;
        let filled = at(&ground.old, FILLED)?;
        rows::old_schema(&filled)?;
        ground.schema(&filled, true)?;
        rows::fill(&filled, orders, 0)?;
        let counted = "SELECT sum(n_live_tup), pg_database_size(current_database()) FROM pg_stat_user_tables";
        let text = filled.script(counted, &[])?;
        let (rows, bytes) = text.split_once('|').unwrap_or_default();
        (ground.rows, ground.bytes) = (rows.parse().unwrap_or(0), bytes.parse().unwrap_or(0));
        Ok(ground)
    }

    /// A copy of the filled database, and an empty one.
    pub(super) fn pair(&self) -> Result<Pair<'_>, Failure> {
        self.administer(&self.old, &format!("CREATE DATABASE measured TEMPLATE {FILLED}"))?;
        let pair = Pair { ground: self, old: at(&self.old, "measured")?, new: at(&self.new, "measured")? };
        self.administer(&self.new, "CREATE DATABASE measured")?;
        Ok(pair)
    }

    /// Completes a schema.
    fn schema(&self, database: &Database, is_old: bool) -> Result<(), Failure> {
        let mut command = Command::new(&self.program);
        command.args(["schema", "migrate"]).env("WAITERIX_STORE", "aws");
        if is_old {
            command.arg("--legacy").env("LEGACY_DATABASE_URL", &database.url);
        } else {
            command.env("DATABASE_URL", &database.url);
        }
        timed(&mut command).map(drop)
    }

    fn administer(&self, server: &Running, statement: &str) -> Result<(), Failure> {
        // Not by a script: making a database cannot be part of a transaction.
        match Database::at(server.url().as_str())?.session()?.execute(statement)?.as_str() {
            DONE => Ok(()),
            state => Err(Failure::Said(format!("{statement}: {state}"))),
        }
    }
}

fn at(server: &Running, name: &str) -> Result<Database, Failure> {
    let url = server.url().as_str();
    let url = url.rsplit_once('/').map_or(url, |(server, _)| server);
    Database::at(&format!("{url}/{name}"))
}

impl Pair<'_> {
    /// A step of the move on this pair.
    pub(super) fn step(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.ground.program);
        command.arg("migrate").args(arguments).args(["--port", "rows"]);
        command.env("LEGACY_DATABASE_URL", &self.old.url).env("DATABASE_URL", &self.new.url);
        command
    }

    /// Has the new server do nothing of its own from now on, and both have on disk what was written until now: they share one.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        let (old, new) = (&self.ground.old, &self.ground.new);
        self.ground.administer(new, "ALTER SYSTEM SET autovacuum = off")?;
        self.ground.administer(new, "DO $$ BEGIN PERFORM pg_reload_conf(); END $$")?;
        [old, new].into_iter().try_for_each(|server| self.ground.administer(server, "CHECKPOINT"))
    }

    /// Makes the tables of the new side.
    pub(super) fn schema(&self) -> Result<(), Failure> {
        self.ground.schema(&self.new, false)
    }

    /// Makes the tables and copies all rows: how long both take together.
    pub(super) fn copied(&self) -> Result<Duration, Failure> {
        let begun = Instant::now();
        self.schema()?;
        timed(&mut self.step(&["start"]))?;
        Ok(begun.elapsed())
    }
}

impl Drop for Pair<'_> {
    fn drop(&mut self) {
        // What is left is seen by the next who makes one, and goes with the servers.
        for server in [&self.ground.old, &self.ground.new] {
            let _ = self.ground.administer(server, "DROP DATABASE measured WITH (FORCE)");
        }
    }
}

/// Runs a program quietly to its end and answers how long it took; what it says belongs to a failure.
pub(super) fn timed(command: &mut Command) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(begun.elapsed());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let end: Vec<&str> = said.trim().lines().rev().take(8).collect();
    let program = command.get_program().to_string_lossy().into_owned();
    Err(Failure::Said(format!("{program}: {}", end.into_iter().rev().collect::<Vec<_>>().join("\n    "))))
}

/// The middle one.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
