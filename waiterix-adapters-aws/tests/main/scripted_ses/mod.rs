//! A server that speaks SES's interface (version 2) on a real socket, and does what no emulator does: it keeps the
//! suppression list of the account, checks signatures, and refuses, fails and falls silent when it is told to.
//!
//! It may stand in front of MiniStack, which has no suppression list; then mails are MiniStack's business.

mod signature;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;
use waiterix_contract::mailer::{Inbox, Received};

pub(crate) const REGION: &str = "eu-central-1";
/// The sender this server knows as verified.
pub(crate) const FROM: &str = "no-reply@waiterix.example";

/// What happens to a sending instead of the usual.
enum Turn {
    /// It is refused, and the mail is not taken.
    Refuse(Refusal),
    /// The mail is taken, and there is no answer.
    Silence,
    /// The mail is taken, and the answer is this.
    Say(&'static str),
}

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str) -> Self {
        Self { status, code, message: "refused by the script", headers: Vec::new() }
    }

    pub(crate) fn saying(self, message: &'static str) -> Self {
        Self { message, ..self }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A mail that was taken, as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) message_id: String,
    pub(crate) request: Value,
    /// Whether it goes on to the recipient; SES takes mails to suppressed recipients and drops them.
    pub(crate) is_delivered: bool,
}

#[derive(Default)]
struct Desk {
    taken: Vec<Taken>,
    suppressed: BTreeMap<String, String>,
    /// What happens to the next sendings.
    sendings: VecDeque<Turn>,
    /// What happens to the next requests about the suppression list.
    look_ups: VecDeque<Refusal>,
    /// Every request: method and path.
    requests: Vec<(Method, String)>,
    account: Value,
    configuration_sets: Vec<String>,
}

struct Server {
    desk: Mutex<Desk>,
    credentials: Credentials,
    /// Where mails and accounts are looked after instead of here.
    behind: Option<Url>,
    client: reqwest::Client,
}

/// The server, running. Ends when it is dropped.
pub(crate) struct ScriptedSes {
    pub(crate) url: Url,
    server: Arc<Server>,
    task: JoinHandle<()>,
}

impl Drop for ScriptedSes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ScriptedSes {
    pub(crate) async fn start() -> Self {
        Self::serve(Credentials::new("key", "secret", Some("token".to_owned()), None, "test"), None).await
    }

    /// Stands in front of MiniStack and sends under an account of its own there.
    pub(crate) async fn before(ministack: &Url, account: &str) -> Self {
        Self::serve(Credentials::new(account, "secret", None, None, "test"), Some(ministack.clone())).await
    }

    async fn serve(credentials: Credentials, behind: Option<Url>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let desk = Desk {
            account: json!({
                "ProductionAccessEnabled": true,
                "SendingEnabled": true,
                "EnforcementStatus": "HEALTHY",
                "SendQuota": { "Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 12.0 },
                "SuppressionAttributes": { "SuppressedReasons": ["BOUNCE", "COMPLAINT"] },
            }),
            ..Desk::default()
        };
        let client = reqwest::Client::new();
        let server = Arc::new(Server { desk: Mutex::new(desk), credentials, behind, client });
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
        let app = router.with_state(server.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, server, task }
    }

    /// The configuration of clients with the key of this server, which they reach through `url`.
    pub(crate) async fn config_at(&self, url: &Url) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(self.server.credentials.clone())
            .endpoint_url(url.as_str())
            .load()
            .await
    }

    pub(crate) async fn config(&self) -> SdkConfig {
        self.config_at(&self.url).await
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.server.desk.lock().unwrap()
    }

    /// The next sending is refused.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.desk().sendings.push_back(Turn::Refuse(refusal));
    }

    /// The next mail is taken, and nobody is told.
    pub(crate) fn fall_silent(&self) {
        self.desk().sendings.push_back(Turn::Silence);
    }

    /// The next mail is taken, and the body of the answer is this.
    pub(crate) fn say(&self, body: &'static str) {
        self.desk().sendings.push_back(Turn::Say(body));
    }

    /// The next request about the suppression list is refused.
    pub(crate) fn refuse_look_up(&self, refusal: Refusal) {
        self.desk().look_ups.push_back(refusal);
    }

    /// No request about the suppression list is refused any more.
    pub(crate) fn forget_look_ups(&self) {
        self.desk().look_ups.clear();
    }

    pub(crate) fn set_account(&self, account: Value) {
        self.desk().account = account;
    }

    pub(crate) fn add_configuration_set(&self, name: &str) {
        self.desk().configuration_sets.push(name.to_owned());
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.desk().taken.clone()
    }

    /// The suppression list with its reasons.
    pub(crate) fn suppressed(&self) -> BTreeMap<String, String> {
        self.desk().suppressed.clone()
    }

    /// How many requests to send there were, refused ones included.
    pub(crate) fn sendings(&self) -> usize {
        let requests = &self.desk().requests;
        requests.iter().filter(|(_, path)| path == "/v2/email/outbound-emails").count()
    }

    pub(crate) fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(Delivered(self.server.clone()))
    }
}

