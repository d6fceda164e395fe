//! The Runtime API of Lambda: a function runs as a process of its own and is called as the platform calls it.
//!
//! The protocol is that of <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. What the platform does to a
//! function is done here, too: it waits until the function asks for work, ends it when its time is over and starts it
//! anew, refuses answers that are too large, and may freeze it in between.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use waiterix_ports::{Clock as _, SystemClock};

use crate::program::built;

/// How the functions are built.
const BUILD: [&str; 3] = ["build", "--package", "waiterix-lambda"];
/// The time-out of a function, unless a call says otherwise: that of the deployment.
const TIMEOUT: Duration = Duration::from_secs(29);
/// The trace that every call belongs to.
pub const TRACE: &str = "1-5e1b4151-5ac6c58f7c1b4b4f8f1c1b4b";
/// How long a function may take to ask for work.
const START: Duration = Duration::from_secs(30);
/// The largest answer of a function: 6 MB and 100 bytes.
const MAX_ANSWER_BYTES: usize = 6_291_556;

/// Why a call has no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The function said so.
    Failed {
        /// The type of the error.
        kind: String,
        /// What it said.
        message: String,
    },
    /// Its time was over; it was ended.
    TimedOut,
}

struct Invocation {
    id: String,
    event: String,
    deadline_ms: u128,
}

/// The side of the platform.
struct Platform {
    calls: mpsc::UnboundedSender<Invocation>,
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<HashMap<String, oneshot::Sender<Result<Value, Fault>>>>,
    /// How often a function asked for work.
    polls: watch::Sender<u64>,
    count: AtomicU64,
}

/// A function: its process, and what calls it. The process is ended when this is dropped.
pub struct Function {
    name: &'static str,
    variables: Vec<(String, String)>,
    platform: Arc<Platform>,
    process: Mutex<Child>,
    log: Log,
    output: Log,
}

