//! Google Cloud Storage for one test: a bucket of the emulator, behind what checks tokens, signatures and conditions as
//! Google does and the emulator does not. That is the front of the adapter's own tests.

#[allow(dead_code, reason = "the adapter's own tests use all of it")]
#[path = "../../waiterix-adapters-legacy/tests/main/gcs_objects/account.rs"]
mod account;
#[allow(dead_code, clippy::result_large_err, reason = "the adapter's own tests use all of it")]
#[path = "../../waiterix-adapters-legacy/tests/main/gcs_objects/front/mod.rs"]
mod front;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use serde_json::json;
use tempfile::NamedTempFile;
use waiterix_adapters_legacy::gcs::{GcsBlobStore, GcsSettings};
use waiterix_backends::{Backend, given};
use waiterix_ports::SystemClock;
use waiterix_ports::vars::Vars;

use crate::client::http_client;

/// A bucket, and the key of an account that may use it.
pub struct Bucket {
    front: front::Front,
    name: String,
    key_file: NamedTempFile,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Bucket {
    /// Makes one. Nothing where there is no emulator.
    ///
    /// # Panics
    /// When the emulator does not make it.
    pub async fn make() -> Option<Self> {
        let emulator = given(Backend::Gcs)?;
        let name = format!("pictures-{:016x}", RandomState::new().hash_one("bucket"));
        let made =
            http_client().build().expect("a client").post(emulator.join("storage/v1/b").expect("a path"));
        let made = made.header("content-type", "application/json").body(json!({ "name": name }).to_string());
        assert!(made.send().await.expect("an answer").status().is_success(), "the bucket is made");
        let front = front::Front::start(&emulator, Arc::new(SystemClock)).await;
        let key_file = account::key_file(&front.token_url());
        Some(Self { front, name, key_file })
    }

    /// Where the storage is, with a slash at the end.
    pub fn address(&self) -> &str {
        self.front.url().as_str()
    }

    /// A token with which somebody else may read it, as an operator would get one.
    ///
    /// # Panics
    /// When a request panicked.
    #[must_use]
    pub fn token(&self) -> String {
        self.front.tokens().lock().expect("no request panicked").issue()
    }

    /// The bucket past the service, as the old application uses it.
    ///
    /// # Panics
    /// When it cannot be opened.
    #[must_use]
    pub fn store(&self) -> GcsBlobStore {
        let map = self.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let settings = GcsSettings::read(&mut Vars::new(&map));
        GcsBlobStore::open(&settings, None, Arc::new(SystemClock)).expect("a store")
    }

    /// The variables by which the service finds it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let key_file = self.key_file.path().to_str().expect("a path in UTF-8").to_owned();
        vec![
            ("PRIVATE_OBJECT_DIR", format!("/{}/.private", self.name)),
            ("PUBLIC_OBJECT_SEARCH_PATHS", format!("/{}/public", self.name)),
            ("STORAGE_EMULATOR_HOST", self.front.url().as_str().trim_end_matches('/').to_owned()),
            ("GOOGLE_APPLICATION_CREDENTIALS", key_file),
        ]
    }
}