async fn answer(State(server): State<Arc<Server>>, parts: Parts, body: Bytes) -> Response<Body> {
    if let Some(fault) = signature::fault_of(&parts, &body, REGION, &server.credentials) {
        return error(403, "InvalidSignatureException", fault);
    }
    let path = parts.uri.path().to_owned();
    server.desk.lock().unwrap().requests.push((parts.method.clone(), path.clone()));
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (&parts.method, path.strip_prefix("/v2/email").unwrap_or_default()) {
        (_, path) if path.starts_with("/suppression/addresses") => {
            suppression(&mut server.desk.lock().unwrap(), &parts.method, path, &json)
        }
        _ if server.behind.is_some() => server.forward(&parts, body, &json).await,
        (&Method::POST, "/outbound-emails") => {
            let turn = server.desk.lock().unwrap().sendings.pop_front();
            if let Some(Turn::Refuse(refusal)) = &turn {
                return refused(refusal);
            }
            let answer = take(&mut server.desk.lock().unwrap(), json);
            match turn {
                Some(Turn::Silence) => std::future::pending().await,
                Some(Turn::Say(body)) => Response::new(body.into()),
                Some(Turn::Refuse(_)) | None => answer,
            }
        }
        (&Method::GET, "/account") => fine(&server.desk.lock().unwrap().account),
        _ => error(404, "NotFoundException", "no such path"),
    }
}

fn fine(value: &Value) -> Response<Body> {
    Response::builder().header("content-type", "application/json").body(value.to_string().into()).unwrap()
}

fn error(status: u16, code: &str, message: &str) -> Response<Body> {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.header("x-amzn-errortype", code).body(json!({ "message": message }).to_string().into()).unwrap()
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let mut answer = error(refusal.status, refusal.code, refusal.message);
    for (name, value) in &refusal.headers {
        answer.headers_mut().insert(*name, value.parse().unwrap());
    }
    answer
}

fn suppression(desk: &mut Desk, method: &Method, path: &str, json: &Value) -> Response<Body> {
    if let Some(refusal) = desk.look_ups.pop_front() {
        return refused(&refusal);
    }
    let entry = path.strip_prefix("/suppression/addresses").unwrap().trim_start_matches('/');
    let address = percent_decode_str(entry).decode_utf8().unwrap().into_owned();
    let absent = || error(404, "NotFoundException", "the address is not on the suppression list");
    match *method {
        Method::PUT => {
            let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
            if !["BOUNCE", "COMPLAINT"].contains(&text("Reason").as_str()) {
                return error(400, "BadRequestException", "a reason is missing");
            }
            desk.suppressed.insert(text("EmailAddress"), text("Reason"));
            fine(&json!({}))
        }
        Method::GET => desk.suppressed.get(&address).map_or_else(absent, |reason| {
            let destination = json!({ "EmailAddress": address, "Reason": reason, "LastUpdateTime": 1.0 });
            fine(&json!({ "SuppressedDestination": destination }))
        }),
        Method::DELETE => desk.suppressed.remove(&address).map_or_else(absent, |_| fine(&json!({}))),
        _ => error(404, "NotFoundException", "no such path"),
    }
}

