//! The owner's restaurant.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use waiterix_domain::facts::Account;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::picture::{Gallery, PictureFacts};
use waiterix_domain::restaurant::{self, Hashes, OpenRestaurant, RestaurantPatch};
use waiterix_domain::{Rejection, Secret, schema};

use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Keyed as _, Words, answer};
use crate::http::shapes::restaurant::Restaurant;
use crate::http::shapes::{Said, said};
use crate::transact::Refusal;
use crate::{App, Shared};

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(fetch, open)).routes(routes!(change, close)).routes(routes!(cover_image))
}

impl App {
    /// A restaurant with its picture where the client finds it.
    pub(crate) fn show_restaurant(&self, mut row: schema::Restaurant) -> Restaurant {
        row.cover_image_url = self.shown_picture(row.cover_image_url);
        row.into()
    }
}

/// The caller's restaurant, `null` while there is none.
#[utoipa::path(get, path = "/api/restaurant", tag = "restaurant",
    responses((status = 200, body = Option<Restaurant>), (status = 401)))]
async fn fetch(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to fetch restaurant"), async {
        let caller = app.caller(&headers).await?;
        Ok(Json(caller.account.restaurant.map(|row| app.show_restaurant(row))))
    })
    .await
}

/// A new restaurant.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct OpenBody {
    name: String,
    description: Option<String>,
    address: Option<String>,
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
    phone: Option<String>,
    hours: Option<String>,
    cover_image_url: Option<String>,
    default_language: Option<String>,
    currency_code: Option<String>,
    admin_passcode: Option<String>,
    security_question_1: Option<String>,
    security_answer_1: Option<String>,
    security_question_2: Option<String>,
    security_answer_2: Option<String>,
}

fn read_open(body: &Map<String, Value>) -> Result<OpenRestaurant, Rejection> {
    let mut fields = Fields::of(body);
    let name = fields.required_text("name");
    let mut text = |name: &str| fields.text(name).into_option();
    let command = OpenRestaurant {
        name,
        description: text("description"),
        address: text("address"),
        city: text("city"),
        state: text("state"),
        country: text("country"),
        phone: text("phone"),
        hours: text("hours"),
        cover_image_url: text("coverImageUrl"),
        default_language: text("defaultLanguage"),
        currency_code: text("currencyCode"),
        admin_passcode: text("adminPasscode").map(Secret::from),
        security_question_1: text("securityQuestion1"),
        security_answer_1: text("securityAnswer1").map(Secret::from),
        security_question_2: text("securityQuestion2"),
        security_answer_2: text("securityAnswer2").map(Secret::from),
    };
    fields.finish("Invalid restaurant data")?;
    Ok(command)
}

/// Open a restaurant, with its first three tables.
#[utoipa::path(post, path = "/api/restaurant", tag = "restaurant", request_body = OpenBody,
    responses((status = 200, body = Restaurant), (status = 400), (status = 401)))]
async fn open(State(app): State<Shared>, headers: HeaderMap, JsonBody(body): JsonBody) -> Response<Body> {
    answer(Words::message("Failed to create restaurant"), async {
        restaurant::must_be_first(&app.caller(&headers).await?.account)?;
        let command = read_open(&body)?;
        command.check()?;
        let hashes = hashes_of(&app, &command).await?;
        let cover = command.cover_image_url.as_deref().unwrap_or_default();
        let row = app
            .transact(
                || owner_with_pictures(&app, &headers, cover),
                |(account, pictures): &(Account, PictureFacts), env| {
                    let gallery = Gallery::new(pictures, &app.settings.locations);
                    restaurant::open(account, gallery, &command, &hashes, env)
                },
            )
            .await?;
        Ok(Json(app.show_restaurant(row)))
    })
    .await
}

async fn hashes_of(app: &App, command: &OpenRestaurant) -> Result<Hashes, Refusal> {
    let mut hashes = Hashes::default();
    if let Some(passcode) = &command.admin_passcode {
        hashes.admin_passcode = Some(app.hash(passcode).await?);
    }
    if let Some(given) = &command.security_answer_1 {
        hashes.security_answer_1 = Some(app.hash_answer(given).await?);
    }
    if let Some(given) = &command.security_answer_2 {
        hashes.security_answer_2 = Some(app.hash_answer(given).await?);
    }
    Ok(hashes)
}

async fn owner_with_pictures(
    app: &App,
    headers: &HeaderMap,
    named: &str,
) -> Result<(Account, PictureFacts), Refusal> {
    let account = app.caller(headers).await?.account;
    let shown = account.restaurant.as_ref().and_then(|row| row.cover_image_url.clone()).unwrap_or_default();
    let pictures = app.picture_facts(&account, &[named, &shown]).await?;
    Ok((account, pictures))
}

