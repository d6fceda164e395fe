//! `cargo xtask demo-migration`: a whole move, live. Both sides are started on this machine, the old one is filled, two instances of
//! the service serve while guests order without a pause, owners change prices and upload pictures, people sign in and out, and the old
//! application writes past all of it. Meanwhile everything moves there, back, and there again. In the end both sides must be the same
//! to the byte and hold everything that was promised to anybody, and nobody may have been refused.

mod client;
pub(crate) mod compare;
mod emulator;
mod foreign;
mod guests;
mod house;
mod instance;
mod owners;
mod record;
mod report;
pub(crate) mod rows;
pub(crate) mod sides;
mod steps;
mod storages;
mod timeline;

use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;

use crate::backends::program::WHOLE;
use crate::command::{Failure, built, cargo, step};
use client::Client;
use compare::Comparison;
use foreign::{Left, Writer};
use house::{House, of_browser};
use instance::Instance;
use owners::Scene;
use record::Record;
pub(crate) use record::quantile;
use report::Report;
use sides::Sides;
use steps::Steps;

/// Restaurants that are open while everything moves.
const HOUSES: u32 = 10;
const PRICES_EVERY: Duration = Duration::from_millis(200);
const VISITORS_EVERY: Duration = Duration::from_secs(1);
const PICTURES_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many orders the old side holds besides the real ones.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    orders: u32,
    /// How many people are signed in on the old side.
    #[arg(long, value_name = "COUNT", default_value_t = 5_000)]
    sessions: u32,
    /// How many dishes of the open restaurants have pictures.
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=300))]
    pictures: u32,
    /// How many orders guests place per second.
    #[arg(long, value_name = "RATE", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rate: u32,
    /// How long it goes on before the move, between its steps, and after it, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How often the lead changes; an odd number, so that the new side has it in the end.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = odd)]
    flips: u32,
    /// How long nobody may be able to write while the lead changes, in milliseconds; the command's own limit without.
    #[arg(long, value_name = "MS")]
    pause_ms: Option<u64>,
    /// A port that moves: rows, objects, sessions, mail or sockets. All without.
    #[arg(long = "port", value_name = "PORT", value_parser = PORTS)]
    ports: Vec<String>,
    /// Have the other side follow before a write is answered, rather than later.
    #[arg(long)]
    inline: bool,
    /// Move nothing: what the same load sees on the old side alone.
    #[arg(long)]
    baseline: bool,
    /// Leave both sides running in the end, until you stop it.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    build: Build,
}

/// What is built before anything begins.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Build without optimization. It is there sooner, and its times say nothing.
    #[arg(long)]
    debug: bool,
    /// A program to run instead of the one that is built: it must have the adapters of both sides.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Build nothing: take what was built before.
    #[arg(long)]
    no_build: bool,
}

impl Build {
    /// Whether times say nothing.
    pub(crate) fn is_debug(&self) -> bool {
        self.debug
    }
}

const PORTS: [&str; 5] = ["rows", "objects", "sessions", "mail", "sockets"];
/// The variables that choose the adapters of each of them.
const CHOICES: [&str; 5] =
    ["WAITERIX_STORE", "WAITERIX_BLOBS", "WAITERIX_SESSIONS", "WAITERIX_MAILER", "WAITERIX_NOTIFIER"];

impl Options {
    fn moves(&self, port: &str) -> bool {
        !self.baseline && (self.ports.is_empty() || self.ports.iter().any(|wanted| wanted == port))
    }

    fn pause(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn odd(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count) if count % 2 == 1 => Ok(count),
        _ => Err("it must be an odd number".to_owned()),
    }
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let (program, providers) = build(&options.build)?;
    let folder = built("demo-migration");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(demonstrate(options, &program, &providers, &folder))
}

