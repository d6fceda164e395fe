//! Owner and visibility, as the old service kept them: JSON in the metadata of an object.
//!
//! ```json
//! {"owner":"…","visibility":"public","aclRules":[{"group":{"type":"…","id":"…"},"permission":"read"}]}
//! ```
//!
//! The old service must be able to read what is written here as long as it runs, so the form is its form to the byte: what
//! it writes itself is written with the members in this order and without blanks. It never acted on rules, but keeps them,
//! and so does this.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use waiterix_domain::id::UserId;
use waiterix_ports::{Error, ErrorKind, Result, Visibility};

/// The name of the metadata.
pub(super) const NAME: &str = "custom:aclPolicy";
/// The longest policy in bytes: all metadata of an object may have 8 KiB.
const MAX_BYTES: usize = 7 * 1024;
const PUBLIC: &str = "public";
const PRIVATE: &str = "private";

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Policy {
    /// The id of a user; empty where there is none. Rules of the old service let nobody in by an empty id.
    #[serde(default)]
    owner: String,
    #[serde(default)]
    visibility: String,
    #[serde(rename = "aclRules", default, skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<Rule>>,
    /// What somebody else put there.
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rule {
    group: Group,
    permission: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

impl Policy {
    /// Reads the policy of an object. What cannot be read allows nobody anything, as none does.
    pub(super) fn read(text: Option<&str>) -> Option<Self> {
        serde_json::from_str(text?).ok()
    }

    /// The owner, if there is one.
    pub(super) fn owner(&self) -> Option<UserId> {
        (!self.owner.is_empty()).then(|| UserId::from(self.owner.as_str()))
    }

    /// Who may read.
    pub(super) fn visibility(&self) -> Visibility {
        if self.visibility == PUBLIC { Visibility::Public } else { Visibility::Private }
    }

    /// The text to store, with everything else in an old policy kept; `None` where there is nothing to say.
    ///
    /// # Errors
    /// `Invalid` for an empty owner, or one that is too long.
    pub(super) fn write(
        operation: &'static str,
        old: Option<Self>,
        owner: Option<&UserId>,
        visibility: Visibility,
    ) -> Result<Option<String>> {
        let invalid = |fault| Error::new(ErrorKind::Invalid, operation).with("fault", fault);
        if owner.is_some_and(|owner| owner.as_str().is_empty()) {
            return Err(invalid("length of the owner"));
        }
        let (rules, others) = old.map(|old| (old.rules, old.others)).unwrap_or_default();
        if owner.is_none() && visibility == Visibility::Private && rules.is_none() && others.is_empty() {
            return Ok(None);
        }
        let policy = Self {
            owner: owner.map(|owner| owner.as_str().to_owned()).unwrap_or_default(),
            visibility: if visibility == Visibility::Public { PUBLIC } else { PRIVATE }.to_owned(),
            rules,
            others,
        };
        let text = serde_json::to_string(&policy).map_err(|_| invalid("the policy cannot be written"))?;
        if text.len() > MAX_BYTES { Err(invalid("length of the owner")) } else { Ok(Some(text)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the old service's `JSON.stringify` writes.
    const PLAIN: &str = r#"{"owner":"42","visibility":"public"}"#;
    const RULES: &str = r#"{"owner":"auth0|anna ü","visibility":"private","aclRules":[{"group":{"type":"staff","id":"7"},"permission":"write"}]}"#;

    fn write(old: Option<&str>, owner: Option<&str>, visibility: Visibility) -> Option<String> {
        let owner = owner.map(UserId::from);
        Policy::write("test", Policy::read(old), owner.as_ref(), visibility).unwrap()
    }

    #[test]
    fn policies_have_the_form_of_the_old_service_to_the_byte() {
        assert_eq!(write(None, Some("42"), Visibility::Public).as_deref(), Some(PLAIN));
        assert_eq!(write(Some(RULES), Some("auth0|anna ü"), Visibility::Private).as_deref(), Some(RULES));
        let policy = Policy::read(Some(RULES)).unwrap();
        assert_eq!(
            (policy.owner(), policy.visibility()),
            (Some(UserId::from("auth0|anna ü")), Visibility::Private)
        );
    }

    #[test]
    fn rules_and_what_others_wrote_are_kept() {
        let changed = write(Some(RULES), None, Visibility::Public).unwrap();
        assert_eq!(changed, RULES.replace("auth0|anna ü", "").replace("private", "public"));
        let others = r#"{"owner":"1","visibility":"public","note":{"b":[1]}}"#;
        let changed = write(Some(others), None, Visibility::Private).unwrap();
        assert_eq!(changed, others.replace("\"1\"", "\"\"").replace("public", "private"));
        assert_eq!(write(Some(PLAIN), None, Visibility::Private), None, "nothing to say");
    }

    #[test]
    fn what_cannot_be_read_is_private_and_nobodys() {
        for text in ["", "{", "null", "[]", "\"public\"", r#"{"owner":7,"visibility":"public"}"#] {
            assert_eq!(Policy::read(Some(text)), None, "{text}");
        }
        for text in [r#"{"owner":"","visibility":"PUBLIC"}"#, "{}", r#"{"visibility":"public-read"}"#] {
            let policy = Policy::read(Some(text)).unwrap();
            assert_eq!((policy.owner(), policy.visibility()), (None, Visibility::Private), "{text}");
        }
        assert_eq!(Policy::read(None), None);
    }

    #[test]
    fn owners_are_bounded() {
        let set = |owner: &str| Policy::write("test", None, Some(&UserId::from(owner)), Visibility::Private);
        assert!(set(&"u".repeat(6000)).is_ok());
        assert_eq!(set(&"u".repeat(8000)).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(set("").unwrap_err().kind(), ErrorKind::Invalid);
    }

    proptest! {
        #[test]
        fn any_owner_and_visibility_survive(owner in proptest::option::of("\\PC{1,120}"), public: bool) {
            let visibility = if public { Visibility::Public } else { Visibility::Private };
            let owner = owner.map(UserId::new);
            let text = Policy::write("test", None, owner.as_ref(), visibility).unwrap();
            let read = Policy::read(text.as_deref());
            prop_assert_eq!(read.as_ref().and_then(Policy::owner), owner);
            prop_assert_eq!(read.as_ref().map_or(Visibility::Private, Policy::visibility), visibility);
        }
    }
}
