//! Calls for a waiter.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use waiterix_domain::assistance::{self, CallWaiter};
use waiterix_domain::facts::AssistanceAccess;
use waiterix_domain::id::AssistanceId;
use waiterix_domain::{Rejection, demo};

use crate::caller::Caller;
use crate::http::address::ClientAddress;
use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Words, answer};
use crate::http::shapes::assistance::{AssistanceRequest, AssistanceRequestWithTable};
use crate::limits::Class;
use crate::transact::Refusal;
use crate::{App, Shared};

use super::orders::loose_text;

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(list, call)).routes(routes!(change_status))
}

/// A call for a waiter.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct CallBody {
    restaurant_id: String,
    /// A table id or label.
    table_id: Option<String>,
    order_id: Option<String>,
    /// At most 1 000 characters.
    customer_message: Option<String>,
    /// `call_waiter` (if not given) or `help_needed`.
    request_type: Option<String>,
}

fn read_call(body: &Map<String, Value>) -> CallWaiter {
    let mut fields = Fields::of(body);
    CallWaiter {
        restaurant: fields.text("restaurantId").into_option().unwrap_or_default(),
        table: loose_text(body, "tableId"),
        order: fields.text("orderId").into_option(),
        message: fields.text("customerMessage").into_option(),
        request_type: fields.text("requestType").into_option(),
        faults: fields.faults(),
    }
}

/// Call a waiter.
#[utoipa::path(post, path = "/api/assistance-requests", tag = "assistance", request_body = CallBody,
    responses((status = 200, body = AssistanceRequest), (status = 400), (status = 404), (status = 429)))]
async fn call(State(app): State<Shared>, address: ClientAddress, JsonBody(body): JsonBody) -> Response<Body> {
    answer(Words::message("Failed to create assistance request"), async {
        app.limits.check(Class::PublicWrites, address.0)?;
        let command = read_call(&body).check()?;
        if demo::is_restaurant(command.restaurant.as_str()) {
            let (request, label) = demo::call_waiter(&command, app.clock.now());
            return Ok(Json(AssistanceRequestWithTable::new(request, label)).into_response());
        }
        let request = app
            .transact(
                || async {
                    let table = command.table.as_deref();
                    let facts = app
                        .reads()
                        .assistance_facts(&command.restaurant, table, command.order.as_ref())
                        .await?;
                    facts.ok_or_else(|| Rejection::not_found("Restaurant not found").into())
                },
                |facts, env| Ok(assistance::call(facts, &command, env)),
            )
            .await?;
        Ok(Json(AssistanceRequest::from(request)).into_response())
    })
    .await
}

/// The calls for a waiter in the caller's restaurant, newest first.
#[utoipa::path(get, path = "/api/assistance-requests", tag = "assistance",
    params(("status" = Option<String>, Query, description = "pending, acknowledged, resolved, or all")),
    responses((status = 200, body = [AssistanceRequestWithTable]), (status = 400), (status = 401), (status = 404)))]
async fn list(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response<Body> {
    answer(Words::message("Failed to fetch assistance requests"), async {
        let caller = app.caller(&headers).await?;
        let restaurant = caller.restaurant()?;
        let status = assistance::filter(query.get("status").map(String::as_str))?;
        let requests = app.reads().assistance_requests(&restaurant.id, status).await?;
        Ok(Json(requests.into_iter().map(AssistanceRequestWithTable::from).collect::<Vec<_>>()))
    })
    .await
}

/// A call of the caller's restaurant.
async fn own_request(app: &App, caller: &Caller, id: &AssistanceId) -> Result<AssistanceAccess, Refusal> {
    let access = app.reads().assistance_request(id).await?;
    let access = access.ok_or_else(|| Rejection::not_found("Assistance request not found"))?;
    caller.owns(&access.restaurant)?;
    Ok(access)
}

/// A body with a status.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct AssistanceStatusBody {
    /// `pending`, `acknowledged` or `resolved`.
    status: String,
}

/// Say how far a call is.
#[utoipa::path(patch, path = "/api/assistance-requests/{id}/status", tag = "assistance",
    params(("id" = String, Path)), request_body = AssistanceStatusBody,
    responses((status = 200, body = AssistanceRequest), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn change_status(
    State(app): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to update assistance request"), async {
        let caller = app.caller(&headers).await?;
        let id = AssistanceId::from(id);
        let wanted = body.get("status").and_then(Value::as_str);
        let request = app
            .transact(
                || own_request(&app, &caller, &id),
                |access, env| assistance::change_status(access, wanted, env),
            )
            .await?;
        Ok(Json(AssistanceRequest::from(request)))
    })
    .await
}
