//! One-time tickets, for chefs whose cookie does not reach the push channel.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use waiterix_domain::facts::Account;
use waiterix_domain::id::UserId;

use crate::App;
use crate::caller::Caller;
use crate::session;
use crate::transact::Refusal;

/// How long a ticket is valid: query strings end up in logs, so it must be worthless by then.
pub const TTL: Duration = Duration::from_secs(30);

/// Makes a ticket for a caller.
///
/// # Errors
/// `SessionsDown` when it cannot be stored.
pub async fn issue(app: &App, caller: &Caller) -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    app.random.fill(&mut bytes);
    let ticket = URL_SAFE_NO_PAD.encode(bytes);
    let value = serde_json::json!({
        "userId": caller.user().id.as_str(),
        "session": caller.session.as_ref().map(session::digest),
    });
    app.ports.sessions.temp_set(&key(&ticket), &value, TTL).await.map_err(Refusal::SessionsDown)?;
    Ok(ticket)
}

/// Who a ticket was made for, and the digest of the session it was made in. It is used up.
///
/// # Errors
/// `SessionsDown`, or a port failure.
pub async fn redeem(app: &App, ticket: &str) -> Result<Option<(Account, Option<String>)>, Refusal> {
    let value = app.ports.sessions.temp_take(&key(ticket)).await.map_err(Refusal::SessionsDown)?;
    let Some(value) = value else { return Ok(None) };
    let user = UserId::from(value["userId"].as_str().unwrap_or_default());
    let session = value["session"].as_str().map(str::to_owned);
    Ok(app.reads().account(&user).await?.map(|account| (account, session)))
}

/// Tickets are kept as digests: a leaked store does not open a channel.
fn key(ticket: &str) -> String {
    format!("ticket:{}", URL_SAFE_NO_PAD.encode(Sha256::digest(ticket.as_bytes())))
}
