//! The legacy storage: a folder for private objects and folders for public ones, in buckets of Google Cloud Storage.

use super::Locations;

/// A folder in a legacy bucket, as `PRIVATE_OBJECT_DIR` and `PUBLIC_OBJECT_SEARCH_PATHS` name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LegacyDir {
    bucket: String,
    dir: String,
}

impl LegacyDir {
    /// Reads `/<bucket>/<dir>`; the first slash may be missing, a last one is dropped. `None` without bucket or folder.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (bucket, dir) = text.strip_prefix('/').unwrap_or(text).split_once('/')?;
        let dir = dir.trim_end_matches('/');
        (!bucket.is_empty() && !dir.is_empty())
            .then(|| Self { bucket: bucket.to_owned(), dir: dir.to_owned() })
    }

    /// Reads a comma-separated list; empty entries and repetitions are dropped. `None` when an entry is malformed.
    #[must_use]
    pub fn parse_list(text: &str) -> Option<Vec<Self>> {
        let mut dirs = Vec::new();
        for entry in text.split(',').filter(|entry| !entry.trim().is_empty()) {
            let dir = Self::parse(entry)?;
            if !dirs.contains(&dir) {
                dirs.push(dir);
            }
        }
        Some(dirs)
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The folder, without slashes around it.
    #[must_use]
    pub fn dir(&self) -> &str {
        &self.dir
    }

    /// What is left of an object name behind this folder.
    fn remainder<'a>(&self, bucket: &str, object: &'a str) -> Option<&'a str> {
        let inside = (bucket == self.bucket).then(|| object.strip_prefix(self.dir.as_str())).flatten();
        inside?.strip_prefix('/').filter(|rest| !rest.is_empty())
    }

    fn object(&self, name: &str) -> LegacyObject {
        LegacyObject { bucket: self.bucket.clone(), object: format!("{}/{name}", self.dir) }
    }
}

/// An object of the legacy storage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LegacyObject {
    /// Its bucket.
    pub bucket: String,
    /// Its name in the bucket.
    pub object: String,
}

impl Locations {
    /// Where the object of a key may be in the legacy storage. Reads try the places in this order, writes go to the first;
    /// empty when no folder of its kind is configured.
    #[must_use]
    pub fn legacy_places(&self, key: &str) -> Vec<LegacyObject> {
        match key.strip_prefix("public/") {
            Some(name) => self.legacy_public.iter().map(|dir| dir.object(name)).collect(),
            None => self.legacy_private.iter().map(|dir| dir.object(key)).collect(),
        }
    }

    /// The key of an object of the legacy storage: of the folders it lies in, the one with the longest name decides, and
    /// of two equally long ones the private one. `None` outside of them all.
    #[must_use]
    pub fn legacy_key(&self, bucket: &str, object: &str) -> Option<String> {
        let private = self.legacy_private.iter().map(|dir| (dir, ""));
        let public = self.legacy_public.iter().map(|dir| (dir, "public/"));
        let mut best: Option<(usize, String)> = None;
        for (dir, prefix) in private.chain(public) {
            if let Some(rest) = dir.remainder(bucket, object)
                && best.as_ref().is_none_or(|(length, _)| dir.dir.len() > *length)
            {
                best = Some((dir.dir.len(), format!("{prefix}{rest}")));
            }
        }
        best.map(|(_, key)| key)
    }

    pub(super) fn is_legacy_bucket(&self, bucket: &str) -> bool {
        self.legacy_private.iter().chain(&self.legacy_public).any(|dir| dir.bucket == bucket)
    }
}
