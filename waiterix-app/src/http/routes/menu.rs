//! Dishes.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use waiterix_domain::facts::MenuItemAccess;
use waiterix_domain::id::{MenuItemId, RestaurantId};
use waiterix_domain::menu::{self, DetailsPatch, ItemPatch, NewItem};
use waiterix_domain::picture::{Gallery, PictureFacts};
use waiterix_domain::{Rejection, demo, schema};

use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Keyed as _, Outcome, Words, answer};
use crate::http::shapes::menu::{ItemDetails, MenuItem, WrittenDetails};
use crate::http::shapes::{SUCCESS, Success};
use crate::transact::Refusal;
use crate::{App, Shared};

pub(crate) fn router() -> Routes {
    Routes::default()
        .routes(routes!(list, add))
        .routes(routes!(change, remove))
        .routes(routes!(picture))
        .routes(routes!(details, describe))
}

const INVALID_ITEM: &str = "Invalid menu item data";
const EXPECTED_FLAG: &str = "Expected true or false";
const EXPECTED_TEXT: &str = "Expected a string";

impl App {
    /// A dish with its picture where the client finds it.
    pub(crate) fn show_item(&self, mut row: schema::MenuItem) -> MenuItem {
        row.image_url = self.shown_picture(row.image_url);
        row.into()
    }
}

/// The dishes of a restaurant, also those that are not available, in the order of their creation.
#[utoipa::path(get, path = "/api/menu-items", tag = "menu", params(("restaurantId" = String, Query)),
    responses((status = 200, body = Vec<MenuItem>), (status = 400)))]
async fn list(State(app): State<Shared>, Query(query): Query<BTreeMap<String, String>>) -> Response<Body> {
    answer(Words::message("Failed to fetch menu items"), async {
        let id = query.get("restaurantId").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Rejection::invalid("Restaurant ID required"))?;
        let rows = if demo::is_restaurant(id) {
            demo::menu(app.clock.now())
        } else {
            app.reads().menu(&RestaurantId::from(id.as_str())).await?
        };
        Ok(Json(rows.into_iter().map(|row| app.show_item(row)).collect::<Vec<_>>()))
    })
    .await
}

/// A new dish.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct NewItemBody {
    restaurant_id: String,
    #[serde(flatten)]
    item: ItemBody,
}

/// The fields of a dish.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct ItemBody {
    name: String,
    description: String,
    /// A decimal number as a string; a JSON number is taken too.
    price: String,
    category: String,
    image_url: Option<String>,
    /// `"0"` to `"5"`.
    spice_level: Option<String>,
    is_vegan: Option<bool>,
    is_vegetarian: Option<bool>,
    is_halal: Option<bool>,
    is_kosher: Option<bool>,
    /// At most 50.
    allergens: Option<Vec<String>>,
    available: Option<bool>,
}

/// Reads the optional flags, none of which may be null.
fn flag(fields: &mut Fields<'_>, name: &str) -> Option<bool> {
    let given = fields.boolean(name);
    fields.not_null(name, EXPECTED_FLAG, given)
}

fn allergens(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let given = fields.texts("allergens");
    fields.not_null("allergens", "Expected a list of strings", given)
}

/// Reads a new dish; what is wrong with the types stays in `fields`.
pub(super) fn read_item(fields: &mut Fields<'_>) -> NewItem {
    NewItem {
        name: fields.required_text("name"),
        description: fields.required_text("description"),
        price: fields.required_decimal_text("price"),
        category: fields.required_text("category"),
        image_url: fields.text("imageUrl").into_option(),
        spice_level: fields.text("spiceLevel").into_option(),
        is_vegan: flag(fields, "isVegan").unwrap_or(false),
        is_vegetarian: flag(fields, "isVegetarian").unwrap_or(false),
        is_halal: flag(fields, "isHalal").unwrap_or(false),
        is_kosher: flag(fields, "isKosher").unwrap_or(false),
        allergens: allergens(fields),
        available: flag(fields, "available").unwrap_or(true),
    }
}

/// Add a dish.
#[utoipa::path(post, path = "/api/menu-items", tag = "menu", request_body = NewItemBody,
    responses((status = 200, body = MenuItem), (status = 400), (status = 401), (status = 403)))]
