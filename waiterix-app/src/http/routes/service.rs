//! The service itself: health, name, configuration of the client.

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::Response;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Shared;
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Words, answer};
use crate::http::web_client::WebClient;
use crate::realtime;
use crate::settings::VERSION;

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(health)).routes(routes!(root)).routes(routes!(config))
}

#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
    timestamp: String,
    service: &'static str,
    version: &'static str,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/health", tag = "service", responses((status = 200, body = Health)))]
async fn health(State(app): State<Shared>) -> Json<Health> {
    let timestamp = app.clock.now().to_string();
    Json(Health { status: "healthy", timestamp, service: "waiterix-backend", version: VERSION })
}

#[derive(Serialize, ToSchema)]
struct Name {
    message: &'static str,
    version: &'static str,
    environment: String,
}

/// What this is. A WebSocket handshake is taken here too, for local development of the client.
#[utoipa::path(get, path = "/", tag = "service", responses((status = 200, body = Name)))]
async fn root(State(app): State<Shared>, request: Request) -> Response<Body> {
    if let Some(client) = app.web_client.as_ref().filter(|_| WebClient::wants_page(request.headers())) {
        return client.serve(request).await;
    }
    let (mut parts, _) = request.into_parts();
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
        return realtime::socket::handshake(app, upgrade, parts).await;
    }
    let environment = app.settings.environment.clone();
    Json(Name { message: "Waiterix API", version: VERSION, environment }).into_response()
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ClientConfig {
    /// Host name of the picture CDN.
    cdn_domain: Option<String>,
}

/// What the client must know.
#[utoipa::path(get, path = "/api/config", tag = "service", responses((status = 200, body = ClientConfig)))]
async fn config(State(app): State<Shared>) -> Response<Body> {
    answer(Words::message("Failed to fetch config"), async {
        Ok(Json(ClientConfig { cdn_domain: app.settings.cdn_domain.clone() }))
    })
    .await
}
