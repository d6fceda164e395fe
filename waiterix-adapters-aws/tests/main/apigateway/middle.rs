//! Stands between the adapter and a server that speaks DynamoDB: counts requests, and makes of the answers of an
//! emulator what the real service may answer as well. Everything else is passed on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

#[derive(Default)]
struct Rules {
    counts: BTreeMap<String, usize>,
    /// Items looked at per page of a query or scan.
    page: Option<usize>,
    /// Connections that the index does not show yet.
    hidden: BTreeSet<String>,
    /// This many requests of an operation are refused with a code.
    refused: Option<(String, String, usize)>,
    /// The most writes of a batch that are done; the others are handed back.
    batch: Option<usize>,
}

struct Shared {
    server: Url,
    client: reqwest::Client,
    rules: Mutex<Rules>,
}

impl Shared {
    fn rules(&self) -> std::sync::MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Middle {
    pub(crate) url: Url,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Middle {
    pub(crate) async fn before(server: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let (client, rules) = (http_client(), Mutex::default());
        let shared = Arc::new(Shared { server: server.clone(), client, rules });
        let app = Router::new().fallback(pass).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared, task }
    }

    /// Takes the counts of requests by operation since the last time.
    pub(crate) fn take_counts(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.shared.rules().counts)
    }

    pub(crate) fn page_by(&self, items: usize) {
        self.shared.rules().page = Some(items);
    }

    pub(crate) fn hide(&self, id: &str) {
        self.shared.rules().hidden.insert(id.to_owned());
    }

    pub(crate) fn refuse(&self, operation: &str, code: &str, times: usize) {
        self.shared.rules().refused = Some((operation.to_owned(), code.to_owned(), times));
    }

    pub(crate) fn batch_by(&self, writes: usize) {
        self.shared.rules().batch = Some(writes);
    }
}

fn reply(status: u16, body: &Value) -> Response {
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    response.header("content-type", "application/x-amz-json-1.0").body(Body::from(body.to_string())).unwrap()
}

async fn pass(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let operation = headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    let mut request: Value = serde_json::from_slice(&body).unwrap();
    let mut undone = json!({});
    let hidden = {
        let mut rules = shared.rules();
        *rules.counts.entry(operation.clone()).or_default() += 1;
        if let Some((refused, code, left)) = &mut rules.refused
            && *refused == operation
            && *left > 0
        {
            *left -= 1;
            return reply(400, &json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}")}));
        }
        if let (Some(page), "Query" | "Scan") = (rules.page, operation.as_str()) {
            request["Limit"] = json!(page);
        }
        if let (Some(batch), "BatchWriteItem") = (rules.batch, operation.as_str()) {
            for (table, writes) in request["RequestItems"].as_object_mut().unwrap() {
                let writes = writes.as_array_mut().unwrap();
                let rest = writes.split_off(batch.min(writes.len()));
                if !rest.is_empty() {
                    undone[table] = json!(rest);
                }
            }
        }
        rules.hidden.clone()
    };
    let mut forward = shared.client.post(shared.server.clone()).body(request.to_string());
    for name in ["authorization", "content-type", "x-amz-date", "x-amz-target"] {
        forward = forward.header(name, headers[name].to_str().unwrap());
    }
    let answer = forward.send().await.unwrap();
    let status = answer.status().as_u16();
    let mut answer: Value = answer.json().await.unwrap();
    if operation == "Query"
        && let Some(items) = answer.get_mut("Items").and_then(Value::as_array_mut)
    {
        items.retain(|item| item["connectionId"]["S"].as_str().is_none_or(|id| !hidden.contains(id)));
        answer["Count"] = json!(items.len());
    }
    if operation == "BatchWriteItem" && status == 200 {
        answer["UnprocessedItems"] = undone;
    }
    reply(status, &answer)
}

/// A client of plain HTTP. Where a build leaves the choice of the cryptography open, the library asks for one all the same.
pub(crate) fn http_client() -> reqwest::Client {
    // Harmless when another part of the process has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