/// Builds the program and what stands for the old providers, with the features they have in tests.
pub(crate) fn build(options: &Build) -> Result<(PathBuf, PathBuf), Failure> {
    let profile = if options.debug { "debug" } else { "release" };
    let mut command = cargo();
    command.arg("build").args(WHOLE).args(["--example", "old_providers"]);
    if options.program.is_none() {
        command.args(["--bin", "waiterix"]);
    }
    if !options.debug {
        command.arg("--release");
    }
    if !options.no_build {
        step("Building the program, and what stands for the old providers", &mut command)?;
    }
    let folder = built(profile);
    let program = options.program.clone().unwrap_or_else(|| folder.join("waiterix"));
    Ok((fs::canonicalize(program)?, folder.join("examples").join("old_providers")))
}

async fn demonstrate(
    options: &Options,
    program: &Path,
    providers: &Path,
    folder: &Path,
) -> Result<(), Failure> {
    println!("\n==> Both sides");
    let sides = Arc::new(Sides::start(providers).await?);
    let orders_from = fill(options, program, &sides)?;
    let (before, dual) = (adapters(&sides, |_| false), adapters(&sides, |port| options.moves(port)));
    let before = pair(program, folder, "old", &before)?;
    let record = Arc::new(Record::new());
    let client = Arc::new(Client::new(addresses(&before), Arc::clone(&record)));
    println!("==> {HOUSES} restaurants open");
    let mut houses = Vec::new();
    for nth in 1..=HOUSES {
        houses.push(House::open(&client, &sides, nth).await?);
    }
    let closed = Arc::new(AtomicBool::new(false));
    let scene = Scene { client, sides: Arc::clone(&sides), houses: Arc::new(houses), closed };
    for nth in 0..options.pictures {
        let nth = usize::try_from(nth).unwrap_or_default();
        scene.show_picture(nth, nth).await;
    }
    let mut steps = Steps {
        program: program.to_owned(),
        folder: folder.to_owned(),
        variables: dual,
        menu: scene.houses[0].menu_at(addresses(&before)[0]),
        ports: options.ports.clone(),
        record,
        taken: Vec::new(),
    };
    let mut serving = before;
    let (left, stopped) = move_under_load(options, &scene, &mut steps, &mut serving).await?;
    let length = steps.record.now();
    let mut comparison = compared(options, &scene, &left).await?;
    let wrong = steps.wrongly_told(&steps.record.seen());
    comparison
        .found(wrong, || format!("{wrong} times the old application was told what the leader would not say"));
    let seen = steps.record.seen();
    let report = Report {
        seen: &seen,
        steps: &steps.taken,
        flips: &steps.flips(&seen),
        comparison: &comparison,
        stopped,
        length,
        orders_from: &orders_from,
        ports: &moved(options),
        rate: options.rate,
    };
    report.write(folder)?;
    println!("\n{}\nWritten to {}", report.text(), folder.display());
    if options.keep {
        keep(&sides, &addresses(&serving));
    }
    report.verdict()
}

/// The variables of the service with each port on the old side, or on both.
fn adapters(sides: &Sides, is_dual: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut variables = sides.variables().to_vec();
    for (port, choice) in PORTS.into_iter().zip(CHOICES) {
        let side = if is_dual(port) { "dual" } else { "legacy" };
        variables.push((choice.to_owned(), side.to_owned()));
    }
    variables
}

/// Two instances that serve the same.
fn pair(
    program: &Path,
    folder: &Path,
    name: &str,
    variables: &[(String, String)],
) -> Result<[Instance; 2], Failure> {
    let one = |nth| Instance::start(program, folder, &format!("{name}-{nth}"), variables);
    Ok([one(1)?, one(2)?])
}

fn addresses(instances: &[Instance; 2]) -> [SocketAddr; 2] {
    [instances[0].address, instances[1].address]
}

/// The ports that move, in words.
fn moved(options: &Options) -> String {
    let ports: Vec<&str> = PORTS.into_iter().filter(|port| options.moves(port)).collect();
    if ports.is_empty() { "none".to_owned() } else { ports.join(", ") }
}

