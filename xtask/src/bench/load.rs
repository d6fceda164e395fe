//! Load: a number of connections that each send their next request when the last is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::process::{CpuTime, Process};
use crate::command::Failure;
use crate::connection::Connection;

/// What is sent, by how many, for how long.
#[derive(Debug)]
pub(super) struct Load {
    /// Requests, sent in turn.
    pub(super) requests: Arc<Vec<Vec<u8>>>,
    pub(super) connections: u16,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) per_second: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// Answers in all, those of the warm-up included.
    pub(super) answers: u64,
    /// Processor time of the service for one request.
    pub(super) service_cpu: Duration,
    /// Processor time of the generator for one request.
    pub(super) generator_cpu: Duration,
}

/// What one connection saw: times in microseconds inside the measured window, and answers in all.
struct Seen {
    times_us: Histogram<u64>,
    answers: u64,
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::Said(format!("the load stopped: {error}"))
}

impl Load {
    /// Runs it. Any answer but a success stops it: a refusal is fast and must not count.
    pub(super) async fn run(&self, address: SocketAddr, service: Process) -> Result<Outcome, Failure> {
        let begin = Instant::now() + self.warm_up;
        let end = begin + self.measured;
        let mut running = JoinSet::new();
        for nth in 0..usize::from(self.connections) {
            let connection = Connection::open(address).await?;
            running.spawn(send(connection, Arc::clone(&self.requests), nth, begin, end));
        }
        tokio::time::sleep_until(begin.into()).await;
        let before = (service.cpu_time()?, Process::own().cpu_time()?);
        tokio::time::sleep_until(end.into()).await;
        let after = (service.cpu_time()?, Process::own().cpu_time()?);
        let mut all = Seen { times_us: Histogram::new(3).map_err(|error| failed(&error))?, answers: 0 };
        while let Some(seen) = running.join_next().await {
            let seen = seen.map_err(|error| failed(&error))??;
            all.times_us.add(seen.times_us).map_err(|error| failed(&error))?;
            all.answers += seen.answers;
        }
        let counted = all.times_us.len();
        let at = |quantile| Duration::from_micros(all.times_us.value_at_quantile(quantile));
        let each = |before: CpuTime, after: CpuTime| {
            after.since(before) / u32::try_from(counted.max(1)).unwrap_or(u32::MAX)
        };
        Ok(Outcome {
            per_second: counted as f64 / self.measured.as_secs_f64(),
            p50: at(0.50),
            p99: at(0.99),
            answers: all.answers,
            service_cpu: each(before.0, after.0),
            generator_cpu: each(before.1, after.1),
        })
    }
}

async fn send(
    mut connection: Connection,
    requests: Arc<Vec<Vec<u8>>>,
    first: usize,
    begin: Instant,
    end: Instant,
) -> Result<Seen, Failure> {
    let mut seen = Seen { times_us: Histogram::new(3).map_err(|error| failed(&error))?, answers: 0 };
    // Connections start at different places, so that not all send the same at the same time.
    for request in requests.iter().cycle().skip(first * 7 % requests.len()) {
        let sent = Instant::now();
        if sent >= end {
            break;
        }
        let answer = connection.exchange(request).await.map_err(|error| failed(&error))?;
        if !(200..300).contains(&answer.status) {
            let body = String::from_utf8_lossy(answer.body);
            return Err(Failure::Said(format!("the service answered {} {body}", answer.status)));
        }
        let answered = Instant::now();
        seen.answers += 1;
        if sent >= begin && answered <= end {
            let us = u64::try_from(answered.duration_since(sent).as_micros()).unwrap_or(u64::MAX);
            seen.times_us.record(us).map_err(|error| failed(&error))?;
        }
    }
    Ok(seen)
}
