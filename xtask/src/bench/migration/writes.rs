//! What a move costs those who write meanwhile: guard and journal, and how far the other side is behind.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use waiterix_backends::postgres;

use super::super::fault;
use super::ground::{Ground, Pair, median};
use crate::command::Failure;
use crate::psql::{DONE, Database, Session};

/// An order as the store under the service writes it; the same that its own measurement has.
const ORDER: &str = include_str!("../../../../waiterix-postgres/examples/pgbench/order.sql");
/// The restaurant, table and dishes that it names.
const RESTAURANT: &str = include_str!("restaurant.sql");
/// One row a time.
const ROW: &str = include_str!("row.sql");
/// Orders or rows per second below saturation.
const CALM: u32 = 500;
/// Rows per second at which the other side is to keep up.
const ROWS: u32 = 1_000;
/// How long somebody waits for a row to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long rows are written at that rate, in seconds.
const ROWS_S: u32 = 60;
/// Samples of how far the other side is behind, and how few of them say nothing.
const SAMPLES: usize = 200;
const TOO_FEW: usize = 10;

/// What one kind of load came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// Orders per second when nothing holds anybody back.
    pub(super) most: f64,
    /// The median wait for an order when there are few, in milliseconds.
    pub(super) calm_ms: f64,
    /// The same for a single row.
    pub(super) row_ms: f64,
}

fn seconds(scale: f64) -> u32 {
    if scale < 0.5 { 3 } else { 15 }
}

/// Orders on the old side before a move, and with its guard and its journal, which nobody empties meanwhile.
pub(super) fn guard(ground: &Ground, scale: f64) -> Result<(Written, Written), Failure> {
    let pair = ground.pair()?;
    pair.old.script(RESTAURANT, &[])?;
    pair.settle()?;
    let before = written(&pair.old, scale)?;
    pair.copied()?;
    pair.settle()?;
    let with = written(&pair.old, scale)?;
    Ok((before, with))
}

fn written(database: &Database, scale: f64) -> Result<Written, Failure> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("order.sql");
    fs::write(&script, ORDER)?;
    let text = pgbench(database, &script, &["-c", "16", "-j", "2"], seconds(scale), folder.path())?;
    let most = per_second(&text).ok_or_else(|| Failure::Said(format!("pgbench says no figure:\n{text}")))?;
    Ok(Written { most, calm_ms: calm(database, ORDER, scale)?, row_ms: calm(database, ROW, scale)? })
}

/// The median wait for a script that runs [`CALM`] times per second, in milliseconds.
fn calm(database: &Database, script: &str, scale: f64) -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("script.sql");
    fs::write(&file, script)?;
    let rate = CALM.to_string();
    let how = ["-c", "16", "-j", "2", "--rate", &rate, "--log"];
    pgbench(database, &file, &how, seconds(scale), folder.path())?;
    Ok(median(waits_ms(folder.path())?))
}

fn pgbench(
    database: &Database,
    script: &Path,
    how: &[&str],
    seconds: u32,
    folder: &Path,
) -> Result<String, Failure> {
    let mut command = Command::new(postgres::program("pgbench").map_err(|error| fault(&error))?);
    command.args(["--no-vacuum", "--protocol", "prepared", "--time", &seconds.to_string()]).args(how);
    command.arg("--file").arg(script).arg(&database.url).current_dir(folder);
    crate::command::output_of(&mut command)
}

fn per_second(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
}

/// How long each transaction took, without what it waited because it was late, from pgbench's logs.
fn waits_ms(folder: &Path) -> Result<Vec<f64>, Failure> {
    let mut waits = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pgbench_log")) {
            waits.extend(fs::read_to_string(path)?.lines().filter_map(wait_ms));
        }
    }
    Ok(waits)
}

/// `client transaction time script epoch us lag`: the time counts from when it was due.
fn wait_ms(line: &str) -> Option<f64> {
    let words: Vec<f64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    Some((words.get(2)? - words.get(6).copied().unwrap_or(0.0)) / 1_000.0)
}

/// The time from the commit of a row on the side that leads until it is on the other, while many others are written.
pub(super) fn lag(ground: &Ground) -> Result<Vec<Duration>, Failure> {
    let pair = ground.pair()?;
    pair.copied()?;
    let _follower = Follower::start(&pair)?;
    // Once a row has arrived, somebody follows.
    let mut probe = Probe { here: pair.old.session()?, there: pair.new.session()?, count: 0 };
    probe.sample()?;
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("row.sql");
    fs::write(&script, ROW)?;
    let rate = ROWS.to_string();
    let time = ROWS_S.to_string();
    let mut load = Command::new(postgres::program("pgbench").map_err(|error| fault(&error))?);
    load.args([
        "--no-vacuum",
        "--protocol",
        "prepared",
        "-c",
        "8",
        "-j",
        "1",
        "--rate",
        &rate,
        "--time",
        &time,
    ]);
    load.arg("--file").arg(&script).arg(&pair.old.url).stdout(Stdio::null());
    let mut load = load.spawn()?;
    let outcome = probe.sampled(&mut load);
    // It may have ended by itself.
    let _ = load.kill();
    let _ = load.wait();
    outcome
}

/// Writes rows on one side and waits for each on the other.
struct Probe {
    here: Session,
    there: Session,
    count: usize,
}

impl Probe {
    /// As many samples as there is load for.
    fn sampled(&mut self, load: &mut Child) -> Result<Vec<Duration>, Failure> {
        let mut waits = Vec::new();
        while waits.len() < SAMPLES {
            match load.try_wait()? {
                None => waits.push(self.sample()?),
                Some(status) if status.success() => break,
                Some(status) => return Err(Failure::Said(format!("pgbench ended with {status}"))),
            }
        }
        if waits.len() < TOO_FEW {
            return Err(Failure::Said(format!("only {} samples say nothing", waits.len())));
        }
        Ok(waits)
    }

    fn sample(&mut self) -> Result<Duration, Failure> {
        self.count += 1;
        let id = format!("sample-{}", self.count);
        let written = self.here.execute(&format!(
            "INSERT INTO table_scan_events (id, restaurant_id) SELECT '{id}', id FROM restaurants LIMIT 1"
        ))?;
        if written != DONE {
            return Err(Failure::Said(format!("a row could not be written: {written}")));
        }
        let begun = Instant::now();
        // A division by zero says in the state alone that it is not there yet.
        let look =
            format!("DO $$ BEGIN PERFORM 1 / count(*) FROM table_scan_events WHERE id = '{id}'; END $$");
        while self.there.execute(&look)? != DONE {
            if begun.elapsed() > PATIENCE {
                return Err(Failure::Said(format!("after {} s a row has not arrived", PATIENCE.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(begun.elapsed())
    }
}

/// What makes the other side equal all the time. Killed when dropped.
struct Follower(Child);

impl Follower {
    fn start(pair: &Pair<'_>) -> Result<Self, Failure> {
        // Copied it is already: this goes on from there.
        let mut command = pair.step(&["start", "--follow"]);
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_pgbench_are_found() {
        assert_eq!(
            per_second("latency average = 1 ms\ntps = 1234.5 (without initial connection time)\n"),
            Some(1234.5)
        );
        assert_eq!(wait_ms("0 1 2500 0 1700000000 1 500"), Some(2.0));
        assert_eq!(wait_ms("0 1 2500 0 1700000000 1"), Some(2.5));
    }
}
