//! Who may connect: the same rules for every transport.

use axum::http::HeaderMap;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Rejection, RejectionKind};
use waiterix_ports::notifier::MAX_PARAMETER_CHARS;
use waiterix_ports::{Error, ErrorKind, Role};

use super::ticket;
use crate::caller::{Caller, unauthorized};
use crate::http::guard::origin_allowed;
use crate::transact::Refusal;
use crate::{App, session};

/// What a client asks for when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The restaurant.
    pub restaurant: RestaurantId,
    /// Whether it wants to hear what chefs hear.
    pub chef: bool,
    /// A guest's session.
    pub customer_session: Option<String>,
    /// A one-time ticket.
    pub ticket: Option<String>,
}

impl Request {
    /// Reads the query parameters of a connection.
    ///
    /// # Errors
    /// 400 for a missing restaurant, an unknown role, or a parameter that is too long or has control characters.
    pub fn from_query(query: &str) -> Result<Self, Rejection> {
        let field = |name: &str| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
                .filter(|value| !value.is_empty())
        };
        let bad =
            |text: &str| text.chars().count() > MAX_PARAMETER_CHARS || text.chars().any(char::is_control);
        let restaurant =
            field("restaurantId").ok_or_else(|| Rejection::invalid("restaurantId is required"))?;
        let customer_session = field("customerSessionId");
        if bad(&restaurant) || customer_session.as_deref().is_some_and(bad) {
            return Err(Rejection::invalid("A parameter is too long or has control characters"));
        }
        let chef = match field("role").as_deref() {
            None | Some("customer") => false,
            Some("chef") => true,
            Some(_) => return Err(Rejection::invalid("role must be customer or chef")),
        };
        Ok(Self { restaurant: restaurant.into(), chef, customer_session, ticket: field("ticket") })
    }
}

impl App {
    /// The role a connection may take. Guests need no credentials and hear only their own session. Chefs need a session
    /// cookie (from an allowed origin only, R21), a bearer token or a ticket (R1), and must own the restaurant.
    ///
    /// # Errors
    /// 401 without valid credentials, 403 for somebody else's restaurant or a foreign origin, `SessionsDown`, or a
    /// port failure.
    pub async fn role_of(&self, request: &Request, headers: &HeaderMap) -> Result<Role, Refusal> {
        if !request.chef {
            return Ok(Role::Customer { session: request.customer_session.clone() });
        }
        let (caller, session_digest) = match &request.ticket {
            Some(ticket) => {
                let redeemed = ticket::redeem(self, ticket).await?;
                let (account, session) = redeemed.ok_or_else(unauthorized)?;
                (Caller { account, session: None }, session)
            }
            None => {
                let caller = self.caller(headers).await?;
                if caller.session.is_some() && !origin_allowed(headers, &self.settings.frontend_origins) {
                    return Err(Rejection::new(RejectionKind::Forbidden, "Forbidden").into());
                }
                let digest = caller.session.as_ref().map(session::digest);
                (caller, digest)
            }
        };
        caller.owner_of(&request.restaurant)?;
        Ok(Role::Chef { user: caller.account.user.id, session_digest })
    }
}

/// What a client is told when its connection cannot be registered.
pub(super) fn not_registered(error: Error) -> Refusal {
    match error.kind() {
        ErrorKind::Throttled => Rejection::new(RejectionKind::TooManyRequests, "Too many connections").into(),
        ErrorKind::Invalid => Rejection::invalid("Invalid parameters").into(),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r16_parameters_are_checked_before_anything_else() {
        let ok = Request::from_query("restaurantId=r&customerSessionId=tracking-1").unwrap();
        assert_eq!(
            (ok.restaurant.as_str(), ok.chef, ok.customer_session.as_deref()),
            ("r", false, Some("tracking-1"))
        );
        assert!(Request::from_query("restaurantId=r&role=chef").unwrap().chef);
        for bad in [
            "",
            "restaurantId=",
            "role=chef",
            "restaurantId=r&role=admin",
            "restaurantId=r%00",
            &format!("restaurantId=r&customerSessionId={}", "x".repeat(129)),
        ] {
            assert_eq!(Request::from_query(bad).unwrap_err().kind, RejectionKind::Invalid, "{bad}");
        }
    }

    #[test]
    fn d103_an_empty_session_id_is_no_session() {
        assert_eq!(Request::from_query("restaurantId=r&customerSessionId=").unwrap().customer_session, None);
    }
}
