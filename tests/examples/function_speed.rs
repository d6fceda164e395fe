//! Measures how the function `api` starts and answers: from the start of the process to its first answer, without and with
//! a question to the database, its memory, and the time of a call once it is warm.
//!
//! ```console
//! cargo xtask bench functions
//! ```
//!
//! The process and the protocol are real; what the platform does before it starts a process is not part of the figures. It
//! needs the servers of the tests (`cargo xtask up`).

#![allow(clippy::print_stdout, clippy::expect_used, reason = "an example prints what it measures")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waiterix_tests::cloud::Cloud;
use waiterix_tests::lambda_runtime::Function;

const STARTS: usize = 20;
const CALLS: usize = 2_000;
/// A path whose answer takes a question to the database.
const QUESTION: &str = "/api/public/restaurant/nobody";

fn request(path: &str) -> Value {
    json!({
        "version": "2.0", "rawPath": path, "headers": { "host": "api.example.org" },
        "requestContext": { "stage": "$default", "http": { "method": "GET", "sourceIp": "192.0.2.7" } },
    })
}

/// The middle of some times.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Starts the function and calls it once; answers how long it took to the answer, and the most memory it used in KiB.
async fn cold(variables: &[(&'static str, String)], path: &str, expected: u64) -> (Duration, u64) {
    let begun = Instant::now();
    let function = Function::start("api", variables).await;
    let answer = function.invoke(&request(path)).await.expect("an answer");
    let took = begun.elapsed();
    assert_eq!(answer["statusCode"], expected);
    (took, function.memory_kib())
}

#[tokio::main]
async fn main() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let variables = cloud.variables();
    // The first start reads the file from disk.
    cold(&variables, "/health", 200).await;
    println!("| what | figure | goal |\n|---|---|---|");
    for (what, path, expected, goal) in [
        ("nobody asked", "/health", 200, "≤ 10 ms"),
        ("a question to the database", QUESTION, 404, "≤ 30 ms"),
    ] {
        let mut times = Vec::new();
        let mut memory = 0;
        for _ in 0..STARTS {
            let (took, kib) = cold(&variables, path, expected).await;
            times.push(took);
            memory = memory.max(kib);
        }
        let ms = median(times).as_secs_f64() * 1e3;
        println!(
            "| Start of the process to its first answer, {what}, median of {STARTS} | {ms:.1} ms | {goal} |"
        );
        println!("| … the most memory of any of them | {:.1} MiB | ≤ 25 MiB |", memory as f64 / 1024.0);
    }
    let function = Function::start("api", &variables).await;
    for (what, path) in [("nobody asked", "/health"), ("a question to the database", QUESTION)] {
        let event = request(path);
        let mut times = Vec::new();
        for _ in 0..CALLS {
            let begun = Instant::now();
            function.invoke(&event).await.expect("an answer");
            times.push(begun.elapsed());
        }
        let us = median(times).as_secs_f64() * 1e6;
        println!("| A call once it is warm, {what}, median of {CALLS} | {us:.0} µs | |");
    }
}
