//! Keys and records: the layout that older software reads and writes too.
//!
//! A record is a JSON object with `userId`, `email`, `createdAt`, `lastActivity` and whatever else the session holds. Ours
//! begin with two members of fixed width, so that a touch can write them in place:
//!
//! ```text
//! {"lastActivity":"2025-01-31T09:05:07.123Z","listedUntil":"2025-02-08T09:05:07.123Z",…
//! 0               17                       42              59                       84
//! ```
//!
//! What follows is the body, which a touch leaves alone; the revision of a session is a digest of the body. Where a record
//! is not in our form, it is that of the body it will have.
//! Two members are ours and no part of the session: `listedUntil`, until when the user's list vouches for the session,
//! and `waiterixMark`, which no two writes share. Older software ignores both and keeps them when it writes a record again.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::{Revision, Session, SessionId};

/// Later than everything.
const FOREVER: Timestamp = Timestamp::EPOCH.plus_millis(i64::MAX);

/// Where the body of one of our records begins.
const BODY: usize = 84;
const LAST_ACTIVITY: &[u8] = b"{\"lastActivity\":\"";
const LISTED_UNTIL: &[u8] = b"\",\"listedUntil\":\"";

/// Members that `extra` may not hold.
const OWN: [&str; 6] = ["createdAt", "email", "lastActivity", "listedUntil", "userId", "waiterixMark"];

/// How much longer than the session its membership is good for: a touch within this time moves the end of the session
/// without asking the list.
pub(super) const AHEAD_MS: i64 = 86_400_000;

pub(super) fn session_key(id: &SessionId) -> String {
    format!("session:{}", id.reveal())
}

/// The set of ids, which older software reads.
pub(super) fn set_key(user: &UserId) -> String {
    format!("user_sessions:{}", user.as_str())
}

/// The memberships by end, which only we know.
pub(super) fn list_key(user: &UserId) -> String {
    format!("user_sessions_by_end:{}", user.as_str())
}

pub(super) fn temp_key(key: &str) -> String {
    format!("temp:{key}")
}

pub(super) fn count_key(key: &str) -> String {
    format!("temp_count:{key}")
}

/// An instant in milliseconds, rounded up.
pub(super) fn millis(at: Timestamp) -> i64 {
    -(-at.as_micros()).div_euclid(1000)
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) user: Option<UserId>,
    pub(super) email: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) last_activity: Timestamp,
    /// Which write made it, if it was one of ours.
    pub(super) mark: Option<String>,
    /// Until when the user's list vouches for it; what older software wrote says nothing.
    pub(super) listed_until: Option<Timestamp>,
    pub(super) extra: Map<String, Value>,
}

/// The body, in the order in which it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(rename = "waiterixMark", skip_serializing_if = "Option::is_none")]
    mark: Option<&'a str>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

impl Record {
    /// The record of a session; nothing if a member of `extra` has a name that is taken.
    pub(super) fn of(session: &Session, mark: String) -> Option<Self> {
        if OWN.iter().any(|name| session.extra.contains_key(*name)) {
            return None;
        }
        let record = Self {
            user: session.user_id.clone(),
            email: session.email.clone(),
            created_at: session.created_at,
            last_activity: session.last_activity,
            mark: Some(mark),
            listed_until: None,
            extra: session.extra.clone(),
        };
        Some(record.until(millis(session.expires_at)))
    }

