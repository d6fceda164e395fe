//! The service over HTTP, as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::load::{Load, Outcome};
use super::process::Process;
use super::restaurant::{DISHES, LINES, Restaurant};
use super::{Options, machine};
use crate::command::{Failure, built};
use crate::connection::{Connection, request};

/// How often the start is measured; an odd number has a middle.
const STARTS: usize = 11;

/// A running service. Killed when dropped.
pub(super) struct Service {
    child: Child,
    pub(super) address: SocketAddr,
    /// From the start of the process to the end of its first answer.
    ready_after: Duration,
}

impl Drop for Service {
    fn drop(&mut self) {
        // Killing what has ended already fails, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Which adapters serve the ports, as variables of the environment; none for the embedded default.
pub(super) type Composition = [(&'static str, String)];

impl Service {
    pub(super) async fn start(data: &Path, composition: &Composition) -> Result<Self, Failure> {
        let begun = Instant::now();
        let mut child = Command::new(built("release").join("waiterix"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .envs([("RATE_LIMITS", "false"), ("LOG_LEVEL", "warn")])
            .envs(composition.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::Said(format!("the release build does not start: {error}")))?;
        let output = child.stdout.take();
        let mut lines = output.map(|output| BufReader::new(output).lines()).into_iter().flatten();
        let first = lines.next().transpose()?.unwrap_or_default();
        let address =
            first.rsplit_once("http://").and_then(|(_, rest)| rest.trim_end_matches('/').parse().ok());
        let mut service = Self { child, address: ([127, 0, 0, 1], 0).into(), ready_after: Duration::ZERO };
        service.address = address
            .ok_or_else(|| Failure::Said(format!("the service said {first:?} instead of its address")))?;
        // Its output must go on being read, or it would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let mut connection = Connection::open(service.address).await?;
        let status = connection.exchange(&request("GET", "/health", None, None)).await?.status;
        service.ready_after = begun.elapsed();
        if status == 200 { Ok(service) } else { Err(Failure::Said(format!("/health answered {status}"))) }
    }

    fn process(&self) -> Process {
        Process(self.child.id())
    }
}

/// What is measured.
pub(super) struct Figures {
    pub(super) menu: Outcome,
    pub(super) orders: Outcome,
    start: Duration,
    rest_kib: u64,
    menu_peak_kib: u64,
    peak_kib: u64,
}

/// What should be reached.
pub(super) struct Goals {
    pub(super) menu: &'static str,
    pub(super) orders: &'static str,
    pub(super) rest: &'static str,
    pub(super) peak: &'static str,
    pub(super) start: &'static str,
}

/// The goals of the embedded default.
const EMBEDDED: Goals =
    Goals { menu: "≥ 3,000/s", orders: "≥ 1,500/s", rest: "≤ 40 MiB", peak: "", start: "≤ 50 ms" };

/// Measures and answers a table with its circumstances.
pub(super) async fn measure(options: &Options) -> Result<String, Failure> {
    let circumstances = machine::description(&options.command_line())?;
    let folder = tempfile::tempdir()?;
    let figures = figures(options, folder.path(), &[]).await?;
    Ok(format!("{circumstances}\n\n{}", table(&figures, options, &EMBEDDED)))
}

/// Measures the service with some adapters; its mail goes to the data folder in any case.
pub(super) async fn figures(
    options: &Options,
    data: &Path,
    composition: &Composition,
) -> Result<Figures, Failure> {
    // The restaurant is opened by a process of its own, so that what is measured at rest has done nothing yet.
    let service = Service::start(data, composition).await?;
    let mut restaurant = Restaurant::open(service.address, data).await?;
    let (menu, orders) = (vec![restaurant.menu_request()], restaurant.order_requests()?);
    drop(service);
    let start = median_start(data, composition).await?;

    let service = Service::start(data, composition).await?;
    let process = service.process();
    let rest_kib = process.resident_kib()?;
    println!("\n==> GET menu, {} connections", options.connections);
    let menu = load(options, menu).run(service.address, process).await?;
    let menu_peak_kib = process.peak_kib()?;
    println!("==> POST order, {} connections", options.connections);
    let orders = load(options, orders).run(service.address, process).await?;
    let peak_kib = process.peak_kib()?;
    restaurant.reconnect(service.address).await?;
    let kept = restaurant.orders_kept().await?;
    if kept != orders.answers {
        let answered = orders.answers;
        return Err(Failure::Said(format!("{answered} orders were answered, but {kept} are kept")));
    }
    Ok(Figures { menu, orders, start, rest_kib, menu_peak_kib, peak_kib })
}

fn load(options: &Options, requests: Vec<Vec<u8>>) -> Load {
    let measured = options.measured();
    Load { requests: Arc::new(requests), connections: options.connections, warm_up: measured / 4, measured }
}

async fn median_start(data: &Path, composition: &Composition) -> Result<Duration, Failure> {
    println!("\n==> {STARTS} starts");
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        times.push(Service::start(data, composition).await?.ready_after);
    }
    times.sort_unstable();
    Ok(times[STARTS / 2])
}

pub(super) fn table(figures: &Figures, options: &Options, goals: &Goals) -> String {
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
    let us = |time: Duration| format!("{} µs", time.as_micros());
    let mib = |kib: u64| format!("{:.1} MiB", f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0);
    let connections = options.connections;
    let load = |what: &str, outcome: &Outcome, goal: &str| {
        format!(
            "| {what}, {connections} connections | {:.0} requests/s, p50 {}, p99 {} | {goal} |\n\
             | … processor time of the service (of the load generator beside it) for one | {} ({}) | |\n",
            outcome.per_second,
            ms(outcome.p50),
            ms(outcome.p99),
            us(outcome.service_cpu),
            us(outcome.generator_cpu),
        )
    };
    let menu = load(&format!("Menu of {DISHES} dishes"), &figures.menu, goals.menu);
    let orders =
        load(&format!("Orders of {LINES} lines, each committed to disk"), &figures.orders, goals.orders);
    format!(
        "| what | figure | goal |\n|---|---|---|\n{menu}{orders}\
         | Memory at rest | {} | {} |\n\
         | Memory at its peak: menus, then orders | {}, {} | {} |\n\
         | Start of the process to its first answer, median of {STARTS} | {} | {} |\n\n\
         Afterwards the owner's report counts all {} orders that were answered.",
        mib(figures.rest_kib),
        goals.rest,
        mib(figures.menu_peak_kib),
        mib(figures.peak_kib),
        goals.peak,
        ms(figures.start),
        goals.start,
        figures.orders.answers,
    )
}
