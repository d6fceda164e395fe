//! Which object holds which key.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use waiterix_domain::blob_ref::{LegacyDir, LegacyObject, Locations};
use waiterix_ports::{Error, ErrorKind, Result};

use super::settings::GcsSettings;

/// Keys that start with this are in the public folders.
pub(super) const PUBLIC_PREFIX: &str = "public/";

/// The folders, and which keys they hold. The rule itself is the domain's, because references to objects need it as well.
#[derive(Debug)]
pub(super) struct Layout {
    locations: Locations,
    /// Buckets that were seen to be there.
    proven: Mutex<BTreeSet<String>>,
}

/// A folder, and what all of its keys start with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Folder<'a> {
    pub(super) dir: &'a LegacyDir,
    pub(super) prefix: &'static str,
}

impl Layout {
    pub(super) fn new(operation: &'static str, settings: &GcsSettings) -> Result<Self> {
        if settings.private.is_none() || settings.public.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, operation).with("fault", "a folder is missing"));
        }
        let mut locations = Locations::default();
        settings.locate(&mut locations);
        Ok(Self { locations, proven: Mutex::default() })
    }

    /// Where the object of a key may be: the first is where it is written to, and reads take the first that is there.
    pub(super) fn places(&self, key: &str) -> Vec<LegacyObject> {
        self.locations.legacy_places(key)
    }

    /// The key of an object of a folder; `None` if it is not this key by which it is found, because the object is in a folder
    /// of another kind as well.
    pub(super) fn key_of(&self, folder: &Folder<'_>, object: &str) -> Option<String> {
        let rest = object.strip_prefix(folder.dir.dir())?.strip_prefix('/')?;
        let key = format!("{}{rest}", folder.prefix);
        let is_private = folder.prefix.is_empty();
        if is_private && key.starts_with(PUBLIC_PREFIX) {
            // Such a key is looked for in the public folders.
            return None;
        }
        (self.locations.legacy_key(folder.dir.bucket(), object)? == key).then_some(key)
    }

    /// The folders that may hold keys with a prefix, each with the prefix of their objects' names.
    pub(super) fn folders_of(&self, prefix: &str) -> Vec<(Folder<'_>, String)> {
        let private = self.locations.legacy_private.iter().filter(|_| !prefix.starts_with(PUBLIC_PREFIX));
        let private = private.map(|dir| (Folder { dir, prefix: "" }, format!("{}/{prefix}", dir.dir())));
        let rest = match prefix.strip_prefix(PUBLIC_PREFIX) {
            Some(rest) => Some(rest),
            None => PUBLIC_PREFIX.starts_with(prefix).then_some(""),
        };
        let public = rest.into_iter().flat_map(|rest| {
            let dirs = self.locations.legacy_public.iter();
            dirs.map(move |dir| (Folder { dir, prefix: PUBLIC_PREFIX }, format!("{}/{rest}", dir.dir())))
        });
        public.chain(private).collect()
    }

    /// Whether a bucket was seen to be there.
    pub(super) fn is_proven(&self, bucket: &str) -> bool {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner).contains(bucket)
    }

    /// Notes that a bucket is there.
    pub(super) fn prove(&self, bucket: &str) {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket.to_owned());
    }

    /// Every folder.
    pub(super) fn dirs(&self) -> impl Iterator<Item = &LegacyDir> {
        self.locations.legacy_private.iter().chain(&self.locations.legacy_public)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Access, Limits};
    use super::*;

    fn layout(private: &str, public: &str) -> Layout {
        let settings = GcsSettings {
            private: LegacyDir::parse(private),
            public: LegacyDir::parse_list(public).unwrap(),
            endpoint: None,
            access: Access::Open,
            limits: Limits::default(),
        };
        Layout::new("test", &settings).unwrap()
    }

    fn places(layout: &Layout, key: &str) -> Vec<String> {
        layout.places(key).into_iter().map(|place| format!("{}/{}", place.bucket, place.object)).collect()
    }

    #[test]
    fn keys_lie_where_the_old_service_looks_for_them() {
        let layout = layout("/repl/.private", "/repl/public,/shared/a/b");
        assert_eq!(places(&layout, "uploads/1"), ["repl/.private/uploads/1"]);
        assert_eq!(places(&layout, "public/uploads/1"), ["repl/public/uploads/1", "shared/a/b/uploads/1"]);
        assert_eq!(places(&layout, "publicity"), ["repl/.private/publicity"]);
    }

    /// Folders may lie in one another; of the keys that an object could have, one is told.
    #[test]
    fn an_object_in_two_folders_has_one_key() {
        let layout = layout("/b/dir", "/b/dir/public,/b/dir/open,/b/dir/open/more");
        let found = |object: &str| -> Vec<String> {
            let folders = layout.folders_of("").into_iter();
            folders.filter_map(|(folder, _)| layout.key_of(&folder, object)).collect()
        };
        assert_eq!(found("dir/uploads/1"), ["uploads/1"]);
        assert_eq!(found("dir/public/1"), ["public/1"]);
        assert_eq!(found("dir/open/1"), ["public/1"]);
        assert_eq!(found("dir/open/more/1"), ["public/1"]);
        assert_eq!(found("dir/opener/1"), ["opener/1"]);
        assert_eq!(found("elsewhere/1"), [""; 0]);
    }

    #[test]
    fn a_prefix_is_looked_for_in_the_folders_that_may_have_it() {
        let layout = layout("/b/private", "/b/one,/c/two");
        let prefixes = |prefix: &str| -> Vec<String> {
            let folders = layout.folders_of(prefix).into_iter();
            folders.map(|(folder, prefix)| format!("{}:{prefix}", folder.dir.bucket())).collect()
        };
        assert_eq!(prefixes(""), ["b:one/", "c:two/", "b:private/"]);
        assert_eq!(prefixes("pub"), ["b:one/", "c:two/", "b:private/pub"]);
        assert_eq!(prefixes("public/x"), ["b:one/x", "c:two/x"]);
        assert_eq!(prefixes("uploads/"), ["b:private/uploads/"]);
        assert_eq!(prefixes("publicity"), ["b:private/publicity"]);
    }
}
