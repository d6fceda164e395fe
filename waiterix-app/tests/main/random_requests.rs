//! Random requests at every route of the OpenAPI document: no 500, no panic, nothing internal in any answer.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Map, Value, json};
use waiterix_app::http;

use crate::common::{House, Owner};

/// Requests per route and run.
const PER_ROUTE: usize = 60;

/// The seed of this run: given by `WAITERIX_SEED` at build time, or always the same.
fn seed() -> u64 {
    option_env!("WAITERIX_SEED").and_then(|seed| seed.parse().ok()).unwrap_or(20_250_131)
}

/// A route of the document.
#[derive(Debug)]
struct Route {
    method: String,
    path: String,
}

fn routes(document: &Value) -> Vec<Route> {
    let methods = ["get", "post", "put", "patch", "delete"];
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, operations)| {
            let operations = operations.as_object().unwrap();
            methods
                .into_iter()
                .filter(|method| operations.contains_key(*method))
                .map(|method| Route { method: method.to_uppercase(), path: path.clone() })
        })
        .collect()
}

/// Every name of a field or parameter anywhere in the document.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(properties) = members.get("properties").and_then(Value::as_object) {
                found.extend(properties.keys().cloned());
            }
            if let Some(Value::String(name)) = members.get("name") {
                found.insert(name.clone());
            }
            members.values().for_each(|member| names(member, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| names(element, found)),
        _ => {}
    }
}

/// Where random values come from: ids that exist, hostile texts, plain values.
struct Thrower {
    rng: StdRng,
    names: Vec<String>,
    ids: Vec<String>,
    cookies: Vec<String>,
}

impl Thrower {
    fn text(&mut self) -> String {
        let hostile = [
            "",
            " ",
            "\0",
            "a\0b",
            "'; DROP TABLE orders; --",
            "<script>alert(1)</script>",
            "../../etc/passwd",
            "=1+1",
            "\u{202e}olleh",
            "💶",
            "NaN",
            "-1",
            "1e400",
            "12.345",
            "99999999999999999999",
            "null",
            "demo",
            "demo-order-1",
            "pending",
            "all",
            "completed",
            "cash",
            "online",
            "2025-01-31",
            "2025-02-30",
            "en",
            "https://x.s3.amazonaws.com/k",
            "/api/objects/public/uploads/x",
            "javascript:alert(1)",
            "a@b.c",
            "name,price\r\nx,1",
            "\"",
            "%00",
            "%ff",
        ];
        match self.rng.random_range(0..10) {
            0..=4 => (*hostile.choose(&mut self.rng).unwrap()).to_owned(),
            5..=7 => self.ids.choose(&mut self.rng).unwrap().clone(),
            8 => "x".repeat(self.rng.random_range(1..20_000)),
            _ => (0..self.rng.random_range(0..12)).map(|_| self.rng.random::<char>()).collect(),
        }
    }

    fn value(&mut self, depth: u32) -> Value {
        match self.rng.random_range(0..if depth > 3 { 9 } else { 12 }) {
            0 => Value::Null,
            1 => json!(self.rng.random::<bool>()),
            2 => json!(self.rng.random_range(-3..8)),
            3 => json!(self.rng.random::<i64>()),
            4 => json!(self.rng.random::<f64>() * 1e12),
            5..=8 => Value::String(self.text()),
            9 => (0..self.rng.random_range(0..5)).map(|_| self.value(depth + 1)).collect(),
            _ => Value::Object(self.object(depth + 1)),
        }
    }

    fn object(&mut self, depth: u32) -> Map<String, Value> {
        (0..self.rng.random_range(0..14))
            .map(|_| (self.names.choose(&mut self.rng).unwrap().clone(), self.value(depth)))
            .collect()
    }

    fn encoded(&mut self) -> String {
        let text = self.text();
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    }

