//! The financial report.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use waiterix_domain::report::{Report, ReportRange, sheet};

use crate::Shared;
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Words, answer};

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(financial))
}

/// Sums and orders of a period as CSV.
#[utoipa::path(get, path = "/api/reports/financial", tag = "reports", 
    params(
        ("startDate" = String, Query, description = "`YYYY-MM-DD` or an ISO time"),
        ("endDate" = String, Query, description = "The same; the report reaches to the end of this day in UTC"),
    ),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 400), (status = 401),
        (status = 404)))]
async fn financial(
    State(app): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response<Body> {
    answer(Words::message("Failed to generate report"), async {
        let caller = app.caller(&headers).await?;
        let sent = |name: &str| query.get(name).map(String::as_str);
        let range = ReportRange::parse(sent("startDate"), sent("endDate"))?;
        let restaurant = caller.restaurant()?;
        let reads = app.reads();
        // The orders come first: lines of an order placed in between are ignored, while an order placed in between
        // would be listed without its lines.
        let orders = reads.orders_between(&restaurant.id, range.from(), range.to()).await?;
        let items = reads.order_items_between(&restaurant.id, range.from(), range.to()).await?;
        let text = sheet(&Report {
            restaurant: &restaurant.name,
            range: &range,
            orders: &orders,
            items: &items,
            generated: app.clock.now(),
        });
        let disposition = format!("attachment; filename=\"{}\"", range.file_name());
        let head = [
            (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (CONTENT_DISPOSITION, disposition),
            (CACHE_CONTROL, "no-store".to_owned()),
        ];
        Ok((head, text).into_response())
    })
    .await
}
