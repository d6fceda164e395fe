//! The menu as a CSV file.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use waiterix_domain::menu_csv::{self, CsvFault, ImportEntry};
use waiterix_domain::picture::{Gallery, PictureFacts};
use waiterix_domain::{Rejection, schema};

use super::menu::read_item;
use crate::Shared;
use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Stop, Words, answer, json_response};
use crate::http::shapes::menu::{CsvErrors, Imported, Preview};

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(export)).routes(routes!(preview)).routes(routes!(confirm))
}

/// The menu of the caller's restaurant as a file.
#[utoipa::path(get, path = "/api/menu-items/export", tag = "menu",
    responses((status = 200, body = String, content_type = "text/csv"), (status = 401), (status = 404)))]
async fn export(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to export menu items"), async {
        let caller = app.caller(&headers).await?;
        let restaurant = caller.restaurant()?;
        let menu = app.reads().menu(&restaurant.id).await?;
        let name = menu_csv::file_name(&restaurant.name);
        let head = [
            (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
            (CACHE_CONTROL, "no-store".to_owned()),
        ];
        Ok((head, menu_csv::export(&menu)).into_response())
    })
    .await
}

/// A file.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct PreviewBody {
    /// The text of the file: at most 2 MB and 2 000 rows.
    csv_data: String,
}

/// What a file would bring. Nothing is stored.
#[utoipa::path(post, path = "/api/menu-items/import/preview", tag = "menu", request_body = PreviewBody,
    responses((status = 200, body = Preview), (status = 400, body = CsvErrors), (status = 401), (status = 404)))]
async fn preview(State(app): State<Shared>, headers: HeaderMap, JsonBody(body): JsonBody) -> Response<Body> {
    answer(Words::message("Failed to preview import"), async {
        app.caller(&headers).await?.restaurant()?;
        let given = Fields::of(&body).text("csvData").into_option();
        let csv =
            given.filter(|csv| !csv.is_empty()).ok_or_else(|| Rejection::invalid("CSV data required"))?;
        let preview = menu_csv::preview(&csv).map_err(|fault| match fault {
            CsvFault::Refused(rejection) => Stop::from(rejection),
            CsvFault::Format(errors) => {
                let body = CsvErrors { message: "CSV parsing error", errors };
                Stop::Answer(Box::new(json_response(StatusCode::BAD_REQUEST, &body)))
            }
        })?;
        Ok(Json(Preview::from(preview)))
    })
    .await
}

/// Previewed items.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; items are read one by one")]
struct ConfirmBody {
    /// As previewed, at most 2 000.
    items: Vec<Value>,
}

/// Reads one item; what is wrong with it becomes the reason why it is skipped.
fn entry(item: &Value) -> ImportEntry {
    let Value::Object(members) = item else {
        return ImportEntry { name: None, item: Err("Expected an object".to_owned()) };
    };
    let name = members.get("name").and_then(Value::as_str).map(str::to_owned);
    let price = members.get("price");
    if !matches!(price, Some(Value::String(_) | Value::Number(_))) {
        let sent = price.map_or_else(|| "undefined".to_owned(), Value::to_string);
        let shown: String = sent.chars().take(100).collect();
        return ImportEntry { name, item: Err(format!("Invalid price: {shown}")) };
    }
    let mut fields = Fields::of(members);
    let new = read_item(&mut fields);
    let item = match fields.faults().first() {
        Some(fault) => Err(format!("{}: {}", fault.path.join("."), fault.message)),
        None => Ok(new),
    };
    ImportEntry { name, item }
}

/// Store previewed items: what is fine together, the rest is named.
#[utoipa::path(post, path = "/api/menu-items/import/confirm", tag = "menu", request_body = ConfirmBody,
    responses((status = 200, body = Imported), (status = 400), (status = 401), (status = 404)))]
async fn confirm(State(app): State<Shared>, headers: HeaderMap, JsonBody(body): JsonBody) -> Response<Body> {
    answer(Words::message("Failed to import menu items"), async {
        app.caller(&headers).await?.restaurant()?;
        let items = Fields::of(&body).list("items").into_option();
        let items = items.ok_or_else(|| Rejection::invalid("Items array required"))?;
        menu_csv::check_count(items.len())?;
        let entries: Vec<ImportEntry> = items.iter().map(entry).collect();
        let named: Vec<&str> =
            entries.iter().filter_map(|entry| entry.item.as_ref().ok()?.image_url.as_deref()).collect();
        let imported = app
            .transact(
                || async {
                    let caller = app.caller(&headers).await?;
                    let restaurant = caller.restaurant()?.clone();
                    let pictures = app.picture_facts(&caller.account, &named).await?;
                    Ok((restaurant, pictures))
                },
                |(restaurant, pictures): &(schema::Restaurant, PictureFacts), env| {
                    let gallery = Gallery::new(pictures, &app.settings.locations);
                    menu_csv::import(restaurant, gallery, &entries, env)
                },
            )
            .await?;
        Ok(Json(Imported {
            success: true,
            count: imported.items.len(),
            items: imported.items.into_iter().map(|row| app.show_item(row)).collect(),
            errors: imported.errors,
        }))
    })
    .await
}