    /// Reads what is stored, whoever wrote it; nothing if it cannot be understood.
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        let mut members: Map<String, Value> = serde_json::from_slice(raw).ok()?;
        let mut text = |name: &str| match members.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(text)) => Some(Some(text)),
            Some(_) => None,
        };
        let record = Self {
            user: text("userId")?.map(UserId::from),
            email: text("email")?,
            created_at: Timestamp::parse(&text("createdAt")??)?,
            last_activity: Timestamp::parse(&text("lastActivity")??)?,
            mark: text("waiterixMark")?,
            listed_until: text("listedUntil")?.as_deref().and_then(Timestamp::parse),
            extra: Map::new(),
        };
        Some(Self { extra: members, ..record })
    }

    /// The record as it is stored.
    pub(super) fn write(&self) -> String {
        self.write_with(&self.body())
    }

    /// The record as it is stored in place of another one that means the same but for what a touch writes.
    pub(super) fn write_over(&self, was: &[u8]) -> String {
        match std::str::from_utf8(body(was)) {
            Ok(body) if is_ours(was) => self.write_with(body),
            _ => self.write(),
        }
    }

    fn write_with(&self, body: &str) -> String {
        let listed_until = self.listed_until.unwrap_or_default();
        format!(r#"{{"lastActivity":"{}","listedUntil":"{listed_until}",{body}"#, self.last_activity)
    }

    /// What follows the members of fixed width.
    fn body(&self) -> String {
        let body = Body {
            created_at: self.created_at.to_string(),
            user_id: self.user.as_ref().map(UserId::as_str),
            email: self.email.as_deref(),
            mark: self.mark.as_deref(),
            extra: &self.extra,
        };
        // Texts, maps with texts as keys and JSON values can always be written.
        let mut body = serde_json::to_string(&body).unwrap_or_default();
        if body.starts_with('{') {
            body.remove(0);
        }
        body
    }

    /// The state of everything a touch leaves alone, of a record that is about to be written.
    pub(super) fn revision(&self) -> Revision {
        digest(self.body().as_bytes())
    }

    /// The state of everything a touch leaves alone, of a record that was found. It stays the same when a record of older
    /// software is brought into our form, and changes whoever changes it.
    pub(super) fn revision_of(&self, raw: &[u8]) -> Revision {
        if is_ours(raw) { digest(body(raw)) } else { self.revision() }
    }

    /// The session.
    pub(super) fn session(self, id: &SessionId, expires_at: Timestamp) -> Session {
        Session {
            id: id.clone(),
            user_id: self.user,
            email: self.email,
            created_at: self.created_at,
            last_activity: self.last_activity,
            expires_at,
            extra: self.extra,
        }
    }

    /// The record for a session with this end: the user's list has to vouch for it a while longer. Nobody's session is in
    /// no list.
    pub(super) fn until(self, ends_ms: i64) -> Self {
        let until = Timestamp::from_millis(ends_ms.saturating_add(AHEAD_MS)).unwrap_or(FOREVER);
        Self { listed_until: Some(if self.user.is_some() { until } else { FOREVER }), ..self }
    }

    /// Until when the user's list vouches for it, in milliseconds.
    pub(super) fn listed_until_ms(&self) -> i64 {
        self.listed_until.map_or(0, millis)
    }
}

/// What of a stored record a touch leaves alone; all of it, if it is not in our form.
pub(super) fn body(raw: &[u8]) -> &[u8] {
    if is_ours(raw) { &raw[BODY..] } else { raw }
}

fn is_ours(raw: &[u8]) -> bool {
    raw.len() > BODY
        && raw.starts_with(LAST_ACTIVITY)
        && raw[41..].starts_with(LISTED_UNTIL)
        && &raw[82..BODY] == b"\","
}

