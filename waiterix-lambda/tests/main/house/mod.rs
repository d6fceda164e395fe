//! A whole service on in-memory ports and a clock that stands still, called by events.

#![allow(missing_docs, unreachable_pub, reason = "test support")]

pub mod desk;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use desk::Desk;
use serde_json::{Value, json, to_value};
use waiterix_adapters_local::memory::{MemoryBlobStore, MemoryMailer, MemorySessionStore, MemoryStore};
use waiterix_app::{App, OsRandom, Ports, Settings, Shared};
use waiterix_contract::ManualClock;
use waiterix_domain::Secret;
use waiterix_lambda::api::Api;
use waiterix_lambda::{Failure, Function, Time};
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{BlobStore, Clock, Mailer, SessionStore, Store};

/// Origin of the web client.
pub const SITE: &str = "https://app.example.org";

/// The service and its ports.
pub struct House {
    pub app: Shared,
    pub clock: Arc<ManualClock>,
    pub mailer: Arc<MemoryMailer>,
    pub blobs: Arc<MemoryBlobStore>,
    pub desk: Arc<Desk>,
}

impl House {
    pub fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    /// A house with other ports or settings.
    pub fn with(ports: impl FnOnce(&mut Ports), settings: impl FnOnce(&mut Settings)) -> Self {
        let clock = Arc::new(ManualClock::default());
        let ticking: Arc<dyn Clock> = clock.clone();
        let signer =
            UrlSigner::new("http://127.0.0.1:8080/".parse().unwrap(), Secret::new("object-url-secret"));
        let mailer = Arc::new(MemoryMailer::new());
        let blobs = Arc::new(MemoryBlobStore::new(ticking.clone(), signer));
        let desk = Arc::new(Desk::default());
        let mut all = Ports {
            store: Arc::new(MemoryStore::new(ticking.clone())) as Arc<dyn Store>,
            blobs: blobs.clone() as Arc<dyn BlobStore>,
            mailer: mailer.clone() as Arc<dyn Mailer>,
            sessions: Arc::new(MemorySessionStore::new(ticking.clone())) as Arc<dyn SessionStore>,
            notifier: desk.clone(),
        };
        ports(&mut all);
        let mut chosen = Settings::embedded(Secret::new("0123456789abcdef0123456789abcdef"));
        chosen.frontend_origins.push(SITE.to_owned());
        settings(&mut chosen);
        let app = Arc::new(App::new(all, ticking, Arc::new(OsRandom), chosen));
        Self { app, clock, mailer, blobs, desk }
    }

    /// Calls a route through an HTTP API and answers what the function answers.
    pub async fn call(&self, method: &str, path: &str, cookie: Option<&str>, body: Option<Value>) -> Value {
        let mut event = json!({
            "version": "2.0", "rawPath": path,
            "headers": { "host": "api.example.org", "content-type": "application/json" },
            "requestContext": { "stage": "$default", "http": { "method": method, "sourceIp": "192.0.2.7" } },
        });
        if let Some(cookie) = cookie {
            event["cookies"] = json!([cookie]);
        }
        if let Some(body) = body {
            event["body"] = json!(body.to_string());
        }
        answered(&Api::new(self.app.clone()), event).await.unwrap()
    }

    /// An owner with a restaurant: the cookie, and the id of the restaurant.
    pub async fn owner(&self, email: &str) -> (String, String) {
        self.call("POST", "/api/auth/code", None, Some(json!({ "email": email }))).await;
        let mails = self.mailer.sent();
        let (_, rest) = mails.last().unwrap().text.split_once("Your code is ").unwrap();
        let guess = json!({ "email": email, "code": &rest[..6] });
        let reply = self.call("POST", "/api/auth/code/verify", None, Some(guess)).await;
        let cookie = reply["cookies"][0].as_str().unwrap().split(';').next().unwrap().to_owned();
        let reply =
            self.call("POST", "/api/restaurant", Some(&cookie), Some(json!({ "name": "Casa" }))).await;
        (cookie, body(&reply)["id"].as_str().unwrap().to_owned())
    }
}

/// The JSON body of a reply.
#[track_caller]
pub fn body(reply: &Value) -> Value {
    serde_json::from_str(reply["body"].as_str().unwrap()).unwrap_or_else(|error| panic!("{error}: {reply}"))
}

/// What a function answers, as the platform gets it.
pub async fn answered(function: &impl Function, event: Value) -> Result<Value, Failure> {
    let time = Time::of(Duration::from_secs(29));
    function.answer(event, time).await.map(|answer| to_value(answer).unwrap())
}

/// A recorded event.
pub fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/events/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
