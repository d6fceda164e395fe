//! Measures what the layer of functions costs: a request to the service itself, and the same as an event of each kind of
//! API, from JSON to JSON.
//!
//! ```console
//! cargo run --release -p waiterix-lambda --example layer_speed
//! ```

#![allow(clippy::print_stdout, clippy::expect_used, reason = "an example prints what it measures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{from_slice, to_vec};
use tower::ServiceExt as _;
use waiterix_adapters_local::memory::{
    MemoryBlobStore, MemoryMailer, MemoryNotifier, MemorySessionStore, MemoryStore,
};
use waiterix_app::{App, OsRandom, Ports, Settings, Shared, http};
use waiterix_domain::Secret;
use waiterix_lambda::api::Api;
use waiterix_lambda::{Function as _, Time};
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{Clock, SystemClock};

const CALLS: usize = 20_000;
const PATH: &str = "/api/menu-items?restaurantId=demo";

fn app() -> Shared {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let url = "http://127.0.0.1:8080/".parse().expect("a URL");
    let blobs = MemoryBlobStore::new(clock.clone(), UrlSigner::new(url, Secret::new("object-url-secret")));
    let ports = Ports {
        store: Arc::new(MemoryStore::new(clock.clone())),
        blobs: Arc::new(blobs),
        mailer: Arc::new(MemoryMailer::new()),
        sessions: Arc::new(MemorySessionStore::new(clock.clone())),
        notifier: Arc::new(MemoryNotifier::new()),
    };
    let settings = Settings::embedded(Secret::new("0123456789abcdef0123456789abcdef"));
    Arc::new(App::new(ports, clock, Arc::new(OsRandom), settings))
}

fn per_call(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6 / CALLS as f64
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let app = app();
    let service = http::service(app.clone());
    let api = Api::new(app);
    let begun = Instant::now();
    for _ in 0..CALLS {
        let request = Request::get(PATH).body(Body::empty()).expect("a request");
        let response = service.clone().oneshot(request).await.expect("an answer");
        to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    }
    let alone = per_call(begun.elapsed());
    println!(
        "| a call with a menu from memory | time | more than the service alone | goal |\n|---|---|---|---|"
    );
    println!("| the service | {alone:.1} µs | | |");
    for name in ["rest_get", "http_get"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/events");
        let text = std::fs::read_to_string(format!("{folder}/{name}.json")).expect("the event");
        let text = text
            .replace("/api/nowhere/caf%C3%A9", "/api/menu-items")
            .replace("/api/nowhere/café", "/api/menu-items")
            .replace("a=1&a=2&name=caf%C3%A9%20%26%20more", "restaurantId=demo")
            .replace(r#""a": "2""#, r#""restaurantId": "demo""#)
            .replace(r#""a": ["1", "2"]"#, r#""restaurantId": ["demo"]"#);
        let begun = Instant::now();
        for _ in 0..CALLS {
            let event = from_slice(text.as_bytes()).expect("JSON");
            let reply = api.answer(event, Time::of(Duration::from_secs(29))).await.expect("an answer");
            to_vec(&reply).expect("JSON");
        }
        let took = per_call(begun.elapsed());
        println!("| `{name}` | {took:.1} µs | {:.1} µs | ≤ 100 µs |", took - alone);
    }
}
