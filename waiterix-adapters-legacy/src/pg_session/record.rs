//! Rows of the table: what the old server reads and writes, and how a session of the port is read from it.
//!
//! ```text
//! sess = { "cookie": { "originalMaxAge": 604800000, "expires": "2025-02-07T09:05:07.123Z", "secure": true,
//!                      "httpOnly": true, "path": "/", "sameSite": "lax" },
//!          "userId": "…",  or  "passport": { "user": { "claims": { "sub": "…", … }, "access_token": "…", … } },
//!          …whatever else it holds…
//!          "waiterix": { "createdAt": "…", "email": "…", "emailOf": "…", "mark": "…" } }
//! expire = cookie.expires, rounded up to the second
//! ```
//!
//! `waiterix` is ours; the old server keeps it as it keeps everything it does not know.

use serde_json::{Map, Value, json};
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::{Revision, Session, SessionId};

use super::settings::SameSite;
use super::{digest, escapes};

/// Members of `sess` that are not part of [`Session::extra`].
const OWN: [&str; 3] = ["cookie", "userId", "waiterix"];
/// Members of `passport.user` that open the user's account at the provider of identities.
const TOKENS: [&str; 3] = ["access_token", "refresh_token", "id_token"];
/// How long sessions of the old server last where their cookie does not say: 7 days.
const MAX_AGE_MS: i64 = 604_800_000;

/// A row as it was found.
#[derive(Debug)]
pub(super) struct Found {
    sess: Map<String, Value>,
    pub(super) expire: Timestamp,
}

/// Why a session cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unwritable(pub(super) &'static str);

/// An instant rounded up to the second, which is what `expire` holds.
pub(super) fn second(at: Timestamp) -> Timestamp {
    let seconds = -(-at.as_micros()).div_euclid(1_000_000);
    Timestamp::EPOCH.plus_seconds(seconds)
}

impl Found {
    /// Reads a row; nothing if `sess` is no object with a cookie, without which the old server could not read it either.
    pub(super) fn parse(sess: &str, expire: Timestamp) -> Option<Self> {
        let sess: Map<String, Value> = serde_json::from_str(&escapes::mended(sess)).ok()?;
        sess.get("cookie")?.as_object()?;
        Some(Self { sess, expire })
    }

    /// The session, without the tokens of the provider of identities; nothing if it cannot be understood.
    pub(super) fn session(&self, id: &SessionId) -> Option<Session> {
        let own = match self.sess.get("waiterix") {
            None | Some(Value::Null) => None,
            Some(own) => Some(own.as_object()?),
        };
        let user_id = self.user().ok()?;
        let last_activity = self.last_activity();
        let created_at = match own.and_then(|own| own.get("createdAt")) {
            Some(at) => Timestamp::parse(at.as_str()?)?,
            None => self.written_at().unwrap_or(last_activity),
        };
        let mut extra = self.sess.clone();
        extra.retain(|name, _| !OWN.contains(&name.as_str()));
        if let Some(user) = passport_user_mut(&mut extra) {
            user.retain(|name, _| !TOKENS.contains(&name.as_str()));
        }
        let email = self.email(own, user_id.as_ref());
        let expires_at = self.expire;
        Some(Session { id: id.clone(), user_id, email, created_at, last_activity, expires_at, extra })
    }

    /// The user: `userId`, else the subject of the passport, and nothing else.
    ///
    /// # Errors
    /// When `userId` is no text.
    pub(super) fn user(&self) -> Result<Option<UserId>, Unwritable> {
        match self.sess.get("userId") {
            Some(Value::String(user)) => Ok(Some(UserId::from(user.as_str()))),
            None | Some(Value::Null) => Ok(subject(&self.sess).map(UserId::from)),
            Some(_) => Err(Unwritable("the user is no text")),
        }
    }

