//! The function behind the HTTP API.

mod reply;
mod request;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout_at;
use tower::ServiceExt as _;
use waiterix_app::http::guard::AnswerBy;
use waiterix_app::{Shared, http};
use waiterix_compose::Needs;

use crate::{Failure, Function, Time};
pub use reply::{MAX_REPLY_BYTES, Reply};
use request::Event;

/// Answers requests as the server does: the same routes, layers and bodies.
#[derive(Debug, Clone)]
pub struct Api {
    service: Router,
    /// The path of the public address of the service, which a custom domain may put in front of every path.
    base_path: Option<String>,
}

impl Api {
    /// The service of an app.
    #[must_use]
    pub fn new(app: Shared) -> Self {
        let base_path = app.settings.api_base_url.as_ref().map(|url| url.path().to_owned());
        Self { service: http::service(app), base_path }
    }
}

impl Function for Api {
    const NEEDS: Needs = Needs::EVERYTHING;

    type Answer = Reply;

    async fn answer(&self, event: Value, time: Time) -> Result<Reply, Failure> {
        let event = Event::read(event)?;
        let shape = event.shape();
        let response = match event.into_request(self.base_path.as_deref()) {
            Ok(mut request) => {
                request.extensions_mut().insert(AnswerBy(time.answer_by()));
                time.scope(answered(self.service.clone(), request, time)).await
            }
            Err(fault) => plain(StatusCode::BAD_REQUEST, fault),
        };
        Ok(Reply::new(shape, response))
    }
}

/// The answer of the service with all of its body, which the platform takes in one piece.
async fn answered(service: Router, request: Request<Body>, time: Time) -> Response<Vec<u8>> {
    let Ok(response) = service.oneshot(request).await;
    let (parts, body) = response.into_parts();
    match timeout_at(time.end(), to_bytes(body, MAX_REPLY_BYTES)).await {
        Ok(Ok(body)) => Response::from_parts(parts, body.into()),
        Ok(Err(error)) => {
            tracing::error!(%error, "the body of an answer could not be read, or is too large for a function");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
        }
        Err(_) => {
            tracing::error!("the body of an answer took too long");
            plain(StatusCode::SERVICE_UNAVAILABLE, "The request took too long")
        }
    }
}

/// An answer of the function itself, about a request or an answer that the service does not see.
fn plain(status: StatusCode, message: &str) -> Response<Vec<u8>> {
    let mut response = Response::new(json!({ "message": message }).to_string().into_bytes());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
