//! Pictures of restaurants and dishes: who may use which object, and when one is no longer needed.
//!
//! A picture column holds an object of the service, an external URL, the name of a stock picture, or nothing. Rows share
//! objects only within one restaurant, so everything that refers to a user's uploads is in the caller's own rows. A
//! [`Gallery`] follows the references while a decision moves them, and in the end knows which uploads came into use and
//! which objects nothing refers to any more (B13, D38).

use std::collections::{BTreeMap, BTreeSet};

use crate::blob_ref::{Locations, Parsed};
use crate::id::{UploadKey, UserId};
use crate::schema::Upload;
use crate::text::Faults;
use crate::{ChangeSet, Decision, Effect, Env, Rejection, Timestamp};

/// The largest picture in bytes.
pub const MAX_PICTURE_BYTES: u64 = 10 * 1024 * 1024;
/// The content types a picture may have. SVG and HTML can carry scripts and are not among them (D94).
pub const PICTURE_TYPES: &[&str] = &["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"];
/// How long an upload URL is valid, in seconds.
pub const UPLOAD_TTL_SECONDS: u64 = 900;

/// Where uploads go. Everything below is public.
const UPLOAD_PREFIX: &str = "public/uploads/";
/// Endings of stock picture names.
const STOCK_ENDINGS: &[&str] = &["jpg", "jpeg", "png", "webp", "gif", "avif"];
const MAX_STOCK_NAME_BYTES: usize = 255;
/// The longest external URL in bytes.
const MAX_URL_BYTES: usize = 8_192;

/// Permits one upload.
///
/// # Errors
/// `Invalid` for a content type that is no picture.
pub fn grant(
    user: &UserId,
    content_type: Option<&str>,
    env: &mut Env<'_>,
) -> Result<Decision<Upload>, Rejection> {
    let mut faults = Faults::default();
    if content_type.is_some_and(|content_type| !PICTURE_TYPES.contains(&content_type)) {
        faults.add("contentType", format!("must be one of {}", PICTURE_TYPES.join(", ")));
    }
    faults.refuse("Invalid content type")?;
    let upload = Upload {
        id: UploadKey::new(format!("{UPLOAD_PREFIX}{}", env.ids.uuid())),
        user_id: user.clone(),
        content_type: content_type.map(str::to_owned),
        created_at: env.now,
        attached_at: None,
    };
    Ok(Decision::new(env.changes().insert(upload.clone()), upload))
}

/// What choosing pictures relies on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PictureFacts {
    /// The caller's upload grants.
    pub uploads: Vec<Upload>,
    /// Every picture value in the caller's restaurant and its dishes, one entry for each row that has one.
    pub stored: Vec<String>,
    /// Keys among those named now that hold an acceptable picture: a permitted type by content, not too large.
    pub arrived: BTreeSet<String>,
}

/// The refusal of a picture. It does not say whether the object exists or whose it is.
#[must_use]
pub fn invalid_picture() -> Rejection {
    Rejection::invalid("Invalid image")
}

/// The key of the object a picture value means, if it is one of the service's own.
#[must_use]
pub fn object_key(locations: &Locations, value: &str) -> Option<String> {
    match locations.parse(value) {
        Parsed::Own(reference) => Some(reference.key().to_owned()),
        Parsed::External(_) | Parsed::Static(_) | Parsed::Invalid(_) => None,
    }
}

/// The keys a request newly names: those whose object must be looked at before deciding.
#[must_use]
pub fn keys_to_look_at<'a>(
    facts: &PictureFacts,
    locations: &Locations,
    values: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<String> {
    let granted: BTreeSet<&str> = facts
        .uploads
        .iter()
        .filter(|upload| upload.attached_at.is_none())
        .map(|upload| upload.id.as_str())
        .collect();
    values
        .into_iter()
        .filter_map(|value| object_key(locations, value))
        .filter(|key| granted.contains(key.as_str()))
        .collect()
}

/// The pictures of one restaurant while a decision changes them.
#[derive(Debug, Clone)]
pub struct Gallery<'a> {
    facts: &'a PictureFacts,
    locations: &'a Locations,
    uploads: BTreeMap<&'a str, &'a Upload>,
    references: BTreeMap<String, usize>,
    touched: BTreeSet<String>,
}