    /// What was noted of the user it was noted of: the old server may have put another user into the session since.
    fn email(&self, own: Option<&Map<String, Value>>, user: Option<&UserId>) -> Option<String> {
        let noted_of = own.and_then(|own| own.get("emailOf")).and_then(Value::as_str);
        let noted = own.and_then(|own| own.get("email"));
        match noted {
            Some(email) if noted_of == user.map(UserId::as_str) => email.as_str().map(str::to_owned),
            _ => {
                let claims = self.sess.get("passport")?.get("user")?.get("claims")?;
                let is_of_user = claims.get("sub").and_then(Value::as_str) == user.map(UserId::as_str);
                claims.get("email").filter(|_| is_of_user)?.as_str().map(str::to_owned)
            }
        }
    }

    fn cookie_expires(&self) -> Option<Timestamp> {
        Timestamp::parse(self.sess.get("cookie")?.get("expires")?.as_str()?)
    }

    fn max_age_ms(&self) -> i64 {
        let age = self.sess.get("cookie").and_then(|cookie| cookie.get("originalMaxAge"));
        age.and_then(Value::as_f64).map_or(MAX_AGE_MS, |ms| ms as i64)
    }

    /// When `sess` was written: the cookie's end was counted from then.
    fn written_at(&self) -> Option<Timestamp> {
        Some(self.cookie_expires()?.plus_millis(-self.max_age_ms()))
    }

    /// The end of a session is counted from its last use. The old server's touch moves `expire` and leaves the cookie's end
    /// behind; then only `expire` knows, to the second.
    fn last_activity(&self) -> Timestamp {
        match self.cookie_expires() {
            Some(expires) if second(expires) == self.expire => expires.plus_millis(-self.max_age_ms()),
            _ => self.expire.plus_millis(-self.max_age_ms()),
        }
    }

    /// The state of everything but the cookie, which is all that touches write, by whomever.
    pub(super) fn revision(&self) -> Revision {
        let mut content = self.sess.clone();
        content.remove("cookie");
        Revision::new(digest::of(&content))
    }

    /// `sess` after a use: the cookie's end and how long after the use it is.
    pub(super) fn touched(&self, last_activity: Timestamp, expires_at: Timestamp) -> String {
        let mut sess = self.sess.clone();
        if let Some(cookie) = sess.get_mut("cookie").and_then(Value::as_object_mut) {
            put_times(cookie, last_activity, expires_at);
        }
        written(sess)
    }

    /// `sess` of the same session as it is now. What the port does not know of stays: the cookie's attributes, and the
    /// tokens of a passport that is still the same user's.
    pub(super) fn updated(&self, session: &Session, mark: &str) -> Result<String, Unwritable> {
        if self.user() != Ok(session.user_id.clone()) {
            check_passport(session)?;
        }
        let mut sess = content(session, mark)?;
        if subject(&sess) == subject(&self.sess)
            && let Some(user) = passport_user_mut(&mut sess)
        {
            let before = self.sess.get("passport").and_then(|passport| passport.get("user"));
            for token in TOKENS {
                if let Some(value) = before.and_then(|user| user.get(token)) {
                    user.insert(token.to_owned(), value.clone());
                }
            }
        }
        let mut cookie = self.sess.get("cookie").and_then(Value::as_object).cloned().unwrap_or_default();
        put_times(&mut cookie, session.last_activity, session.expires_at);
        sess.insert("cookie".to_owned(), Value::Object(cookie));
        Ok(written(sess))
    }
}

/// `sess` of a new session.
pub(super) fn created(session: &Session, same_site: SameSite, mark: &str) -> Result<String, Unwritable> {
    check_passport(session)?;
    let mut sess = content(session, mark)?;
    let attributes = json!({ "secure": true, "httpOnly": true, "path": "/", "sameSite": same_site.as_str() });
    let mut cookie = attributes.as_object().cloned().unwrap_or_default();
    put_times(&mut cookie, session.last_activity, session.expires_at);
    sess.insert("cookie".to_owned(), Value::Object(cookie));
    Ok(written(sess))
}

