//! Guests' questions and chefs' answers.

use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use waiterix_domain::id::{QuestionId, RestaurantId};
use waiterix_domain::question::{self, AnswerQuestion, AskQuestion, MAX_AUDIO_BYTES};
use waiterix_domain::{Rejection, RejectionKind};

use crate::Shared;
use crate::http::address::ClientAddress;
use crate::http::body::{self, Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Outcome, Stop, Words, answer, json_response};
use crate::http::shapes::question::{Answered, PendingQuestion};
use crate::http::shapes::{Said, said};
use crate::limits::Class;

/// The largest form: a recording and what stands around it.
const MAX_FORM_BYTES: usize = MAX_AUDIO_BYTES + 1024 * 1024;

pub(crate) fn router() -> Routes {
    let forms = Routes::default().routes(routes!(give_answer)).with_bodies_up_to(MAX_FORM_BYTES);
    Routes::default().routes(routes!(ask)).routes(routes!(pending)).routes(routes!(delete)).merge(forms)
}

/// A guest's question.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct AskBody {
    restaurant_id: String,
    /// 16 to 128 characters.
    customer_session_id: String,
    /// 1 to 1 000 characters.
    question: String,
    menu_item_context: Option<String>,
    /// One of `en es fr de it zh ja ar pt ru`; `en` when not named.
    language: Option<String>,
    table_number: Option<String>,
}

/// Ask the chef.
#[utoipa::path(post, path = "/api/pending-questions", tag = "questions", request_body = AskBody,
    responses((status = 201, body = PendingQuestion), (status = 400), (status = 404), (status = 429)))]
async fn ask(State(app): State<Shared>, address: ClientAddress, JsonBody(body): JsonBody) -> Response<Body> {
    answer(Words::error("Failed to create pending question"), async {
        app.limits.check(Class::PublicWrites, address.0)?;
        let mut fields = Fields::of(&body);
        let restaurant = RestaurantId::from(fields.required_text("restaurantId"));
        let command = AskQuestion {
            customer_session_id: fields.required_text("customerSessionId"),
            question: fields.required_text("question"),
            menu_item_context: fields.text("menuItemContext").into_option(),
            language: fields.text("language").into_option(),
            table_number: fields.text("tableNumber").into_option(),
        };
        fields.finish("Validation failed")?;
        let question = app
            .transact(
                || async { Ok(app.reads().restaurant(&restaurant).await?) },
                |restaurant, env| question::ask(restaurant.as_ref(), &command, env),
            )
            .await?;
        Ok(json_response(StatusCode::CREATED, &PendingQuestion::from(question)))
    })
    .await
}

/// The restaurant's open questions, newest first.
#[utoipa::path(get, path = "/api/chef/questions", tag = "questions",
    responses((status = 200, body = [PendingQuestion]), (status = 401), (status = 404)))]
async fn pending(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::error("Failed to fetch pending questions"), async {
        let caller = app.caller(&headers).await?;
        let questions = app.reads().questions_pending(&caller.restaurant()?.id).await?;
        Ok(Json(questions.into_iter().map(PendingQuestion::from).collect::<Vec<_>>()))
    })
    .await
}

/// Delete a question with its answers.
#[utoipa::path(delete, path = "/api/chef/questions/{id}", tag = "questions", params(("id" = String, Path)),
    responses((status = 200, body = Said), (status = 401), (status = 403), (status = 404)))]
async fn delete(State(app): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response<Body> {
    answer(Words::error("Failed to delete pending question"), async {
        let caller = app.caller(&headers).await?;
        let id = QuestionId::from(id);
        app.transact(
            || async { Ok(app.reads().question(&id).await?) },
            |facts, env| question::delete(facts.as_ref(), &caller.user().id, env),
        )
        .await?;
        Ok(Json(said("Question deleted successfully")))
    })
    .await
}

/// An answer, as form or as JSON: written, or a recording in the form field `audio`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct AnswerBody {
    question_id: String,
    /// The language of the answer; `en` when not named.
    language: Option<String>,
    /// 1 to 5 000 characters.
    text_answer: Option<String>,
}

/// Answer a question.
#[utoipa::path(post, path = "/api/chef/answer", tag = "questions", request_body = AnswerBody,
    responses((status = 200, body = Answered), (status = 400), (status = 401), (status = 403), (status = 404),
        (status = 409), (status = 413), (status = 503)))]
async fn give_answer(
    State(app): State<Shared>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
    request: Request,
) -> Response<Body> {
    answer(Words::error("Failed to process chef answer"), async {
        let caller = app.caller(&headers).await?;
        let sent =
            if is_form(&headers) { Sent::of_form(request, &app).await? } else { Sent::of_json(&body)? };
        let command = sent.into_command()?;
        let stored = app
            .transact(
                || async { Ok(app.reads().question(&command.question_id).await?) },
                |facts, env| question::answer(facts.as_ref(), &caller.user().id, &command, env),
            )
            .await?;
        Ok(Json(Answered::from(stored)))
    })
    .await
}

fn is_form(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("multipart/form-data")
    })
}

/// An answer as it was sent, unchecked.
#[derive(Debug, Default)]
struct Sent {
    question_id: Option<String>,
    language: Option<String>,
    text: Option<String>,
    /// Content type and size of the recording. Nothing here can make a text of it, so it is not kept.
    audio: Option<(String, usize)>,
}

impl Sent {
    fn of_json(body: &serde_json::Map<String, serde_json::Value>) -> Result<Self, Rejection> {
        let mut fields = Fields::of(body);
        let sent = Self {
            question_id: fields.text("questionId").into_option(),
            language: fields.text("language").into_option(),
            text: fields.text("textAnswer").into_option(),
            audio: None,
        };
        fields.finish("Validation failed")?;
        Ok(sent)
    }

    async fn of_form(request: Request, app: &Shared) -> Outcome<Self> {
        let mut form = Multipart::from_request(request, app)
            .await
            .map_err(|_| Rejection::invalid("Malformed form data"))?;
        let mut sent = Self::default();
        while let Some(field) = form.next_field().await.map_err(|error| bad_form(&error))? {
            match field.name() {
                Some("questionId") => sent.question_id = Some(text_of(field).await?),
                Some("language") => sent.language = Some(text_of(field).await?),
                Some("textAnswer") => sent.text = Some(text_of(field).await?),
                Some("audio") if field.file_name().is_some() => sent.audio = measured(field).await?,
                _ => {}
            }
        }
        Ok(sent)
    }

    fn into_command(self) -> Outcome<AnswerQuestion> {
        AnswerQuestion::new(self.question_id, self.language, self.text, self.audio).map_err(|rejection| {
            match rejection.kind {
                RejectionKind::TooLarge => Stop::Answer(Box::new(body::too_large())),
                _ => rejection.into(),
            }
        })
    }
}

async fn text_of(field: Field<'_>) -> Outcome<String> {
    field.text().await.map_err(|error| bad_form(&error))
}

/// The content type and the size of a recording; an empty one is none.
async fn measured(mut field: Field<'_>) -> Outcome<Option<(String, usize)>> {
    let content_type = field.content_type().unwrap_or_default().to_owned();
    let mut bytes = 0;
    while let Some(chunk) = field.chunk().await.map_err(|error| bad_form(&error))? {
        bytes += chunk.len();
    }
    Ok((bytes > 0).then_some((content_type, bytes)))
}

fn bad_form(error: &MultipartError) -> Stop {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Stop::Answer(Box::new(body::too_large()))
    } else {
        Rejection::invalid("Malformed form data").into()
    }
}
