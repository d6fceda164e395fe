//! What guests may see without signing in.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::Response;
use axum::response::IntoResponse;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Rejection, demo, knowledge, question};

use crate::Shared;
use crate::http::address::ClientAddress;
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Keyed, Words, answer};
use crate::http::shapes::public::{AiKnowledge, DemoKnowledge, PublicRestaurant};
use crate::http::shapes::question::{ChefAnswer, ChefAnswers};
use crate::limits::Class;

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(restaurant)).routes(routes!(ai_knowledge)).routes(routes!(chef_answers))
}

fn unknown_restaurant() -> Rejection {
    Rejection::not_found("Restaurant not found")
}

/// A restaurant as guests see it.
#[utoipa::path(get, path = "/api/public/restaurant/{id}", tag = "public", params(("id" = String, Path)),
    responses((status = 200, body = PublicRestaurant), (status = 404)))]
async fn restaurant(State(app): State<Shared>, Path(id): Path<String>) -> Response<Body> {
    answer(Words::message("Failed to fetch restaurant"), async {
        let found = if demo::is_restaurant(&id) {
            Some(demo::restaurant(app.clock.now()))
        } else {
            app.reads().restaurant(&RestaurantId::from(id)).await?
        };
        let mut restaurant = found.ok_or_else(unknown_restaurant)?;
        restaurant.cover_image_url = app.shown_picture(restaurant.cover_image_url);
        Ok(Json(PublicRestaurant::new(restaurant, app.settings.ai_waiter_available)))
    })
    .await
}

/// What the assistant may know about a restaurant.
#[utoipa::path(get, path = "/api/public/ai/knowledge/{id}", tag = "public", params(("id" = String, Path)),
    responses((status = 200, body = AiKnowledge), (status = 404)))]
async fn ai_knowledge(State(app): State<Shared>, Path(id): Path<String>) -> Response<Body> {
    answer(Words::message("Failed to fetch AI knowledge base"), async {
        if demo::is_restaurant(&id) {
            let now = app.clock.now();
            return Ok(Json(DemoKnowledge::new(demo::restaurant(now), demo::menu(now))).into_response());
        }
        let facts =
            app.reads().ai_knowledge(&RestaurantId::from(id)).await?.ok_or_else(unknown_restaurant)?;
        Ok(Json(AiKnowledge::from(knowledge::view(facts))).into_response())
    })
    .await
}

/// The chef's answers to the questions of a guest's session. The session id works like a password, so it must be long
/// and tries are limited (D72).
#[utoipa::path(get, path = "/api/public/chef-answers/{customerSessionId}", tag = "public",
    params(
        ("customerSessionId" = String, Path),
        ("since" = Option<String>, Query, description = "ISO time: only answers given later"),
        ("restaurantId" = Option<String>, Query, description = "Only answers of this restaurant"),
    ),
    responses((status = 200, body = ChefAnswers), (status = 400), (status = 429)))]
async fn chef_answers(
    State(app): State<Shared>,
    address: ClientAddress,
    Path(session): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response<Body> {
    answer(Words::error("Failed to fetch chef answers"), async {
        app.limits.check(Class::PublicWrites, address.0)?;
        question::check_session(&session).map_err(Keyed::as_message)?;
        let sent = |name: &str| query.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let restaurant = sent("restaurantId").map(RestaurantId::from);
        let answers = app.reads().chef_answers(&session, restaurant.as_ref()).await?;
        let unseen = question::unseen(answers, sent("since"));
        Ok(Json(ChefAnswers { answers: unseen.into_iter().map(ChefAnswer::from).collect() }))
    })
    .await
}
