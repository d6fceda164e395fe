//! A server that speaks Resend's interface and the connector's of the hosting platform on a real socket: it checks keys and
//! requests, remembers idempotency keys for a day, and refuses, fails and falls silent when it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::request::Parts;
use axum::http::{Method, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use url::Url;
use waiterix_adapters_legacy::resend::{ResendAccess, ResendSettings, ResendTime};
use waiterix_contract::ManualClock;
use waiterix_contract::mailer::{Inbox, Received};
use waiterix_domain::{Secret, Timestamp};
use waiterix_ports::Clock as _;

/// The sender whose domain this server knows as verified.
pub(crate) const FROM: &str = "Waiterix <no-reply@waiterix.example>";
/// Who may ask the connector.
pub(crate) const TOKEN: &str = "repl identity";
const KEY: &str = "re_first";
/// How long Resend remembers an idempotency key.
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);

/// What happens to a sending instead of the usual.
enum Turn {
    /// It is refused, and the mail is not taken.
    Refuse(Refusal),
    /// The mail is taken, and there is no answer.
    Silence,
    /// The mail is taken, and the body of the answer is this.
    Say(String),
    /// The mail is taken, and answered, when somebody says so.
    Wait(Arc<Notify>),
    /// The mail is taken, and the server fails before it says so.
    Fail(u16),
}

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) name: &'static str,
    pub(crate) message: String,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

impl Refusal {
    pub(crate) fn new(status: u16, name: &'static str) -> Self {
        Self { status, name, message: "refused by the script".to_owned(), headers: Vec::new() }
    }

    pub(crate) fn saying(self, message: &str) -> Self {
        Self { message: message.to_owned(), ..self }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A mail that was taken, as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) id: String,
    pub(crate) idempotency_key: String,
    pub(crate) request: Value,
}

/// What is remembered of an idempotency key.
struct Remembered {
    since: Timestamp,
    request: Value,
    /// `None`: the first request with it is under way.
    answer: Option<String>,
}

struct Desk {
    /// The key that is in order, and whether it may do nothing but send.
    key: String,
    is_restricted: bool,
    /// What the connector says.
    connection: Value,
    connector_refusal: Option<u16>,
    /// How often the connector was asked.
    fetches: usize,
    domain_status: &'static str,
    taken: Vec<Taken>,
    remembered: BTreeMap<String, Remembered>,
    turns: VecDeque<Turn>,
    check_refusals: VecDeque<Refusal>,
    /// The path of every request.
    requests: Vec<String>,
}

struct Server {
    desk: Mutex<Desk>,
    clock: Arc<ManualClock>,
}

/// The server, running. Ends when it is dropped.
pub(crate) struct ScriptedResend {
    pub(crate) url: Url,
    pub(crate) clock: Arc<ManualClock>,
    server: Arc<Server>,
    task: JoinHandle<()>,
}

impl Drop for ScriptedResend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn connection(key: &str) -> Value {
    json!({ "items": [{ "id": "conn_1", "settings": { "api_key": key, "from_email": FROM } }] })
}

