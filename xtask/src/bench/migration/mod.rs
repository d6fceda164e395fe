//! The move: each figure beside the best program that does a part of the same, on the same servers and rows.

mod copies;
mod ground;
mod objects;
mod writes;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::machine;
use crate::command::{Failure, built, step};
use crate::demo;
use ground::{Ground, median};
use objects::Pictures;
use writes::Written;

/// Orders of the whole: with what belongs to them five million rows.
const ORDERS: f64 = 1_220_000.0;
/// Orders per second while the lead changes, of four rows and more: the machine bears them with everybody else who takes part on it.
const RATE: u32 = 150;
/// Few, so that what a mirror costs is not what a full machine costs. As many in a trial.
const CALM_RATE: u32 = 20;
/// How often the lead changes.
const FLIPS: u32 = 5;

#[derive(Debug, Args)]
#[command(next_help_heading = "Of the measurement of a move")]
pub(super) struct Whole {
    /// How much of the five million rows there is; less than the whole is a trial and is not written to the page.
    #[arg(long, value_name = "PART", default_value_t = 1.0)]
    scale: f64,
    /// How often each is measured; the middle counts.
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// Only this part, and more of them when it is said again; each is written to the page as soon as it is measured.
    #[arg(long, value_name = "PART")]
    part: Vec<Part>,
    #[command(flatten)]
    build: demo::Build,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Copying rows, with indexes and foreign keys.
    Copy,
    /// Comparing rows, and repairing them.
    Compare,
    /// What guard and journal cost those who write, and how far the other side is behind.
    Writes,
    /// Copying objects.
    Objects,
    /// How long guests wait while the lead changes, and while the other side is mirrored.
    Lead,
}

impl Part {
    /// Its section of the page.
    const fn section(self) -> &'static str {
        match self {
            Self::Copy => "migration copy",
            Self::Compare => "migration compare",
            Self::Writes => "migration writes",
            Self::Objects => "migration objects",
            Self::Lead => "migration lead",
        }
    }
}

impl Whole {
    /// Whether the figures are those of the page.
    pub(super) fn is_whole(&self) -> bool {
        self.scale >= 1.0 && !self.build.is_debug()
    }

    fn wants(&self, part: Part) -> bool {
        self.part.is_empty() || self.part.contains(&part)
    }
}

/// A line of the table.
struct Line {
    what: String,
    ours: String,
    peers: String,
    goal: &'static str,
}

