//! What may differ about sessions, and how a journal writes it down.

use std::fmt;

use waiterix_ports::SessionId;
use waiterix_ports::moving::JournalKey;

/// What may differ between the two stores.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum SessionKey {
    /// A session.
    Session(SessionId),
    /// A session that was ended, and must be in both.
    Ended(SessionId),
    /// A key of temporary data, of which the other store may hold an older value.
    Temp(String),
}

impl fmt::Debug for SessionKey {
    /// Shows neither: an id is a secret, and a key may name a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session(_) => "Session(…)",
            Self::Ended(_) => "Ended(…)",
            Self::Temp(_) => "Temp(…)",
        })
    }
}

/// A word and the id or key. The id is a secret that must be told to whoever converges it, so a journal is as well guarded as
/// a store of sessions.
impl JournalKey for SessionKey {
    const PORT: &'static str = "sessions";

    fn to_text(&self) -> String {
        match self {
            Self::Session(id) => format!("session:{}", id.reveal()),
            Self::Ended(id) => format!("ended:{}", id.reveal()),
            Self::Temp(key) => format!("temp:{key}"),
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("session", id) => Some(Self::Session(SessionId::new(id))),
            ("ended", id) => Some(Self::Ended(SessionId::new(id))),
            ("temp", key) => Some(Self::Temp(key.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_what_its_text_says() {
        for key in [
            SessionKey::Session(SessionId::new("a-session-of-somebody")),
            SessionKey::Ended(SessionId::new("a-session-of-somebody")),
            SessionKey::Temp("mail:of:somebody".to_owned()),
        ] {
            assert_eq!(SessionKey::of_text(&key.to_text()), Some(key));
        }
        assert_eq!(SessionKey::of_text("later:x"), None);
        assert_eq!(SessionKey::of_text("session"), None);
    }

    #[test]
    fn neither_ids_nor_keys_are_shown() {
        let keys = [SessionKey::Session(SessionId::new("secret")), SessionKey::Temp("secret".to_owned())];
        assert!(!format!("{keys:?}").contains("secret"));
    }
}
