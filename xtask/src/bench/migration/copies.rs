//! Copying and comparing, beside the programs that do a part of it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use waiterix_backends::{peers, postgres};

use super::super::fault;
use super::ground::{Ground, Pair, timed};
use crate::command::Failure;
use crate::demo::compare;
use crate::psql::Database;

/// Rows that are made to differ.
const DIFFERENT: usize = 1_000;
/// The tables that hold nearly all rows, for a peer that compares one at a time.
const LARGE: [&str; 3] = ["orders", "order_items", "table_scan_events"];

/// Ours: the schema, every row, indexes and foreign keys, each range compared as it arrives.
pub(super) fn ours(ground: &Ground) -> Result<Duration, Failure> {
    ground.pair()?.copied()
}

/// pgcopydb with as many jobs as there are processors. It compares nothing.
pub(super) fn pgcopydb(ground: &Ground) -> Result<Duration, Failure> {
    let pair = ground.pair()?;
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(peers::pgcopydb().map_err(|error| fault(&error))?);
    command.args([
        "clone",
        "--no-owner",
        "--table-jobs",
        "2",
        "--index-jobs",
        "2",
        "--source",
        &pair.old.url,
    ]);
    command.args(["--target", &pair.new.url, "--dir"]).arg(folder.path().join("work"));
    // It runs the client programs of its server's version.
    if let Some(bin) = postgres::program("pg_dump").map_err(|error| fault(&error))?.parent() {
        command.env("PG_CONFIG", bin.join("pg_config"));
    }
    timed(&mut command)
}

/// `pg_dump` and `pg_restore` with two jobs each, by way of a folder. They compare nothing.
pub(super) fn dump_and_restore(ground: &Ground) -> Result<Duration, Failure> {
    let pair = ground.pair()?;
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("dump");
    let [pg_dump, pg_restore] =
        ["pg_dump", "pg_restore"].map(|name| postgres::program(name).map_err(|error| fault(&error)));
    let mut out = Command::new(pg_dump?);
    out.args(["--format", "directory", "--jobs", "2", "--compress", "0", "--no-owner", "--file"])
        .arg(&dump)
        .arg(&pair.old.url);
    let mut back = Command::new(pg_restore?);
    back.args(["--jobs", "2", "--no-owner", "--dbname", &pair.new.url]).arg(&dump);
    let taken = timed(&mut out)? + timed(&mut back)?;
    fs::remove_dir_all(&dump)?;
    Ok(taken)
}

/// Two pipes of binary COPY at a time into tables without indexes, which are made afterwards. It compares nothing.
pub(super) fn raw_copy(ground: &Ground) -> Result<Duration, Failure> {
    let pair = ground.pair()?;
    let pg_dump = postgres::program("pg_dump").map_err(|error| fault(&error))?;
    let begun = Instant::now();
    section(&pair, &pg_dump, "pre-data")?;
    let psql = postgres::program("psql").map_err(|error| fault(&error))?;
    let psql = psql.to_string_lossy();
    let tables = pair.old.script(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relpages DESC",
        &[],
    )?;
    let mut lines = String::new();
    for table in tables.lines() {
        lines += &format!(
            "'{psql}' -qc 'COPY public.{table} TO STDOUT (FORMAT binary)' '{}' | '{psql}' -qc 'COPY public.{table} FROM STDIN (FORMAT binary)' '{}'\n",
            pair.old.url, pair.new.url
        );
    }
    let folder = tempfile::tempdir()?;
    let list = folder.path().join("tables");
    fs::write(&list, lines)?;
    let mut both = Command::new("xargs");
    both.args(["-P", "2", "-d", "\\n", "-I", "{}", "-a"]).arg(&list).args(["sh", "-c", "{}"]);
    timed(&mut both)?;
    section(&pair, &pg_dump, "post-data")?;
    Ok(begun.elapsed())
}

