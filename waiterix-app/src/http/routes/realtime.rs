//! The push channel, and tickets for it.

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Shared;
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Words, answer, json_response};
use crate::http::shapes::said;
use crate::realtime;

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(socket)).routes(routes!(ticket))
}

/// The push channel (WebSocket): `role=chef` for the owner, else a guest with `customerSessionId`.
#[utoipa::path(get, path = "/ws", tag = "realtime",
    params(("restaurantId" = String, Query), ("role" = Option<String>, Query),
        ("customerSessionId" = Option<String>, Query), ("ticket" = Option<String>, Query)),
    responses((status = 101), (status = 400), (status = 401), (status = 403)))]
async fn socket(State(app): State<Shared>, request: Request) -> Response<Body> {
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
        Ok(upgrade) => realtime::socket::handshake(app, upgrade, parts).await,
        Err(_) => json_response(StatusCode::BAD_REQUEST, &said("Expected a WebSocket handshake")),
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    /// To be sent as the query parameter `ticket`, once.
    ticket: String,
    /// How long it is valid.
    expires_in_seconds: u64,
}

/// A one-time ticket for a chef connection where cookies do not reach the push channel.
#[utoipa::path(post, path = "/api/realtime/ticket", tag = "realtime",
    responses((status = 200, body = Ticket), (status = 401), (status = 404)))]
async fn ticket(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to issue ticket"), async {
        let caller = app.caller(&headers).await?;
        caller.restaurant()?;
        let ticket = realtime::ticket::issue(&app, &caller).await?;
        Ok(Json(Ticket { ticket, expires_in_seconds: realtime::ticket::TTL.as_secs() }))
    })
    .await
}