/// Everything of a session but its cookie.
fn content(session: &Session, mark: &str) -> Result<Map<String, Value>, Unwritable> {
    let mut sess = session.extra.clone();
    if OWN.iter().any(|name| sess.contains_key(*name)) {
        return Err(Unwritable("a member of the session has a name that is taken"));
    }
    if passport_user_mut(&mut sess).is_some_and(|user| TOKENS.iter().any(|token| user.contains_key(*token))) {
        return Err(Unwritable("the session holds tokens of a provider of identities"));
    }
    match (&session.user_id, subject(&sess)) {
        // The passport says it. A second mention would outlive it when the old server signs the user out.
        (Some(user), Some(subject)) if user.as_str() == subject => {}
        (Some(user), _) => {
            sess.insert("userId".to_owned(), json!(user.as_str()));
        }
        (None, Some(_)) => return Err(Unwritable("nobody's session holds somebody's passport")),
        (None, None) => {}
    }
    let own = json!({
        "createdAt": session.created_at.to_string(),
        "email": session.email,
        "emailOf": session.user_id.as_ref().map(UserId::as_str),
        "mark": mark,
    });
    sess.insert("waiterix".to_owned(), own);
    Ok(sess)
}

/// Whoever gives a session another user must take the passport of the one before out of it: the old server would go by it.
fn check_passport(session: &Session) -> Result<(), Unwritable> {
    match subject(&session.extra) {
        Some(subject) if session.user_id.as_ref().map(UserId::as_str) != Some(subject) => {
            Err(Unwritable("the session holds the passport of another user"))
        }
        _ => Ok(()),
    }
}

/// The subject of a passport.
fn subject(sess: &Map<String, Value>) -> Option<&str> {
    sess.get("passport")?.get("user")?.get("claims")?.get("sub")?.as_str()
}

fn passport_user_mut(sess: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    sess.get_mut("passport")?.get_mut("user")?.as_object_mut()
}

/// The old server counts the next end from the next use with the same distance.
fn put_times(cookie: &mut Map<String, Value>, last_activity: Timestamp, expires_at: Timestamp) {
    // Rounded up, so that it and `expire` are the same end.
    let ends_ms = -(-expires_at.as_micros()).div_euclid(1000);
    let max_age_ms = ends_ms - last_activity.as_millis();
    let expires = Timestamp::from_millis(ends_ms).unwrap_or(expires_at);
    cookie.insert("expires".to_owned(), json!(expires.to_string()));
    // A session that is used after its end makes no sense; this keeps the old server from making less.
    cookie.insert("originalMaxAge".to_owned(), json!(max_age_ms.max(1)));
}

