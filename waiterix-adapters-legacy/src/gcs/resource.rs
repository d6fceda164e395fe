//! An object as the servers describe it.

use std::collections::BTreeMap;

use serde::Deserialize;
use waiterix_domain::Timestamp;
use waiterix_ports::{BlobMeta, Error, ErrorKind, Result, Visibility};

use super::policy::{self, Policy};

/// The content type of bytes that tell nothing.
pub(super) const UNKNOWN_TYPE: &str = "application/octet-stream";

/// The members of an object's description that are used. Numbers are texts, as 64 bits are more than JSON is safe for.
/// <https://cloud.google.com/storage/docs/json_api/v1/objects#resource-representations>
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub(super) size: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) generation: Option<String>,
    pub(super) metageneration: Option<String>,
    pub(super) time_created: Option<String>,
    pub(super) md5_hash: Option<String>,
    pub(super) metadata: Option<BTreeMap<String, Option<String>>>,
}

impl Resource {
    /// The policy, if there is one that can be read.
    pub(super) fn policy(&self) -> Option<Policy> {
        Policy::read(self.metadata.as_ref()?.get(policy::NAME)?.as_deref())
    }

    /// The state of the bytes.
    pub(super) fn generation(&self, operation: &'static str) -> Result<u64> {
        number(self.generation.as_deref()).ok_or_else(|| corrupt(operation, "generation"))
    }

    /// The state of what is known about them.
    pub(super) fn metageneration(&self, operation: &'static str) -> Result<u64> {
        number(self.metageneration.as_deref()).ok_or_else(|| corrupt(operation, "metageneration"))
    }

    /// What the port says of an object.
    pub(super) fn meta(&self, operation: &'static str) -> Result<BlobMeta> {
        // A change of what is known about an object sets another time, which is no write.
        let written = self.time_created.as_deref().and_then(Timestamp::parse);
        let written = written.ok_or_else(|| corrupt(operation, "time of creation"))?;
        let policy = self.policy();
        Ok(BlobMeta {
            size: number(self.size.as_deref()).ok_or_else(|| corrupt(operation, "size"))?,
            content_type: said(self.content_type.as_ref()).unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
            cache_control: said(self.cache_control.as_ref()),
            etag: etag_of(self.generation(operation)?),
            modified_at: Timestamp::EPOCH.plus_seconds(written.as_seconds()),
            owner: policy.as_ref().and_then(Policy::owner),
            visibility: policy.map_or(Visibility::Private, |policy| policy.visibility()),
        })
    }
}

/// The etag of a state. Google's own changes with what is known about an object, too.
pub(super) fn etag_of(generation: u64) -> String {
    format!("\"{generation}\"")
}

/// The state that an etag names; `None` for what is no etag of ours, among it 0, which means that there is no object.
pub(super) fn generation_of(etag: &str) -> Option<u64> {
    let digits = etag.strip_prefix('"')?.strip_suffix('"')?;
    let generation = digits.parse().ok().filter(|generation| *generation > 0)?;
    (etag_of(generation) == etag).then_some(generation)
}

/// What is sent as a header must be one, and must come back as it is: blanks around it are dropped on the way.
pub(super) fn check_header(operation: &'static str, value: Option<&str>) -> Result<()> {
    let is_header = |value: &str| {
        (1..=255).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
            && value.trim() == value
    };
    if value.is_none_or(is_header) { Ok(()) } else { Err(super::invalid(operation, "not a header value")) }
}

fn said(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

fn number(text: Option<&str>) -> Option<u64> {
    text?.parse().ok()
}

fn corrupt(operation: &'static str, missing: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, operation).with("missing", missing)
}

#[cfg(test)]
mod tests {
    use waiterix_domain::id::UserId;

    use super::*;

    /// An upload of the old service as Google describes it, after it was attached: the policy is the text that the old
    /// service wrote, and what a newer system might have added is ignored.
    const OLD: &str = r#"{
        "kind": "storage#object", "id": "repl/x/.private/uploads/1/1731234567890123",
        "name": ".private/uploads/1", "bucket": "repl", "generation": "1731234567890123", "metageneration": "2",
        "contentType": "image/png", "storageClass": "STANDARD", "size": "68", "md5Hash": "XrY7u+Ae7tCTyyK7j1rNww==",
        "crc32c": "yZRlqg==", "etag": "CMvG0o3jzIkDEAI=", "timeCreated": "2024-11-10T10:29:27.899Z",
        "updated": "2024-11-10T10:31:00.000Z", "timeStorageClassUpdated": "2024-11-10T10:29:27.899Z",
        "metadata": { "custom:aclPolicy": "{\"owner\":\"42\",\"visibility\":\"public\"}", "other": "x" }
    }"#;

    #[test]
    fn an_object_of_the_old_service_is_understood() {
        let resource: Resource = serde_json::from_str(OLD).unwrap();
        let meta = resource.meta("test").unwrap();
        assert_eq!(
            meta,
            BlobMeta {
                size: 68,
                content_type: "image/png".to_owned(),
                cache_control: None,
                etag: "\"1731234567890123\"".to_owned(),
                modified_at: Timestamp::parse("2024-11-10T10:29:27Z").unwrap(),
                owner: Some(UserId::from("42")),
                visibility: Visibility::Public,
            }
        );
        assert_eq!(resource.metageneration("test").unwrap(), 2);
    }

    #[test]
    fn an_object_without_policy_or_type_is_private_nobodys_and_unknown() {
        let bare = r#"{"size":"0","generation":"1","timeCreated":"2024-11-10T10:29:27.899Z"}"#;
        let meta = serde_json::from_str::<Resource>(bare).unwrap().meta("test").unwrap();
        assert_eq!((meta.owner, meta.visibility), (None, Visibility::Private));
        assert_eq!((meta.content_type.as_str(), meta.cache_control), (UNKNOWN_TYPE, None));
    }

    #[test]
    fn a_description_that_lacks_something_is_corrupt() {
        for text in [
            r#"{"generation":"1","timeCreated":"2024-11-10T10:29:27Z"}"#,
            r#"{"size":"-1","generation":"1","timeCreated":"2024-11-10T10:29:27Z"}"#,
            r#"{"size":"1","timeCreated":"2024-11-10T10:29:27Z"}"#,
            r#"{"size":"1","generation":"1","timeCreated":"yesterday"}"#,
        ] {
            let resource: Resource = serde_json::from_str(text).unwrap();
            assert_eq!(resource.meta("test").unwrap_err().kind(), ErrorKind::Corrupt, "{text}");
        }
    }

    #[test]
    fn etags_are_told_from_what_matches_more_than_one() {
        assert_eq!(generation_of("\"1731234567890123\""), Some(1_731_234_567_890_123));
        for bad in
            ["*", "", "\"\"", "\"0\"", "\"01\"", "\"+1\"", "1", "W/\"1\"", "\"1\", \"2\"", "\"1", "\"a\""]
        {
            assert_eq!(generation_of(bad), None, "{bad}");
        }
    }
}
