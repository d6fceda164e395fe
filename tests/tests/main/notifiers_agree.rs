//! The notifier of own WebSockets, with several processes, and that of API Gateway do the same on random steps: both are
//! compared with the in-memory model in every answer, and in everything every peer hears, by order and bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use waiterix_adapters_aws::apigateway::{
    AllowedHost, ApiGatewayNotifier, ApiGatewaySettings, ConnectionsTable,
};
use waiterix_adapters_legacy::websocket::{WebSocketNotifier, WebSocketSettings};
use waiterix_adapters_local::memory::MemoryNotifier;
use waiterix_adapters_local::sockets::SocketNotifier;
use waiterix_backends::{Backend, given};
use waiterix_contract::{ManualClock, eventually};
use waiterix_domain::Audience;
use waiterix_ports::{
    ChefSelector, Clock as _, CloseReason, Connection, ConnectionId, Delivery, ErrorKind, Frame, Message,
    Notifier, Outlet, Role, SystemClock,
};
use waiterix_postgres::testing::{self, Scratch};

const PATIENCE: Duration = Duration::from_secs(20);
const STEPS: usize = 400;
const RESTAURANTS: [&str; 3] = ["r", "r:", "R"];
const SESSIONS: [&str; 3] = ["s", "s1", "tracking-1"];
const USERS: [&str; 2] = ["anna", "bert"];

/// A gateway that posts to the far ends of its connections: texts, and that it closed.
#[derive(Clone, Default)]
struct Gateway(Arc<Mutex<HashMap<String, mpsc::Sender<Frame>>>>);

#[allow(clippy::unused_async, reason = "handlers are asynchronous")]
impl Gateway {
    fn line(&self, id: &ConnectionId) -> Option<mpsc::Sender<Frame>> {
        self.0.lock().unwrap().get(id.as_str()).filter(|line| !line.is_closed()).cloned()
    }

    async fn post(State(gateway): State<Self>, Path(id): Path<String>, text: String) -> StatusCode {
        match gateway.line(&ConnectionId::new(id)) {
            Some(line) if line.try_send(Frame::Text(text.into())).is_ok() => StatusCode::OK,
            Some(_) => StatusCode::INTERNAL_SERVER_ERROR,
            None => StatusCode::GONE,
        }
    }

    async fn delete(State(gateway): State<Self>, Path(id): Path<String>) -> StatusCode {
        let Some(line) = gateway.line(&ConnectionId::new(id.clone())) else { return StatusCode::GONE };
        line.try_send(Frame::Close(CloseReason::Policy)).unwrap();
        gateway.0.lock().unwrap().remove(&id);
        StatusCode::NO_CONTENT
    }

    async fn get(State(gateway): State<Self>, Path(id): Path<String>) -> StatusCode {
        if gateway.line(&ConnectionId::new(id)).is_some() { StatusCode::OK } else { StatusCode::GONE }
    }

    /// Starts to listen; answers the base of its callback URLs and its address.
    async fn start(&self) -> (String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let route = post(Self::post).delete(Self::delete).get(Self::get);
        let app = Router::new().route("/stage/@connections/{id}", route).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (format!("http://{address}/stage"), address)
    }
}

/// A transport under test.
struct Candidate {
    name: &'static str,
    /// One or several processes; what is asked is asked of the one whose number is given.
    processes: Vec<Arc<dyn Notifier>>,
    gateway: Option<(Gateway, String)>,
    ears: BTreeMap<String, mpsc::Receiver<Frame>>,
}

impl Candidate {
    fn at(&self, number: usize) -> &dyn Notifier {
        &*self.processes[number % self.processes.len()]
    }

    async fn connect(
        &mut self,
        number: usize,
        id: &str,
        restaurant: &str,
        role: Role,
        age_s: i64,
    ) -> Option<ErrorKind> {
        let (line, ears) = mpsc::channel(10_000);
        let id = ConnectionId::new(id);
        let mut before = None;
        let outlet = match &self.gateway {
            None => Outlet::Socket(line),
            Some((gateway, endpoint)) => {
                before = gateway.0.lock().unwrap().insert(id.as_str().to_owned(), line);
                Outlet::Gateway { endpoint: endpoint.clone() }
            }
        };
        let connected_at = now().plus_seconds(-age_s);
        let connection =
            Connection { id: id.clone(), restaurant: restaurant.into(), role, connected_at, outlet };
        let answer = self.at(number).connect(&connection).await.err().map(|error| error.kind());
        if answer.is_none() {
            self.ears.insert(id.as_str().to_owned(), ears);
        } else if let (Some((gateway, _)), Some(before)) = (&self.gateway, before) {
            // Whoever has the id keeps the line.
            gateway.0.lock().unwrap().insert(id.as_str().to_owned(), before);
        }
        answer
    }