async fn add(State(app): State<Shared>, headers: HeaderMap, JsonBody(body): JsonBody) -> Response<Body> {
    answer(Words::message("Failed to create menu item"), async {
        let named = Fields::of(&body).text("restaurantId").into_option().unwrap_or_default();
        let id = RestaurantId::from(named);
        app.caller(&headers).await?.owner_of(&id)?;
        let mut fields = Fields::of(&body);
        let new = read_item(&mut fields);
        fields.finish(INVALID_ITEM)?;
        let row = app
            .transact(
                || async {
                    let caller = app.caller(&headers).await?;
                    let restaurant = caller.owner_of(&id)?.clone();
                    let named = new.image_url.as_deref().unwrap_or_default();
                    let pictures = app.picture_facts(&caller.account, &[named]).await?;
                    Ok((restaurant, pictures))
                },
                |(restaurant, pictures): &(schema::Restaurant, PictureFacts), env| {
                    menu::add(restaurant, Gallery::new(pictures, &app.settings.locations), &new, env)
                },
            )
            .await?;
        Ok(Json(app.show_item(row)))
    })
    .await
}

/// A dish of the caller's, and with it what is known about the pictures if `named` names one or `removed` says that the
/// present one goes.
async fn own_item(
    app: &App,
    headers: &HeaderMap,
    id: &MenuItemId,
    named: Option<&str>,
    removed: bool,
) -> Result<(schema::MenuItem, PictureFacts), Refusal> {
    let caller = app.caller(headers).await?;
    let access = app.reads().menu_item(id, false).await?.ok_or_else(unknown_item)?;
    caller.owns(&access.restaurant)?;
    let pictures = if removed || named.is_some() {
        let shown = access.item.image_url.as_deref().unwrap_or_default();
        app.picture_facts(&caller.account, &[named.unwrap_or_default(), shown]).await?
    } else {
        PictureFacts::default()
    };
    Ok((access.item, pictures))
}

fn unknown_item() -> Rejection {
    Rejection::not_found("Menu item not found")
}

fn read_patch(body: &Map<String, Value>) -> Result<ItemPatch, Rejection> {
    let mut fields = Fields::of(body);
    let text = |fields: &mut Fields<'_>, name: &str| {
        let given = fields.text(name);
        fields.not_null(name, EXPECTED_TEXT, given)
    };
    let price = fields.decimal_text("price");
    let patch = ItemPatch {
        name: text(&mut fields, "name"),
        description: text(&mut fields, "description"),
        price: fields.not_null("price", "Expected a decimal number", price),
        category: text(&mut fields, "category"),
        image_url: fields.text("imageUrl").into_nullable(),
        spice_level: fields.text("spiceLevel").into_nullable(),
        is_vegan: flag(&mut fields, "isVegan"),
        is_vegetarian: flag(&mut fields, "isVegetarian"),
        is_halal: flag(&mut fields, "isHalal"),
        is_kosher: flag(&mut fields, "isKosher"),
        allergens: allergens(&mut fields),
        available: flag(&mut fields, "available"),
    };
    fields.finish(INVALID_ITEM)?;
    Ok(patch)
}

async fn changed(
    app: &Shared,
    headers: &HeaderMap,
    id: &MenuItemId,
    patch: &ItemPatch,
) -> Outcome<Json<MenuItem>> {
    let named = patch.image_url.as_ref().map(|wanted| wanted.as_deref().unwrap_or_default());
    let row = app
        .transact(
            || own_item(app, headers, id, named, false),
            |(item, pictures): &(schema::MenuItem, PictureFacts), env| {
                menu::change(item, Gallery::new(pictures, &app.settings.locations), patch, env)
            },
        )
        .await?;
    Ok(Json(app.show_item(row)))
}

/// Change a dish: any of its fields.
#[utoipa::path(put, path = "/api/menu-items/{id}", tag = "menu", params(("id" = String, Path)),
    request_body = ItemBody,
    responses((status = 200, body = MenuItem), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn change(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to update menu item"), async {
        let id = MenuItemId::from(id);
        own_item(&app, &headers, &id, None, false).await?;
        changed(&app, &headers, &id, &read_patch(&body)?).await
    })
    .await
}

