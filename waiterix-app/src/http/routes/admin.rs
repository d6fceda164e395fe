//! The admin passcode, the security questions, and the switches of the admin page.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use waiterix_domain::admin::{self, ResetPassword, SetQuestions, Switch};
use waiterix_domain::{Rejection, Secret, schema};

use crate::http::body::{Fields, Given, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Outcome, Words, answer};
use crate::http::shapes::restaurant::Restaurant;
use crate::http::shapes::{SUCCESS, Success};
use crate::transact::Refusal;
use crate::{App, Shared};

pub(crate) fn router() -> Routes {
    Routes::default()
        .routes(routes!(check))
        .routes(routes!(verify))
        .routes(routes!(set))
        .routes(routes!(reset))
        .routes(routes!(set_questions))
        .routes(routes!(questions))
        .routes(routes!(ai_waiter))
        .routes(routes!(auto_print))
}

/// Reads a secret; whatever is no text is as good as nothing, because the contract has one sentence for both.
fn secret(body: &JsonBody, name: &str) -> Option<Secret> {
    Fields::of(&body.0).text(name).into_option().map(Secret::from)
}

async fn own_restaurant(app: &App, headers: &HeaderMap) -> Result<schema::Restaurant, Refusal> {
    Ok(app.caller(headers).await?.restaurant()?.clone())
}

/// Whether there is a passcode.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HasPassword {
    has_password: bool,
}

/// Whether the restaurant has a passcode.
#[utoipa::path(post, path = "/api/admin/password/check", tag = "admin",
    responses((status = 200, body = HasPassword), (status = 401), (status = 404)))]
async fn check(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to check admin password"), async {
        let restaurant = own_restaurant(&app, &headers).await?;
        Ok(Json(HasPassword { has_password: admin::has_password(&restaurant) }))
    })
    .await
}

/// A passcode.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct PasswordBody {
    password: String,
}

/// Whether a passcode is right.
#[derive(Serialize, ToSchema)]
struct Valid {
    valid: bool,
}

/// Check a passcode. It opens a page of the client and protects nothing on the server.
#[utoipa::path(post, path = "/api/admin/password/verify", tag = "admin", request_body = PasswordBody,
    responses((status = 200, body = Valid), (status = 400), (status = 401), (status = 404), (status = 429)))]
async fn verify(State(app): State<Shared>, headers: HeaderMap, body: JsonBody) -> Response<Body> {
    answer(Words::message("Failed to verify admin password"), async {
        let restaurant = own_restaurant(&app, &headers).await?;
        let password = secret(&body, "password");
        let hash = admin::check_attempt(&restaurant, password.as_ref())?;
        let valid = match hash.zip(password.as_ref()) {
            Some((hash, password)) => app.attempt(&restaurant.id, app.matches(password, hash)).await?,
            None => false,
        };
        Ok(Json(Valid { valid }))
    })
    .await
}

/// A new passcode and the present one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct SetBody {
    /// At least 6 characters, at most 72 bytes.
    password: String,
    /// Needed once there is one.
    current_password: Option<String>,
}

/// Set the passcode.
#[utoipa::path(post, path = "/api/admin/password/set", tag = "admin", request_body = SetBody,
    responses((status = 200, body = Success), (status = 400), (status = 401), (status = 404), (status = 429)))]
async fn set(State(app): State<Shared>, headers: HeaderMap, body: JsonBody) -> Response<Body> {
    answer(Words::message("Failed to set admin password"), async {
        let caller = app.caller(&headers).await?;
        let password = secret(&body, "password");
        let password = admin::check_new_password(password.as_ref())?;
        let proof = proof_of_password(&app, caller.restaurant()?, secret(&body, "currentPassword")).await?;
        let hash = app.hash(password).await?;
        app.transact(
            || own_restaurant(&app, &headers),
            |restaurant, env| admin::set_password(restaurant, hash.clone(), proof.as_ref(), env),
        )
        .await?;
        Ok(Json(SUCCESS))
    })
    .await
}

/// The stored hash, if the present passcode was given and matches it.
async fn proof_of_password(
    app: &App,
    restaurant: &schema::Restaurant,
    current: Option<Secret>,
) -> Outcome<Option<Secret>> {
    let Some(current) = current.filter(|current| !current.reveal().is_empty()) else { return Ok(None) };
    let Some(hash) = admin::check_attempt(restaurant, Some(&current))? else { return Ok(None) };
    let right = app.attempt(&restaurant.id, app.matches(&current, hash)).await?;
    Ok(right.then(|| hash.clone()))
}

/// The answers and a new passcode.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct ResetBody {
    answer1: String,
    answer2: String,
    /// At least 6 characters, at most 72 bytes.
    new_password: String,
}

/// Set a new passcode with the answers to the security questions.
#[utoipa::path(post, path = "/api/admin/password/reset", tag = "admin", request_body = ResetBody,
    responses((status = 200, body = Success), (status = 400), (status = 401), (status = 404), (status = 429)))]
