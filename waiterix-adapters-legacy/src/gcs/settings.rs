//! Where the objects are, and how they are reached.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;
use waiterix_domain::blob_ref::{LegacyDir, Locations};
use waiterix_ports::blob::is_key;
use waiterix_ports::vars::Vars;

/// What a folder must be.
const FOLDER: &str = "a bucket and a folder in it, such as /bucket/folder";
/// What an emulator's address must be.
const ENDPOINT: &str = "host:port or an http or https URL of a host, without user, path and query";

/// By what right the objects are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// By the key of a service account, which signs URLs as well.
    ServiceAccount {
        /// The JSON file of the key: `GOOGLE_APPLICATION_CREDENTIALS`.
        key_file: PathBuf,
    },
    /// By what the sidecar of the hosting platform gives out.
    #[cfg(feature = "replit")]
    Sidecar(crate::replit::SidecarSettings),
    /// By none: an emulator asks for none. The service honours its own URLs then.
    Open,
}

/// How long things may take. All of it ends before the 29 s after which API Gateway gives up on a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection is there.
    pub connect: Duration,
    /// Until one request is answered, apart from the time that its body takes on a slow line; and until the next piece of
    /// an answer arrives.
    pub attempt: Duration,
    /// All attempts of one request together, likewise.
    pub call: Duration,
    /// How many attempts there are.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles with every other, and chance makes it up to twice as long.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(5),
            call: Duration::from_secs(12),
            attempts: 3,
            pause: Duration::from_millis(100),
        }
    }
}

/// Where the objects are, and how they are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcsSettings {
    /// The folder of all keys but those below `public/`: `PRIVATE_OBJECT_DIR`.
    pub private: Option<LegacyDir>,
    /// The folders of keys below `public/`: `PUBLIC_OBJECT_SEARCH_PATHS`. Reads try them in this order, writes go to the
    /// first.
    pub public: Vec<LegacyDir>,
    /// An emulator instead of Google's servers: `STORAGE_EMULATOR_HOST`.
    pub endpoint: Option<Url>,
    /// By what right.
    pub access: Access,
    /// How long things may take.
    pub limits: Limits,
}

impl GcsSettings {
    /// Reads `PRIVATE_OBJECT_DIR`, `PUBLIC_OBJECT_SEARCH_PATHS`, `STORAGE_EMULATOR_HOST`, and
    /// `GOOGLE_APPLICATION_CREDENTIALS`; problems are noted in `vars`. Without a key file the objects are reached by way of
    /// the sidecar, as the old service did, and read where it is; but an emulator is asked without any right, unless a
    /// sidecar is named.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>) -> Self {
        let private =
            vars.required("PRIVATE_OBJECT_DIR", "the objects of the old service need a private folder");
        let private = LegacyDir::parse(&private).filter(is_folder).or_else(|| {
            if !private.is_empty() {
                vars.problem("PRIVATE_OBJECT_DIR", format!("must be {FOLDER}"));
            }
            None
        });
        let paths = vars
            .required("PUBLIC_OBJECT_SEARCH_PATHS", "the objects of the old service need a public folder");
        let public =
            LegacyDir::parse_list(&paths).filter(|dirs| !dirs.is_empty() && dirs.iter().all(is_folder));
        if public.is_none() && !paths.is_empty() {
            let fault = format!("must be one or more folders, separated by commas, each {FOLDER}");
            vars.problem("PUBLIC_OBJECT_SEARCH_PATHS", fault);
        }
        let public = public.unwrap_or_default();
        if private.as_ref().is_some_and(|private| public.contains(private)) {
            // One folder for both roles would make one object two, one of them public.
            vars.problem(
                "PRIVATE_OBJECT_DIR",
                "must be another folder than those of PUBLIC_OBJECT_SEARCH_PATHS",
            );
        }
        let endpoint = vars.text("STORAGE_EMULATOR_HOST");
        let endpoint = endpoint.and_then(|text| {
            let endpoint = endpoint_of(&text);
            if endpoint.is_none() {
                vars.problem("STORAGE_EMULATOR_HOST", format!("must be {ENDPOINT}"));
            }
            endpoint
        });
        let access = access(vars, endpoint.is_some());
        Self { private, public, endpoint, access, limits: Limits::default() }
    }

    /// Whether the store needs a signer of URLs that the service honours itself, because nobody else signs them so that
    /// they bind what is uploaded; then the app needs the same one.
    #[must_use]
    pub const fn needs_signer(&self) -> bool {
        match &self.access {
            Access::ServiceAccount { .. } => false,
            #[cfg(feature = "replit")]
            Access::Sidecar(sidecar) => matches!(sidecar.uploads, crate::replit::SignedUploads::Service),
            Access::Open => true,
        }
    }

    /// Adds what makes URLs of these folders recognised as objects of our own.
    pub fn locate(&self, locations: &mut Locations) {
        locations.legacy_private.clone_from(&self.private);
        locations.legacy_public.clone_from(&self.public);
    }
}

#[cfg(feature = "replit")]
fn access(vars: &mut Vars<'_>, is_emulated: bool) -> Access {
    let key_file = vars.text("GOOGLE_APPLICATION_CREDENTIALS");
    let sidecar = crate::replit::SidecarSettings::read(vars);
    match (key_file, sidecar) {
        (Some(key_file), _) => Access::ServiceAccount { key_file: key_file.into() },
        (None, Some(sidecar)) => Access::Sidecar(sidecar),
        (None, None) if is_emulated => Access::Open,
        (None, None) => Access::Sidecar(crate::replit::SidecarSettings::default()),
    }
}

