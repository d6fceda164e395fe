//! The sidecar of the hosting platform: it gives out tokens that the front takes, and signs URLs that the front honours. Like
//! the real one it signs neither type nor length.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::Json;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, body::Bytes};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::format_description::FormatItem;
use time::macros::format_description;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;
use waiterix_domain::Timestamp;
use waiterix_ports::Clock;

use crate::gcs_objects::account;
use crate::gcs_objects::front::{Front, Tokens};

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &SEGMENT.remove(b'/');
const DAY: &[FormatItem<'static>] = format_description!("[year][month][day]");
const MOMENT: &[FormatItem<'static>] = format_description!("[year][month][day]T[hour][minute][second]Z");

pub(crate) struct Sidecar {
    pub(crate) url: Url,
    /// What was asked of it.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    /// What it answers instead, if it is said.
    pub(crate) trouble: Arc<Mutex<Option<u16>>>,
    task: JoinHandle<()>,
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is done with every request.
#[derive(Clone)]
struct Notes {
    asked: Arc<Mutex<Vec<String>>>,
    trouble: Arc<Mutex<Option<u16>>>,
}

impl Notes {
    fn note(&self, what: String) -> Result<(), (StatusCode, &'static str)> {
        self.asked.lock().unwrap().push(what);
        match *self.trouble.lock().unwrap() {
            Some(status) => Err((StatusCode::from_u16(status).unwrap(), "a-bucket/key-of-a-guest")),
            None => Ok(()),
        }
    }
}

impl Sidecar {
    pub(crate) async fn start(front: &Front, clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let notes = Notes { asked: Arc::default(), trouble: Arc::default() };
        let (asked, trouble) = (notes.asked.clone(), notes.trouble.clone());
        let (tokens, storage) = (front.tokens(), front.url().clone());
        let (first, second, third) = (notes.clone(), notes.clone(), notes);
        let router = Router::new()
            .route(
                "/credential",
                get(move || async move {
                    first.note("credential".to_owned())?;
                    Ok::<_, (StatusCode, &str)>(Json(json!({ "access_token": "of this container" })))
                }),
            )
            .route(
                "/token",
                post(move |body: Bytes| async move {
                    second.note("token".to_owned())?;
                    Ok::<_, (StatusCode, &str)>(Json(exchange(&body, &tokens)))
                }),
            )
            .route(
                "/object-storage/signed-object-url",
                post(move |Json(wanted): Json<Value>| async move {
                    third.note(format!("sign {} {}", wanted["method"], wanted["object_name"]))?;
                    let signed_url = sign(&storage, &wanted, clock.now());
                    Ok::<_, (StatusCode, &str)>(Json(json!({ "signed_url": signed_url })))
                }),
            );
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap_or_default() });
        Self { url, asked, trouble, task }
    }
}

/// RFC 8693, with the values of the platform.
fn exchange(body: &[u8], tokens: &Mutex<Tokens>) -> Value {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(form["audience"], "replit");
    assert_eq!(form["scope"], "https://www.googleapis.com/auth/devstorage.full_control");
    assert_eq!(form["requested_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(form["subject_token"], "of this container");
    assert_eq!(form["subject_token_type"], "access_token");
    let token = tokens.lock().unwrap().issue();
    json!({ "access_token": token, "issued_token_type": "", "token_type": "Bearer", "expires_in": 300 })
}

/// The fourth version of signatures, with the host as the only header.
fn sign(storage: &Url, wanted: &Value, now: Timestamp) -> String {
    let text = |name: &str| wanted[name].as_str().unwrap();
    let end = Timestamp::parse(text("expires_at")).unwrap();
    let (bucket, object) = (text("bucket_name"), utf8_percent_encode(text("object_name"), PATH));
    let host = format!("{}:{}", storage.host_str().unwrap(), storage.port().unwrap());
    let path = format!("/{bucket}/{object}");
    let (day, moment) = (now.to_utc().format(DAY).unwrap(), now.to_utc().format(MOMENT).unwrap());
    let scope = format!("{day}/auto/storage/goog4_request");
    let credential = format!("{}/{scope}", account::email());
    let query = format!(
        "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential={}&X-Goog-Date={moment}&X-Goog-Expires={}&X-Goog-SignedHeaders=host",
        utf8_percent_encode(&credential, SEGMENT),
        end.as_seconds() - now.as_seconds()
    );
    let request = format!("{}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", text("method"));
    let statement = format!("GOOG4-RSA-SHA256\n{moment}\n{scope}\n{:x}", Sha256::digest(request));
    format!("http://{host}{path}?{query}&X-Goog-Signature={}", account::sign(&statement))
}