/// What an owner may change.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct ChangeBody {
    name: Option<String>,
    description: Option<String>,
    address: Option<String>,
    /// Only while there is none.
    city: Option<String>,
    state: Option<String>,
    /// Only while there is none.
    country: Option<String>,
    phone: Option<String>,
    hours: Option<String>,
    cover_image_url: Option<String>,
    default_language: Option<String>,
    currency_code: Option<String>,
    auto_print_orders: Option<bool>,
    ai_waiter_enabled: Option<bool>,
}

fn read_patch(body: &Map<String, Value>) -> Result<RestaurantPatch, Rejection> {
    let mut fields = Fields::of(body);
    let mut nullable = |name: &str| fields.text(name).into_nullable();
    let mut patch = RestaurantPatch {
        description: nullable("description"),
        address: nullable("address"),
        city: nullable("city"),
        state: nullable("state"),
        country: nullable("country"),
        phone: nullable("phone"),
        hours: nullable("hours"),
        cover_image_url: nullable("coverImageUrl"),
        ..RestaurantPatch::default()
    };
    for (name, field) in [
        ("name", &mut patch.name),
        ("defaultLanguage", &mut patch.default_language),
        ("currencyCode", &mut patch.currency_code),
    ] {
        let given = fields.text(name);
        *field = fields.not_null(name, "Expected a string", given);
    }
    for (name, field) in
        [("autoPrintOrders", &mut patch.auto_print_orders), ("aiWaiterEnabled", &mut patch.ai_waiter_enabled)]
    {
        let given = fields.boolean(name);
        *field = fields.not_null(name, "Expected true or false", given);
    }
    fields.finish("Invalid restaurant data")?;
    Ok(patch)
}

/// Applies a patch to the caller's restaurant, provided that it is the one named.
async fn changed(
    app: &Shared,
    headers: &HeaderMap,
    id: &RestaurantId,
    patch: &RestaurantPatch,
) -> Result<Json<Restaurant>, Refusal> {
    let named = patch.cover_image_url.as_ref();
    let row = app
        .transact(
            || async {
                let caller = app.caller(headers).await?;
                let row = caller.owner_of(id)?.clone();
                let pictures = match named {
                    Some(wanted) => {
                        let wanted = wanted.as_deref().unwrap_or_default();
                        let shown = row.cover_image_url.as_deref().unwrap_or_default();
                        app.picture_facts(&caller.account, &[wanted, shown]).await?
                    }
                    None => PictureFacts::default(),
                };
                Ok((row, pictures))
            },
            |(row, pictures): &(schema::Restaurant, PictureFacts), env| {
                restaurant::change(row, Gallery::new(pictures, &app.settings.locations), patch, env)
            },
        )
        .await?;
    Ok(Json(app.show_restaurant(row)))
}

/// Change the restaurant.
#[utoipa::path(put, path = "/api/restaurant/{id}", tag = "restaurant", params(("id" = String, Path)),
    request_body = ChangeBody,
    responses((status = 200, body = Restaurant), (status = 400), (status = 401), (status = 403)))]
async fn change(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to update restaurant"), async {
        let id = RestaurantId::from(id);
        app.caller(&headers).await?.owner_of(&id)?;
        Ok(changed(&app, &headers, &id, &read_patch(&body)?).await?)
    })
    .await
}

/// A picture.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct CoverBody {
    cover_image_url: String,
}

/// Give the restaurant a picture.
#[utoipa::path(put, path = "/api/restaurant/{id}/cover-image", tag = "restaurant", params(("id" = String, Path)),
    request_body = CoverBody,
    responses((status = 200, body = Restaurant), (status = 400), (status = 401), (status = 403)))]
async fn cover_image(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Internal server error").fault_as_error(), async {
        let caller = app.caller(&headers).await?;
        let given = Fields::of(&body).text("coverImageUrl").into_option();
        let Some(url) = given.filter(|url| !url.is_empty()) else {
            return Err(Rejection::invalid("coverImageUrl is required").as_error());
        };
        let id = RestaurantId::from(id);
        caller.owner_of(&id)?;
        let patch = RestaurantPatch { cover_image_url: Some(Some(url)), ..RestaurantPatch::default() };
        Ok(changed(&app, &headers, &id, &patch).await?)
    })
    .await
}

/// Close the restaurant for good.
#[utoipa::path(delete, path = "/api/restaurant/{id}", tag = "restaurant", params(("id" = String, Path)),
    responses((status = 200, body = Said), (status = 401), (status = 403)))]
async fn close(State(app): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to delete restaurant"), async {
        let id = RestaurantId::from(id);
        app.transact(
            || async {
                let caller = app.caller(&headers).await?;
                let row = caller.owner_of(&id)?.clone();
                let uploads = app.reads().uploads_of_user(&caller.user().id).await?;
                Ok((row, uploads))
            },
            |(row, uploads), env| Ok(restaurant::close(row, uploads, env)),
        )
        .await?;
        Ok(Json(said("Restaurant deleted successfully")))
    })
    .await
}