fn digest(body: &[u8]) -> Revision {
    Revision::new(format!("{:x}", Sha256::digest(body)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Record {
        Record {
            user: Some("ä:{b}".into()),
            email: None,
            created_at: Timestamp::parse("2025-01-31T09:05:07.123Z").unwrap(),
            last_activity: Timestamp::parse("2025-01-31T10:05:07.5Z").unwrap(),
            mark: Some("m-1".to_owned()),
            listed_until: Timestamp::parse("2025-02-08T09:05:07.123Z"),
            extra: serde_json::from_value(json!({ "role": "chef", "metadata": { "lastActivity": 1 } }))
                .unwrap(),
        }
    }

    #[test]
    fn a_record_is_written_as_documented_and_read_again() {
        let written = record().write();
        assert_eq!(
            written,
            r#"{"lastActivity":"2025-01-31T10:05:07.500Z","listedUntil":"2025-02-08T09:05:07.123Z","#
                .to_owned()
                + r#""createdAt":"2025-01-31T09:05:07.123Z","userId":"ä:{b}","waiterixMark":"m-1","#
                + r#""metadata":{"lastActivity":1},"role":"chef"}"#
        );
        assert_eq!(Record::parse(written.as_bytes()), Some(record()));
        assert!(body(written.as_bytes()).starts_with(br#""createdAt""#));
    }

    #[test]
    fn the_revision_is_what_the_record_means_without_what_touches_write() {
        let other_form = br#"{"role":"chef","userId":"\u00e4:{b}","email":null,"waiterixMark":"m-1",
            "createdAt":"2025-01-31T10:05:07.123+01:00","metadata":{"lastActivity":1},"lastActivity":"2025-03-01T00:00:00Z"}"#;
        let read = Record::parse(other_form).unwrap();
        assert_eq!(read.revision_of(other_form), record().revision());
        let written = record().write();
        assert_eq!(record().revision_of(written.as_bytes()), record().revision());
        assert_eq!(body(other_form), other_form, "not in our form");
        assert_eq!(record().write_over(other_form), written);
        for changed in [
            Record { user: None, ..record() },
            Record { email: Some(String::new()), ..record() },
            Record { mark: None, ..record() },
            Record { mark: Some("m-2".to_owned()), ..record() },
            Record { created_at: record().created_at.plus_millis(1), ..record() },
            Record { extra: Map::new(), ..record() },
        ] {
            assert_eq!(Record { listed_until: None, ..changed.clone() }.revision(), changed.revision());
            assert_ne!(changed.revision(), record().revision(), "{changed:?}");
        }
    }

    #[test]
    fn a_touch_leaves_a_body_as_another_wrote_it() {
        // Older software writes the members in the order in which it read them, and its own way.
        let theirs = record().write().replace('ä', "\\u00e4");
        let read = Record::parse(theirs.as_bytes()).unwrap();
        let revision = read.revision_of(theirs.as_bytes());
        assert_ne!(revision, read.revision());
        let touched = Record { last_activity: Timestamp::EPOCH, ..read }.write_over(theirs.as_bytes());
        let again = Record::parse(touched.as_bytes()).unwrap();
        assert_eq!(
            (again.last_activity, again.revision_of(touched.as_bytes())),
            (Timestamp::EPOCH, revision)
        );
    }

    #[test]
    fn what_is_no_session_is_not_understood() {
        let good = json!({ "userId": "u", "email": "e", "createdAt": "2025-01-31T09:05:07.123Z",
            "lastActivity": "2025-01-31T09:05:07.123Z" });
        assert!(Record::parse(good.to_string().as_bytes()).is_some());
        for (member, value) in [
            ("userId", json!(7)),
            ("email", json!(["e"])),
            ("createdAt", json!(null)),
            ("createdAt", json!("yesterday")),
            ("lastActivity", json!(1_738_314_307)),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            assert_eq!(Record::parse(bad.to_string().as_bytes()), None, "{bad}");
        }
        for bad in ["", "null", "[]", "{", "{}", "\u{fffd}", "\"text\""] {
            assert_eq!(Record::parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(Record::parse(b"\xff\xfe"), None);
    }

    #[test]
    fn every_year_has_the_width_that_touches_rely_on() {
        for at in
            [Timestamp::EPOCH.plus_millis(i64::MIN), Timestamp::EPOCH, Timestamp::EPOCH.plus_millis(i64::MAX)]
        {
            let written = Record { last_activity: at, listed_until: Some(at), ..record() }.write();
            assert!(body(written.as_bytes()).starts_with(br#""createdAt""#), "{written}");
        }
    }

    #[test]
    fn an_end_is_rounded_up_to_the_millisecond() {
        for (micros, ms) in [(0, 0), (1, 1), (1000, 1), (1001, 2), (-1, 0), (-1000, -1)] {
            assert_eq!(millis(Timestamp::from_micros(micros).unwrap()), ms);
        }
    }
}