#[cfg(not(feature = "replit"))]
fn access(vars: &mut Vars<'_>, is_emulated: bool) -> Access {
    match vars.text("GOOGLE_APPLICATION_CREDENTIALS") {
        Some(key_file) => Access::ServiceAccount { key_file: key_file.into() },
        None => {
            if !is_emulated {
                vars.problem(
                    "GOOGLE_APPLICATION_CREDENTIALS",
                    "is not set: this program reaches the objects by the key of a service account",
                );
            }
            Access::Open
        }
    }
}

/// Whether a folder has a bucket's name and one that objects can have. Buckets have 3 to 222 lower-case letters, digits,
/// hyphens, underscores and dots. <https://cloud.google.com/storage/docs/buckets#naming>
fn is_folder(dir: &LegacyDir) -> bool {
    let bucket = dir.bucket();
    (3..=222).contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
        && is_key(dir.dir())
}

/// Clients of Google take the address of an emulator with and without a scheme.
fn endpoint_of(text: &str) -> Option<Url> {
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    url.ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.username().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use waiterix_domain::blob_ref::BlobRef;

    use super::*;

    const BOTH: [(&str, &str); 2] =
        [("PRIVATE_OBJECT_DIR", "/bucket/.private"), ("PUBLIC_OBJECT_SEARCH_PATHS", "/bucket/public")];

    fn read(pairs: &[(&str, &str)]) -> (GcsSettings, Vec<String>) {
        let map: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut vars = Vars::new(&map);
        let settings = GcsSettings::read(&mut vars);
        (settings, vars.problems().iter().map(ToString::to_string).collect())
    }

    fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [BOTH.as_slice(), more].concat()
    }

    #[test]
    fn folders_are_read_as_the_old_service_read_them() {
        let (settings, problems) = read(&[
            ("PRIVATE_OBJECT_DIR", "bucket/.private/"),
            ("PUBLIC_OBJECT_SEARCH_PATHS", " /bucket/public, ,/other_b.1/a/b,/bucket/public"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings.private, LegacyDir::parse("/bucket/.private"));
        assert_eq!(settings.public, LegacyDir::parse_list("/bucket/public,/other_b.1/a/b").unwrap());
        let mut locations = Locations::default();
        settings.locate(&mut locations);
        let url = "https://storage.googleapis.com/bucket/.private/uploads/1?X-Goog-Signature=0";
        let reference = BlobRef::new("uploads/1").unwrap();
        assert_eq!(locations.parse(url).to_text(), Some(reference.to_string()));
    }

    #[test]
    fn everything_missing_or_wrong_is_told_at_once_and_without_values() {
        let (_, problems) = read(&[]);
        assert_eq!(problems.len(), 2, "{problems:?}");
        for (private, public) in [
            ("secret-bucket", "/bucket/public"),
            ("/secret-bucket/a/../b", "/bucket/public"),
            ("/SECRET/x", "/bucket/public"),
            ("/bucket/x", "/secret-bucket"),
            ("/bucket/x", "/bucket/public,secret-bucket"),
            ("/bucket/x", " , "),
            ("/bucket/same", "/bucket/public,/bucket/same"),
        ] {
            let (_, problems) =
                read(&[("PRIVATE_OBJECT_DIR", private), ("PUBLIC_OBJECT_SEARCH_PATHS", public)]);
            assert_eq!(problems.len(), 1, "{private} {public}: {problems:?}");
            assert!(!problems[0].contains("secret") && !problems[0].contains("SECRET"), "{problems:?}");
        }
        for host in ["ftp://h:1", "http://h/x", "http://u@h", "http://h?x", "http://", "a b"] {
            let (_, problems) = read(&with(&[("STORAGE_EMULATOR_HOST", host)]));
            assert_eq!(problems.len(), 1, "{host}: {problems:?}");
        }
    }

    #[test]
    fn a_key_file_is_the_way_to_google_itself() {
        let (settings, problems) = read(&with(&[
            ("GOOGLE_APPLICATION_CREDENTIALS", "/keys/a.json"),
            ("STORAGE_EMULATOR_HOST", "h:9"),
        ]));
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings.access, Access::ServiceAccount { key_file: "/keys/a.json".into() });
        assert_eq!(settings.endpoint.as_ref().map(Url::as_str), Some("http://h:9/"));
        assert!(!settings.needs_signer());
    }

    #[cfg(feature = "replit")]
    #[test]
    fn without_a_key_file_it_is_the_sidecar_and_with_an_emulator_nobody() {
        use crate::replit::{SidecarSettings, SignedUploads};

        let (settings, problems) = read(&BOTH);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings.access, Access::Sidecar(SidecarSettings::default()));
        assert!(settings.needs_signer());
        let (settings, _) = read(&with(&[("STORAGE_EMULATOR_HOST", "http://localhost:9023")]));
        assert_eq!(settings.access, Access::Open);
        assert!(settings.needs_signer());
        let (settings, problems) = read(&with(&[
            ("STORAGE_EMULATOR_HOST", "localhost:9023"),
            ("REPLIT_SIDECAR_URL", "http://localhost:9024"),
            ("REPLIT_SIGNED_UPLOADS", "sidecar"),
        ]));
        assert_eq!(problems, Vec::<String>::new());
        let base = Some(Url::parse("http://localhost:9024").unwrap());
        assert_eq!(
            settings.access,
            Access::Sidecar(SidecarSettings { base, uploads: SignedUploads::Sidecar })
        );
        assert!(!settings.needs_signer());
        let (_, problems) = read(&with(&[
            ("REPLIT_SIDECAR_URL", "http://sidecar.example"),
            ("REPLIT_SIGNED_UPLOADS", "both"),
        ]));
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
