//! Who calls, and whether they may: the one place of tenant checks.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use waiterix_domain::facts::Account;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::schema::{Restaurant, User};
use waiterix_domain::{Rejection, RejectionKind};
use waiterix_ports::SessionId;

use crate::App;
use crate::session;
use crate::transact::Refusal;

/// A signed-in user, the user's restaurant if there is one, and the session that proved it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user and the restaurant.
    pub account: Account,
    /// The session; none when a bearer token proved the identity.
    pub session: Option<SessionId>,
}

impl Caller {
    /// The user.
    #[must_use]
    pub const fn user(&self) -> &User {
        &self.account.user
    }

    /// The caller's own restaurant ("own restaurant" routes).
    ///
    /// # Errors
    /// 404 `Restaurant not found` when there is none yet.
    pub fn restaurant(&self) -> Result<&Restaurant, Rejection> {
        self.account.restaurant.as_ref().ok_or_else(|| Rejection::not_found("Restaurant not found"))
    }

    /// The caller's restaurant, provided that it is the one named ("owner of :id" routes). A restaurant that does not
    /// exist and one of somebody else cannot be told apart.
    ///
    /// # Errors
    /// 403 `Forbidden`.
    pub fn owner_of(&self, restaurant: &RestaurantId) -> Result<&Restaurant, Rejection> {
        self.account.restaurant.as_ref().filter(|own| own.id == *restaurant).ok_or_else(Rejection::forbidden)
    }

    /// That a row found before belongs to the caller's restaurant ("owner via row" routes).
    ///
    /// # Errors
    /// 403 `Forbidden`.
    pub fn owns(&self, restaurant: &Restaurant) -> Result<(), Rejection> {
        if restaurant.user_id == self.user().id { Ok(()) } else { Err(Rejection::forbidden()) }
    }
}

/// The refusal of every route that needs a signed-in caller. The client matches this very word.
#[must_use]
pub fn unauthorized() -> Rejection {
    Rejection::new(RejectionKind::Unauthorized, "Unauthorized")
}

impl App {
    /// Who calls: by a valid session of an existing user, else by a bearer identity token of an existing user. A bearer
    /// token never makes a session (D5, N16).
    ///
    /// # Errors
    /// 401 `Unauthorized`; `SessionsDown` when the session store does not answer (an outage is no logout); a port failure.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        if let Some(id) = session::cookie::session_id(headers, &self.settings.cookie)
            && let Some(loaded) = self.ports.sessions.load(&id).await.map_err(Refusal::SessionsDown)?
            && let Some(user) = &loaded.session.user_id
            && let Some(account) = self.reads().account(user).await?
        {
            return Ok(Caller { account, session: Some(id) });
        }
        if let (Some(verifier), Some(token)) = (&self.identity, bearer_token(headers))
            && let Ok(claims) = verifier.verify(token, self.clock.now()).await
            && let Some(account) = self.account_of(&claims).await?
        {
            return Ok(Caller { account, session: None });
        }
        Err(unauthorized().into())
    }

    /// The existing account an identity means: by subject, else by an e-mail address the token says is verified.
    async fn account_of(
        &self,
        claims: &waiterix_domain::account::Identity,
    ) -> Result<Option<Account>, Refusal> {
        if let Some(account) = self.reads().account(&claims.subject).await? {
            return Ok(Some(account));
        }
        match claims.email.as_deref().filter(|_| claims.email_verified) {
            Some(email) => match self.reads().user_by_email(email).await? {
                Some(user) => Ok(self.reads().account(&user.id).await?),
                None => Ok(None),
            },
            None => Ok(None),
        }
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
