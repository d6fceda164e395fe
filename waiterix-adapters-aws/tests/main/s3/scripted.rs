//! Answers that no emulator gives: throttling, outages, refusals. **G030**

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;
use waiterix_adapters_aws::s3::{S3BlobStore, S3Settings};
use waiterix_domain::id::UserId;
use waiterix_ports::{BlobStore, ErrorKind, PutBlob, PutMode, Result, Retry, SystemClock, Visibility};

use crate::s3::fixture::config;

const ATTEMPTS: u32 = 3;

/// What a server was asked.
struct Asked {
    method: Method,
    query: String,
    headers: HeaderMap,
}

/// A server that gives these answers in turn, the last one again and again, and remembers what it was asked.
struct Script {
    url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer: a status with a code in XML, or with headers of an object and its bytes.
#[derive(Clone, Copy)]
enum Answer {
    Error(u16, &'static str),
    Object(&'static str),
    Page(&'static str),
}
use Answer::{Error, Object, Page};

impl Answer {
    fn response(self, method: &Method) -> Response<Body> {
        let response = Response::builder();
        match self {
            Error(status, code) => {
                let xml = format!(
                    "<Error><Code>{code}</Code><Message>bucket secret/key-of-a-guest</Message></Error>"
                );
                // Answers to HEAD have no body.
                let body = if method == Method::HEAD { Body::empty() } else { Body::from(xml) };
                response.status(StatusCode::from_u16(status).unwrap()).body(body)
            }
            Object(bytes) => response
                .header("content-length", bytes.len())
                .header("content-type", "binary/octet-stream")
                .header("etag", "\"1\"")
                .header("last-modified", "Fri, 31 Jan 2025 09:05:07 GMT")
                .header("x-amz-meta-waiterix-visibility", "public")
                .body(Body::from(bytes)),
            Page(xml) => response.header("content-type", "application/xml").body(Body::from(xml)),
        }
        .unwrap()
    }
}

impl Script {
    async fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (asked, answers) = (Arc::default(), Mutex::new(VecDeque::from(answers.to_vec())));
        let (notes, answers): (Arc<Mutex<Vec<Asked>>>, _) = (Arc::clone(&asked), Arc::new(answers));
        let router = Router::new().fallback(move |request: Request| {
            let (notes, answers) = (notes.clone(), answers.clone());
            async move {
                let (parts, body) = request.into_parts();
                to_bytes(body, usize::MAX).await.unwrap();
                let query = parts.uri.query().unwrap_or_default().to_owned();
                let method = parts.method.clone();
                notes.lock().unwrap().push(Asked { method: parts.method, query, headers: parts.headers });
                let mut answers = answers.lock().unwrap();
                let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
                answer.unwrap().response(&method)
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap_or_default() });
        Self { url, asked, task }
    }

    async fn store(&self) -> S3BlobStore {
        let attempts = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(Duration::from_millis(2));
        let config = config(&self.url).await.into_builder().retry_config(attempts).build();
        S3BlobStore::open(&config, &S3Settings::of_bucket("pictures"), Arc::new(SystemClock))
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// What each operation answers, and how many requests it took.
async fn outcomes(answers: &[Answer]) -> Vec<(&'static str, Result<()>, usize)> {
    let mut outcomes = Vec::new();
    macro_rules! ask {
        ($name:literal, $store:ident, $call:expr) => {
            let script = Script::start(answers).await;
            let $store = script.store().await;
            let answer = $call.await.map(|_| ());
            outcomes.push(($name, answer, script.count()));
        };
    }
    ask!("get", store, store.get("k", None));
    ask!("head", store, store.head("k"));
    ask!("put", store, store.put("k", PutBlob::new("x")));
    ask!("delete", store, store.delete("k"));
    ask!("list", store, store.list("", None, 10));
    ask!("copy", store, store.copy("k", "l"));
    ask!("set_access", store, store.set_access("k", Some(&UserId::from("anna")), Visibility::Public));
    ask!("check", store, store.check());
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_outages_are_tried_again_and_not_for_ever() {
    for (answer, kind, head_kind) in [
        (Error(503, "SlowDown"), ErrorKind::Throttled, ErrorKind::Unavailable),
        (Error(500, "InternalError"), ErrorKind::Unavailable, ErrorKind::Unavailable),
        (Error(503, "ServiceUnavailable"), ErrorKind::Unavailable, ErrorKind::Unavailable),
        (Error(502, ""), ErrorKind::Unavailable, ErrorKind::Unavailable),
    ] {
        for (name, answer, requests) in outcomes(&[answer]).await {
            let error = answer.expect_err(name);
            // Those begin with a look, whose answer has no body and so no code.
            let expected =
                if matches!(name, "head" | "copy" | "set_access" | "check") { head_kind } else { kind };
            assert_eq!(error.kind(), expected, "{name}: {error}");
            assert_ne!(error.retry_advice(), Retry::No, "{name}: {error}");
            assert_eq!(requests, ATTEMPTS as usize, "{name}");
            assert!(!error.to_string().contains("guest"), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_in_time_is_not_noticed() {
    let script = Script::start(&[Error(503, "SlowDown"), Error(500, "InternalError"), Object("bytes")]).await;
    let found = script.store().await.get("k", None).await.unwrap();
    assert_eq!((found.meta.size, script.count()), (5, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_final_and_told_apart() {
    for (answer, kind) in [
        (Error(403, "AccessDenied"), ErrorKind::Denied),
        (Error(403, "SignatureDoesNotMatch"), ErrorKind::Denied),
        (Error(400, "ExpiredToken"), ErrorKind::Denied),
        (Error(404, "NoSuchKey"), ErrorKind::NotFound),
        (Error(301, "PermanentRedirect"), ErrorKind::Unavailable),
    ] {
        for (name, answer, requests) in outcomes(&[answer]).await {
            let error = answer.expect_err(name);
            // Whoever checks the configuration learns that it is the region.
            let expected =
                if name == "check" && kind == ErrorKind::Unavailable { ErrorKind::Invalid } else { kind };
            assert_eq!((error.kind(), error.retry_advice()), (expected, Retry::No), "{name}: {error}");
            assert_eq!(requests, 1, "{name}");
        }
    }
    for answer in [Error(404, "NoSuchBucket"), Error(404, ""), Error(404, "<html>")] {
        let script = Script::start(&[answer]).await;
        let error = script.store().await.get("k", None).await.unwrap_err();
        assert_eq!((error.kind(), script.count()), (ErrorKind::Unavailable, 1), "B3: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_write_is_repeated_only_if_it_was_not_done() {
    let create = || PutBlob { mode: PutMode::Create, ..PutBlob::new("x") };
    for (answers, kind, retry, requests) in [
        (vec![Error(409, "ConditionalRequestConflict"), Object("")], None, Retry::No, 3),
        (vec![Error(503, "SlowDown"), Object("")], None, Retry::No, 3),
        (vec![Error(409, "ConditionalRequestConflict")], Some(ErrorKind::Conflict), Retry::Safe, 3),
        (vec![Error(412, "PreconditionFailed")], Some(ErrorKind::Conflict), Retry::No, 1),
        (vec![Error(500, "InternalError")], Some(ErrorKind::Unavailable), Retry::Ambiguous, 1),
        (vec![Error(504, "")], Some(ErrorKind::Unavailable), Retry::Ambiguous, 1),
    ] {
        let script = Script::start(&answers).await;
        let answer = script.store().await.put("k", create()).await;
        match (answer, kind) {
            (Ok(_), None) => {}
            (Err(error), Some(kind)) => {
                assert_eq!((error.kind(), error.retry_advice()), (kind, retry), "{error}");
            }
            (answer, _) => panic!("{answer:?}"),
        }
        // The look at what was stored is one of them where it succeeded.
        assert_eq!(script.count(), requests);
    }
}

/// B11 of the old system: a download took three calls. And no request says anything of ACLs (B6).
#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_one_request_and_no_request_has_an_acl() {
    let script = Script::start(&[Object("bytes")]).await;
    let store = script.store().await;
    let found = store.get("k", None).await.unwrap();
    assert_eq!((found.meta.visibility, found.meta.owner.as_ref()), (Visibility::Public, None));
    assert_eq!(found.meta.content_type, "application/octet-stream");
    assert_eq!(script.count(), 1);
    store.head("k").await.unwrap();
    assert_eq!(script.count(), 2);
    store.put("k", PutBlob { visibility: Visibility::Public, ..PutBlob::new("x") }).await.unwrap();
    for asked in script.asked.lock().unwrap().iter() {
        let names = asked.headers.keys().map(HeaderName::as_str);
        let acl: Vec<&str> = names.filter(|name| name.contains("acl") || name.contains("grant")).collect();
        assert!(acl.is_empty() && !asked.query.contains("acl"), "{} {acl:?}", asked.method);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_make_no_sense_are_not_believed() {
    for answer in [Page("<oops"), Page("")] {
        let script = Script::start(&[answer]).await;
        let error = script.store().await.list("", None, 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    let endless = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
    let script = Script::start(&[Page(endless)]).await;
    let error = script.store().await.list("", None, 10).await.unwrap_err();
    assert_eq!((error.kind(), script.count()), (ErrorKind::Corrupt, 1), "{error}");
    // Whoever asks for a part and gets everything does not pass it on as the part.
    let script = Script::start(&[Object("bytes")]).await;
    let error = script.store().await.get("k", Some(1..3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

/// S3 says 200 before it knows how putting the parts together ends, and may then say in the body that it failed.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_behind_a_200_is_one() {
    let begun = Page("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
    let failed = Page("<Error><Code>InternalError</Code></Error>");
    let script = Script::start(&[begun, Object(""), Object(""), failed]).await;
    let blob = PutBlob { mode: PutMode::Create, ..PutBlob::new(vec![0; 9 * 1024 * 1024]) };
    let error = script.store().await.put("k", blob).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Ambiguous), "{error}");
    let asked = script.asked.lock().unwrap();
    assert_eq!(asked.last().unwrap().method, Method::DELETE, "the parts are removed");
    assert!(asked.last().unwrap().query.contains("uploadId=u"));
}