    fn request(&mut self, route: &Route) -> Request<Body> {
        let mut path = String::new();
        for piece in route.path.split('/').skip(1) {
            path.push('/');
            if piece.starts_with('{') {
                path.push_str(&self.encoded());
            } else {
                path.push_str(piece);
            }
        }
        if self.rng.random_bool(0.5) {
            let name = self.names.choose(&mut self.rng).unwrap().clone();
            let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
            path = format!("{path}?{name}={}", self.encoded());
        }
        // The target of a request line is limited by every server.
        path.truncate(30_000);
        let mut request = Request::builder().method(route.method.as_str()).uri(path);
        if self.rng.random_bool(0.8) {
            request = request.header("cookie", self.cookies.choose(&mut self.rng).unwrap());
        }
        if self.rng.random_bool(0.2) {
            request = request.header("idempotency-key", self.encoded());
        }
        if self.rng.random_bool(0.1) {
            request = request.header("range", "bytes=5-2").header("if-none-match", "\"x\"");
        }
        let (kind, body) = match self.rng.random_range(0..12) {
            0 => ("application/json", "{\"a\":".to_owned()),
            1 => ("application/x-www-form-urlencoded", "a=b&password=c".to_owned()),
            2 => ("multipart/form-data; boundary=x", "--x\r\nnonsense".to_owned()),
            3 => ("application/json", self.value(0).to_string()),
            _ => ("application/json", Value::Object(self.object(0)).to_string()),
        };
        request.header("content-type", kind).body(Body::from(body)).unwrap()
    }
}

/// Whatever would tell a caller how the service is made.
const INTERNALS: [&str; 12] = [
    "panicked",
    "sqlx",
    "sqlite",
    "constraint",
    "waiterix_",
    ".rs:",
    "$2b$",
    "SELECT ",
    "stack",
    "backtrace",
    "called `",
    "store.",
];

async fn house() -> (House, Vec<Owner>) {
    let house = House::with(|settings| settings.rate_limits.off = true);
    let (ada, _) = house.owner("ada").await;
    let (bob, _) = house.owner("bob").await;
    let cyd = house.user("cyd").await;
    (house, vec![ada, bob, cyd])
}

#[tokio::test]
async fn no_request_makes_a_500_or_shows_anything_internal() {
    let seed = seed();
    println!("WAITERIX_SEED={seed}");
    let (house, owners) = house().await;
    let document = serde_json::to_value(http::document()).unwrap();
    let mut found = BTreeSet::new();
    names(&document, &mut found);
    let ids =
        owners.iter().flat_map(|owner| [owner.user.id.to_string(), format!("{}-restaurant", owner.user.id)]);
    let mut thrower = Thrower {
        rng: StdRng::seed_from_u64(seed),
        names: found.into_iter().collect(),
        ids: ids.collect(),
        cookies: owners
            .iter()
            .map(|owner| owner.cookie.clone())
            .chain(["connect.sid=s%3Ax.y".to_owned()])
            .collect(),
    };
    let routes = routes(&document);
    assert!(routes.len() >= 10, "the document lists the routes");
    for round in 0..PER_ROUTE {
        for route in &routes {
            // Deleting the account would leave nothing to be wrong about.
            if route.path == "/api/auth/delete-account" && round + 1 < PER_ROUTE {
                continue;
            }
            let request = thrower.request(route);
            let shown = format!("seed {seed}, round {round}, {} {}", request.method(), request.uri());
            let reply = house.send(request).await;
            let body = String::from_utf8_lossy(&reply.bytes).into_owned();
            let status = reply.status.as_u16();
            assert!(status < 500 || status == 503, "{shown}: {status} {body}");
            if status >= 400 {
                for internal in INTERNALS {
                    assert!(!body.contains(internal), "{shown}: {body} shows {internal}");
                }
            }
            remember_ids(&mut thrower.ids, &body);
        }
        if let Some(created) = house.dump().await.choose(&mut thrower.rng) {
            thrower.ids.push(created.key().to_owned());
        }
    }
}

/// Ids that answers name are used by later requests, so that they get past the first check.
fn remember_ids(ids: &mut Vec<String>, body: &str) {
    if ids.len() < 400
        && let Ok(value) = serde_json::from_str::<Value>(body)
        && let Some(id) = value.get("id").and_then(Value::as_str)
    {
        ids.push(id.to_owned());
    }
}