impl ScriptedResend {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let desk = Mutex::new(Desk {
            key: KEY.to_owned(),
            is_restricted: false,
            connection: connection(KEY),
            connector_refusal: None,
            fetches: 0,
            domain_status: "verified",
            taken: Vec::new(),
            remembered: BTreeMap::new(),
            turns: VecDeque::new(),
            check_refusals: VecDeque::new(),
            requests: Vec::new(),
        });
        let clock = Arc::new(ManualClock::default());
        let server = Arc::new(Server { desk, clock: clock.clone() });
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
        let app = router.with_state(server.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, clock, server, task }
    }

    /// Settings with the key of this server, which is reached through `url`.
    pub(crate) fn settings_at(&self, url: &Url) -> ResendSettings {
        ResendSettings {
            access: ResendAccess::Key { key: Secret::new(KEY), from: FROM.to_owned() },
            base_url: url.as_str().trim_end_matches('/').to_owned(),
            webhook_secret: None,
            time: ResendTime::default(),
        }
    }

    pub(crate) fn settings(&self) -> ResendSettings {
        self.settings_at(&self.url)
    }

    /// Settings that take the key from this server's connector.
    pub(crate) fn connected(&self) -> ResendSettings {
        let base_url = self.url.as_str().trim_end_matches('/').to_owned();
        let access = ResendAccess::Connector { base_url, token: Secret::new(TOKEN), from: None };
        ResendSettings { access, ..self.settings() }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.server.desk.lock().unwrap()
    }

    /// The next sending is refused.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.desk().turns.push_back(Turn::Refuse(refusal));
    }

    /// The next mail is taken, and nobody is told.
    pub(crate) fn fall_silent(&self) {
        self.desk().turns.push_back(Turn::Silence);
    }

    /// The next mail is taken, and the body of the answer is this.
    pub(crate) fn say(&self, body: &str) {
        self.desk().turns.push_back(Turn::Say(body.to_owned()));
    }

    /// The next mail is taken, and the answer is a failure.
    pub(crate) fn fail_after_taking(&self, status: u16) {
        self.desk().turns.push_back(Turn::Fail(status));
    }

    /// The next mail is under way until the answer is told to go on.
    pub(crate) fn wait(&self) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        self.desk().turns.push_back(Turn::Wait(notify.clone()));
        notify
    }

    /// No sending is treated specially any more.
    pub(crate) fn forget_turns(&self) {
        self.desk().turns.clear();
    }

    pub(crate) fn refuse_check(&self, refusal: Refusal) {
        self.desk().check_refusals.push_back(refusal);
    }

    /// Another key is in order now; the connector hands it out.
    pub(crate) fn replace_key(&self, key: &str) {
        self.desk().key = key.to_owned();
        self.desk().connection = connection(key);
    }

    /// Another key is in order now, and the connector does not know.
    pub(crate) fn replace_key_silently(&self, key: &str) {
        self.desk().key = key.to_owned();
    }

    pub(crate) fn restrict_key(&self) {
        self.desk().is_restricted = true;
    }

    pub(crate) fn set_connection(&self, connection: Value) {
        self.desk().connection = connection;
    }

    /// The connector answers with this status, or as usual.
    pub(crate) fn refuse_connection(&self, status: Option<u16>) {
        self.desk().connector_refusal = status;
    }

    pub(crate) fn set_domain_status(&self, status: &'static str) {
        self.desk().domain_status = status;
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.desk().taken.clone()
    }

    pub(crate) fn fetches(&self) -> usize {
        self.desk().fetches
    }

    /// How many requests to send there were, refused ones included.
    pub(crate) fn sendings(&self) -> usize {
        self.desk().requests.iter().filter(|path| *path == "/emails").count()
    }

    /// How many requests there were, for whatever.
    pub(crate) fn requests(&self) -> usize {
        self.desk().requests.len()
    }

    pub(crate) fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(Delivered(self.server.clone()))
    }
}

async fn answer(State(server): State<Arc<Server>>, parts: Parts, body: Bytes) -> Response<Body> {
    let path = parts.uri.path().to_owned();
    server.desk().requests.push(path.clone());
    match (&parts.method, path.as_str()) {
        (&Method::GET, "/api/v2/connection") => server.connection(&parts),
        (&Method::POST, "/emails") => server.send(&parts, &body).await,
        (&Method::GET, "/domains") => server.domains(&parts),
        _ => error(404, "not_found", "The requested endpoint does not exist."),
    }
}

fn say(status: u16, body: String) -> Response<Body> {
    Response::builder().status(status).header("content-type", "application/json").body(body.into()).unwrap()
}

