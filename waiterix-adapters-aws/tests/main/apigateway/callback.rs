//! A server of the `@connections` API: what API Gateway answers to callbacks, and what it answers on a bad day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use waiterix_contract::notifier::{Ears, Lines};
use waiterix_ports::{CloseReason, ConnectionId, Frame, Outlet};

use crate::apigateway::signature;

/// Frames that API Gateway keeps for a peer that does not read.
const ROOM: usize = 64;
/// The largest message.
const MAX_BYTES: usize = 128 * 1024;

/// What goes wrong with the callbacks of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// This many requests get this status, the next ones are served.
    Status(u16, usize),
    /// No answer ever comes.
    Silence,
}

#[derive(Default)]
struct Shared {
    lines: HashMap<String, mpsc::Sender<Frame>>,
    faults: HashMap<String, Fault>,
    seen: Vec<(Method, String)>,
}

/// The server. It ends when this is dropped.
pub(crate) struct CallbackServer {
    authority: String,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

impl Drop for CallbackServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl CallbackServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let shared = Arc::<Mutex<Shared>>::default();
        let app = Router::new().fallback(serve).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { authority, shared, task }
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The base of callback URLs.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/stage", self.authority)
    }

    /// Has something go wrong with one connection.
    pub(crate) fn spoil(&self, id: &str, fault: Fault) {
        lock(&self.shared).faults.insert(id.to_owned(), fault);
    }

    /// The requests with a method for a connection so far.
    pub(crate) fn count(&self, method: &Method, id: &str) -> usize {
        lock(&self.shared).seen.iter().filter(|(seen, of)| seen == method && of == id).count()
    }

    /// All requests so far.
    pub(crate) fn total(&self) -> usize {
        lock(&self.shared).seen.len()
    }

    /// A new connection: the receiving end of what is posted to it.
    pub(crate) fn line(&self, id: &str) -> mpsc::Receiver<Frame> {
        let (sender, receiver) = mpsc::channel(ROOM);
        lock(&self.shared).lines.insert(id.to_owned(), sender);
        receiver
    }

    /// Ends a connection without a word.
    pub(crate) fn end(&self, id: &str) {
        lock(&self.shared).lines.remove(id);
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(status: u16, error: &str) -> Response {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    if !error.is_empty() {
        response = response.header("x-amzn-errortype", error).header("content-type", "application/json");
    }
    let body = if error.is_empty() { String::new() } else { format!(r#"{{"message":"{error}"}}"#) };
    response.body(Body::from(body)).unwrap()
}

#[allow(clippy::print_stderr, reason = "shown where the test that sent it fails")]
async fn serve(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    if let Some(fault) = signature::fault_of(&parts, &body) {
        eprintln!("refused: {fault}");
        return answer(403, "ForbiddenException");
    }
    let Some(id) = parts.uri.path().strip_prefix("/stage/@connections/") else {
        return answer(404, "NotFoundException");
    };
    let id = percent_decode_str(id).decode_utf8().unwrap().into_owned();
    let fault = {
        let mut shared = lock(&shared);
        shared.seen.push((parts.method.clone(), id.clone()));
        match shared.faults.get_mut(&id) {
            Some(Fault::Status(_, 0)) | None => None,
            Some(Fault::Status(status, left)) => {
                *left -= 1;
                Some(Fault::Status(*status, *left))
            }
            Some(Fault::Silence) => Some(Fault::Silence),
        }
    };
    match fault {
        Some(Fault::Status(429, _)) => return answer(429, "LimitExceededException"),
        Some(Fault::Status(410, _)) => return answer(410, "GoneException"),
        Some(Fault::Status(403, _)) => return answer(403, "ForbiddenException"),
        Some(Fault::Status(status, _)) => return answer(status, "InternalServerError"),
        Some(Fault::Silence) => return std::future::pending().await,
        None => {}
    }
    let mut shared = lock(&shared);
    let Some(line) = shared.lines.get(&id).filter(|line| !line.is_closed()) else {
        return answer(410, "GoneException");
    };
    match parts.method {
        Method::GET => answer(200, ""),
        Method::DELETE => {
            // A peer learns that it is closed, not why.
            let _ = line.try_send(Frame::Close(CloseReason::GoingAway));
            shared.lines.remove(&id);
            answer(204, "")
        }
        Method::POST if body.len() > MAX_BYTES => {
            let _ = line.try_send(Frame::Close(CloseReason::TooBig));
            answer(413, "PayloadTooLargeException")
        }
        Method::POST => {
            let Ok(text) = std::str::from_utf8(&body) else { return answer(400, "BadRequestException") };
            match line.try_send(Frame::Text(Arc::from(text))) {
                Ok(()) => answer(200, ""),
                Err(_) => answer(429, "LimitExceededException"),
            }
        }
        _ => answer(405, "MethodNotAllowedException"),
    }
}

/// The lines of a gateway, for the contract.
pub(crate) struct GatewayLines(pub(crate) Arc<CallbackServer>);

#[async_trait]
impl Lines for GatewayLines {
    async fn open(&self, id: &ConnectionId) -> (Outlet, Box<dyn Ears>) {
        let receiver = self.0.line(id.as_str());
        let ears = Peer { id: id.as_str().to_owned(), receiver, server: self.0.clone() };
        (Outlet::Gateway { endpoint: self.0.endpoint() }, Box::new(ears))
    }

    fn foreign(&self) -> Outlet {
        Outlet::Gateway { endpoint: "https://evil.example.com/stage".to_owned() }
    }

    fn tells_reasons(&self) -> bool {
        false
    }
}

struct Peer {
    id: String,
    receiver: mpsc::Receiver<Frame>,
    server: Arc<CallbackServer>,
}

#[async_trait]
impl Ears for Peer {
    async fn next(&mut self) -> Option<Frame> {
        self.receiver.recv().await
    }

    fn arrived(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.receiver.try_recv().ok()).collect()
    }

    async fn stop_reading(&mut self) {
        // Nobody else takes frames out, so the gateway's buffer fills up.
    }

    async fn hang_up(self: Box<Self>) {
        self.server.end(&self.id);
    }
}

/// Without this the claim that every request is signed would be empty.
#[tokio::test]
async fn requests_that_are_not_signed_or_changed_on_the_way_are_refused() {
    let server = CallbackServer::start().await;
    let mut line = server.line("c");
    let url = format!("{}/@connections/c", server.endpoint());
    let client = crate::apigateway::middle::http_client();
    let unsigned = client.post(&url).body("x").send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
    let scope = format!("tester/20250131/{}/execute-api/aws4_request", signature::REGION);
    let forged = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=00");
    let forged = client.post(&url).header("authorization", forged).header("x-amz-date", "20250131T090507Z");
    assert_eq!(forged.body("x").send().await.unwrap().status(), 403);
    assert!(line.try_recv().is_err(), "nothing was posted");
}
