//! API Gateway in front of the functions: real HTTP requests and real WebSockets become events, answers become answers.
//!
//! One address serves all three of its sides, as one API of each kind with the stage `live` would serve them at three:
//! a handshake of a WebSocket, at whatever path, goes to the WebSocket API, `/live/@connections/…` is its callbacks, and
//! everything else goes to the HTTP API. The shapes of the
//! events are those of the documentation, REST API (payload 1.0) or HTTP API (payload 2.0) as wanted.

mod callback;
mod payload;
mod socket;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, FromRequestParts as _, Request, State};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

use crate::cloud::Cloud;
use crate::lambda_runtime::{Fault, Function};
pub use payload::Payload;

/// The stage of every API.
const STAGE: &str = "live";
/// The largest request an API takes.
const MAX_REQUEST_BYTES: usize = 10 * 1024 * 1024;

/// The functions `api` and `websocket` behind an API Gateway. The functions end when this is dropped.
#[derive(Debug)]
pub struct Gateway {
    /// Where the HTTP API is.
    pub base: Url,
    /// Where the WebSocket API is: the same.
    pub ws: Url,
    front: Arc<Front>,
    variables: Vec<(String, String)>,
}

/// What the sides share.
#[derive(Debug)]
struct Front {
    payload: Payload,
    authority: String,
    api: Function,
    websocket: Function,
    peers: Mutex<HashMap<String, Peer>>,
    count: AtomicU64,
}

/// An open WebSocket.
#[derive(Debug)]
struct Peer {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    connected_at_ms: u64,
    address: String,
}

/// What goes to a peer.
#[derive(Debug)]
enum Outgoing {
    Text(String),
    Close,
}

impl Gateway {
    /// An HTTP API and a WebSocket API in front of functions that stand on a cloud.
    pub async fn start(cloud: &Cloud) -> Self {
        Self::start_with(cloud, Payload::Http, &[]).await
    }

    /// The same with a kind of API, and further variables for both functions, which win.
    pub async fn start_with(cloud: &Cloud, payload: Payload, more: &[(&'static str, String)]) -> Self {
        let mut variables: Vec<(String, String)> =
            cloud.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        variables.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Self::before(payload, variables.clone(), variables).await
    }

    /// The same in front of two functions that have variables of their own.
    pub async fn before(
        payload: Payload,
        mut api: Vec<(String, String)>,
        mut websocket: Vec<(String, String)>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let authority = listener.local_addr().expect("an address").to_string();
        let base = Url::parse(&format!("http://{authority}/")).expect("a URL");
        for variables in [&mut api, &mut websocket] {
            variables.retain(|(name, _)| name != "WEBSOCKET_API_ENDPOINT");
            variables.push(("WEBSOCKET_API_ENDPOINT".to_owned(), format!("http://{authority}/{STAGE}")));
        }
        let variables = api.clone();
        let (api, websocket) =
            tokio::join!(Function::start("api", &api), Function::start("websocket", &websocket));
        let (peers, count) = (Mutex::default(), AtomicU64::new(0));
        let front = Arc::new(Front { payload, authority, api, websocket, peers, count });
        let routes = Router::new()
            .route(
                "/live/@connections/{id}",
                get(callback::look).post(callback::post).delete(callback::close),
            )
            .fallback(any(http))
            .with_state(front.clone());
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { ws: base.clone(), base, front, variables }
    }

    /// The function behind the HTTP API.
    #[must_use]
    pub fn api(&self) -> &Function {
        &self.front.api
    }

    /// The function behind the WebSocket API.
    #[must_use]
    pub fn websocket(&self) -> &Function {
        &self.front.websocket
    }

    /// The variables of the function `api`, for further ones.
    #[must_use]
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// How many WebSockets are open.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.front.peers().len()
    }
}

impl Front {
    fn peers(&self) -> MutexGuard<'_, HashMap<String, Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An id as the gateway gives it to requests and connections: base64, unique in the API.
    fn fresh_id(&self) -> String {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        STANDARD.encode(format!("{:05}{number:06}", std::process::id() % 100_000))
    }
}

/// A request to the HTTP API.
async fn http(
    State(front): State<Arc<Front>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        return socket::open(front, peer, upgrade, parts).await;
    }
    let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
        return said(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long");
    };
    let event = front.payload.event(&parts, &body, peer.ip(), &front.fresh_id(), STAGE);
    match front.api.invoke(&event).await {
        Ok(answer) => front.payload.answer(&answer).unwrap_or_else(|fault| {
            eprintln!("the gateway cannot use the answer of the function ({fault}): {answer}");
            said(StatusCode::BAD_GATEWAY, "Internal server error")
        }),
        Err(Fault::TimedOut) => said(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out"),
        Err(fault @ Fault::Failed { .. }) => {
            eprintln!("the function failed: {fault:?}");
            said(StatusCode::BAD_GATEWAY, "Internal server error")
        }
    }
}

/// What the gateway itself says.
fn said(status: StatusCode, message: &str) -> Response<Body> {
    (status, axum::Json(json!({ "message": message }))).into_response()
}

/// A status of an answer, which must be there.
fn status_of(answer: &Value) -> Result<StatusCode, String> {
    let code = answer["statusCode"].as_u64().and_then(|code| u16::try_from(code).ok());
    code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| "no statusCode".to_owned())
}
