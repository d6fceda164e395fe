//! The suppression list of an account.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::put;
use serde_json::Value;
use tokio::net::TcpListener;

/// The suppression list of SES, which the emulator does not have: the addresses put on it, and whether the function may put any.
#[derive(Debug, Default)]
pub struct SuppressionList {
    /// The addresses.
    pub addresses: Mutex<Vec<String>>,
    /// The traces the requests say they belong to.
    pub traces: Mutex<Vec<String>>,
    /// Whether it takes none.
    pub is_closed: AtomicBool,
}

impl SuppressionList {
    /// Starts one; answers its URL, too.
    pub async fn start() -> (Arc<Self>, String) {
        let list = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route(
                "/v2/email/suppression/addresses",
                put(async |State(list): State<Arc<Self>>, headers: HeaderMap, body: String| {
                    let trace = headers.get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok());
                    list.traces.lock().unwrap().extend(trace.map(str::to_owned));
                    list.take(&body)
                }),
            )
            .with_state(list.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (list, url)
    }

    fn take(&self, body: &str) -> (StatusCode, &'static str) {
        if self.is_closed.load(Ordering::SeqCst) {
            return (StatusCode::FORBIDDEN, r#"{"__type":"AccessDeniedException","message":"not yours"}"#);
        }
        let asked: Value = serde_json::from_str(body).unwrap();
        self.addresses.lock().unwrap().push(asked["EmailAddress"].as_str().unwrap().to_owned());
        (StatusCode::OK, "{}")
    }
}