/// Remove a dish. Past orders keep its name and price.
#[utoipa::path(delete, path = "/api/menu-items/{id}", tag = "menu", params(("id" = String, Path)),
    responses((status = 200, body = Success), (status = 401), (status = 403), (status = 404)))]
async fn remove(State(app): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to delete menu item"), async {
        let id = MenuItemId::from(id);
        app.transact(
            || own_item(&app, &headers, &id, None, true),
            |(item, pictures): &(schema::MenuItem, PictureFacts), env| {
                Ok(menu::remove(item, Gallery::new(pictures, &app.settings.locations), env))
            },
        )
        .await?;
        Ok(Json(SUCCESS))
    })
    .await
}

/// A picture.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct PictureBody {
    image_url: String,
}

/// Give a dish a picture.
#[utoipa::path(put, path = "/api/menu-items/{id}/image", tag = "menu", params(("id" = String, Path)),
    request_body = PictureBody,
    responses((status = 200, body = MenuItem), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn picture(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Internal server error").fault_as_error(), async {
        app.caller(&headers).await?;
        let given = Fields::of(&body).text("imageUrl").into_option();
        let Some(url) = given.filter(|url| !url.is_empty()) else {
            return Err(Rejection::invalid("imageUrl is required").as_error());
        };
        let patch = ItemPatch { image_url: Some(Some(url)), ..ItemPatch::default() };
        changed(&app, &headers, &MenuItemId::from(id), &patch).await
    })
    .await
}

/// A dish of the caller's with its details. The unknown dish speaks with `error` on these routes.
async fn own_details(app: &App, headers: &HeaderMap, id: &MenuItemId) -> Outcome<MenuItemAccess> {
    let caller = app.caller(headers).await?;
    let access = app.reads().menu_item(id, true).await?;
    let access = access.ok_or_else(|| unknown_item().as_error())?;
    caller.owns(&access.restaurant)?;
    Ok(access)
}

/// What the assistant knows about a dish.
#[utoipa::path(get, path = "/api/menu-items/{menuItemId}/extended-details", tag = "menu",
    params(("menuItemId" = String, Path)),
    responses((status = 200, body = ItemDetails), (status = 401), (status = 403), (status = 404)))]
async fn details(State(app): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to get extended menu details"), async {
        let access = own_details(&app, &headers, &MenuItemId::from(id)).await?;
        Ok(Json(ItemDetails::new(access.item, access.details)))
    })
    .await
}

/// Texts about a dish.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct DetailsBody {
    preparation_method: Option<String>,
    ingredient_sources: Option<String>,
    pairing_suggestions: Option<String>,
    chef_notes: Option<String>,
    cooking_time: Option<String>,
    special_techniques: Option<String>,
}

fn read_details(body: &Map<String, Value>) -> Result<DetailsPatch, Rejection> {
    let mut fields = Fields::of(body);
    let mut text = |name: &str| fields.text(name).into_nullable();
    let patch = DetailsPatch {
        preparation_method: text("preparationMethod"),
        ingredient_sources: text("ingredientSources"),
        pairing_suggestions: text("pairingSuggestions"),
        chef_notes: text("chefNotes"),
        cooking_time: text("cookingTime"),
        special_techniques: text("specialTechniques"),
    };
    fields.finish("Invalid extended details")?;
    Ok(patch)
}

/// Tell the assistant about a dish.
#[utoipa::path(put, path = "/api/menu-items/{menuItemId}/extended-details", tag = "menu",
    params(("menuItemId" = String, Path)), request_body = DetailsBody,
    responses((status = 200, body = WrittenDetails), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn describe(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to update extended menu details"), async {
        let id = MenuItemId::from(id);
        own_details(&app, &headers, &id).await?;
        let patch = read_details(&body)?;
        let written = app
            .transact(
                || async {
                    let caller = app.caller(&headers).await?;
                    let access = app.reads().menu_item(&id, true).await?.ok_or_else(unknown_item)?;
                    caller.owns(&access.restaurant)?;
                    Ok(access)
                },
                |access, env| menu::describe(access, &patch, env),
            )
            .await?;
        Ok(Json(WrittenDetails::from(written)))
    })
    .await
}
