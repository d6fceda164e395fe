//! Sign-in by a one-time code sent by e-mail, for services without an identity provider.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use waiterix_domain::account::Identity;
use waiterix_domain::{FieldError, Rejection, RejectionKind};
use waiterix_ports::mailer::{is_address, normalised_address};
use waiterix_ports::{MailId, Outcome};

use crate::App;
use crate::mail;
use crate::transact::Refusal;

/// How long a code is valid.
pub const CODE_TTL: Duration = Duration::from_secs(600);
/// How often a code may be guessed.
const MAX_TRIES: u64 = 5;
/// How many codes an address gets in an hour: a stranger may not fill somebody's mailbox.
const MAX_CODES_PER_HOUR: u64 = 20;

impl App {
    /// Sends a code to an address. The answer is the same whether the address is known or not.
    ///
    /// # Errors
    /// 400 for a malformed address, 429 after too many codes, `SessionsDown`, or a port failure.
    pub async fn send_sign_in_code(&self, address: &str) -> Result<(), Refusal> {
        let address = checked(address)?;
        let who = key_of(&address);
        let sent = self
            .ports
            .sessions
            .temp_count(&format!("sign-in-codes:{who}"), Duration::from_secs(3_600))
            .await
            .map_err(Refusal::SessionsDown)?;
        if sent > MAX_CODES_PER_HOUR {
            return Err(too_many().into());
        }
        let code = self.fresh_code();
        let stored =
            serde_json::json!({ "digest": self.code_digest(&who, &code), "serial": self.fresh_id() });
        self.ports
            .sessions
            .temp_set(&format!("sign-in:{who}"), &stored, CODE_TTL)
            .await
            .map_err(Refusal::SessionsDown)?;
        let id = MailId::new(format!("sign-in/{who}/{}", self.fresh_id()));
        let Some(id) = id else { return Err(Rejection::invalid("Invalid email address").into()) };
        // The id is drawn, so nothing was ever sent under it: here a duplicate or a conflict is not to be had.
        match self.ports.mailer.send(&mail::sign_in_code(id, &address, &code, CODE_TTL)?).await? {
            Outcome::Accepted { .. } | Outcome::Duplicate { .. } | Outcome::Unknown => {}
            // Saying more would tell strangers about other people's mailboxes.
            outcome @ (Outcome::Conflict
            | Outcome::Suppressed
            | Outcome::Rejected { .. }
            | Outcome::RetryLater { .. }) => {
                tracing::warn!(?outcome, "a sign-in code was not sent");
            }
        }
        Ok(())
    }

    /// Trades a code for an identity. The code is used up by the first who names it; every guess counts.
    ///
    /// # Errors
    /// 400 for a malformed address, 401 for a wrong or used code, 429 after too many guesses, `SessionsDown`.
    pub async fn redeem_sign_in_code(&self, address: &str, code: &str) -> Result<Identity, Refusal> {
        let address = checked(address)?;
        let who = key_of(&address);
        let sessions = &self.ports.sessions;
        let wrong = || Refusal::from(Rejection::new(RejectionKind::WrongSecret, "Invalid code"));
        let key = format!("sign-in:{who}");
        let stored = sessions.temp_get(&key).await.map_err(Refusal::SessionsDown)?.ok_or_else(wrong)?;
        let field = |name: &str| stored[name].as_str().unwrap_or_default().to_owned();
        // Tries are counted per code, so that a new code starts afresh and an old count cannot lock anybody out.
        let tries = sessions
            .temp_count(&format!("sign-in-tries:{}", field("serial")), CODE_TTL)
            .await
            .map_err(Refusal::SessionsDown)?;
        if tries > MAX_TRIES {
            return Err(too_many().into());
        }
        let given = self.code_digest(&who, code.trim());
        if !bool::from(given.as_bytes().ct_eq(field("digest").as_bytes())) {
            return Err(wrong());
        }
        // Taking is atomic: of two who know the code, one gets it.
        sessions.temp_take(&key).await.map_err(Refusal::SessionsDown)?.ok_or_else(wrong)?;
        Ok(Identity {
            subject: format!("email-{who}").into(),
            email: Some(address),
            email_verified: true,
            name: None,
            picture: None,
        })
    }

    /// Six digits, each equally likely.
    fn fresh_code(&self) -> String {
        loop {
            let mut bytes = [0; 4];
            self.random.fill(&mut bytes);
            let number = u32::from_le_bytes(bytes);
            // The largest multiple of a million below 2^32: numbers above it would favour small codes.
            if number < 4_294_000_000 {
                return format!("{:06}", number % 1_000_000);
            }
        }
    }

    /// Codes are kept as digests, keyed by the signing secret: a leaked store does not reveal them.
    fn code_digest(&self, who: &str, code: &str) -> String {
        let mut hash = Sha256::new();
        if let Some(secret) = self.settings.cookie.secrets.first() {
            hash.update(Sha256::digest(secret.reveal().as_bytes()));
        }
        hash.update(who.as_bytes());
        hash.update(b"/");
        hash.update(code.as_bytes());
        URL_SAFE_NO_PAD.encode(hash.finalize())
    }
}

fn checked(address: &str) -> Result<String, Rejection> {
    let address = normalised_address(address.trim());
    if is_address(&address) {
        return Ok(address);
    }
    let fault = FieldError::new("email", "Must be an e-mail address");
    Err(Rejection::fields("Invalid email address", vec![fault]))
}

/// A key for an address that does not show it.
fn key_of(address: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(address.to_lowercase().as_bytes()))
}

fn too_many() -> Rejection {
    Rejection::new(RejectionKind::TooManyRequests, "Too many attempts")
}
