//! The canonical reference of an object, and the many forms in which objects were referred to over the years.
//!
//! Rows hold `/api/objects/<key>`, presigned upload URLs that nobody normalised, URLs of three clouds and a CDN, paths of
//! buckets, external URLs, and names of pictures that come with the client. [`Locations::parse`] says of any text
//! which of these it is. It recognises an object by the exact host and bucket that the configuration names, never by
//! a part of the text, so that nobody can pass a foreign object for one of ours (B1).

mod host;
mod legacy;

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub use legacy::{LegacyDir, LegacyObject};

/// The longest key in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// Everything but unreserved characters and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// An object of the main storage. Temporary objects of other buckets are never referred to.
///
/// Its text form, which is what rows hold, is `/api/objects/<key>` with everything in the key but unreserved characters
/// and `/` percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobRef {
    key: String,
}

impl BlobRef {
    /// The reference of a decoded key; `None` when it is no key: 1 to 1 024 bytes without control characters, `.` or `..`
    /// segments or a leading `/`.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Option<Self> {
        let key = key.into();
        let is_key = (1..=MAX_KEY_BYTES).contains(&key.len())
            && !key.starts_with('/')
            && !key.chars().any(char::is_control)
            && !has_dot_segment(&key);
        is_key.then_some(Self { key })
    }

    /// The key, decoded.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The key, decoded.
    #[must_use]
    pub fn into_key(self) -> String {
        self.key
    }

    /// Where a CDN delivers the object; for answers, never to be stored (B12). `domain` is a host name, with port if it
    /// is not the default.
    #[must_use]
    pub fn cdn_url(&self, domain: &str) -> String {
        format!("https://{domain}/{}", utf8_percent_encode(&self.key, PATH))
    }
}

impl fmt::Display for BlobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/api/objects/{}", utf8_percent_encode(&self.key, PATH))
    }
}

/// What a text refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// An object of our own; its canonical form is what to store.
    Own(BlobRef),
    /// Something elsewhere, as it was given. It is never fetched or signed by the service.
    External(String),
    /// A file that comes with the web client, as it was given.
    Static(String),
    /// Nothing that may be stored.
    Invalid(Fault),
}

impl Parsed {
    /// The text to store; `None` when it is invalid. Parsing that text leads to the same answer.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Own(reference) => Some(reference.to_string()),
            Self::External(text) | Self::Static(text) => Some(text.clone()),
            Self::Invalid(_) => None,
        }
    }
}

/// Why a text is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// Nothing, or nothing but blanks.
    #[error("it is empty")]
    Empty,
    /// Blanks around it, or a control character in it.
    #[error("it has blanks around it or control characters")]
    Blank,
    /// A backslash, which some readers take for a slash and others do not.
    #[error("it has a backslash")]
    Backslash,
    /// A scheme other than `http`, `https`, `s3`, `gs` and object ARNs: `javascript:`, `data:`, `file:`, …
    #[error("its scheme is not allowed")]
    Scheme,
    /// No host, a malformed one, or a user name in front of it.
    #[error("its host is malformed")]
    Host,
    /// A path that belongs to nothing.
    #[error("its path belongs to nothing")]
    Path,
    /// A broken percent sequence, or bytes that are no UTF-8.
    #[error("its path is not correctly encoded")]
    Encoding,
    /// The path of an object, but no key.
    #[error("it names no object")]
    Key,
}

/// Where objects of our own are, and were. All of it is configuration; nothing is looked up.
///
/// Hosts are host names, with port if it is not the default of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Locations {
    /// Hosts of the API and of the web client.
    pub own_hosts: Vec<String>,
    /// CDN hosts, old ones included.
    pub cdn_domains: Vec<String>,
    /// The buckets of the main storage on S3: one, or the optional private and public ones as well.
    pub buckets: Vec<String>,
    /// The S3 endpoint instead of the one of AWS, as a URL.
    pub s3_endpoint: Option<String>,
    /// The folder of private objects of the legacy storage: `PRIVATE_OBJECT_DIR`.
    pub legacy_private: Option<LegacyDir>,
    /// The folders of public objects of the legacy storage, in order: `PUBLIC_OBJECT_SEARCH_PATHS`.
    pub legacy_public: Vec<LegacyDir>,
}

/// A place in a storage, as a text names it.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    storage: Storage,
    /// Empty for our own hosts. Where it stood in a host name it is in lower case, as host names compare.
    bucket: String,
    /// The name of the object in the bucket, still encoded.
    path: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storage {
    /// The main storage, by a host of ours.
    Own,
    /// A bucket on S3.
    S3,
    /// A bucket on Google Cloud Storage.
    Gcs,
}

impl<'a> Place<'a> {
    const fn own(path: &'a str) -> Self {
        Self { storage: Storage::Own, bucket: String::new(), path }
    }
}

impl Locations {
    /// What a text refers to. Pure: the answer depends on the text and the configuration alone.
    ///
    /// ```
    /// use waiterix_domain::blob_ref::{Locations, Parsed};
    ///
    /// let locations = Locations { buckets: vec!["pictures".to_owned()], ..Locations::default() };
    /// let parsed = locations.parse("https://pictures.s3.eu-west-1.amazonaws.com/public/a%20b?X-Amz-Signature=0");
    /// assert_eq!(parsed.to_text().as_deref(), Some("/api/objects/public/a%20b"));
    /// ```
    #[must_use]
    pub fn parse(&self, text: &str) -> Parsed {
        self.refer(text).unwrap_or_else(Parsed::Invalid)
    }

