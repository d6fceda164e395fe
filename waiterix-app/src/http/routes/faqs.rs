//! What was learnt from chefs.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use waiterix_domain::Rejection;
use waiterix_domain::faq::{self, EditFaq};
use waiterix_domain::id::FaqId;

use crate::Shared;
use crate::http::body::{Fields, Given, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Words, answer};
use crate::http::shapes::faq::Faq;
use crate::http::shapes::{SUCCESS, Success};

pub(crate) fn router() -> Routes {
    Routes::default().routes(routes!(list)).routes(routes!(edit, delete))
}

/// The restaurant's FAQs, newest first.
#[utoipa::path(get, path = "/api/faqs", tag = "faqs",
    responses((status = 200, body = [Faq]), (status = 401), (status = 404)))]
async fn list(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::error("Failed to fetch FAQs"), async {
        let caller = app.caller(&headers).await?;
        let faqs = app.reads().faqs(&caller.restaurant()?.id).await?;
        Ok(Json(faqs.into_iter().map(Faq::from).collect::<Vec<_>>()))
    })
    .await
}

/// The new content of an FAQ.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct EditBody {
    /// 1 to 1 000 characters.
    question: String,
    /// 1 to 5 000 characters.
    answer: String,
    /// At most 20.
    keywords: Vec<String>,
}

/// Replace question, answer and keywords of an FAQ.
#[utoipa::path(put, path = "/api/faqs/{id}", tag = "faqs", request_body = EditBody, params(("id" = String, Path)),
    responses((status = 200, body = Faq), (status = 400), (status = 401), (status = 404)))]
async fn edit(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::error("Failed to update FAQ"), async {
        let caller = app.caller(&headers).await?;
        let command = edit_of(&body)?;
        let restaurant = caller.restaurant()?;
        let id = FaqId::from(id);
        let faq = app
            .transact(
                || async { Ok(app.reads().faq(&id).await?) },
                |found, env| faq::edit(found.as_ref(), restaurant, &command, env),
            )
            .await?;
        Ok(Json(Faq::from(faq)))
    })
    .await
}

fn edit_of(body: &Map<String, Value>) -> Result<EditFaq, Rejection> {
    let mut fields = Fields::of(body);
    let (question, answer) = (fields.required_text("question"), fields.required_text("answer"));
    let keywords = match fields.texts("keywords") {
        Given::Set(keywords) => keywords,
        Given::Absent if body.contains_key("keywords") => Vec::new(),
        Given::Absent | Given::Null => {
            fields.fault("keywords", "Required");
            Vec::new()
        }
    };
    fields.finish("Validation failed")?;
    let command = EditFaq { question, answer, keywords };
    command.check()?;
    Ok(command)
}

/// Delete an FAQ.
#[utoipa::path(delete, path = "/api/faqs/{id}", tag = "faqs", params(("id" = String, Path)),
    responses((status = 200, body = Success), (status = 401), (status = 404)))]
async fn delete(State(app): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response<Body> {
    answer(Words::error("Failed to delete FAQ"), async {
        let caller = app.caller(&headers).await?;
        let restaurant = caller.restaurant()?;
        let id = FaqId::from(id);
        app.transact(
            || async { Ok(app.reads().faq(&id).await?) },
            |found, env| faq::delete(found.as_ref(), restaurant, env),
        )
        .await?;
        Ok(Json(SUCCESS))
    })
    .await
}
