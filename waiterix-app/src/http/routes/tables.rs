//! Tables with QR codes.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Rejection, demo, schema, table};

use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Words, answer};
use crate::http::shapes::table::{PublicTable, RestaurantTable};
use crate::http::shapes::{Said, said};
use crate::transact::Refusal;
use crate::{App, Shared};

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(list, add)).routes(routes!(rename, remove)).routes(routes!(public_list))
}

/// The tables of the caller's restaurant, in natural order of their labels.
#[utoipa::path(get, path = "/api/restaurant/{restaurantId}/tables", tag = "tables",
    params(("restaurantId" = String, Path)),
    responses((status = 200, body = Vec<RestaurantTable>), (status = 401), (status = 403)))]
async fn list(State(app): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to fetch tables"), async {
        let (_, tables) = own_tables(&app, &headers, &RestaurantId::from(id)).await?;
        Ok(Json(table::sorted(tables).into_iter().map(RestaurantTable::from).collect::<Vec<_>>()))
    })
    .await
}

async fn own_tables(
    app: &App,
    headers: &HeaderMap,
    id: &RestaurantId,
) -> Result<(schema::Restaurant, Vec<schema::RestaurantTable>), Refusal> {
    let caller = app.caller(headers).await?;
    let restaurant = caller.owner_of(id)?.clone();
    let tables = app.reads().tables(&restaurant.id).await?;
    Ok((restaurant, tables))
}

/// A label.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct LabelBody {
    /// 1 to 50 characters.
    table_number: String,
}

/// Add a table.
#[utoipa::path(post, path = "/api/restaurant/{restaurantId}/tables", tag = "tables",
    params(("restaurantId" = String, Path)), request_body = LabelBody,
    responses((status = 200, body = RestaurantTable), (status = 400), (status = 401), (status = 403), (status = 409)))]
async fn add(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to create table"), async {
        let id = RestaurantId::from(id);
        app.caller(&headers).await?.owner_of(&id)?;
        let mut fields = Fields::of(&body);
        let label = fields.required_text("tableNumber");
        fields.finish("Invalid table data")?;
        let added = app
            .transact(
                || own_tables(&app, &headers, &id),
                |(restaurant, tables), env| table::add(restaurant, tables, &label, env),
            )
            .await?;
        Ok(Json(RestaurantTable::from(added)))
    })
    .await
}

/// Give a table another label.
#[utoipa::path(put, path = "/api/restaurant/{restaurantId}/tables/{tableId}", tag = "tables",
    params(("restaurantId" = String, Path), ("tableId" = String, Path)), request_body = LabelBody,
    responses((status = 200, body = RestaurantTable), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409)))]
async fn rename(
    State(app): State<Shared>,
    Path((id, table_id)): Path<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to update table"), async {
        let id = RestaurantId::from(id);
        // Whatever is no text is as good as nothing here: the contract has one sentence for both.
        let label = Fields::of(&body).text("tableNumber").into_option();
        let renamed = app
            .transact(
                || own_tables(&app, &headers, &id),
                |(_, tables), env| table::rename(tables, &table_id, label.as_deref(), env),
            )
            .await?;
        Ok(Json(RestaurantTable::from(renamed)))
    })
    .await
}

/// Remove a table.
#[utoipa::path(delete, path = "/api/restaurant/{restaurantId}/tables/{tableId}", tag = "tables",
    params(("restaurantId" = String, Path), ("tableId" = String, Path)),
    responses((status = 200, body = Said), (status = 401), (status = 403), (status = 404)))]
async fn remove(
    State(app): State<Shared>,
    Path((id, table_id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    answer(Words::message("Failed to delete table"), async {
        let id = RestaurantId::from(id);
        app.transact(
            || own_tables(&app, &headers, &id),
            |(_, tables), env| table::remove(tables, &table_id, env),
        )
        .await?;
        Ok(Json(said("Table deleted successfully")))
    })
    .await
}

/// The tables of a restaurant as guests see them.
#[utoipa::path(get, path = "/api/public/restaurant/{restaurantId}/tables", tag = "public",
    params(("restaurantId" = String, Path)),
    responses((status = 200, body = Vec<PublicTable>), (status = 404)))]
async fn public_list(State(app): State<Shared>, Path(id): Path<String>) -> Response<Body> {
    answer(Words::message("Failed to fetch tables"), async {
        if demo::is_restaurant(&id) {
            return Ok(Json(Vec::new()));
        }
        let id = RestaurantId::from(id);
        let tables = app.reads().tables(&id).await?;
        // A restaurant with tables is there; only without any must it be looked up.
        if tables.is_empty() && app.reads().restaurant(&id).await?.is_none() {
            return Err(Rejection::not_found("Restaurant not found").into());
        }
        Ok(Json(table::sorted(tables).into_iter().map(PublicTable::from).collect::<Vec<_>>()))
    })
    .await
}
