//! Orders: guests place and follow them, the restaurant works them off.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use waiterix_domain::facts::{OrderAccess, OrderView};
use waiterix_domain::id::{IdempotencyId, OrderId};
use waiterix_domain::order::{self, CancelOrder, OrderRules, PlaceOrder, PlacedLine};
use waiterix_domain::{Rejection, RejectionKind, demo};

use crate::caller::Caller;
use crate::http::address::ClientAddress;
use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Keyed as _, Stop, Words, answer};
use crate::http::shapes::order::{Cancelled, DemoOrder, Order, OrderItem, OrderWithTable, Tracking};
use crate::limits::Class;
use crate::transact::Refusal;
use crate::{App, Shared};

/// The most orders the dashboard's list holds; the newest ones win.
const MAX_LISTED: u32 = 2_000;

pub(crate) fn router() -> Routes {
    Routes::default()
        .routes(routes!(list, place))
        .routes(routes!(items))
        .routes(routes!(change_status))
        .routes(routes!(cancel))
        .routes(routes!(track))
}

/// An order to place. Name and price of a line may be sent, but the menu decides.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct PlaceBody {
    restaurant_id: String,
    /// A table id or label.
    table_id: Option<String>,
    items: Vec<PlaceLine>,
    /// Sum of the lines as the guest was shown it.
    subtotal: String,
    /// Tax as the guest was shown it.
    tax: String,
    tip: Option<String>,
    /// Total as the guest was shown it.
    total: String,
    /// `cash` or `online`.
    payment_method: String,
    /// At most 1 000 characters, like the other notes.
    customer_note: Option<String>,
    allergies: Option<String>,
}

/// A line of an order to place.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct PlaceLine {
    /// The dish.
    id: String,
    name: Option<String>,
    price: Option<String>,
    /// 1 to 99.
    quantity: i32,
    customer_note: Option<String>,
    allergies: Option<String>,
}

/// A text, also if it was sent as a number: tables have been called by their numbers before.
pub(super) fn loose_text(body: &Map<String, Value>, name: &str) -> Option<String> {
    match body.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn read_line(place: usize, value: &Value, fields: &mut Fields<'_>) -> PlacedLine {
    let path = vec!["items".to_owned(), place.to_string()];
    let Some(members) = value.as_object() else {
        fields.absorb(vec![waiterix_domain::FieldError { path, message: "Expected an object".to_owned() }]);
        return PlacedLine::default();
    };
    let mut line = Fields::below(members, path);
    let read = PlacedLine {
        item: line.text("id").into_option().unwrap_or_default(),
        name: members.get("name").and_then(Value::as_str).map(str::to_owned),
        quantity: line.integer("quantity").into_option(),
        customer_note: line.text("customerNote").into_option(),
        allergies: line.text("allergies").into_option(),
    };
    fields.absorb(line.faults());
    read
}

fn read_order(body: &Map<String, Value>, headers: &HeaderMap) -> PlaceOrder {
    let mut fields = Fields::of(body);
    let restaurant = fields.text("restaurantId").into_option().unwrap_or_default();
    let sent = fields.list("items").into_option().unwrap_or_default();
    // One more than allowed is enough to see that there are too many.
    let lines = sent.iter().take(order::MAX_LINES + 1).enumerate();
    let lines = lines.map(|(place, value)| read_line(place, value, &mut fields)).collect();
    let idempotency = headers
        .get("idempotency-key")
        .filter(|key| !key.is_empty())
        .map(|key| IdempotencyId::from(digest(&[restaurant.as_bytes(), key.as_bytes()])));
    PlaceOrder {
        restaurant: restaurant.into(),
        table: loose_text(body, "tableId"),
        lines,
        subtotal: fields.required_text("subtotal"),
        tax: fields.required_text("tax"),
        tip: fields.text("tip").into_option(),
        total: fields.required_text("total"),
        payment_method: fields.required_text("paymentMethod"),
        customer_note: fields.text("customerNote").into_option(),
        allergies: fields.text("allergies").into_option(),
        idempotency,
        faults: fields.faults(),
    }
}

/// A SHA-256 digest in hexadecimal. The length of each part is digested too, so that parts cannot run into each other.
pub(super) fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Place an order. With an `Idempotency-Key`, sending it again within 24 hours answers the first order.
#[utoipa::path(post, path = "/api/orders", tag = "orders", request_body = PlaceBody,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Order), (status = 400), (status = 403), (status = 404), (status = 429)))]
async fn place(
    State(app): State<Shared>,
    address: ClientAddress,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to create order"), async {
        app.limits.check(Class::Orders, address.0)?;
        let command = read_order(&body, &headers);
        if demo::is_restaurant(command.restaurant.as_str()) {
            let intent = body.get("stripePaymentIntentId").and_then(Value::as_str).map(str::to_owned);
            let order = demo::place(&command, intent, app.clock.now());
            return Ok(Json(DemoOrder::from(order)).into_response());
        }
        let rules = OrderRules { web_tax_rate: app.settings.web_tax_rate };
        let placed = app
            .transact(
                || async {
                    let facts = app
                        .reads()
                        .order_facts(
                            &command.restaurant,
                            command.table.as_deref(),
                            command.items(),
                            command.idempotency.as_ref(),
                        )
                        .await?;
                    facts.ok_or_else(|| Rejection::not_found("Restaurant not found").into())
                },
                |facts, env| order::place(facts, &command, &rules, env),
            )
            .await
            .map_err(unknown_restaurant_as_error)?;
        Ok(Json(Order::for_guests(&placed)).into_response())
    })
    .await
}

