//! What is known about an object, and the headers and metadata that S3 keeps it in.
//!
//! S3 knows no owner and no visibility of its own that could be used: object ACLs are switched off in buckets of today,
//! and tags are not told with an object. So both are metadata of the object, which one request brings along with the bytes.
//! What they do not say is private and nobody's.

use std::collections::HashMap;

use aws_sdk_s3::primitives::DateTime;
use percent_encoding::percent_decode_str;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::signed_url::encode_key;
use waiterix_ports::{BlobMeta, Error, ErrorKind, Result, Visibility};

/// The owner, percent-encoded, because a header holds ASCII.
const OWNER: &str = "waiterix-owner";
/// `public`; absent for private objects.
const VISIBILITY: &str = "waiterix-visibility";
const PUBLIC: &str = "public";
/// The longest owner in bytes once encoded: S3 takes 2 KiB of metadata in all.
const MAX_OWNER_BYTES: usize = 1536;
/// The content type of bytes that tell nothing.
pub(super) const UNKNOWN_TYPE: &str = "application/octet-stream";
/// What S3 calls it when nobody said.
const UNKNOWN_TYPE_OF_S3: &str = "binary/octet-stream";

/// The metadata of an object as S3 keeps it.
pub(super) type Metadata = HashMap<String, String>;

/// Writes owner and visibility into metadata, in place of what was there.
pub(super) fn set_access(
    operation: &'static str,
    metadata: &mut Metadata,
    owner: Option<&UserId>,
    visibility: Visibility,
) -> Result<()> {
    metadata.remove(OWNER);
    metadata.remove(VISIBILITY);
    if let Some(owner) = owner {
        let encoded = encode_key(owner.as_str());
        if encoded.is_empty() || encoded.len() > MAX_OWNER_BYTES {
            return Err(Error::new(ErrorKind::Invalid, operation).with("fault", "length of the owner"));
        }
        metadata.insert(OWNER.to_owned(), encoded);
    }
    if visibility == Visibility::Public {
        metadata.insert(VISIBILITY.to_owned(), PUBLIC.to_owned());
    }
    Ok(())
}

fn owner_of(metadata: Option<&Metadata>) -> Option<UserId> {
    let encoded = metadata?.get(OWNER)?;
    // An owner that cannot be read is nobody, who may do less than anybody else.
    let owner = percent_decode_str(encoded).decode_utf8().ok()?;
    (!owner.is_empty()).then(|| UserId::new(owner.into_owned()))
}

fn visibility_of(metadata: Option<&Metadata>) -> Visibility {
    match metadata.and_then(|metadata| metadata.get(VISIBILITY)) {
        Some(text) if text == PUBLIC => Visibility::Public,
        _ => Visibility::Private,
    }
}

/// What an answer of S3 says about an object.
pub(super) struct Told<'a> {
    pub(super) size: Option<i64>,
    pub(super) content_type: Option<&'a str>,
    pub(super) cache_control: Option<&'a str>,
    pub(super) etag: Option<&'a str>,
    pub(super) modified: Option<&'a DateTime>,
    pub(super) metadata: Option<&'a Metadata>,
}

impl Told<'_> {
    pub(super) fn meta(&self, operation: &'static str) -> Result<BlobMeta> {
        let corrupt = |missing| Error::new(ErrorKind::Corrupt, operation).with("missing", missing);
        let seconds = self.modified.ok_or_else(|| corrupt("modification time"))?.secs();
        Ok(BlobMeta {
            size: self.size.and_then(|size| u64::try_from(size).ok()).ok_or_else(|| corrupt("size"))?,
            content_type: match self.content_type {
                None | Some("" | UNKNOWN_TYPE_OF_S3) => UNKNOWN_TYPE.to_owned(),
                Some(content_type) => content_type.to_owned(),
            },
            cache_control: self.cache_control.filter(|value| !value.is_empty()).map(str::to_owned),
            etag: self.etag.ok_or_else(|| corrupt("etag"))?.to_owned(),
            modified_at: Timestamp::EPOCH.plus_seconds(seconds),
            owner: owner_of(self.metadata),
            visibility: visibility_of(self.metadata),
        })
    }
}

/// What is sent as a header must be one, and one that S3 keeps as it is: it drops blanks around a value.
pub(super) fn check_header(operation: &'static str, value: Option<&str>) -> Result<()> {
    let is_header = |value: &str| {
        (1..=255).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
            && value.trim() == value
    };
    if value.is_none_or(is_header) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Invalid, operation).with("fault", "not a header value"))
    }
}

/// Whether a text can be an etag. Anything else, `*` among it, would mean something else to S3 than "this very object".
pub(super) fn is_etag(text: &str) -> bool {
    text.len() > 2
        && text.starts_with('"')
        && text.ends_with('"')
        && text[1..text.len() - 1].bytes().all(|b| b.is_ascii_graphic() && b != b'"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_owner_and_visibility_survive(owner in proptest::option::of("\\PC{1,120}"), public: bool) {
            let visibility = if public { Visibility::Public } else { Visibility::Private };
            let owner = owner.map(UserId::new);
            let mut metadata = Metadata::from([("other".to_owned(), "stays".to_owned())]);
            set_access("test", &mut metadata, owner.as_ref(), visibility).unwrap();
            prop_assert_eq!(owner_of(Some(&metadata)), owner);
            prop_assert_eq!(visibility_of(Some(&metadata)), visibility);
            prop_assert_eq!(&metadata["other"], "stays");
            let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
            prop_assert!(bytes <= 2048 && metadata.values().all(|value| value.is_ascii()));
            set_access("test", &mut metadata, None, Visibility::Private).unwrap();
            prop_assert_eq!(metadata.len(), 1);
        }
    }

    #[test]
    fn owners_are_bounded() {
        let set = |owner: &str| {
            set_access("test", &mut Metadata::new(), Some(&UserId::from(owner)), Visibility::Private)
        };
        assert!(set(&"u".repeat(MAX_OWNER_BYTES)).is_ok());
        assert_eq!(set(&"u".repeat(MAX_OWNER_BYTES + 1)).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(set("").unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn what_cannot_be_read_is_private_and_nobodys() {
        for (name, value) in [
            (VISIBILITY, "PUBLIC"),
            (VISIBILITY, "public-read"),
            (VISIBILITY, ""),
            (OWNER, "%ff"),
            (OWNER, ""),
        ] {
            let metadata = Metadata::from([(name.to_owned(), value.to_owned())]);
            assert_eq!(visibility_of(Some(&metadata)), Visibility::Private, "{name}={value}");
            assert_eq!(owner_of(Some(&metadata)), None, "{name}={value}");
        }
        assert_eq!((visibility_of(None), owner_of(None)), (Visibility::Private, None));
    }

    #[test]
    fn etags_are_told_from_what_matches_more_than_one() {
        for (text, is) in [
            ("\"abc\"", true),
            ("\"d41d8cd98f00b204e9800998ecf8427e-2\"", true),
            ("*", false),
            ("", false),
            ("\"\"", false),
            ("abc", false),
            ("W/\"abc\"", false),
            ("\"a\", \"b\"", false),
        ] {
            assert_eq!(is_etag(text), is, "{text}");
        }
    }
}
