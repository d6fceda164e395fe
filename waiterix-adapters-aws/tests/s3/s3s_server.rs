//! A second server, which checks every signature, also those of requests with headers. It keeps objects as files, so some
//! of what S3 can is beyond it; what, is said here, case by case, and checked: a case that is excused and passes fails.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;
use waiterix_contract::{Fixture, blob};
use waiterix_ports::BlobStore;

use crate::fixture::{self, ACCESS_KEY, SECRET_KEY};

/// A server that ends with its folder.
pub(crate) struct Server {
    pub(crate) url: Url,
    task: JoinHandle<()>,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let router = Router::new().fallback(move |request| answer(service.clone(), request));
        // It ends by being aborted; before that, failed connections are for their clients to see.
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap_or_default() });
        Self { url, task, _folder: folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(service: S3Service, request: Request) -> Response {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The cases that this server cannot pass, and why.
const EXCUSED: &[(&str, &str)] = &[];

async fn fresh() -> Fixture<dyn BlobStore> {
    let server = Server::start().await;
    fixture::fresh(&server.url, 1).await.guarded(server)
}

#[test]
fn every_case_passes_but_those_this_server_is_excused_from() {
    let mut surprises = Vec::new();
    for case in blob::CASES {
        let excuse = EXCUSED.iter().find(|(name, _)| *name == case.name).map(|(_, why)| *why);
        let passed = catch_unwind(AssertUnwindSafe(|| {
            if excuse.is_some() {
                waiterix_contract::run(|| async { (case.run)(fresh().await).await });
            } else {
                waiterix_contract::run_case("blob", "S3 on s3s-fs", case.name, || async {
                    (case.run)(fresh().await).await;
                    true
                });
            }
        }));
        match (passed.is_ok(), excuse) {
            (false, None) => surprises.push(format!("{} fails", case.name)),
            (true, Some(why)) => surprises.push(format!("{} passes, though: {why}", case.name)),
            _ => {}
        }
    }
    assert_eq!(surprises, Vec::<String>::new());
}
