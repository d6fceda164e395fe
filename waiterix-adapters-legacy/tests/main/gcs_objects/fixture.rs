//! Stores in buckets of their own, which are removed afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use url::Url;
use waiterix_adapters_legacy::gcs::{Access, GcsBlobStore, GcsSettings, Limits};
use waiterix_adapters_legacy::replit::{SidecarSettings, SignedUploads};
use waiterix_backends::{Backend, given};
use waiterix_contract::ManualClock;
use waiterix_domain::blob_ref::LegacyDir;
use waiterix_ports::blob::upload_headers;
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{Clock, SystemClock};

use crate::gcs_objects::account;
use crate::gcs_objects::front::{Front, client, hidden, shown};
use crate::gcs_objects::sidecar::Sidecar;

/// A clock that stands at the present: the emulator's own goes on, and must not be of another day.
pub(crate) fn clock() -> Arc<ManualClock> {
    let clock = ManualClock::default();
    let ahead = SystemClock.now().as_micros() - clock.now().as_micros();
    clock.advance(Duration::from_micros(u64::try_from(ahead).unwrap()));
    Arc::new(clock)
}

/// Tight limits, so that failures need not be waited for.
pub(crate) const TIGHT: Limits = Limits {
    connect: Duration::from_millis(500),
    attempt: Duration::from_millis(700),
    call: Duration::from_millis(1500),
    attempts: 2,
    pause: Duration::from_millis(5),
};

/// Those of production, but for the pauses.
pub(crate) fn usual() -> Limits {
    Limits { pause: Duration::from_millis(5), ..Limits::default() }
}

/// Two buckets on the emulator behind a front, which are emptied and removed when this is dropped.
pub(crate) struct World {
    pub(crate) front: Front,
    pub(crate) clock: Arc<ManualClock>,
    emulator: Url,
    names: [String; 2],
    key_file: NamedTempFile,
}

impl World {
    /// On the emulator of this run.
    pub(crate) async fn make() -> Option<Self> {
        Some(Self::on(&given(Backend::Gcs)?).await)
    }

    /// On an emulator.
    pub(crate) async fn on(emulator: &Url) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (emulator, clock) = (emulator.clone(), clock());
        let front = Front::start(&emulator, clock.clone()).await;
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let names =
            ["a", "b"].map(|which| format!("waiterix-{process}-{count}-{}-{which}", clock.now().as_micros()));
        let key_file = account::key_file(&front.token_url());
        let world = Self { front, clock, emulator, names, key_file };
        world.make_buckets().await;
        world
    }

    pub(crate) async fn make_buckets(&self) {
        for name in &self.names {
            let made =
                client().post(self.emulator.join("storage/v1/b").unwrap()).json(&json!({ "name": name }));
            assert!(made.send().await.unwrap().status().is_success(), "a bucket");
        }
    }

    /// The first bucket has the private and the first public folder, the second the other public one.
    pub(crate) fn bucket(&self, number: usize) -> &str {
        &self.names[number]
    }

    /// The settings of a store that reaches the objects by the key of a service account.
    pub(crate) fn settings(&self) -> GcsSettings {
        let [first, second] = &self.names;
        GcsSettings {
            private: LegacyDir::parse(&format!("/{first}/.private")),
            public: LegacyDir::parse_list(&format!("/{first}/public,/{second}/shared/public")).unwrap(),
            endpoint: Some(self.front.url().clone()),
            access: Access::ServiceAccount { key_file: self.key_file.path().to_owned() },
            limits: usual(),
        }
    }

    pub(crate) fn open(&self, settings: &GcsSettings, signer: Option<&UrlSigner>) -> GcsBlobStore {
        GcsBlobStore::open(settings, signer, self.clock.clone()).unwrap()
    }

    pub(crate) fn store(&self) -> GcsBlobStore {
        self.open(&self.settings(), None)
    }

    /// The same by way of a sidecar.
    pub(crate) fn sidecar_settings(&self, sidecar: &Sidecar, uploads: SignedUploads) -> GcsSettings {
        let access = Access::Sidecar(SidecarSettings { base: Some(sidecar.url.clone()), uploads });
        GcsSettings { access, ..self.settings() }
    }

    fn object(&self, bucket: usize, name: &str) -> Url {
        let path = format!("storage/v1/b/{}/o/{}", self.bucket(bucket), hidden(name));
        self.emulator.join(&path).unwrap()
    }

    /// The description of an object, behind the adapter's back.
    pub(crate) async fn seen(&self, bucket: usize, name: &str) -> Option<Value> {
        let answer = client().get(self.object(bucket, name)).send().await.unwrap();
        if answer.status().is_success() { Some(answer.json().await.unwrap()) } else { None }
    }

    /// Puts an object behind the adapter's back.
    pub(crate) async fn plant(&self, bucket: usize, name: &str, bytes: &'static str, description: &Value) {
        let url = self.emulator.join(&format!("upload/storage/v1/b/{}/o", self.bucket(bucket))).unwrap();
        let begun = client()
            .post(url)
            .query(&[("uploadType", "resumable"), ("name", &hidden(name))])
            .json(description)
            .send()
            .await
            .unwrap();
        let session = begun.headers()["location"].to_str().unwrap().to_owned();
        assert!(client().put(session).body(bytes).send().await.unwrap().status().is_success());
    }

    /// The names in a bucket.
    pub(crate) async fn names(&self, bucket: usize) -> Vec<String> {
        names_in(&self.emulator, self.bucket(bucket)).await.iter().map(|name| shown(name)).collect()
    }
}

async fn names_in(emulator: &Url, bucket: &str) -> Vec<String> {
    let url = emulator.join(&format!("storage/v1/b/{bucket}/o")).unwrap();
    let page: Value = client().get(url).send().await.unwrap().json().await.unwrap();
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

impl Drop for World {
    /// A bucket can only be removed empty, and dropping cannot wait, so it is done by a thread of its own.
    fn drop(&mut self) {
        let (emulator, names) = (self.emulator.clone(), self.names.clone());
        let removal = std::thread::spawn(move || {
            waiterix_contract::run(|| async {
                for bucket in names {
                    for name in names_in(&emulator, &bucket).await {
                        let url = emulator.join(&format!("storage/v1/b/{bucket}/o/{name}")).unwrap();
                        client().delete(url).send().await.unwrap();
                    }
                    let url = emulator.join(&format!("storage/v1/b/{bucket}")).unwrap();
                    client().delete(url).send().await.unwrap();
                }
            });
        });
        let removed = removal.join();
        assert!(removed.is_ok() || std::thread::panicking(), "the buckets of a test are still there");
    }
}

/// Sends what a browser sends to a signed URL; answers the status.
pub(crate) async fn put(url: &Url, content_type: &str, body: &'static str) -> u16 {
    let mut request = client().put(url.clone()).header("content-type", content_type).body(body);
    for (name, value) in upload_headers(url) {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status().as_u16()
}