    /// Everything heard since the last time, by connection.
    fn heard(&mut self) -> BTreeMap<String, Vec<String>> {
        let text = |frame| match frame {
            Frame::Text(text) => text.to_string(),
            Frame::Close(reason) => format!("close {}", reason.code()),
        };
        let all = |ears: &mut mpsc::Receiver<Frame>| -> Vec<String> {
            std::iter::from_fn(|| ears.try_recv().ok()).map(text).collect()
        };
        self.ears
            .iter_mut()
            .map(|(id, ears)| (id.clone(), all(ears)))
            .filter(|(_, heard)| !heard.is_empty())
            .collect()
    }

    /// A peer goes away without a word.
    fn hang_up(&mut self, id: &str) {
        self.ears.remove(id);
    }
}

fn now() -> waiterix_domain::Timestamp {
    ManualClock::default().now()
}

async fn legacy(database: &Scratch) -> Vec<Arc<dyn Notifier>> {
    let mut processes: Vec<Arc<dyn Notifier>> = Vec::new();
    for number in 0..2 {
        let sockets = Arc::new(SocketNotifier::new());
        let settings = WebSocketSettings { deadline: Duration::from_secs(8), ..WebSocketSettings::default() };
        let database = testing::database(&database.url()).unwrap();
        let process = WebSocketNotifier::new(sockets, database, settings, [number; 16]).unwrap();
        eventually(PATIENCE, "it joins", async || process.check().await.is_ok()).await;
        processes.push(Arc::new(process));
    }
    processes
}

async fn gateway(server: &url::Url) -> (Arc<dyn Notifier>, Gateway, String) {
    let gateway = Gateway::default();
    let (endpoint, address) = gateway.start().await;
    let settings = ApiGatewaySettings {
        table: format!("agree-{}-{}", std::process::id(), SystemClock.now().as_micros()),
        allowed_hosts: vec![AllowedHost::parse(&address).unwrap()],
        ..ApiGatewaySettings::default()
    };
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(server.as_str())
        .credentials_provider(Credentials::new("tester", "not a secret", None, None, "tests"))
        .load()
        .await;
    ConnectionsTable::new(&config, &settings).create().await.unwrap();
    let clock = Arc::new(ManualClock::default());
    (Arc::new(ApiGatewayNotifier::open(&config, settings, clock)), gateway, endpoint)
}

/// The seed of this run: given by `WAITERIX_SEED` at build time, or always the same.
fn seed() -> u64 {
    option_env!("WAITERIX_SEED").and_then(|seed| seed.parse().ok()).unwrap_or(20_250_131)
}

/// What a step answered.
#[derive(Debug, PartialEq)]
enum Answer {
    Refused(ErrorKind),
    Done,
    Delivery(Delivery),
    Sent(bool),
    Count(u32),
}

