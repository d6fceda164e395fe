//! Identity: OpenID Connect ID tokens, or one-time codes sent by e-mail.

pub mod code;
mod keys;

use std::fmt;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use url::Url;
use waiterix_domain::Timestamp;
use waiterix_domain::account::Identity;
use waiterix_ports::vars::Vars;

use keys::Keys;

/// Whose ID tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// `iss` of the tokens.
    pub issuer: String,
    /// `aud` of the tokens.
    pub audience: String,
    /// Where the issuer publishes its keys (a JSON Web Key Set).
    pub jwks_url: Url,
}

/// Where Google publishes the keys of Firebase ID tokens as a key set.
const FIREBASE_KEYS: &str =
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";

impl OidcSettings {
    /// The issuer of a Firebase project.
    #[must_use]
    pub fn firebase(project: &str) -> Option<Self> {
        Some(Self {
            issuer: format!("https://securetoken.google.com/{project}"),
            audience: project.to_owned(),
            jwks_url: Url::parse(FIREBASE_KEYS).ok()?,
        })
    }

    /// Reads `OIDC_ISSUER`, `OIDC_AUDIENCE` and `OIDC_JWKS_URL`, or `FIREBASE_PROJECT_ID` alone; the single variables
    /// win. `None` when none of them is set.
    pub fn read(vars: &mut Vars<'_>) -> Option<Self> {
        let firebase = vars.text("FIREBASE_PROJECT_ID").as_deref().and_then(Self::firebase);
        let issuer = vars.text("OIDC_ISSUER");
        let audience = vars.text("OIDC_AUDIENCE");
        let jwks_url = vars.parsed::<Url>("OIDC_JWKS_URL", "an https URL");
        if let Some(url) = &jwks_url
            && !is_trustworthy(url)
        {
            vars.problem(
                "OIDC_JWKS_URL",
                "must be an https URL (http is allowed for the machine itself only)",
            );
        }
        let parts = (
            issuer.or(firebase.as_ref().map(|f| f.issuer.clone())),
            audience.or(firebase.as_ref().map(|f| f.audience.clone())),
            jwks_url.or(firebase.map(|f| f.jwks_url)),
        );
        match parts {
            (None, None, None) => None,
            (Some(issuer), Some(audience), Some(jwks_url)) => Some(Self { issuer, audience, jwks_url }),
            (issuer, audience, _) => {
                let missing = match (issuer, audience) {
                    (None, _) => "OIDC_ISSUER",
                    (_, None) => "OIDC_AUDIENCE",
                    _ => "OIDC_JWKS_URL",
                };
                vars.problem(missing, "is not set, but other OIDC_* variables are");
                None
            }
        }
    }
}

fn is_trustworthy(url: &Url) -> bool {
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && local)
}

/// Why a token is not accepted. Only `KeysUnavailable` is not the token's fault.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The token is malformed, forged, for somebody else, or no longer valid.
    #[error("the identity token is not valid: {0}")]
    Invalid(String),
    /// The issuer's keys could not be had.
    #[error("the keys of the identity provider cannot be had: {0}")]
    KeysUnavailable(String),
}

/// Checks ID tokens of one issuer.
pub struct Verifier {
    settings: OidcSettings,
    keys: Keys,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("issuer", &self.settings.issuer).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    picture: Option<String>,
}

/// How far the issuer's clock may be off, in seconds.
const LEEWAY_SECONDS: i64 = 60;
/// Longer texts are no ID tokens.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Signature algorithms with a public key; anything else, `none` and shared secrets included, is refused.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::ES256];

impl Verifier {
    /// A verifier for one issuer. Keys are fetched when the first token comes.
    #[must_use]
    pub fn new(settings: OidcSettings) -> Self {
        let keys = Keys::new(settings.jwks_url.clone());
        Self { settings, keys }
    }

    /// Who a token says its bearer is.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        let invalid = |fault: &dyn fmt::Display| TokenError::Invalid(fault.to_string());
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid(&"too long"));
        }
        let header = decode_header(token).map_err(|fault| invalid(&fault))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(invalid(&"signature algorithm not allowed"));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg, now).await?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are checked below, against the clock that was passed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = decode::<Claims>(token, &key, &validation).map_err(|fault| invalid(&fault))?.claims;
        let now = now.as_seconds();
        let early = |at: Option<i64>| at.is_some_and(|at| at > now + LEEWAY_SECONDS);
        if claims.exp + LEEWAY_SECONDS <= now {
            return Err(invalid(&"expired"));
        }
        if early(claims.iat) || early(claims.nbf) {
            return Err(invalid(&"not valid yet"));
        }
        Ok(Identity {
            subject: claims.sub.into(),
            email: claims.email.filter(|email| !email.trim().is_empty()),
            email_verified: claims.email_verified,
            name: claims.name,
            picture: claims.picture,
        })
    }
}
