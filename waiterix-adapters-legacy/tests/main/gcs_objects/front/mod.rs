//! What Google's servers do and the emulator does not: they ask for tokens, check signatures with everything they cover, honour
//! conditions, tell names in pages, keep names apart that a file system would not, and remember an upload that is over.
//!
//! One request after another: whoever checks a condition must know that nothing happens before the change.

mod objects;
mod sessions;
mod signed;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;
use waiterix_ports::Clock;

use super::account;
use sessions::Session;

/// An answer, or a refusal that ends the request.
pub(super) type Answer = Result<Response<Body>, Response<Body>>;

/// What goes wrong on purpose with the next request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// It is refused with a status, perhaps with `Retry-After` in seconds, and not carried out.
    Status(u16, Option<u32>),
    /// Only 256 KiB of it are kept.
    Part,
    /// Its first byte arrives as another.
    Damage,
    /// Somebody else sets this policy before it is carried out, which is a change.
    Policy(&'static str),
    /// Nothing.
    None,
}

/// The tokens that are taken, and how many were given out.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    good: BTreeSet<String>,
    pub(crate) issued: usize,
}

impl Tokens {
    pub(crate) fn issue(&mut self) -> String {
        self.issued += 1;
        let token = format!("token-{}", self.issued);
        self.good.insert(token.clone());
        token
    }

    /// Takes none of those that were given out any more.
    pub(crate) fn revoke(&mut self) {
        self.good.clear();
    }
}

/// What the front shares with its requests.
pub(super) struct State {
    pub(super) own: Url,
    pub(super) emulator: Url,
    pub(super) client: reqwest::Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sessions: tokio::sync::Mutex<BTreeMap<String, Session>>,
    tokens: Arc<Mutex<Tokens>>,
    trouble: Mutex<VecDeque<Trouble>>,
    asked: Mutex<Vec<String>>,
}

/// A front that is listening.
pub(crate) struct Front {
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    /// Stands before an emulator.
    pub(crate) async fn start(emulator: &Url, clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let state = Arc::new(State {
            own,
            emulator: emulator.clone(),
            client: client(),
            clock,
            sessions: tokio::sync::Mutex::default(),
            tokens: Arc::default(),
            trouble: Mutex::default(),
            asked: Mutex::default(),
        });
        let shared = state.clone();
        let router = Router::new().fallback(move |request: Request| answer(shared.clone(), request));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap_or_default() });
        Self { state, task }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.state.own
    }

    /// Where a service account gets its tokens.
    pub(crate) fn token_url(&self) -> String {
        format!("{}token", self.state.own)
    }

    pub(crate) fn tokens(&self) -> Arc<Mutex<Tokens>> {
        self.state.tokens.clone()
    }

    /// Something that will go wrong, in turn.
    pub(crate) fn trouble(&self, trouble: &[Trouble]) {
        self.state.trouble.lock().unwrap().extend(trouble);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm(&self) {
        self.state.trouble.lock().unwrap().clear();
    }

    /// Method, path and query of every request so far, and forgets them.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.asked.lock().unwrap())
    }
}

/// A client that need not speak TLS, but must be told whose it would be.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn answer(state: Arc<State>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    // A body that breaks off was never asked for.
    let Ok(body) = to_bytes(body, usize::MAX).await else { return refusal(400, "invalid") };
    state.asked.lock().unwrap().push(format!("{} {}", parts.method, parts.uri));
    state.answer(&parts, body).await.unwrap_or_else(|refusal| refusal)
}

/// What is asked for: the parts of the path, decoded, and the parameters.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Bytes,
}