/// Makes a section of the schema, of which the last holds indexes and foreign keys.
fn section(pair: &Pair<'_>, pg_dump: &std::path::Path, name: &str) -> Result<(), Failure> {
    let mut dump = Command::new(pg_dump);
    dump.args(["--no-owner", "--section", name]).arg(&pair.old.url);
    let sql = crate::command::output_of(&mut dump)?;
    pair.new.script(&sql, &[]).map(drop)
}

/// What comparing and repairing took.
pub(super) struct Compared {
    pub(super) equal: Duration,
    pub(super) reladiff: Option<Duration>,
    pub(super) ordered_copy: Duration,
    /// Finding and naming the rows that differ.
    pub(super) found: Duration,
    /// Finding them, making them equal, and comparing again.
    pub(super) repaired: Duration,
}

/// Compares equal sides, then such as differ in a thousand rows, and has these made equal.
pub(super) fn compared(ground: &Ground) -> Result<Compared, Failure> {
    let pair = ground.pair()?;
    pair.copied()?;
    let equal = timed(&mut pair.step(&["verify"]))?;
    let ordered_copy = ordered_copy(&pair)?;
    differ(&pair.new)?;
    let reladiff = reladiff(&pair)?;
    let begun = Instant::now();
    if timed(&mut pair.step(&["verify"])).is_ok() {
        return Err(Failure::Said("rows differ, and the comparison did not find it".to_owned()));
    }
    let found = begun.elapsed();
    let repaired = timed(&mut pair.step(&["repair"]))?;
    let comparison = compare::rows(&pair.old, &pair.new)?;
    if comparison.differences() > 0 {
        let left = comparison.differences();
        return Err(Failure::Said(format!(
            "{left} differences are left after the repair: {:?}",
            comparison.broken
        )));
    }
    Ok(Compared { equal, reladiff, ordered_copy, found, repaired })
}

/// Makes a thousand rows differ as somebody would who gets past every trigger: changed, missing, and extra ones.
fn differ(database: &Database) -> Result<(), Failure> {
    let count = DIFFERENT.to_string();
    let said = database.script(include_str!("differ.sql"), &[("count", &count)])?;
    let changed: usize = said.lines().filter_map(|line| line.parse::<usize>().ok()).sum();
    if changed == DIFFERENT {
        Ok(())
    } else {
        Err(Failure::Said(format!("{changed} rows were made to differ")))
    }
}

/// reladiff on the large tables, one after the other as it does, with as many threads as it takes by itself.
fn reladiff(pair: &Pair<'_>) -> Result<Option<Duration>, Failure> {
    let program = match peers::reladiff() {
        Ok(program) => program,
        Err(fault) => {
            println!("    reladiff is LEFT OUT: {fault}");
            return Ok(None);
        }
    };
    let [old, new] = [&pair.old.url, &pair.new.url].map(|url| url.replace("postgres://", "postgresql://"));
    let begun = Instant::now();
    for table in LARGE {
        let mut command = Command::new(&program);
        command.args([&old, table, &new, table, "--key-columns", "id", "--columns", "%", "--stats"]);
        timed(&mut command)?;
    }
    Ok(Some(begun.elapsed()))
}

/// Every table in the order of its keys through MD5, both sides at once: says whether they differ, not where.
fn ordered_copy(pair: &Pair<'_>) -> Result<Duration, Failure> {
    let psql = postgres::program("psql").map_err(|error| fault(&error))?;
    let psql = psql.to_string_lossy();
    let one = |url: &str| {
        let copies: Vec<String> = LARGE
            .iter()
            .map(|table| {
                format!("'{psql}' -qc 'COPY (SELECT * FROM public.{table} ORDER BY id) TO STDOUT' '{url}'")
            })
            .collect();
        format!("{{ {}; }} | md5sum", copies.join("; "))
    };
    let script = format!(
        "a=$(mktemp); {} >$a & b=$({}); wait; test \"$(cat $a)\" = \"$b\"; same=$?; rm $a; exit $same",
        one(&pair.old.url),
        one(&pair.new.url)
    );
    timed(Command::new("sh").args(["-c", &script]))
}
