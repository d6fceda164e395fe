//! A mail provider that speaks as Resend does and keeps what it takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::stage::Letter;

/// The key that is let in.
pub const KEY: &str = "re_test_of_this_very_run";

/// A running provider; it ends with the runtime of its test.
#[derive(Debug)]
pub struct Resend {
    /// Where it is.
    pub url: Url,
    taken: Shared,
}

type Shared = Arc<Mutex<Taken>>;

#[derive(Debug, Default)]
struct Taken {
    mails: Vec<Value>,
    /// What was answered under an idempotency key, and to what.
    by_key: HashMap<String, (Value, Value)>,
}

impl Resend {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let taken = Shared::default();
        let router = Router::new()
            .route("/emails", post(send))
            .route("/domains", get(|| async { Json(json!({ "data": [] })) }))
            .route("/taken", get(taken_so_far))
            .with_state(taken.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: url.parse().expect("a URL"), taken }
    }

    /// The mails to an address, oldest first.
    #[must_use]
    pub fn letters_to(&self, address: &str) -> Vec<Letter> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |mail: &Value, name: &str| mail[name].as_str().map(str::to_owned);
        let first = |value: &Value| value.as_str().or_else(|| value[0].as_str()).map(str::to_owned);
        let letters = taken.mails.iter().filter(|mail| first(&mail["to"]).as_deref() == Some(address));
        let letters = letters.filter_map(|mail| {
            Some(Letter {
                subject: text(mail, "subject")?,
                reply_to: first(&mail["reply_to"]),
                text: text(mail, "text")?,
                html: text(mail, "html")?,
            })
        });
        letters.collect()
    }
}

/// Every mail so far, oldest first. Resend has no such page; it is for whoever is not in this process.
async fn taken_so_far(State(taken): State<Shared>) -> Json<Value> {
    Json(json!(taken.lock().unwrap_or_else(PoisonError::into_inner).mails))
}

async fn send(
    State(taken): State<Shared>,
    headers: HeaderMap,
    Json(mail): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let said = |status: u16, name: &str| {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(json!({ "statusCode": status.as_u16(), "name": name, "message": name })))
    };
    if headers.get("authorization").is_none_or(|key| key != &format!("Bearer {KEY}")) {
        return said(401, "missing_api_key");
    }
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    if let Some((known, answer)) = key.as_ref().and_then(|key| taken.by_key.get(key)) {
        return if *known == mail {
            (StatusCode::OK, Json(answer.clone()))
        } else {
            said(409, "invalid_idempotent_request")
        };
    }
    let answer = json!({ "id": format!("mail-{}", taken.mails.len()) });
    taken.mails.push(mail.clone());
    if let Some(key) = key {
        taken.by_key.insert(key, (mail, answer.clone()));
    }
    (StatusCode::OK, Json(answer))
}