/// An unknown restaurant is the one refusal of this route that speaks with `error`.
fn unknown_restaurant_as_error(refusal: Refusal) -> Stop {
    match refusal {
        Refusal::Rejected(rejection) if rejection.kind == RejectionKind::NotFound => rejection.as_error(),
        other => other.into(),
    }
}

/// The restaurant's orders, newest first. Completed ones leave this list after 24 hours and stay stored.
#[utoipa::path(get, path = "/api/orders", tag = "orders",
    responses((status = 200, body = [OrderWithTable]), (status = 401), (status = 404)))]
async fn list(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to fetch orders"), async {
        let caller = app.caller(&headers).await?;
        let since = order::completed_since(app.clock.now());
        let orders = app.reads().orders_live(&caller.restaurant()?.id, since, MAX_LISTED).await?;
        Ok(Json(orders.into_iter().map(OrderWithTable::from).collect::<Vec<_>>()))
    })
    .await
}

/// The lines of an order, in the sequence they were ordered.
#[utoipa::path(get, path = "/api/orders/{id}/items", tag = "orders", params(("id" = String, Path)),
    responses((status = 200, body = [OrderItem])))]
async fn items(State(app): State<Shared>, Path(id): Path<String>) -> Response<Body> {
    answer(Words::message("Failed to fetch order items"), async {
        let items = app.reads().order_items(&OrderId::from(id)).await?;
        Ok(Json(items.into_iter().map(OrderItem::from).collect::<Vec<_>>()))
    })
    .await
}

fn unknown_order() -> Rejection {
    Rejection::not_found("Order not found")
}

/// An order of the caller's restaurant.
async fn own_order(app: &App, caller: &Caller, id: &OrderId) -> Result<OrderAccess, Refusal> {
    let access = app.reads().order(id).await?.ok_or_else(unknown_order)?;
    caller.owns(&access.restaurant)?;
    Ok(access)
}

/// A body with a status.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct StatusBody {
    /// `new`, `preparing`, `ready` or `completed`.
    status: String,
}

/// Move an order on.
#[utoipa::path(put, path = "/api/orders/{id}/status", tag = "orders", params(("id" = String, Path)),
    request_body = StatusBody,
    responses((status = 200, body = Order), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn change_status(
    State(app): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to update order status"), async {
        let caller = app.caller(&headers).await?;
        let id = OrderId::from(id);
        let wanted = body.get("status").and_then(Value::as_str);
        let order = app
            .transact(
                || own_order(&app, &caller, &id),
                |access, env| order::change_status(&access.order, wanted, env),
            )
            .await?;
        Ok(Json(Order::from(order)))
    })
    .await
}

/// Why an order is cancelled.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct CancelBody {
    /// At most 1 000 characters.
    reason: Option<String>,
    /// Not needed as long as nothing is paid through a provider.
    skip_refund: Option<bool>,
}

/// Cancel an order that is not completed or cancelled yet.
#[utoipa::path(post, path = "/api/orders/{id}/cancel", tag = "orders", params(("id" = String, Path)),
    request_body = CancelBody,
    responses((status = 200, body = Cancelled), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn cancel(
    State(app): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to cancel order"), async {
        let caller = app.caller(&headers).await?;
        let id = OrderId::from(id);
        let mut fields = Fields::of(&body);
        let reason = fields.text("reason").into_option();
        let command = CancelOrder { reason, faults: fields.faults() };
        let cancelled = app
            .transact(
                || own_order(&app, &caller, &id),
                |access, env| order::cancel(&access.order, &command, env),
            )
            .await?;
        Ok(Json(Cancelled::from(cancelled)))
    })
    .await
}

/// What a guest follows an order by.
#[utoipa::path(get, path = "/api/orders/{id}/track", tag = "orders", params(("id" = String, Path)),
    responses((status = 200, body = Tracking), (status = 404)))]
async fn track(State(app): State<Shared>, Path(id): Path<String>) -> Response<Body> {
    answer(Words::message("Failed to fetch order tracking"), async {
        let id = OrderId::from(id);
        if demo::is_order(id.as_str()) {
            return Ok(Json(Tracking::from(demo::tracking(&id, app.clock.now()))));
        }
        Ok(Json(Tracking::from(stored_view(&app, &id).await?)))
    })
    .await
}

/// An order with everything that belongs to it. Its restaurant cannot be missing: an order goes with its restaurant.
pub(super) async fn stored_view(app: &App, id: &OrderId) -> Result<OrderView, Refusal> {
    Ok(app.reads().order_view(id).await?.ok_or_else(unknown_order)?)
}