    fn refer(&self, text: &str) -> Result<Parsed, Fault> {
        if text.trim().is_empty() {
            return Err(Fault::Empty);
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(Fault::Blank);
        }
        if without_query(text).contains('\\') {
            return Err(Fault::Backslash);
        }
        let place = match split_scheme(text) {
            None => return self.refer_path(text),
            Some((scheme @ ("http" | "https"), rest)) => {
                let (authority, path) = split_authority(rest)?;
                match host::recognise(self, scheme, authority, path)? {
                    Some(place) => place,
                    None => return Ok(Parsed::External(text.to_owned())),
                }
            }
            Some(("s3", rest)) => bucket_uri(Storage::S3, rest)?,
            Some(("gs", rest)) => bucket_uri(Storage::Gcs, rest)?,
            Some(("arn", rest)) => {
                let object = ["aws:s3:::", "aws-cn:s3:::", "aws-us-gov:s3:::"]
                    .iter()
                    .find_map(|partition| rest.strip_prefix(partition))
                    .ok_or(Fault::Scheme)?;
                let (bucket, path) = without_query(object).split_once('/').ok_or(Fault::Key)?;
                Place { storage: Storage::S3, bucket: bucket.to_owned(), path }
            }
            Some(_) => return Err(Fault::Scheme),
        };
        match self.key_at(&place)? {
            Some(key) => BlobRef::new(key).map(Parsed::Own).ok_or(Fault::Key),
            None => Ok(Parsed::External(text.to_owned())),
        }
    }

    /// A text without scheme: a path that a browser resolves against the host of the web client, or the bare name of a
    /// picture that comes with it.
    fn refer_path(&self, text: &str) -> Result<Parsed, Fault> {
        let path = without_query(text);
        let Some(inner) = path.strip_prefix('/') else {
            let is_bare_name = !path.contains('/') && !has_dot_segment(path);
            return if is_bare_name { Ok(Parsed::Static(text.to_owned())) } else { Err(Fault::Path) };
        };
        if let Some(key) = object_path(path) {
            return BlobRef::new(decode(key)?).map(Parsed::Own).ok_or(Fault::Key);
        }
        if path.starts_with("/assets/") || path.starts_with("/attached_assets/") {
            let leads_elsewhere = has_dot_segment(&decode(path)?);
            return if leads_elsewhere { Err(Fault::Path) } else { Ok(Parsed::Static(text.to_owned())) };
        }
        // An empty first segment is the `//` of another host, and no bucket has an empty name.
        let (bucket, path) = inner.split_once('/').ok_or(Fault::Path)?;
        let (is_own, is_legacy) = (self.is_own_bucket(bucket), self.is_legacy_bucket(bucket));
        if !is_own && !is_legacy {
            return Err(Fault::Path);
        }
        let object = decode(path)?;
        match self.legacy_key(bucket, &object).or_else(|| is_own.then_some(object)) {
            Some(key) => BlobRef::new(key).map(Parsed::Own).ok_or(Fault::Key),
            None => Ok(Parsed::External(text.to_owned())),
        }
    }

    /// The key of a place; `None` for a bucket, or a part of one, that is not ours.
    fn key_at(&self, place: &Place<'_>) -> Result<Option<String>, Fault> {
        Ok(match place.storage {
            Storage::Own => Some(decode(place.path)?),
            Storage::S3 if self.is_own_bucket(&place.bucket) => Some(decode(place.path)?),
            Storage::Gcs if self.is_legacy_bucket(&place.bucket) => {
                self.legacy_key(&place.bucket, &decode(place.path)?)
            }
            Storage::S3 | Storage::Gcs => None,
        })
    }

    fn is_own_bucket(&self, bucket: &str) -> bool {
        self.buckets.iter().any(|own| own == bucket)
    }
}

/// The encoded key in a path of the API, of today or of the first version.
fn object_path(path: &str) -> Option<&str> {
    path.strip_prefix("/api/objects/").or_else(|| path.strip_prefix("/objects/"))
}

/// The scheme in lower case, if it is one that could be ours, and what follows the colon.
fn split_scheme(text: &str) -> Option<(&'static str, &str)> {
    const KNOWN: [&str; 5] = ["http", "https", "s3", "gs", "arn"];
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let known = KNOWN.into_iter().find(|known| scheme.eq_ignore_ascii_case(known)).unwrap_or("other");
    is_scheme.then_some((known, rest))
}

/// What comes before query and fragment.
fn without_query(text: &str) -> &str {
    text.find(['?', '#']).map_or(text, |end| &text[..end])
}

/// Authority and path of what follows a scheme, without query and fragment. The path is as it was written, or empty.
fn split_authority(rest: &str) -> Result<(&str, &str), Fault> {
    let rest = without_query(rest.strip_prefix("//").ok_or(Fault::Host)?);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.is_empty() || authority.contains('@') { Err(Fault::Host) } else { Ok((authority, path)) }
}

/// What `s3://B/k` and `gs://B/o` name.
fn bucket_uri(storage: Storage, rest: &str) -> Result<Place<'_>, Fault> {
    let (bucket, path) = split_authority(rest)?;
    let path = path.strip_prefix('/').unwrap_or_default();
    Ok(Place { storage, bucket: bucket.to_ascii_lowercase(), path })
}

/// Decodes percent sequences exactly once; `+` stays what it is.
fn decode(path: &str) -> Result<String, Fault> {
    let bytes = path.as_bytes();
    let is_sequence = |place: usize| {
        bytes.get(place + 1..place + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if (0..bytes.len()).any(|place| bytes[place] == b'%' && !is_sequence(place)) {
        return Err(Fault::Encoding);
    }
    percent_decode_str(path).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| Fault::Encoding)
}

fn has_dot_segment(path: &str) -> bool {
    path.split('/').any(|segment| segment == "." || segment == "..")
}

#[cfg(test)]
mod tests;
