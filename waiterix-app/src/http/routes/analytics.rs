//! Scans of QR codes and calls of AI services.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use waiterix_domain::analytics::{self, Period, RecordAiCall, RecordScan, tally};
use waiterix_domain::demo;
use waiterix_domain::id::RestaurantId;

use crate::Shared;
use crate::http::address::ClientAddress;
use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Words, answer};
use crate::http::shapes::analytics::Stats;
use crate::http::shapes::{SUCCESS, Success};
use crate::limits::Class;

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(table_scan)).routes(routes!(ai_call)).routes(routes!(stats))
}

/// A scan of a QR code.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct ScanBody {
    restaurant_id: String,
    table_id: Option<String>,
    /// Looked up when only the table is named.
    table_number: Option<String>,
}

/// Record that a guest scanned a QR code.
#[utoipa::path(post, path = "/api/analytics/table-scan", tag = "analytics", request_body = ScanBody,
    responses((status = 200, body = Success), (status = 400), (status = 404), (status = 429)))]
async fn table_scan(
    State(app): State<Shared>,
    address: ClientAddress,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to record table scan"), async {
        app.limits.check(Class::PublicWrites, address.0)?;
        let mut fields = Fields::of(&body);
        let restaurant = RestaurantId::from(fields.required_text("restaurantId"));
        let command = RecordScan {
            table: fields.text("tableId").into_option(),
            table_number: fields.text("tableNumber").into_option(),
        };
        fields.finish("Invalid table scan")?;
        if demo::is_restaurant(restaurant.as_str()) {
            return Ok(Json(SUCCESS));
        }
        app.transact(
            || async { Ok(app.reads().assistance_facts(&restaurant, command.table.as_deref(), None).await?) },
            |facts, env| analytics::record_scan(facts.as_ref(), &command, env),
        )
        .await?;
        Ok(Json(SUCCESS))
    })
    .await
}

/// A call of an AI service.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct AiCallBody {
    restaurant_id: String,
    /// 1 to 50 characters of `a`-`z`, `0`-`9`, `_` and `-`.
    call_type: String,
    customer_session_id: Option<String>,
    token_count: Option<i32>,
    duration_ms: Option<i32>,
}

/// Record a call of an AI service.
#[utoipa::path(post, path = "/api/analytics/ai-call", tag = "analytics", request_body = AiCallBody,
    responses((status = 200, body = Success), (status = 400), (status = 404), (status = 429)))]
async fn ai_call(
    State(app): State<Shared>,
    address: ClientAddress,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to record AI call"), async {
        app.limits.check(Class::PublicWrites, address.0)?;
        let mut fields = Fields::of(&body);
        let restaurant = RestaurantId::from(fields.required_text("restaurantId"));
        let command = RecordAiCall {
            call_type: fields.required_text("callType"),
            customer_session_id: fields.text("customerSessionId").into_option(),
            token_count: small_number(&mut fields, "tokenCount"),
            duration_ms: small_number(&mut fields, "durationMs"),
        };
        fields.finish("Invalid AI call")?;
        app.transact(
            || async { Ok(app.reads().restaurant(&restaurant).await?) },
            |restaurant, env| analytics::record_ai_call(restaurant.as_ref(), &command, env),
        )
        .await?;
        Ok(Json(SUCCESS))
    })
    .await
}

/// A number a 32-bit column can hold.
fn small_number(fields: &mut Fields<'_>, name: &str) -> Option<i32> {
    let number = fields.integer(name).into_option()?;
    let small = i32::try_from(number).ok();
    if small.is_none() {
        fields.fault(name, "out of range");
    }
    small
}

/// How often guests scanned and asked.
#[utoipa::path(get, path = "/api/analytics/stats", tag = "analytics",
    params(("period" = Option<String>, Query, description = "`week`, `month` or `lifetime`; all time when missing")),
    responses((status = 200, body = Stats), (status = 400), (status = 401), (status = 404)))]
async fn stats(
    State(app): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response<Body> {
    answer(Words::message("Failed to fetch analytics"), async {
        let caller = app.caller(&headers).await?;
        let restaurant = &caller.restaurant()?.id;
        let period = Period::parse(query.get("period").map(String::as_str))?;
        let since = period.since(app.clock.now());
        let reads = app.reads();
        let (scans, calls) =
            tokio::try_join!(reads.scan_counts(restaurant, since), reads.ai_call_counts(restaurant, since))?;
        let tallied = |counts: Vec<waiterix_ports::Count>| {
            tally(counts.into_iter().map(|count| (count.label, count.count)))
        };
        Ok(Json(Stats::new(period, tallied(scans), tallied(calls))))
    })
    .await
}