fn written(sess: Map<String, Value>) -> String {
    Value::Object(sess).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSPORT: &str = r#"{
        "cookie": { "originalMaxAge": 604800000, "expires": "2025-02-07T09:05:07.123Z", "secure": true,
                    "httpOnly": true, "path": "/" },
        "passport": { "user": { "claims": { "sub": "anna", "email": "anna@example.org", "exp": 1738400000 },
                                "access_token": "at", "refresh_token": "rt", "id_token": "it", "expires_at": 1738400000 } },
        "issuer.example.org": { "code_verifier": "cv", "state": "st" }, "returnTo": "/menu" }"#;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn found(sess: &str) -> Found {
        Found::parse(sess, at("2025-02-07T09:05:08Z")).unwrap()
    }

    fn session(sess: &str) -> Session {
        found(sess).session(&SessionId::new("id")).unwrap()
    }

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_session_of_the_earlier_generation_is_read_without_its_tokens() {
        let session = session(PASSPORT);
        assert_eq!(session.user_id, Some("anna".into()));
        assert_eq!(session.email.as_deref(), Some("anna@example.org"));
        assert_eq!(session.created_at, at("2025-01-31T09:05:07.123Z"));
        assert_eq!(session.last_activity, at("2025-01-31T09:05:07.123Z"));
        assert_eq!(session.expires_at, at("2025-02-07T09:05:08Z"));
        let user = &session.extra["passport"]["user"];
        assert_eq!(*user, json!({ "claims": user["claims"], "expires_at": 1_738_400_000 }));
        assert_eq!(session.extra["returnTo"], "/menu");
        assert!(!format!("{session:?}").contains("\"at\""));
    }

    #[test]
    fn n19_tokens_stay_in_the_row_while_the_passport_is_the_same_users() {
        let (before, mut now) = (found(PASSPORT), session(PASSPORT));
        now.extra["returnTo"] = json!("/orders");
        let after = value(&before.updated(&now, "m").unwrap());
        assert_eq!(after["passport"], value(PASSPORT)["passport"]);
        assert_eq!(after["issuer.example.org"], value(PASSPORT)["issuer.example.org"]);
        assert_eq!(after["returnTo"], "/orders");
        assert_eq!(after.get("userId"), None, "the passport says it");
        assert_eq!(after["cookie"].get("sameSite"), None, "as it was");
        now.extra.remove("passport");
        let after = value(&before.updated(&now, "m").unwrap());
        assert_eq!((after.get("passport"), after["userId"].as_str()), (None, Some("anna")));
    }

    #[test]
    fn n19_tokens_are_not_taken_in() {
        let mut given = session(PASSPORT);
        given.extra["passport"]["user"]["refresh_token"] = json!("rt");
        assert!(created(&given, SameSite::Lax, "m").is_err());
        assert!(found(PASSPORT).updated(&given, "m").is_err());
    }

    #[test]
    fn a_passport_is_only_kept_for_its_user() {
        let mut other = session(PASSPORT);
        for user in [Some("bert".into()), None] {
            other.user_id = user;
            assert!(found(PASSPORT).updated(&other, "m").is_err());
            assert!(created(&other, SameSite::Lax, "m").is_err());
        }
        // The old server signed somebody in to a session that had a passport: it is as it is, and can be used.
        let both = PASSPORT.replace("\"returnTo\"", "\"userId\": \"bert\", \"returnTo\"");
        let read = session(&both);
        assert_eq!((read.user_id.clone(), read.email.clone()), (Some("bert".into()), None));
        let after = value(&found(&both).updated(&read, "m").unwrap());
        assert_eq!(after["userId"], "bert");
        assert_eq!(after["passport"], value(PASSPORT)["passport"]);
    }

    #[test]
    fn n20_the_user_is_the_user_id_else_the_subject_of_the_passport_and_nothing_else() {
        let user = |members: Value| {
            let mut sess = json!({ "cookie": {} });
            sess.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            found(&sess.to_string()).session(&SessionId::new("id")).map(|session| session.user_id)
        };
        let passport = |sub: Value| json!({ "user": { "claims": { "sub": sub } } });
        for (members, expected) in [
            (json!({}), Some(None)),
            (json!({ "userId": "u" }), Some(Some("u".into()))),
            (json!({ "userId": "u", "passport": passport(json!("p")) }), Some(Some("u".into()))),
            (json!({ "userId": null, "passport": passport(json!("p")) }), Some(Some("p".into()))),
            (json!({ "passport": passport(json!(7)) }), Some(None)),
            (json!({ "passport": { "user": "p" } }), Some(None)),
            (json!({ "user": "p", "user_id": "p", "claims": { "sub": "p" } }), Some(None)),
            (json!({ "userId": 7 }), None),
        ] {
            assert_eq!(user(members.clone()), expected, "{members}");
        }
    }

    #[test]
    fn a_new_record_is_what_the_old_server_expects() {
        let session = Session {
            id: SessionId::new("id"),
            user_id: Some("anna".into()),
            email: Some("anna@example.org".to_owned()),
            created_at: at("2025-01-31T09:05:07.123Z"),
            last_activity: at("2025-01-31T09:05:07.123Z"),
            expires_at: at("2025-02-07T09:05:07.123Z"),
            extra: Map::from_iter([("returnTo".to_owned(), json!("/menu"))]),
        };
        assert_eq!(
            value(&created(&session, SameSite::None, "m-1").unwrap()),
            json!({
                "cookie": { "originalMaxAge": 604_800_000, "expires": "2025-02-07T09:05:07.123Z", "secure": true,
                            "httpOnly": true, "path": "/", "sameSite": "none" },
                "userId": "anna", "returnTo": "/menu",
                "waiterix": { "createdAt": "2025-01-31T09:05:07.123Z", "email": "anna@example.org", "emailOf": "anna",
                              "mark": "m-1" },
            })
        );
        for taken in OWN {
            let mut session = session.clone();
            session.extra.insert(taken.to_owned(), json!({}));
            assert!(created(&session, SameSite::None, "m").is_err(), "{taken}");
        }
    }

    #[test]
    fn a_touch_of_the_old_server_is_a_use() {
        let touched = Found::parse(PASSPORT, at("2025-02-09T10:00:01Z")).unwrap();
        let session = touched.session(&SessionId::new("id")).unwrap();
        assert_eq!(session.expires_at, at("2025-02-09T10:00:01Z"));
        assert_eq!(session.last_activity, at("2025-02-02T10:00:01Z"));
        assert_eq!(session.created_at, at("2025-01-31T09:05:07.123Z"), "when it was written last");
        assert_eq!(touched.revision(), found(PASSPORT).revision());
    }

    #[test]
    fn a_touch_of_ours_is_no_change() {
        let (used, ends) = (at("2025-02-01T00:00:00.5Z"), at("2025-02-08T00:00:00.25Z"));
        let touched = found(PASSPORT).touched(used, ends);
        let row = Found::parse(&touched, second(ends)).unwrap();
        assert_eq!(row.revision(), found(PASSPORT).revision());
        let session = row.session(&SessionId::new("id")).unwrap();
        assert_eq!((session.last_activity, session.expires_at), (used, at("2025-02-08T00:00:01Z")));
        let mut expected = value(PASSPORT);
        expected["cookie"]["expires"] = json!("2025-02-08T00:00:00.250Z");
        expected["cookie"]["originalMaxAge"] = json!(604_799_750);
        assert_eq!(value(&touched), expected);
    }

    #[test]
    fn an_email_is_forgotten_with_its_user() {
        let noted = |user: &str| {
            json!({ "cookie": {}, "userId": user,
                    "waiterix": { "createdAt": "2025-01-31T09:05:07.123Z", "email": "a@example.org", "emailOf": "anna" } })
        };
        assert_eq!(session(&noted("anna").to_string()).email.as_deref(), Some("a@example.org"));
        assert_eq!(session(&noted("bert").to_string()).email, None);
    }

    #[test]
    fn what_is_no_session_is_not_understood() {
        for sess in ["", "null", "[]", "7", "{}", r#"{"cookie":7}"#, "{ not json"] {
            assert!(Found::parse(sess, Timestamp::EPOCH).is_none(), "{sess}");
        }
        for sess in [
            json!({ "cookie": {}, "waiterix": 7 }),
            json!({ "cookie": {}, "waiterix": { "createdAt": "yesterday" } }),
            json!({ "cookie": {}, "userId": ["u"] }),
        ] {
            let found = found(&sess.to_string());
            assert!(found.session(&SessionId::new("id")).is_none(), "{sess}");
        }
    }

    #[test]
    fn an_end_is_rounded_up_to_the_second() {
        for (micros, seconds) in [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (-1, 0)] {
            assert_eq!(
                second(Timestamp::from_micros(micros).unwrap()),
                Timestamp::EPOCH.plus_seconds(seconds)
            );
        }
    }
}
