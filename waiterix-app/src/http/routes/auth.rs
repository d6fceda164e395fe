//! Signing in and out, and leaving.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use waiterix_domain::account::{self, Identity, SignInFacts};
use waiterix_domain::{Rejection, RejectionKind, schema};
use waiterix_ports::{ChefSelector, CloseReason};

use crate::http::address::ClientAddress;
use crate::http::body::{Fields, JsonBody};
use crate::http::documented::{Routes, routes};
use crate::http::respond::{Json, Outcome, Words, answer, json_response};
use crate::http::shapes::user::User;
use crate::http::shapes::{Said, said};
use crate::identity::TokenError;
use crate::limits::Class;
use crate::session::{self, cookie};
use crate::transact::{NOTIFIER_PATIENCE, Refusal, by};
use crate::{App, Shared};

pub(crate) fn router() -> Routes {
    Routes::default()
        .routes(routes!(verify))
        .routes(routes!(send_code))
        .routes(routes!(redeem_code))
        .routes(routes!(user))
        .routes(routes!(accept_terms))
        .routes(routes!(logout))
        .routes(routes!(delete_account))
}

/// The signed-in user.
#[derive(Serialize, ToSchema)]
struct SignedIn {
    user: User,
}

/// A body with an identity token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct TokenBody {
    id_token: String,
}

/// Log in with an identity token.
#[utoipa::path(post, path = "/api/auth/verify", tag = "auth", request_body = TokenBody,
    responses((status = 200, body = SignedIn), (status = 400), (status = 401)))]
async fn verify(
    State(app): State<Shared>,
    address: ClientAddress,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to verify token"), async {
        app.limits.check(Class::Sensitive, address.0)?;
        let token = Fields::of(&body).text("idToken").into_option().unwrap_or_default();
        if token.is_empty() {
            return Err(Rejection::invalid("No token provided").into());
        }
        let invalid = || Rejection::new(RejectionKind::WrongSecret, "Invalid token");
        let verifier = app.identity.as_ref().ok_or_else(invalid)?;
        let identity = verifier.verify(&token, app.clock.now()).await.map_err(|error| match error {
            TokenError::Invalid(fault) => {
                tracing::info!(fault, "an identity token was refused");
                Refusal::from(invalid())
            }
            TokenError::KeysUnavailable(_) => Refusal::Failed(
                waiterix_ports::Error::new(waiterix_ports::ErrorKind::Unavailable, "identity.keys")
                    .because(error),
            ),
        })?;
        sign_in(&app, &identity, &headers).await
    })
    .await
}

/// Finds or makes the user, starts a session, and answers with user and cookie.
async fn sign_in(app: &App, identity: &Identity, headers: &HeaderMap) -> Outcome<Response<Body>> {
    let user = app
        .transact(
            || async {
                let by_email = match &identity.email {
                    Some(email) => app.reads().user_by_email(email).await?,
                    None => None,
                };
                let by_subject = app.reads().account(&identity.subject).await?.map(|account| account.user);
                Ok(SignInFacts { by_subject, by_email })
            },
            |facts, env| account::sign_in(facts, identity, env),
        )
        .await?;
    let session = match app.start_session(&user, headers).await {
        Ok(session) => session,
        Err(error) => {
            tracing::error!(%error, "a session could not be saved");
            // The contract words this failure differently from every other.
            return Ok(json_response(StatusCode::INTERNAL_SERVER_ERROR, &said("Session save failed")));
        }
    };
    let mut response = Json(SignedIn { user: user.into() }).into_response();
    put_cookie(&mut response, &cookie::set(&session, &app.settings.cookie));
    Ok(response)
}

fn put_cookie(response: &mut Response<Body>, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// A body with an address.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct AddressBody {
    email: String,
}

/// Send a one-time code to sign in with. Only without an identity provider.
#[utoipa::path(post, path = "/api/auth/code", tag = "auth", request_body = AddressBody,
    responses((status = 200, body = Said), (status = 400), (status = 404), (status = 429)))]
async fn send_code(
    State(app): State<Shared>,
    address: ClientAddress,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to send code"), async {
        by_code(&app)?;
        app.limits.check(Class::Sensitive, address.0)?;
        let mut fields = Fields::of(&body);
        let email = fields.required_text("email");
        fields.finish("Invalid email address")?;
        app.send_sign_in_code(&email).await?;
        Ok(Json(said("If the address can receive mail, a code is on its way")))
    })
    .await
}