/// Measures part by part, and hands over the section and the figures of each with their circumstances.
pub(super) fn measure(
    whole: &Whole,
    mut keep: impl FnMut(&str, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (program, providers) = demo::build(&whole.build)?;
    let orders = (ORDERS * whole.scale).max(1_000.0) as u32;
    let mut filled: Option<Ground> = None;
    for part in Part::value_variants().iter().copied().filter(|part| whole.wants(*part)) {
        let name = part.section().replace("migration ", "--part ");
        let circumstances =
            machine::description(&format!("cargo xtask bench migration {name} --runs {}", whole.runs))?;
        if matches!(part, Part::Objects | Part::Lead) {
            // They have servers of their own.
            filled = None;
        } else if filled.is_none() {
            filled = Some(Ground::prepare(program.clone(), orders)?);
        }
        let lines = match (part, &filled) {
            (Part::Copy, Some(ground)) => vec![copying(ground, whole)?],
            (Part::Compare, Some(ground)) => comparing(ground, whole)?,
            (Part::Writes, Some(ground)) => writing(ground, whole)?,
            (Part::Objects, _) => vec![pictures(whole, &program, &providers)?],
            (Part::Lead, _) => flipping(whole, &program)?,
            (Part::Copy | Part::Compare | Part::Writes, None) => {
                return Err(Failure::Said("there is no database to measure on".to_owned()));
            }
        };
        let on = filled.as_ref().map_or_else(String::new, |ground| {
            format!(" {} rows, {:.2} GB with indexes.", ground.rows, ground.bytes as f64 / 1e9)
        });
        let mut text = format!(
            "{circumstances}\n\nBoth servers and the move share the machine and one disk.{on} Medians of {}.\n\n\
             | job | ours | beside it | goal |\n|---|---|---|---|\n",
            whole.runs
        );
        for line in lines {
            text += &format!("| {} | {} | {} | {} |\n", line.what, line.ours, line.peers, line.goal);
        }
        keep(part.section(), &text)?;
    }
    Ok(())
}

/// A program that copies a filled database, and how long it takes.
type Copier = (&'static str, fn(&Ground) -> Result<Duration, Failure>);

const OURS: Copier = ("waiterix migrate start", copies::ours);
const PEERS: [Copier; 3] = [
    ("pgcopydb", copies::pgcopydb),
    ("pg_dump and pg_restore", copies::dump_and_restore),
    ("binary COPY", copies::raw_copy),
];

/// Measures all in turn, so that a slow minute of the machine is everybody's. A peer that may not be there is left out, which is said.
fn copying(ground: &Ground, whole: &Whole) -> Result<Line, Failure> {
    println!("\n==> Copying {} rows", ground.rows);
    let (mut ours, mut theirs) = (Vec::new(), PEERS.map(|_| Vec::new()));
    for nth in 1..=whole.runs {
        let said = |name: &str, seconds: f64| println!("    {name}, {nth} of {}: {seconds:.2} s", whole.runs);
        let (name, copy) = OURS;
        let seconds = copy(ground)?.as_secs_f64();
        said(name, seconds);
        ours.push(seconds);
        for ((name, copy), taken) in PEERS.iter().zip(&mut theirs) {
            match copy(ground) {
                Ok(time) => {
                    said(name, time.as_secs_f64());
                    taken.push(time.as_secs_f64());
                }
                Err(failure) => println!("    {name} is LEFT OUT: {failure}"),
            }
        }
    }
    let shown = PEERS.iter().zip(theirs).map(|((name, _), taken)| {
        if taken.is_empty() { format!("{name} left out") } else { format!("{name} {:.1} s", median(taken)) }
    });
    Ok(Line {
        what: "copy with indexes and foreign keys, every range compared".to_owned(),
        ours: format!("{:.1} s", median(ours)),
        peers: format!("{}; none compares", shown.collect::<Vec<_>>().join(", ")),
        goal: "≤ 20 s",
    })
}

fn comparing(ground: &Ground, whole: &Whole) -> Result<Vec<Line>, Failure> {
    println!("\n==> Comparing and repairing");
    let (mut equal, mut found, mut repaired, mut theirs, mut ordered) =
        (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..whole.runs {
        let compared = copies::compared(ground)?;
        let seconds = |time: Duration| time.as_secs_f64();
        println!(
            "    equal {:.2} s, found {:.2} s, repaired {:.2} s",
            seconds(compared.equal),
            seconds(compared.found),
            seconds(compared.repaired)
        );
        equal.push(seconds(compared.equal));
        found.push(seconds(compared.found));
        repaired.push(seconds(compared.repaired));
        theirs.extend(compared.reladiff.map(seconds));
        ordered.push(seconds(compared.ordered_copy));
    }
    let theirs = if theirs.is_empty() {
        "reladiff left out".to_owned()
    } else {
        format!("reladiff {:.1} s", median(theirs))
    };
    Ok(vec![
        Line {
            what: "compare equal sides; name 1,000 rows that differ".to_owned(),
            ours: format!("{:.1} s; {:.1} s", median(equal), median(found)),
            peers: format!(
                "{theirs}; COPY in order through MD5 {:.1} s, which names nothing; both of the three large tables only",
                median(ordered)
            ),
            goal: "≤ 6 s",
        },
        Line {
            what: "find and repair 1,000 differences, and compare again".to_owned(),
            ours: format!("{:.1} s", median(repaired)),
            peers: "nobody does".to_owned(),
            goal: "≤ 10 s",
        },
    ])
}

fn writing(ground: &Ground, whole: &Whole) -> Result<Vec<Line>, Failure> {
    println!("\n==> Writing with guard and journal");
    let (mut ratios, mut orders, mut rows, mut shown) = (vec![], vec![], vec![], vec![]);
    let more = |with: f64, before: f64| (with / before - 1.0) * 100.0;
    for _ in 0..whole.runs {
        let (before, with): (Written, Written) = writes::guard(ground, whole.scale)?;
        println!(
            "    {:.0}/s before, {:.0}/s with; at 500/s orders {:.2} and {:.2} ms, single rows {:.2} and {:.2} ms",
            before.most, with.most, before.calm_ms, with.calm_ms, before.row_ms, with.row_ms
        );
        ratios.push(with.most / before.most);
        orders.push(more(with.calm_ms, before.calm_ms));
        rows.push(more(with.row_ms, before.row_ms));
        shown.push(with.most);
    }
    println!("==> How far the other side is behind");
    let lag = writes::lag(ground)?;
    let middle = demo::quantile(lag.clone(), 0.5);
    println!("    {} samples, in the middle {:.0} ms", lag.len(), middle.as_secs_f64() * 1_000.0);
    let at = |quantile| demo::quantile(lag.clone(), quantile).as_secs_f64() * 1_000.0;
    Ok(vec![
        Line {
            what: "guard and journal on the side that leads: orders per second at saturation".to_owned(),
            ours: format!("{:.2} of without ({:.0}/s)", median(ratios), median(shown)),
            peers: "-".to_owned(),
            goal: "≥ 0.65",
        },
        Line {
            what: "guard and journal: the median wait at 500 writes per second of a single row; of an order of six rows"
                .to_owned(),
            ours: format!("{:+.0} %; {:+.0} %", median(rows), median(orders)),
            peers: "-".to_owned(),
            goal: "+10 %",
        },
        Line {
            what: format!("behind the leader at 1,000 rows per second, {} samples", lag.len()),
            ours: format!("p50 {:.0} ms, p99 {:.0} ms", at(0.5), at(0.99)),
            peers: "-".to_owned(),
            goal: "p99 ≤ 250 ms",
        },
    ])
}

fn pictures(whole: &Whole, program: &Path, providers: &Path) -> Result<Line, Failure> {
    println!("\n==> Copying objects");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (mut taken, mut theirs, mut what) = (vec![], vec![], String::new());
    for _ in 0..whole.runs {
        let pictures = Pictures::prepare(&runtime, program, providers, whole.scale)?;
        let ours = pictures.ours(program)?.as_secs_f64();
        match pictures.rclone() {
            Ok(seconds) => theirs.push(seconds.as_secs_f64()),
            Err(failure) => println!("    rclone is LEFT OUT: {failure}"),
        }
        println!("    ours {ours:.2} s, rclone {:.2} s", theirs.last().copied().unwrap_or(f64::NAN));
        taken.push(ours);
        what = format!("copy {} objects, {} MB", pictures.count, pictures.bytes / 1_000_000);
    }
    Ok(Line {
        what: format!("{what}, SHA-256 recorded"),
        ours: format!("{:.1} s", median(taken)),
        peers: if theirs.is_empty() {
            "rclone left out".to_owned()
        } else {
            format!("rclone {:.1} s", median(theirs))
        },
        goal: "≤ 5 s",
    })
}

/// The lead changes while guests order, as the demonstration shows it; and what fewer guests see with and without a mirror.
fn flipping(whole: &Whole, program: &Path) -> Result<Vec<Line>, Failure> {
    let orders = (100_000.0 * whole.scale).max(1_000.0) as u32;
    let rate = if whole.is_whole() { RATE } else { CALM_RATE };
    let (flips, orders) = (FLIPS.to_string(), orders.to_string());
    let run = |rate: u32, more: &[&str]| -> Result<Value, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([
            "demo-migration",
            "--no-build",
            "--orders",
            &orders,
            "--pictures",
            "10",
            "--port",
            "rows",
        ]);
        command.args(["--rate", &rate.to_string(), "--program"]).arg(program).args(more);
        if whole.build.is_debug() {
            command.arg("--debug");
        }
        let report = built("demo-migration").join("report.json");
        // Failed requests and differences are figures, too; a demonstration that leaves no report has failed.
        if let Err(failure) = step("Guests ordering", &mut command) {
            println!("    {failure}");
        }
        let text = fs::read_to_string(report)?;
        serde_json::from_str(&text).map_err(|error| Failure::Said(error.to_string()))
    };
    let alone = run(CALM_RATE, &["--baseline", "--seconds", "20"])?;
    let inline = run(CALM_RATE, &["--inline", "--flips", "3", "--seconds", "15"])?;
    let background = run(CALM_RATE, &["--flips", "3", "--seconds", "15"])?;
    let moved = run(rate, &["--flips", &flips, "--seconds", "10"])?;
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let of_flips = |name: &str| {
        let figures = moved["flips"].as_array().into_iter().flatten();
        figures.map(|flip| format!("{:.0}", number(&flip[name]))).collect::<Vec<_>>().join(", ")
    };
    let single = number(&alone["orders_ms_p99"]);
    // Before the first change there is the copy, too, and a time before it.
    let usual = |report: &Value| -> f64 {
        let flips = report["flips"].as_array().into_iter().flatten().skip(1);
        median(flips.map(|flip| number(&flip["usual_ms_p99"])).collect()) / single
    };
    Ok(vec![
        Line {
            what: format!(
                "longest wait of a write in each change of the lead, {rate} orders of four rows and more per second"
            ),
            ours: format!(
                "{} ms: p99 {:.0} ms; nobody could write for {} ms; p99 of all writes during each {} ms; {} failed requests, {} differences",
                of_flips("pause_ms_longest"),
                number(&moved["pause_ms_p99"]),
                of_flips("pause_ms_said"),
                of_flips("pause_ms_p99"),
                moved["failed_requests"],
                moved["differences"]
            ),
            peers: "-".to_owned(),
            goal: "p99 ≤ 100 ms, 0 failed",
        },
        Line {
            what: format!(
                "p99 of a write that is mirrored before its answer, and in the background, {CALM_RATE} orders per second"
            ),
            ours: format!("{:.2} and {:.2} of {single:.1} ms alone", usual(&inline), usual(&background)),
            peers: "-".to_owned(),
            goal: "≤ 2; ≤ 1.1",
        },
    ])
}