async fn reset(State(app): State<Shared>, headers: HeaderMap, body: JsonBody) -> Response<Body> {
    answer(Words::message("Failed to reset password"), async {
        let caller = app.caller(&headers).await?;
        let command = ResetPassword {
            answer_1: secret(&body, "answer1"),
            answer_2: secret(&body, "answer2"),
            new_password: secret(&body, "newPassword"),
        };
        let command = command.check()?;
        let restaurant = caller.restaurant()?;
        let (hash_1, hash_2) = admin::answers_of(restaurant)?;
        let right = app
            .attempt(&restaurant.id, async {
                // Both are checked always, so that the time does not tell which one is wrong.
                let one = app.matches(&admin::normal_answer(command.answer_1), hash_1).await?;
                let two = app.matches(&admin::normal_answer(command.answer_2), hash_2).await?;
                Ok(one & two)
            })
            .await?;
        if !right {
            return Err(admin::wrong_answers().into());
        }
        let hash = app.hash(command.new_password).await?;
        app.transact(
            || own_restaurant(&app, &headers),
            |restaurant, env| admin::reset_password(restaurant, hash.clone(), Some((hash_1, hash_2)), env),
        )
        .await?;
        Ok(Json(SUCCESS))
    })
    .await
}

/// Two questions with their answers.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct QuestionsBody {
    question1: String,
    answer1: String,
    question2: String,
    answer2: String,
}

/// Set the security questions, once.
#[utoipa::path(post, path = "/api/admin/security-questions/set", tag = "admin", request_body = QuestionsBody,
    responses((status = 200, body = Success), (status = 400), (status = 401), (status = 403), (status = 404)))]
async fn set_questions(State(app): State<Shared>, headers: HeaderMap, body: JsonBody) -> Response<Body> {
    answer(Words::message("Failed to set security questions"), async {
        let caller = app.caller(&headers).await?;
        let text = |name: &str| Fields::of(&body.0).text(name).into_option();
        let command = SetQuestions {
            question_1: text("question1"),
            answer_1: secret(&body, "answer1"),
            question_2: text("question2"),
            answer_2: secret(&body, "answer2"),
        };
        let command = command.check()?;
        admin::must_have_no_questions(caller.restaurant()?)?;
        let hashes = (app.hash_answer(command.answer_1).await?, app.hash_answer(command.answer_2).await?);
        app.transact(
            || own_restaurant(&app, &headers),
            |restaurant, env| admin::set_questions(restaurant, command, hashes.clone(), env),
        )
        .await?;
        Ok(Json(SUCCESS))
    })
    .await
}

/// The questions in clear.
#[derive(Serialize, ToSchema)]
struct Questions {
    question1: Option<String>,
    question2: Option<String>,
}

/// The questions, and whether they can be used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QuestionsView {
    questions: Questions,
    /// Whether both questions and both answers are stored.
    has_questions: bool,
}

/// The security questions.
#[utoipa::path(get, path = "/api/admin/security-questions", tag = "admin",
    responses((status = 200, body = QuestionsView), (status = 401), (status = 404)))]
async fn questions(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to get security questions"), async {
        let restaurant = own_restaurant(&app, &headers).await?;
        let has_questions = admin::has_questions(&restaurant);
        let questions = Questions {
            question1: restaurant.security_question_1,
            question2: restaurant.security_question_2,
        };
        Ok(Json(QuestionsView { questions, has_questions }))
    })
    .await
}

/// A switch.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct SwitchBody {
    enabled: bool,
}

async fn switched(
    app: &Shared,
    headers: &HeaderMap,
    body: &JsonBody,
    switch: Switch,
) -> Outcome<Json<Restaurant>> {
    own_restaurant(app, headers).await?;
    let Given::Set(on) = Fields::of(&body.0).boolean("enabled") else {
        return Err(Rejection::invalid("enabled must be a boolean").into());
    };
    let row = app
        .transact(
            || own_restaurant(app, headers),
            |restaurant, env| Ok(admin::set_switch(restaurant, switch, on, env)),
        )
        .await?;
    Ok(Json(app.show_restaurant(row)))
}

/// Let guests talk to the assistant, or not.
#[utoipa::path(put, path = "/api/admin/settings/ai-waiter", tag = "admin", request_body = SwitchBody,
    responses((status = 200, body = Restaurant), (status = 400), (status = 401), (status = 404)))]
async fn ai_waiter(State(app): State<Shared>, headers: HeaderMap, body: JsonBody) -> Response<Body> {
    answer(Words::message("Failed to toggle AI waiter"), switched(&app, &headers, &body, Switch::AiWaiter))
        .await
}

/// Print new orders by themselves, or not.
#[utoipa::path(put, path = "/api/admin/settings/auto-print", tag = "admin", request_body = SwitchBody,
    responses((status = 200, body = Restaurant), (status = 400), (status = 401), (status = 404)))]
async fn auto_print(State(app): State<Shared>, headers: HeaderMap, body: JsonBody) -> Response<Body> {
    answer(Words::message("Failed to toggle auto-print"), switched(&app, &headers, &body, Switch::AutoPrint))
        .await
}