impl<'a> Gallery<'a> {
    /// The pictures as they are.
    #[must_use]
    pub fn new(facts: &'a PictureFacts, locations: &'a Locations) -> Self {
        let mut references = BTreeMap::new();
        for key in facts.stored.iter().filter_map(|value| object_key(locations, value)) {
            *references.entry(key).or_default() += 1;
        }
        let uploads = facts.uploads.iter().map(|upload| (upload.id.as_str(), upload)).collect();
        Self { facts, locations, uploads, references, touched: BTreeSet::new() }
    }

    /// Puts a picture in the place of another (none: a new place) and answers what to store: nothing, the value as it
    /// is, or the canonical path of an object.
    ///
    /// # Errors
    /// `Invalid` for a value that is not allowed: an object the caller did not upload (B8, D37) or that is not there
    /// (B17), a scheme other than `https`, or anything that is no stock picture (D26). Nothing is changed then.
    pub fn replace(
        &mut self,
        current: Option<&str>,
        wanted: Option<&str>,
    ) -> Result<Option<String>, Rejection> {
        if current == wanted {
            return Ok(wanted.map(str::to_owned));
        }
        let stored = match wanted {
            None => None,
            Some("") => Some(String::new()),
            Some(wanted) => Some(self.admit(wanted)?),
        };
        if let Some(key) = stored.as_deref().and_then(|value| object_key(self.locations, value)) {
            *self.references.entry(key.clone()).or_default() += 1;
            self.touched.insert(key);
        }
        self.remove(current);
        Ok(stored)
    }

    /// Takes a picture away, because its place goes.
    pub fn remove(&mut self, current: Option<&str>) {
        if let Some(key) = current.and_then(|value| object_key(self.locations, value)) {
            if let Some(count) = self.references.get_mut(&key) {
                *count = count.saturating_sub(1);
            }
            self.touched.insert(key);
        }
    }

    /// What to store for a value, if it is allowed.
    fn admit(&self, wanted: &str) -> Result<String, Rejection> {
        match self.locations.parse(wanted) {
            Parsed::Own(reference) => {
                let key = reference.key();
                let in_use = self.references.get(key).is_some_and(|count| *count > 0);
                let uploaded = self.uploads.contains_key(key) && self.facts.arrived.contains(key);
                if in_use || uploaded { Ok(reference.to_string()) } else { Err(invalid_picture()) }
            }
            Parsed::External(_) if is_https(wanted) => Ok(wanted.to_owned()),
            Parsed::Static(_) if is_stock_name(wanted) => Ok(wanted.to_owned()),
            // Old rows hold values that are no longer taken; their owner may keep and copy them.
            _ if self.facts.stored.iter().any(|stored| stored == wanted) => Ok(wanted.to_owned()),
            Parsed::External(_) | Parsed::Static(_) | Parsed::Invalid(_) => Err(invalid_picture()),
        }
    }

    /// Notes on the upload rows which objects came into use or went out of use; those out of use are deleted afterwards.
    /// Objects without a grant of the caller are never deleted: they are of an older time, and somebody else may show them.
    #[must_use]
    pub fn finish(self, mut changes: ChangeSet, now: Timestamp) -> (ChangeSet, Vec<Effect>) {
        let mut effects = Vec::new();
        for key in &self.touched {
            let Some(upload) = self.uploads.get(key.as_str()) else { continue };
            let shown = self.references.get(key).is_some_and(|count| *count > 0);
            let mut after = (*upload).clone();
            if !shown {
                after.attached_at = None;
                effects.push(Effect::DeleteBlob { key: key.clone() });
            } else if after.attached_at.is_none() {
                after.attached_at = Some(now);
            }
            // An unchanged row is still required to be so: two decisions about one object cannot pass each other.
            changes = changes.update((*upload).clone(), after);
        }
        (changes, effects)
    }
}

fn is_https(url: &str) -> bool {
    url.len() <= MAX_URL_BYTES && url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}

/// Whether a text is the bare name of a picture file, which the client looks up among its stock pictures.
fn is_stock_name(name: &str) -> bool {
    let fits = name.len() <= MAX_STOCK_NAME_BYTES
        && !name.starts_with(['.', ' '])
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ' | '(' | ')' | ',' | '+' | '&'));
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    fits && ending.is_some_and(|ending| STOCK_ENDINGS.contains(&ending.as_str()))
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
