//! The HTTP service.

pub mod address;
pub mod body;
mod demo_pictures;
mod documented;
pub mod guard;
mod mail_events;
pub mod meter;
pub mod respond;
pub mod routes;
pub mod shapes;
pub mod trace_id;
pub mod web_client;

use std::any::Any;
use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{self as swagger_ui, SwaggerUi};

use crate::Shared;
use respond::json_response;
use web_client::WebClient;

/// Where the OpenAPI document is.
const DOCUMENT: &str = "/openapi.json";

/// The whole service: every route, the push channel, the API document and its page.
pub fn service(app: Shared) -> Router {
    routes::all()
        .into_router()
        .merge(demo_pictures::router())
        .route(DOCUMENT, get(async || Json(document())))
        .merge(SwaggerUi::new("/docs").config(swagger_ui::Config::from(DOCUMENT)))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
        .layer(from_fn(body::read))
        .merge(mail_events::router())
        .layer(from_fn(guard::in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), guard::same_origin))
        .layer(cors(&app))
        .layer(from_fn(guard::headers))
        .layer(from_fn_with_state(app.clone(), guard::trace))
        .with_state(app)
}

/// The OpenAPI document, made from the code of the routes when it is first asked for.
#[must_use]
pub fn document() -> &'static OpenApi {
    static MADE: LazyLock<OpenApi> = LazyLock::new(routes::document);
    &MADE
}

fn cors(app: &Shared) -> CorsLayer {
    let origins: Vec<HeaderValue> =
        app.settings.frontend_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
        .allow_headers([
            header::CONTENT_TYPE,
            header::ACCEPT,
            header::AUTHORIZATION,
            HeaderName::from_static("idempotency-key"),
            trace_id::TRACEPARENT,
        ])
        .expose_headers([header::ETAG, header::CONTENT_DISPOSITION, guard::REQUEST_ID])
        .max_age(Duration::from_secs(600))
}

/// What no route takes: a file or page of the web client, if one is served, else 404.
async fn unknown_route(State(app): State<Shared>, request: Request) -> Response<Body> {
    if let Some(client) = &app.web_client
        && WebClient::takes(request.method(), request.uri().path())
    {
        return client.serve(request).await;
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let body = json!({
        "error": "Not Found",
        "message": format!("Route {} {path} not found", request.method()),
        "timestamp": app.clock.now().to_string(),
    });
    json_response(StatusCode::NOT_FOUND, &body)
}

/// A panic is a fault of ours: the caller learns nothing of it, the log learns what it said.
#[allow(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without words");
    tracing::error!(said, "a request panicked");
    json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "message": "Internal server error" }))
        .into_response()
}