/// Takes a mail as SES does, with its rules for what is in the request.
fn take(desk: &mut Desk, request: Value) -> Response<Body> {
    let simple = &request["Content"]["Simple"];
    let contents = [&simple["Subject"], &simple["Body"]["Text"], &simple["Body"]["Html"]];
    if contents.iter().any(|content| !content["Data"].is_string() || content["Charset"] != "UTF-8") {
        return error(400, "BadRequestException", "content is missing, or not UTF-8");
    }
    let is_tag = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=256).contains(&text.len()) && text.bytes().all(allowed)
    };
    let tags = request["EmailTags"].as_array().cloned().unwrap_or_default();
    if !tags.iter().all(|tag| is_tag(&tag["Name"]) && is_tag(&tag["Value"])) {
        return error(400, "BadRequestException", "a tag has a character it must not have");
    }
    if let Some(set) = request["ConfigurationSetName"].as_str()
        && !desk.configuration_sets.iter().any(|known| known == set)
    {
        return error(404, "NotFoundException", "Configuration set does not exist.");
    }
    if request["FromEmailAddress"] != FROM {
        let from = request["FromEmailAddress"].as_str().unwrap_or_default();
        let said = "Email address is not verified. The following identities failed the check in region";
        return error(400, "MessageRejected", &format!("{said} EU-CENTRAL-1: {from}"));
    }
    let to = request["Destination"]["ToAddresses"][0].as_str().unwrap_or_default();
    let taken = Taken {
        message_id: format!("0102{:04}", desk.taken.len()),
        is_delivered: !desk.suppressed.contains_key(to),
        request,
    };
    desk.taken.push(taken.clone());
    fine(&json!({ "MessageId": taken.message_id }))
}

impl Server {
    async fn forward(&self, parts: &Parts, body: Bytes, json: &Value) -> Response<Body> {
        let mut url = self.behind.clone().unwrap();
        url.set_path(parts.uri.path());
        url.set_query(parts.uri.query());
        let mut headers: HeaderMap = parts.headers.clone();
        headers.remove("host");
        headers.remove("content-length");
        let request = self.client.request(parts.method.clone(), url).headers(headers).body(body);
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await.unwrap();
        let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Some(message_id) = said["MessageId"].as_str() {
            let (message_id, request) = (message_id.to_owned(), json.clone());
            self.desk.lock().unwrap().taken.push(Taken { message_id, request, is_delivered: true });
        }
        let mut answer = Response::builder().status(status);
        for name in ["content-type", "x-amzn-errortype"] {
            if let Some(value) = headers.get(name) {
                answer = answer.header(name, value);
            }
        }
        answer.body(bytes.into()).unwrap()
    }
}

/// The mails that went on to their recipients.
struct Delivered(Arc<Server>);

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

fn received(request: &Value) -> Received {
    let simple = &request["Content"]["Simple"];
    let text = |content: &Value| content["Data"].as_str().unwrap_or_default().to_owned();
    let kinds = ["ToAddresses", "CcAddresses", "BccAddresses"].into_iter();
    Received {
        to: kinds.flat_map(|kind| texts(&request["Destination"][kind])).collect(),
        reply_to: texts(&request["ReplyToAddresses"]).into_iter().next(),
        subject: text(&simple["Subject"]),
        html: text(&simple["Body"]["Html"]),
        text: text(&simple["Body"]["Text"]),
    }
}

#[async_trait]
impl Inbox for Delivered {
    async fn messages(&self) -> Vec<Received> {
        let taken = self.0.desk.lock().unwrap().taken.clone();
        if let Some(ministack) = &self.0.behind {
            return self.of_ministack(ministack, &taken).await;
        }
        taken.iter().filter(|taken| taken.is_delivered).map(|taken| received(&taken.request)).collect()
    }
}

impl Delivered {
    /// What MiniStack says it sent for this account. It does not keep where answers go, so that alone is taken from the
    /// request it answered with the message's id.
    async fn of_ministack(&self, ministack: &Url, taken: &[Taken]) -> Vec<Received> {
        let account = self.0.credentials.access_key_id();
        let mut url = ministack.join("/_ministack/ses/messages").unwrap();
        url.set_query(Some(&format!("account={account}")));
        let all: Value = self.0.client.get(url).send().await.unwrap().json().await.unwrap();
        let messages = all["messages"][account].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shown = messages.iter().map(|message| {
            let asked = taken.iter().find(|taken| message["MessageId"] == taken.message_id.as_str());
            Received {
                to: ["To", "CC", "BCC"].into_iter().flat_map(|kind| texts(&message[kind])).collect(),
                reply_to: asked.and_then(|taken| received(&taken.request).reply_to),
                subject: text(&message["Subject"]),
                html: text(&message["BodyHtml"]),
                text: text(&message["BodyText"]),
            }
        });
        shown.collect()
    }
}
