//! Ratings.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use waiterix_domain::id::{OrderId, RestaurantId};
use waiterix_domain::rating::{self, RateOrder, SERVICE_ASPECTS};
use waiterix_domain::{Rejection, schema};

use crate::Shared;
use crate::http::address::ClientAddress;
use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Words, answer};
use crate::http::shapes::rating::{OrderRatings, Rating};
use crate::limits::Class;

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(rate)).routes(routes!(of_order)).routes(routes!(of_restaurant))
}

/// A rating.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct RateBody {
    order_id: String,
    restaurant_id: String,
    /// The rated dish.
    menu_item_id: Option<String>,
    /// 1 to 5.
    item_rating: Option<i32>,
    service_ratings: Option<ServiceRatings>,
    /// At most 2 000 characters.
    comment: Option<String>,
}

/// Numbers for the service, 1 to 5 each.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct ServiceRatings {
    food_quality: Option<i32>,
    service_speed: Option<i32>,
    cleanliness: Option<i32>,
    staff_friendliness: Option<i32>,
}

fn read_rating(body: &Map<String, Value>) -> Result<(OrderId, RateOrder), Rejection> {
    let mut fields = Fields::of(body);
    let order = fields.required_text("orderId");
    let mut command = RateOrder {
        restaurant: fields.required_text("restaurantId"),
        item: fields.text("menuItemId").into_option().filter(|id| !id.is_empty()).map(Into::into),
        item_rating: fields.integer("itemRating").into_option(),
        service: [None; 4],
        comment: fields.text("comment").into_option(),
    };
    if let Some(members) = fields.object("serviceRatings").into_option() {
        let mut service = Fields::below(members, vec!["serviceRatings".to_owned()]);
        command.service = SERVICE_ASPECTS.map(|aspect| service.integer(aspect).into_option());
        fields.absorb(service.faults());
    }
    fields.finish("Invalid rating")?;
    Ok((order.into(), command))
}

/// Rate a dish of a completed order, or its service; once each.
#[utoipa::path(post, path = "/api/ratings", tag = "ratings", request_body = RateBody,
    responses((status = 200, body = Rating), (status = 400), (status = 404), (status = 429)))]
async fn rate(State(app): State<Shared>, address: ClientAddress, JsonBody(body): JsonBody) -> Response<Body> {
    answer(Words::message("Failed to create rating"), async {
        app.limits.check(Class::PublicWrites, address.0)?;
        let (order, command) = read_rating(&body)?;
        let rating: schema::Rating = app
            .transact(
                || async {
                    let facts = app.reads().rating_facts(&order).await?;
                    facts.ok_or_else(|| Rejection::not_found("Order not found").into())
                },
                |facts, env| rating::rate(facts, &command, env),
            )
            .await?;
        Ok(Json(Rating::from(rating)))
    })
    .await
}

/// The ratings of an order; none for an unknown one.
#[utoipa::path(get, path = "/api/orders/{id}/ratings", tag = "ratings", params(("id" = String, Path)),
    responses((status = 200, body = OrderRatings)))]
async fn of_order(State(app): State<Shared>, Path(id): Path<String>) -> Response<Body> {
    answer(Words::message("Failed to fetch ratings"), async {
        let ratings = app.reads().ratings_of_order(&OrderId::from(id)).await?;
        Ok(Json(OrderRatings::from(ratings)))
    })
    .await
}

/// The ratings of the caller's restaurant, newest first.
#[utoipa::path(get, path = "/api/restaurants/{id}/ratings", tag = "ratings", params(("id" = String, Path)),
    responses((status = 200, body = [Rating]), (status = 401), (status = 403)))]
async fn of_restaurant(
    State(app): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response<Body> {
    answer(Words::message("Failed to fetch ratings"), async {
        let caller = app.caller(&headers).await?;
        let restaurant = caller.owner_of(&RestaurantId::from(id))?;
        let ratings = app.reads().ratings_of_restaurant(&restaurant.id).await?;
        Ok(Json(ratings.into_iter().map(Rating::from).collect::<Vec<_>>()))
    })
    .await
}
