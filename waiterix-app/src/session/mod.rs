//! Sessions of the web client: the signed cookie, and starting and ending a session.

pub mod cookie;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use waiterix_domain::schema::User;
use waiterix_ports::{Error, ErrorKind, Session, SessionId};

use crate::App;

/// How long a login lasts, from login: 7 days, not sliding.
pub const LIFETIME_SECONDS: i64 = 7 * 86_400;

/// A digest of a session id, for places that must recognise a session without being able to use it.
#[must_use]
pub fn digest(id: &SessionId) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(id.reveal().as_bytes()))
}

impl App {
    /// Starts a session for a user under a fresh id, so that an id planted before login is worth nothing (N15). A
    /// session the browser had before ends.
    ///
    /// # Errors
    /// As [`waiterix_ports::SessionStore::create`].
    pub async fn start_session(&self, user: &User, headers: &HeaderMap) -> Result<Session, Error> {
        if let Some(old) = cookie::session_id(headers, &self.settings.cookie) {
            self.ports.sessions.delete(&old).await?;
        }
        let now = self.clock.now();
        // The wire and every store keep at least milliseconds; cutting here makes what is read equal what was made.
        let created_at = waiterix_domain::Timestamp::from_millis(now.as_millis()).unwrap_or(now);
        let session = Session {
            id: self.fresh_session_id(),
            user_id: Some(user.id.clone()),
            email: user.email.clone(),
            created_at,
            last_activity: created_at,
            expires_at: created_at.plus_seconds(LIFETIME_SECONDS),
            extra: serde_json::Map::new(),
        };
        match self.ports.sessions.create(&session).await {
            // 192 random bits do not collide; a conflict is the trace of our own ambiguous attempt.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(session),
            Err(error) => Err(error),
            Ok(()) => Ok(session),
        }
    }

    /// 24 random bytes in base64url: 32 characters, as the old system makes them.
    fn fresh_session_id(&self) -> SessionId {
        let mut bytes = [0; 24];
        self.random.fill(&mut bytes);
        SessionId::new(URL_SAFE_NO_PAD.encode(bytes))
    }
}