/// Makes the schemas and the rows of the old side; says where the real orders are from.
fn fill(options: &Options, program: &Path, sides: &Sides) -> Result<String, Failure> {
    rows::old_schema(&sides.old)?;
    for side in [&["--legacy"][..], &[]] {
        let mut migrate = Command::new(program);
        migrate.args(["schema", "migrate"]).args(side);
        migrate.envs(sides.variables().iter().cloned()).env("WAITERIX_STORE", "aws");
        step("Completing the schema", &mut migrate)?;
    }
    println!("==> {} orders and {} sessions", options.orders, options.sessions);
    let from = rows::fill(&sides.old, options.orders, options.sessions)?;
    println!("    real orders: {from}");
    Ok(from)
}

/// Lets everybody come, takes the steps, and lets everybody go. A step that fails ends the move, not the load before its time.
async fn move_under_load(
    options: &Options,
    scene: &Scene,
    steps: &mut Steps,
    serving: &mut [Instance; 2],
) -> Result<(Left, Option<String>), Failure> {
    println!("==> {} orders per second", options.rate);
    let writer = Writer::start(&scene.sides.old, Arc::clone(&steps.record), Arc::clone(&scene.closed))?;
    let mut crowd = JoinSet::new();
    let guests = (Arc::clone(&scene.client), Arc::clone(&scene.houses), Arc::clone(&scene.closed));
    crowd.spawn(guests::come(guests.0, guests.1, options.rate, guests.2));
    crowd.spawn(scene.clone().change_prices(PRICES_EVERY));
    crowd.spawn(scene.clone().come_and_go(VISITORS_EVERY));
    crowd.spawn(scene.clone().show_pictures(PICTURES_EVERY));
    let stopped = if options.baseline {
        tokio::time::sleep(options.pause()).await;
        None
    } else {
        take_all(options, scene, steps, serving).await.err().map(|failure| failure.to_string())
    };
    scene.closed.store(true, Ordering::Relaxed);
    while let Some(gone) = crowd.join_next().await {
        gone.map_err(|error| Failure::Said(format!("the load stopped: {error}")))?;
    }
    let left = tokio::task::spawn_blocking(|| writer.stopped()).await;
    let left = left.map_err(|error| Failure::Said(error.to_string()))??;
    if stopped.is_none() && !options.baseline {
        // What is verified now stands still.
        let verified = steps.take("verify", &[]).await.err().map(|failure| failure.to_string());
        return Ok((left, verified));
    }
    Ok((left, stopped))
}

async fn take_all(
    options: &Options,
    scene: &Scene,
    steps: &mut Steps,
    serving: &mut [Instance; 2],
) -> Result<(), Failure> {
    let go_on = || tokio::time::sleep(options.pause());
    go_on().await;
    steps.take("plan", &[]).await?;
    let how: &[&str] = if options.inline { &["--mirror", "inline"] } else { &[] };
    steps.take("start", how).await?;
    // The service knows both sides from now on: other instances take over, and those before end what they have begun.
    let (program, folder, variables) = (steps.program.clone(), steps.folder.clone(), steps.variables.clone());
    // Guests come meanwhile, so nothing may wait here but what waits for itself.
    let dual = tokio::task::spawn_blocking(move || pair(&program, &folder, "dual", &variables)).await;
    let dual = dual.map_err(|error| Failure::Said(error.to_string()))??;
    steps.menu = scene.houses[0].menu_at(addresses(&dual)[0]);
    scene.client.switch(addresses(&dual)).await;
    for before in std::mem::replace(serving, dual) {
        before.stop().await?;
    }
    println!("    {:>6.1} s  other instances serve, from both sides", steps.record.now().as_secs_f64());
    go_on().await;
    if ["objects", "sessions"].into_iter().any(|port| options.moves(port)) {
        // Whoever served from the old side alone until now told nobody which pictures they stored and deleted since the copy. A
        // second walk finds them, and reads nothing that is as it was.
        steps.take("start", &[]).await?;
    }
    let pause = options.pause_ms.map(|ms| ms.to_string());
    let mut how = vec!["--yes", "--json"];
    how.extend(pause.iter().flat_map(|ms| ["--pause-ms", ms]));
    for nth in 0..options.flips {
        let flip = if nth.is_multiple_of(2) { "cutover" } else { "rollback" };
        steps.take("verify", &[]).await?;
        steps.take(flip, &how).await?;
        go_on().await;
    }
    Ok(())
}