impl<T> From<(waiterix_ports::Result<T>, fn(T) -> Self)> for Answer {
    fn from((result, wrap): (waiterix_ports::Result<T>, fn(T) -> Self)) -> Self {
        result.map_or_else(|error| Self::Refused(error.kind()), wrap)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Connect { id: String, restaurant: &'static str, role: Role, age_s: i64 },
    Disconnect(String),
    HangUp(String),
    Publish(Audience, String),
    Send(String, String),
    Close(&'static str, ChefSelector),
    Sweep(i64),
}

fn step(random: &mut StdRng, number: usize) -> Step {
    let mut one_of = |from: &'static [&'static str]| from[random.random_range(0..from.len())];
    let (restaurant, session, user) = (one_of(&RESTAURANTS), one_of(&SESSIONS), one_of(&USERS));
    // Few ids, so that many are in use, gone or unknown.
    let id = format!("c{}", random.random_range(0..40));
    let text = || format!("event {number} {}", "ä\u{0}\"".repeat(number % 7 * 900));
    match random.random_range(0..100) {
        0..35 => {
            let role = match random.random_range(0..5) {
                0 | 1 => Role::Chef {
                    user: user.into(),
                    session_digest: random.random_bool(0.5).then(|| session.to_owned()),
                },
                2 => Role::Customer { session: None },
                _ => Role::Customer { session: Some(session.to_owned()) },
            };
            Step::Connect { id, restaurant, role, age_s: random.random_range(60..7_000) }
        }
        35..45 => Step::Disconnect(id),
        45..52 => Step::HangUp(id),
        52..85 if random.random_bool(0.5) => Step::Publish(Audience::Chefs(restaurant.into()), text()),
        52..85 => {
            let audience = Audience::Customer { restaurant: restaurant.into(), session: session.to_owned() };
            Step::Publish(audience, text())
        }
        85..92 => Step::Send(id, text()),
        92..97 if random.random_bool(0.5) => Step::Close(restaurant, ChefSelector::User(user.into())),
        92..97 => Step::Close(restaurant, ChefSelector::SessionDigest(session.to_owned())),
        _ => Step::Sweep(random.random_range(3_000..7_000)),
    }
}

/// Does a step; `number` says which process is asked. A connection that is known is not made again elsewhere: each is
/// held by one process.
async fn take(candidate: &mut Candidate, step: &Step, number: usize) -> Answer {
    match step {
        Step::Connect { id, restaurant, role, age_s } => {
            match candidate.connect(number, id, restaurant, role.clone(), *age_s).await {
                Some(kind) => Answer::Refused(kind),
                None => Answer::Done,
            }
        }
        Step::Disconnect(id) => {
            let result = candidate.at(number).disconnect(&ConnectionId::new(id.as_str())).await;
            (result, (|()| Answer::Done) as fn(()) -> Answer).into()
        }
        Step::HangUp(id) => {
            candidate.hang_up(id);
            Answer::Done
        }
        Step::Publish(audience, text) => {
            let message = Message { id: format!("event {number}"), json: text.as_str().into() };
            let result = candidate.at(number).publish(audience, &message).await;
            (result, Answer::Delivery as fn(Delivery) -> Answer).into()
        }
        Step::Send(id, text) => {
            let result = candidate.at(number).send(&ConnectionId::new(id.as_str()), text).await;
            (result, Answer::Sent as fn(bool) -> Answer).into()
        }
        Step::Close(restaurant, who) => {
            let of = (*restaurant).into();
            let result = candidate.at(number).close_chefs(&of, who, CloseReason::Policy).await;
            (result, Answer::Count as fn(u32) -> Answer).into()
        }
        Step::Sweep(age_s) => {
            let result = candidate.at(number).sweep(now().plus_seconds(-age_s)).await;
            (result, Answer::Count as fn(u32) -> Answer).into()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
async fn own_websockets_of_two_processes_and_api_gateway_agree_on_random_steps() {
    let (Some(postgres), Some(emulator)) = (given(Backend::Postgres), given(Backend::Aws)) else { return };
    let database = Scratch::empty(&postgres).await.unwrap();
    let (aws, lines, endpoint) = gateway(&emulator).await;
    let candidate = |name, processes, gateway| Candidate { name, processes, gateway, ears: BTreeMap::new() };
    let mut candidates = [
        candidate("the model", vec![Arc::new(MemoryNotifier::new()) as Arc<dyn Notifier>], None),
        candidate("own WebSockets", legacy(&database).await, None),
        candidate("API Gateway", vec![aws], Some((lines, endpoint))),
    ];
    let seed = seed();
    eprintln!("WAITERIX_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut told = 0;
    for number in 0..STEPS {
        let step = step(&mut random, number);
        let mut answers = Vec::new();
        for candidate in &mut candidates {
            // Ids stay with a process, whatever else is asked of whom.
            let process = match &step {
                Step::Connect { id, .. } => id.len() + usize::from(id.as_bytes()[id.len() - 1]),
                _ => number,
            };
            let answer = take(candidate, &step, process).await;
            answers.push((candidate.name, answer, candidate.heard()));
        }
        told += answers[0].2.len();
        for (name, answer, heard) in &answers[1..] {
            assert_eq!(*answer, answers[0].1, "step {number}: {name} on {step:?}");
            assert_eq!(*heard, answers[0].2, "step {number}: what peers of {name} heard of {step:?}");
        }
    }
    assert!(told > STEPS / 10, "hardly anybody heard anything: {told}");
}