impl State {
    async fn answer(&self, parts: &Parts, body: Bytes) -> Answer {
        let trouble = self.trouble.lock().unwrap().pop_front();
        if let Some(Trouble::Status(status, pause)) = trouble {
            let mut response = refusal(status, "backendError");
            if let Some(seconds) = pause {
                response.headers_mut().insert("retry-after", seconds.into());
            }
            return Err(response);
        }
        let query = parts.uri.query().unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let asked = Asked { method: &parts.method, headers: &parts.headers, query, body };
        // One after another, from here to the answer.
        let mut sessions = self.sessions.lock().await;
        let path: Vec<&str> = parts.uri.path().trim_start_matches('/').split('/').collect();
        let api = match path.as_slice() {
            ["token"] if parts.method == Method::POST => return self.token(&asked.body),
            ["storage", "v1", "b", rest @ ..] => rest,
            ["upload", "storage", "v1", "b", bucket, "o"] => {
                self.authorize(&asked)?;
                return self.upload(&mut sessions, &decoded(bucket), &asked, trouble).await;
            }
            _ => return self.signed(parts, asked).await,
        };
        self.authorize(&asked)?;
        match (&parts.method, api) {
            (&Method::GET, [bucket, "o"]) => self.list(&decoded(bucket), &asked).await,
            (&Method::GET, [bucket, "o", name]) => self.get(&decoded(bucket), &decoded(name), &asked).await,
            (&Method::DELETE, [bucket, "o", name]) => {
                self.delete(&decoded(bucket), &decoded(name), &asked).await
            }
            (&Method::PATCH, [bucket, "o", name]) => {
                let (bucket, name) = (decoded(bucket), decoded(name));
                if let Some(Trouble::Policy(text)) = trouble {
                    let change = json!({ "metadata": { "custom:aclPolicy": text } });
                    self.pass_json(self.client.patch(self.object_url(&bucket, &name)).json(&change)).await?;
                }
                self.patch(&bucket, &name, &asked).await
            }
            (&Method::POST, [bucket, "o", name, "rewriteTo", "b", to_bucket, "o", to_name]) => {
                let from = (decoded(bucket), decoded(name));
                self.rewrite(&from, &(decoded(to_bucket), decoded(to_name)), &asked).await
            }
            _ => Err(refusal(501, "notImplemented")),
        }
    }

    /// 401 for a token that was not given out here.
    fn authorize(&self, asked: &Asked<'_>) -> Result<(), Response<Body>> {
        let token =
            asked.headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let is_good = token.is_some_and(|token| self.tokens.lock().unwrap().good.contains(token));
        if is_good { Ok(()) } else { Err(refusal(401, "authError")) }
    }

    /// Exchanges an assertion of the service account for a token.
    fn token(&self, body: &[u8]) -> Answer {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let audience = format!("{}token", self.own);
        let now = self.clock.now().as_seconds();
        if form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer"
            || !account::asserts(&form["assertion"], &audience, now)
        {
            return Err(json_response(400, &json!({ "error": "invalid_grant" })));
        }
        let token = self.tokens.lock().unwrap().issue();
        Ok(json_response(200, &json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" })))
    }
}

/// A refusal as Google words it. The message names what a log must not.
pub(super) fn refusal(status: u16, reason: &str) -> Response<Body> {
    let message = "a-bucket/key-of-a-guest";
    let error =
        json!({ "code": status, "message": message, "errors": [{ "reason": reason, "message": message }] });
    json_response(status, &json!({ "error": error }))
}

pub(super) fn json_response(status: u16, value: &Value) -> Response<Body> {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/json; charset=UTF-8")
        .body(Body::from(value.to_string()))
        .unwrap()
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8().unwrap().into_owned()
}

/// A name as the emulator gets it: so that slashes, blanks and the like stay as they are, and in the same order.
pub(super) fn hidden(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A name as it was.
pub(super) fn shown(hidden: &str) -> String {
    let bytes =
        (0..hidden.len() / 2).map(|place| u8::from_str_radix(&hidden[place * 2..place * 2 + 2], 16).unwrap());
    String::from_utf8(bytes.collect()).unwrap()
}

/// What marks metadata that was hidden.
const HIDDEN: &str = "hidden:";

/// Hides metadata that the emulator could not put into a header, where it wants to have it.
pub(super) fn hide_metadata(resource: &mut Value) {
    for value in metadata_of(resource) {
        if let Some(text) = value.as_str().filter(|text| !text.is_ascii()) {
            *value = json!(format!("{HIDDEN}{}", hidden(text)));
        }
    }
}

/// Shows metadata as it was.
pub(super) fn show_metadata(resource: &mut Value) {
    for value in metadata_of(resource) {
        if let Some(text) = value.as_str().and_then(|text| text.strip_prefix(HIDDEN)) {
            *value = json!(shown(text));
        }
    }
}

fn metadata_of(resource: &mut Value) -> impl Iterator<Item = &mut Value> {
    resource.get_mut("metadata").and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut())
}