/// What the processes of a function wrote, to their log or their output.
type Log = Arc<Mutex<String>>;

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Function {
    /// Starts a function with nothing but these variables, and waits until it asks for work.
    ///
    /// # Panics
    /// When it ends instead, or does not ask in time.
    pub async fn start(name: &'static str, variables: &[(impl AsRef<str>, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let runtime_api = listener.local_addr().expect("an address").to_string();
        let (calls, waiting) = mpsc::unbounded_channel();
        let platform = Arc::new(Platform {
            calls,
            waiting: tokio::sync::Mutex::new(waiting),
            running: Mutex::default(),
            polls: watch::Sender::new(0),
            count: AtomicU64::new(0),
        });
        let service = service(platform.clone());
        tokio::spawn(async move { axum::serve(listener, service).await });
        let mut all = environment(name, &runtime_api);
        all.extend(variables.iter().map(|(name, value)| (name.as_ref().to_owned(), value.clone())));
        let (log, output) = (Log::default(), Log::default());
        let process = Mutex::new(spawn(name, &all, &log, &output).await);
        let function = Self { name, variables: all, platform, process, log, output };
        function.until_ready(0).await;
        function
    }

    /// Runs a function that is expected to end by itself, and answers how, and what it wrote to its log.
    pub async fn start_in_vain(
        name: &'static str,
        variables: &[(impl AsRef<str>, String)],
    ) -> (ExitStatus, String) {
        let mut all = environment(name, "127.0.0.1:9");
        all.extend(variables.iter().map(|(name, value)| (name.as_ref().to_owned(), value.clone())));
        tokio::task::spawn_blocking(move || {
            let mut command = Command::new(built(name, &BUILD));
            let output =
                command.env_clear().envs(all).stdin(Stdio::null()).output().expect("the function starts");
            (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
        })
        .await
        .expect("it ended")
    }

    /// Waits until the process has asked for work more often than `before`.
    async fn until_ready(&self, before: u64) {
        let mut polls = self.platform.polls.subscribe();
        let begun = Instant::now();
        loop {
            let asked = polls.wait_for(|polls| *polls > before);
            if tokio::time::timeout(Duration::from_millis(20), asked).await.is_ok() {
                return;
            }
            if let Some(status) = self.process().try_wait().expect("status") {
                panic!("the function {} ended before it asked for work: {status}", self.name);
            }
            assert!(begun.elapsed() < START, "the function {} does not ask for work", self.name);
        }
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the function.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn invoke(&self, event: &Value) -> Result<Value, Fault> {
        self.invoke_within(TIMEOUT, event).await
    }

    /// Calls the function, whose time-out is this.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn invoke_within(&self, timeout: Duration, event: &Value) -> Result<Value, Fault> {
        let number = self.platform.count.fetch_add(1, Ordering::SeqCst);
        let id = format!("{:08x}-0000-4000-8000-{number:012x}", std::process::id());
        let now_ms = u128::try_from(SystemClock.now().as_millis()).expect("after 1970");
        let (answer, answered) = oneshot::channel();
        self.platform.running().insert(id.clone(), answer);
        let polls = *self.platform.polls.borrow();
        let call = Invocation {
            id: id.clone(),
            event: event.to_string(),
            deadline_ms: now_ms + timeout.as_millis(),
        };
        assert!(self.platform.calls.send(call).is_ok(), "the platform is there");
        match tokio::time::timeout(timeout, answered).await {
            Ok(answer) => answer.expect("an answer"),
            Err(_) => {
                self.platform.running().remove(&id);
                self.restart().await;
                self.until_ready(polls).await;
                Err(Fault::TimedOut)
            }
        }
    }

    /// What the platform does to a function whose time is over.
    async fn restart(&self) {
        {
            let mut process = self.process();
            process.kill().expect("killed");
            process.wait().expect("ended");
        }
        *self.process() = spawn(self.name, &self.variables, &self.log, &self.output).await;
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The numbers it has written so far, as lines of CloudWatch's embedded metric format.
    #[must_use]
    pub fn numbers(&self) -> Vec<Value> {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).clone();
        output.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Stops all of the process, as the platform does between calls.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// The most memory the process has used so far, in KiB.
    #[must_use]
    pub fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process().id());
        let status = std::fs::read_to_string(path).expect("the status of the process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches("kB").trim().parse().expect("a number")
    }

    fn signal(&self, signal: &str) {
        let pid = self.process().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let mut process = self.process();
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// What the platform sets.
fn environment(name: &str, runtime_api: &str) -> Vec<(String, String)> {
    [
        ("AWS_LAMBDA_RUNTIME_API", runtime_api),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_rust"),
        ("_HANDLER", "bootstrap"),
        ("TZ", ":UTC"),
        ("LOG_LEVEL", "warn"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Starts the process; it inherits nothing of the environment of the tests. Building it may take its time.
async fn spawn(name: &'static str, variables: &[(String, String)], log: &Log, output: &Log) -> Child {
    let binary = tokio::task::spawn_blocking(move || built(name, &BUILD)).await.expect("built");
    let mut command = Command::new(binary);
    command.env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the function starts");
    keep(child.stderr.take().expect("its log"), log.clone());
    keep(child.stdout.take().expect("its output"), output.clone());
    child
}

/// Keeps what is written, and shows it.
fn keep(written: impl Read + Send + 'static, log: Log) {
    std::thread::spawn(move || {
        for line in BufReader::new(written).lines().map_while(Result::ok) {
            eprintln!("{line}");
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
}

impl Platform {
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<Result<Value, Fault>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an answer to whoever called. One that comes too late is refused.
    fn answer(&self, id: &str, answer: Result<Value, Fault>) -> Response {
        match self.running().remove(id) {
            Some(caller) => {
                // A caller that has gone does not want it any more.
                let _ = caller.send(answer);
                (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response()
            }
            None => {
                let body = json!({ "errorType": "InvalidRequestID", "errorMessage": "Invalid request ID" });
                (StatusCode::BAD_REQUEST, Json(body)).into_response()
            }
        }
    }
}

fn service(platform: Arc<Platform>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(64 * 1024 * 1024))
        .with_state(platform)
}

async fn next(State(platform): State<Arc<Platform>>) -> Response {
    platform.polls.send_modify(|polls| *polls += 1);
    loop {
        let call = platform.waiting.lock().await.recv().await.expect("the sender is in the platform");
        // Whoever called may have given up meanwhile.
        if !platform.running().contains_key(&call.id) {
            continue;
        }
        let headers = [
            ("lambda-runtime-aws-request-id", call.id),
            ("lambda-runtime-deadline-ms", call.deadline_ms.to_string()),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:us-east-1:123456789012:function:waiterix".to_owned(),
            ),
            ("lambda-runtime-trace-id", format!("Root={TRACE};Parent=5ac6c58f7c1b4b4f;Sampled=0")),
            ("content-type", "application/json".to_owned()),
        ];
        return (headers, call.event).into_response();
    }
}

async fn response(State(platform): State<Arc<Platform>>, Path(id): Path<String>, body: Bytes) -> Response {
    if body.len() > MAX_ANSWER_BYTES {
        let kind = "Function.ResponseSizeTooLarge".to_owned();
        let message = format!("Response payload size exceeded {MAX_ANSWER_BYTES} bytes");
        let refused = json!({ "errorType": "RequestEntityTooLarge", "errorMessage": "Exceeded maximum allowed payload size" });
        let _ = platform.answer(&id, Err(Fault::Failed { kind, message }));
        return (StatusCode::PAYLOAD_TOO_LARGE, Json(refused)).into_response();
    }
    match serde_json::from_slice(&body) {
        Ok(answer) => platform.answer(&id, Ok(answer)),
        Err(error) => {
            let (kind, message) = ("Runtime.InvalidResponse".to_owned(), error.to_string());
            platform.answer(&id, Err(Fault::Failed { kind, message }))
        }
    }
}

async fn error(
    State(platform): State<Arc<Platform>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let of_header = headers.get("lambda-runtime-function-error-type").and_then(|kind| kind.to_str().ok());
    let kind = said["errorType"].as_str().or(of_header).unwrap_or("Unknown").to_owned();
    let message = said["errorMessage"].as_str().unwrap_or_default().to_owned();
    platform.answer(&id, Err(Fault::Failed { kind, message }))
}

async fn init_error(said: String) -> StatusCode {
    // The process ends next, which is noticed by whoever waits for it.
    eprintln!("a function could not start: {said}");
    StatusCode::ACCEPTED
}