/// Compares the sides once everybody has gone.
async fn compared(options: &Options, scene: &Scene, left: &Left) -> Result<Comparison, Failure> {
    println!("==> Comparing both sides");
    let sides = &scene.sides;
    let record = &scene.client.record;
    let rows_move = options.moves("rows");
    // Without a move the old side is held against itself: what was promised must be there all the same.
    let other = if rows_move { &sides.new } else { &sides.old };
    let mut comparison = compare::rows(&sides.old, other)?;
    compare::promises("old side", &sides.old, &record.seen(), left, &mut comparison)?;
    if rows_move {
        compare::promises("new side", &sides.new, &record.seen(), left, &mut comparison)?;
    }
    if options.moves("objects") {
        storages::objects(sides, &mut comparison).await?;
    }
    if options.moves("sessions") {
        storages::sessions(sides, &mut comparison)?;
    }
    shown(&scene.client, &mut comparison).await;
    Ok(comparison)
}

/// Whether both instances know who is signed in and who is not, and show the pictures that were shown last.
async fn shown(client: &Client, comparison: &mut Comparison) {
    let (signed_in, signed_out, pictures) = {
        let seen = client.record.seen();
        (seen.signed_in.clone(), seen.signed_out.clone(), seen.pictures.clone())
    };
    let (mut out, mut back, mut lost) = (0, 0, 0);
    for instance in [0, 1] {
        for (cookie, address) in &signed_in {
            let whoami = of_browser("GET", "/api/auth/user", cookie, None);
            let answer = client.exchange(instance, &whoami).await.and_then(|reply| reply.json());
            if answer.as_ref().is_ok_and(|answer| answer["email"] == **address) {
                continue;
            }
            out += 1;
            eprintln!("    {address} is not signed in any more: {answer:?}");
        }
        for cookie in &signed_out {
            let whoami = of_browser("GET", "/api/auth/user", cookie, None);
            let reply = client.exchange(instance, &whoami).await;
            back += usize::from(reply.map_or(0, |reply| reply.status) != 401);
        }
        for (path, bytes) in pictures.values() {
            let reply = client.exchange(instance, &of_browser("GET", path, "", None)).await;
            lost += usize::from(!reply.is_ok_and(|reply| reply.status == 200 && &reply.body == bytes));
        }
    }
    comparison.found(out, || format!("{out} times somebody who had signed in was not"));
    comparison.found(back, || format!("{back} times somebody who had signed out was back"));
    comparison.found(lost, || format!("{lost} times a picture was not shown"));
    for instance in [0, 1] {
        let reply = client.exchange(instance, &of_browser("GET", "/health", "", None)).await;
        let is_well = reply.is_ok_and(|reply| reply.status == 200);
        comparison.found(usize::from(!is_well), || format!("instance {} is not well", instance + 1));
    }
}

/// Leaves everything running until Enter, the end of input or Ctrl-C.
fn keep(sides: &Sides, addresses: &[SocketAddr]) {
    println!("\nThe old database: {}\nThe new database: {}", sides.old.url, sides.new.url);
    for address in addresses {
        println!("An instance:      http://{address}/");
    }
    println!("All of it ends with this command; Enter or Ctrl-C ends it.");
    // Whatever comes, or the end of input, is the wish to stop.
    let _ = std::io::stdin().read(&mut [0]);
}