/// A body with an address and a code.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "documents the body; fields are read one by one")]
struct CodeBody {
    email: String,
    code: String,
}

/// Log in with a one-time code. Only without an identity provider.
#[utoipa::path(post, path = "/api/auth/code/verify", tag = "auth", request_body = CodeBody,
    responses((status = 200, body = SignedIn), (status = 400), (status = 401), (status = 404), (status = 429)))]
async fn redeem_code(
    State(app): State<Shared>,
    address: ClientAddress,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response<Body> {
    answer(Words::message("Failed to verify code"), async {
        by_code(&app)?;
        app.limits.check(Class::Sensitive, address.0)?;
        let mut fields = Fields::of(&body);
        let (email, code) = (fields.required_text("email"), fields.required_text("code"));
        fields.finish("Invalid code")?;
        let identity = app.redeem_sign_in_code(&email, &code).await?;
        sign_in(&app, &identity, &headers).await
    })
    .await
}

/// Codes are for services without an identity provider: two ways in would be one too many to guard.
fn by_code(app: &App) -> Result<(), Rejection> {
    match app.identity {
        None => Ok(()),
        Some(_) => Err(Rejection::not_found("Sign-in by code is not available")),
    }
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/auth/user", tag = "auth", responses((status = 200, body = User), (status = 401)))]
async fn user(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to fetch user"), async {
        let caller = app.caller(&headers).await?;
        Ok(Json(User::from(caller.account.user)))
    })
    .await
}

/// Accept the terms, again on every call.
#[utoipa::path(post, path = "/api/auth/accept-terms", tag = "auth",
    responses((status = 200, body = User), (status = 401)))]
async fn accept_terms(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to accept terms"), async {
        let user: schema::User = app
            .transact(
                || async { app.caller(&headers).await },
                |caller, env| Ok(account::accept_terms(caller.user(), env)),
            )
            .await?;
        Ok(Json(User::from(user)))
    })
    .await
}

/// Log out. Always succeeds.
#[utoipa::path(post, path = "/api/logout", tag = "auth", responses((status = 200, body = Said)))]
async fn logout(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    if let Some(id) = cookie::session_id(&headers, &app.settings.cookie) {
        end_session(&app, &headers, &id).await;
    }
    let mut response = Json(said("Logged out")).into_response();
    put_cookie(&mut response, &cookie::clear(&app.settings.cookie));
    response
}

/// Ends the session and the chef connections it proved. A failure is logged: the cookie goes anyway, and the session
/// ends by itself.
async fn end_session(app: &App, headers: &HeaderMap, id: &waiterix_ports::SessionId) {
    let restaurant = match app.caller(headers).await {
        Ok(caller) => caller.account.restaurant,
        Err(_) => None,
    };
    if let Err(error) = app.ports.sessions.delete(id).await {
        tracing::error!(%error, "a session could not be deleted at logout");
    }
    if let Some(restaurant) = restaurant {
        let who = ChefSelector::SessionDigest(session::digest(id));
        let closing = app.ports.notifier.close_chefs(&restaurant.id, &who, CloseReason::Policy);
        let end = Instant::now() + NOTIFIER_PATIENCE;
        if let Err(error) = by(end, "notifier.close_chefs", closing).await {
            tracing::warn!(%error, "chef connections of an ended session could not be closed");
        }
    }
}

/// Delete the account with everything in it, for good.
#[utoipa::path(delete, path = "/api/auth/delete-account", tag = "auth",
    responses((status = 200, body = Said), (status = 401)))]
async fn delete_account(State(app): State<Shared>, headers: HeaderMap) -> Response<Body> {
    answer(Words::message("Failed to delete account"), async {
        app.transact(
            || async {
                let caller = app.caller(&headers).await?;
                let uploads = app.reads().uploads_of_user(&caller.user().id).await?;
                Ok((caller.account, uploads))
            },
            |(account, uploads), env| Ok(account::delete(account, uploads, env)),
        )
        .await?;
        let mut response = Json(said("Account permanently deleted")).into_response();
        put_cookie(&mut response, &cookie::clear(&app.settings.cookie));
        Ok(response)
    })
    .await
}
