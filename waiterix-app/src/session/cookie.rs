//! The cookie `connect.sid`, signed as express-session signs it, so that present logins survive the move.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cookie::{Cookie, SameSite as CookieSameSite};
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;
use waiterix_domain::Secret;
use waiterix_ports::{Session, SessionId};

use crate::settings::{CookieSettings, SameSite};

/// The name of the cookie.
pub const NAME: &str = "connect.sid";

/// Standard base64 without padding: what remains when express strips the trailing `=`.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// What JavaScript's `encodeURIComponent` leaves alone.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The id of the session a request belongs to, if one of its cookies carries a valid signature of ours.
#[must_use]
pub fn session_id(headers: &HeaderMap, settings: &CookieSettings) -> Option<SessionId> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .filter(|cookie| cookie.name() == NAME)
        .find_map(|cookie| verified(cookie.value(), settings))
}

/// The session id in a cookie value as it was sent (percent-encoded), if the signature is right.
fn verified(value: &str, settings: &CookieSettings) -> Option<SessionId> {
    let value = percent_decode_str(value).decode_utf8().ok()?;
    let (id, signature) = value.strip_prefix("s:")?.rsplit_once('.')?;
    let signature = BASE64.decode(signature).ok()?;
    let valid = settings.secrets.iter().any(|secret| {
        // `verify_slice` compares in constant time.
        mac(secret, id).is_some_and(|mac| mac.verify_slice(&signature).is_ok())
    });
    valid.then(|| SessionId::new(id))
}

/// A signed value: `s:<id>.<signature>`, percent-encoded.
fn signed(id: &SessionId, settings: &CookieSettings) -> String {
    let signature = settings
        .secrets
        .first()
        .and_then(|secret| mac(secret, id.reveal()))
        .map(|mac| BASE64.encode(mac.finalize().into_bytes()))
        .unwrap_or_default();
    utf8_percent_encode(&format!("s:{}.{signature}", id.reveal()), COMPONENT).to_string()
}

/// The `Set-Cookie` value that hands a session to the browser.
#[must_use]
pub fn set(session: &Session, settings: &CookieSettings) -> String {
    let expires = cookie::time::OffsetDateTime::from_unix_timestamp(session.expires_at.as_seconds()).ok();
    let mut cookie = with_attributes(Cookie::new(NAME, signed(&session.id, settings)), settings);
    cookie.set_expires(expires);
    cookie.to_string()
}

/// The `Set-Cookie` value that takes the cookie back: the same attributes, an end in the past.
#[must_use]
pub fn clear(settings: &CookieSettings) -> String {
    let mut cookie = with_attributes(Cookie::new(NAME, ""), settings);
    cookie.set_expires(cookie::time::OffsetDateTime::UNIX_EPOCH);
    cookie.to_string()
}

fn with_attributes<'a>(cookie: Cookie<'a>, settings: &CookieSettings) -> Cookie<'a> {
    let same_site = match settings.same_site {
        SameSite::Lax => CookieSameSite::Lax,
        SameSite::None => CookieSameSite::None,
    };
    Cookie::build(cookie).path("/").http_only(true).secure(true).same_site(same_site).build()
}

/// HMAC takes keys of any length, so `None` cannot happen.
fn mac(secret: &Secret, id: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).ok()?;
    mac.update(id.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(secrets: &[&str]) -> CookieSettings {
        CookieSettings {
            secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect(),
            same_site: SameSite::None,
        }
    }

    fn headers(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookie.parse().unwrap());
        headers
    }

    /// The vector was made with the original signing library.
    const VECTOR: &str = "s%3Aexample-sid.7hc4MuA4GxOJ%2BQbd54sFQHuGzHddIcrtSP6qH8muYf4";

    #[test]
    fn signs_as_the_original_library_does() {
        let settings = settings(&["example-secret"]);
        assert_eq!(signed(&SessionId::new("example-sid"), &settings), VECTOR);
    }

    #[test]
    fn accepts_its_own_and_any_older_secret_and_nothing_else() {
        let cookie = format!("other=1; {NAME}={VECTOR}");
        let found = |secrets: &[&str], cookie: &str| session_id(&headers(cookie), &settings(secrets));
        assert_eq!(found(&["example-secret"], &cookie), Some(SessionId::new("example-sid")));
        assert_eq!(found(&["new", "example-secret"], &cookie), Some(SessionId::new("example-sid")));
        assert_eq!(found(&["new"], &cookie), None);
        for forged in [
            "connect.sid=s%3Aexample-sic.7hc4MuA4GxOJ%2BQbd54sFQHuGzHddIcrtSP6qH8muYf4",
            "connect.sid=x%3Aexample-sid.7hc4MuA4GxOJ%2BQbd54sFQHuGzHddIcrtSP6qH8muYf4",
            "connect.sid=example-sid",
            "connect.sid=s%3Aexample-sid",
            "connect.sid=s%3Aexample-sid.",
            "connect.sid=%ff%fe",
            "connect.sid=",
        ] {
            assert_eq!(found(&["example-secret"], forged), None, "{forged}");
        }
    }

    #[test]
    fn n21_the_cookie_is_cleared_with_the_attributes_it_was_set_with() {
        let settings = settings(&["example-secret"]);
        assert_eq!(
            clear(&settings),
            "connect.sid=; HttpOnly; SameSite=None; Secure; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }
}