fn error(status: u16, name: &str, message: &str) -> Response<Body> {
    say(status, json!({ "statusCode": status, "name": name, "message": message }).to_string())
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let mut answer = error(refusal.status, refusal.name, &refusal.message);
    for (name, value) in &refusal.headers {
        answer.headers_mut().insert(*name, value.parse().unwrap());
    }
    answer
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

impl Server {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap()
    }

    /// What the hosting platform says to whoever has its token.
    fn connection(&self, parts: &Parts) -> Response<Body> {
        let mut desk = self.desk();
        desk.fetches += 1;
        if let Some(status) = desk.connector_refusal {
            return say(status, "{}".to_owned());
        }
        if header(parts, "x_replit_token") != Some(TOKEN) {
            return say(401, "{}".to_owned());
        }
        if parts.uri.query() != Some("include_secrets=true&connector_names=resend") {
            return say(400, "{}".to_owned());
        }
        say(200, desk.connection.to_string())
    }

    fn domains(&self, parts: &Parts) -> Response<Body> {
        let mut desk = self.desk();
        if let Some(refusal) = desk.check_refusals.pop_front() {
            return refused(&refusal);
        }
        // Every endpoint but that of sending says it like this.
        if header(parts, "authorization") != Some(&format!("Bearer {}", desk.key)) {
            return error(400, "validation_error", "API key is invalid");
        }
        if desk.is_restricted {
            let message = "This API key is restricted to only send emails";
            return error(401, "restricted_api_key", message);
        }
        let domain = json!({ "name": "waiterix.example", "status": desk.domain_status });
        say(200, json!({ "object": "list", "has_more": false, "data": [domain] }).to_string())
    }

    async fn send(&self, parts: &Parts, body: &Bytes) -> Response<Body> {
        let turn = {
            let mut desk = self.desk();
            match header(parts, "authorization") {
                None => return error(401, "missing_api_key", "Missing API Key"),
                Some(given) if given != format!("Bearer {}", desk.key) => {
                    return error(401, "validation_error", "API key is invalid");
                }
                Some(_) => desk.turns.pop_front(),
            }
        };
        if let Some(Turn::Refuse(refusal)) = &turn {
            return refused(refusal);
        }
        let key = header(parts, "idempotency-key").unwrap_or_default().to_owned();
        if !(1..=256).contains(&key.len()) {
            let message = "Idempotency keys, if present, must have between 1 and 256 characters.";
            return error(400, "invalid_idempotency_key", message);
        }
        let Ok(request) = serde_json::from_slice::<Value>(body) else {
            return error(400, "validation_error", "The request is no JSON.");
        };
        let answer = match self.remembered(&key, &request) {
            Some(Ok(answer)) => answer,
            Some(Err(refusal)) => return refused(&refusal),
            None => {
                if let Some(fault) = fault_of(&request) {
                    self.desk().remembered.remove(&key);
                    return refused(&fault);
                }
                if let Some(Turn::Wait(notify)) = &turn {
                    notify.notified().await;
                }
                self.take(key, request)
            }
        };
        match turn {
            Some(Turn::Silence) => std::future::pending().await,
            Some(Turn::Say(body)) => say(200, body),
            Some(Turn::Fail(status)) => error(status, "application_error", "An unexpected error occurred."),
            _ => say(200, answer),
        }
    }

    /// The answer to a request whose key is known; else the key is known from now on.
    fn remembered(&self, key: &str, request: &Value) -> Option<Result<String, Refusal>> {
        let now = self.clock.now();
        let mut desk = self.desk();
        let lifetime = i64::try_from(REMEMBERED.as_millis()).unwrap();
        desk.remembered.retain(|_, known| now.as_millis() - known.since.as_millis() < lifetime);
        match desk.remembered.get(key) {
            Some(known) if known.request != *request => {
                Some(Err(Refusal::new(409, "invalid_idempotent_request")))
            }
            Some(Remembered { answer: Some(answer), .. }) => Some(Ok(answer.clone())),
            Some(_) => Some(Err(Refusal::new(409, "concurrent_idempotent_requests"))),
            None => {
                let known = Remembered { since: now, request: request.clone(), answer: None };
                desk.remembered.insert(key.to_owned(), known);
                None
            }
        }
    }

    fn take(&self, key: String, request: Value) -> String {
        let mut desk = self.desk();
        let id = format!("49a3999c-0ce1-4ea6-ab68-{:012}", desk.taken.len());
        let answer = json!({ "id": id }).to_string();
        if let Some(known) = desk.remembered.get_mut(&key) {
            known.answer = Some(answer.clone());
        }
        desk.taken.push(Taken { id, idempotency_key: key, request });
        answer
    }
}

/// What Resend has against a request.
fn fault_of(request: &Value) -> Option<Refusal> {
    let is_text = |name: &str| request[name].as_str().is_some_and(|text| !text.is_empty());
    if !["from", "subject", "html", "text"].into_iter().all(is_text) {
        return Some(Refusal::new(422, "missing_required_field").saying("a field is missing"));
    }
    let address = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        text.is_ascii() && text.contains('@') && !text.contains(' ')
    };
    let recipients = request["to"].as_array().cloned().unwrap_or_default();
    if recipients.is_empty() || !recipients.iter().all(address) {
        return Some(Refusal::new(422, "validation_error").saying("Invalid `to` field."));
    }
    if !request["reply_to"].is_null() && !address(&request["reply_to"]) {
        return Some(Refusal::new(422, "validation_error").saying("Invalid `reply_to` field."));
    }
    let is_tag = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=256).contains(&text.len()) && text.bytes().all(allowed)
    };
    let tags = request["tags"].as_array().cloned().unwrap_or_default();
    if !tags.iter().all(|tag| is_tag(&tag["name"]) && is_tag(&tag["value"])) {
        return Some(Refusal::new(422, "validation_error").saying("Tags should only contain ASCII letters."));
    }
    if !request["from"].as_str().is_some_and(|from| from.ends_with("@waiterix.example>")) {
        return Some(Refusal::new(403, "validation_error").saying("The domain is not verified."));
    }
    None
}

/// The mails that went on to their recipients.
struct Delivered(Arc<Server>);

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[async_trait]
impl Inbox for Delivered {
    async fn messages(&self) -> Vec<Received> {
        let taken: Vec<Value> = self.0.desk().taken.iter().map(|taken| taken.request.clone()).collect();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let received = taken.iter().map(|request| Received {
            to: ["to", "cc", "bcc"].into_iter().flat_map(|kind| texts(&request[kind])).collect(),
            reply_to: texts(&request["reply_to"]).into_iter().next(),
            subject: text(&request["subject"]),
            html: text(&request["html"]),
            text: text(&request["text"]),
        });
        received.collect()
    }
}
