//! Stores in buckets of their own, which are removed afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use url::Url;
use waiterix_adapters_aws::s3::{Layout, S3BlobStore, S3Settings};
use waiterix_adapters_aws::sdk::{self, AwsSettings};
use waiterix_backends::{Backend, given};
use waiterix_contract::Fixture;
use waiterix_ports::blob::upload_headers;
use waiterix_ports::{BlobStore, Clock as _, SystemClock};

/// The emulator takes twelve digits for the account of the caller. As the account of these buckets is not the one of
/// callers without credentials, those are refused, as with AWS.
pub(crate) const ACCESS_KEY: &str = "480013000301";
pub(crate) const SECRET_KEY: &str = "test";

/// The configuration of the service, with an endpoint and credentials.
pub(crate) async fn config(endpoint: &Url) -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    sdk::config(&AwsSettings { region: "eu-central-1".to_owned() })
        .await
        .into_builder()
        .endpoint_url(endpoint.as_str().trim_end_matches('/'))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// The same with tight limits and two attempts, so that failures need not be waited for.
pub(crate) async fn impatient(endpoint: &Url) -> SdkConfig {
    let limits = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(500))
        .operation_attempt_timeout(Duration::from_millis(700))
        .operation_timeout(Duration::from_millis(1500));
    let attempts =
        RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(5));
    config(endpoint).await.into_builder().timeout_config(limits.build()).retry_config(attempts).build()
}

/// A client without adapter, to look behind its back.
pub(crate) fn client(config: &SdkConfig) -> Client {
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

/// A name that no other bucket has, of this run or another.
pub(crate) fn bucket_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
    format!("waiterix-s3-{process}-{count}-{}", SystemClock.now().as_micros())
}

/// Buckets that are emptied and removed when this is dropped.
pub(crate) struct Buckets {
    config: SdkConfig,
    names: Vec<String>,
}

impl Buckets {
    /// Makes so many buckets.
    pub(crate) async fn make(config: &SdkConfig, count: usize) -> Self {
        let names: Vec<String> = (0..count).map(|_| bucket_name()).collect();
        for name in &names {
            let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
                .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::EuCentral1)
                .build();
            let call = client(config).create_bucket().bucket(name).create_bucket_configuration(place);
            call.send().await.expect("a bucket");
        }
        Self { config: config.clone(), names }
    }

    /// One bucket on the emulator, and a client without adapter.
    pub(crate) async fn of_emulator() -> Option<(Self, Client)> {
        let config = config(&given(Backend::Aws)?).await;
        Some((Self::make(&config, 1).await, client(&config)))
    }

    pub(crate) fn name(&self, number: usize) -> &str {
        &self.names[number]
    }

    /// The settings of a store in the first bucket, or in the first two.
    pub(crate) fn settings(&self) -> S3Settings {
        let mut settings = S3Settings::of_bucket(self.name(0));
        if let [public, private, ..] = self.names.as_slice() {
            settings.layout = Layout::Two { public: public.clone(), private: private.clone() };
        }
        settings
    }

    pub(crate) fn store(&self) -> S3BlobStore {
        S3BlobStore::open(&self.config, &self.settings(), Arc::new(SystemClock))
    }
}

impl Drop for Buckets {
    /// A bucket can only be removed empty, and dropping cannot wait, so it is done by a thread of its own.
    fn drop(&mut self) {
        let (config, names) = (self.config.clone(), std::mem::take(&mut self.names));
        let removal = std::thread::spawn(move || {
            waiterix_contract::run(|| async {
                let client = client(&config);
                for name in names {
                    remove(&client, &name).await;
                }
            });
        });
        let removed = removal.join();
        assert!(removed.is_ok() || std::thread::panicking(), "the buckets of a test are still there");
    }
}

async fn remove(client: &Client, bucket: &str) {
    let uploads = client.list_multipart_uploads().bucket(bucket).send().await;
    for upload in uploads.map(|uploads| uploads.uploads.unwrap_or_default()).unwrap_or_default() {
        let (key, id) = (upload.key.unwrap(), upload.upload_id.unwrap());
        client.abort_multipart_upload().bucket(bucket).key(key).upload_id(id).send().await.unwrap();
    }
    let store = S3BlobStore::new(client.clone(), &S3Settings::of_bucket(bucket), Arc::new(SystemClock));
    let mut from = None;
    loop {
        let page = store.list("", from.as_deref(), 1000).await.unwrap();
        for (key, _) in &page.keys {
            store.delete(key).await.unwrap();
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    client.delete_bucket().bucket(bucket).send().await.unwrap();
}

/// A store in so many buckets of its own on a server.
pub(crate) async fn fresh(endpoint: &Url, buckets: usize) -> Fixture<dyn BlobStore> {
    let buckets = Buckets::make(&config(endpoint).await, buckets).await;
    let store: Arc<dyn BlobStore> = Arc::new(buckets.store());
    Fixture::new(store).guarded(buckets)
}

/// A client of signed URLs.
pub(crate) fn browser() -> reqwest::Client {
    // Plain HTTP needs no TLS, but the client asks for a provider all the same; another test may have named it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Sends what a browser sends to a signed URL; answers the status.
pub(crate) async fn put(url: &Url, content_type: &str, body: &'static str) -> u16 {
    let mut request = browser().put(url.clone()).header("content-type", content_type).body(body);
    for (name, value) in upload_headers(url) {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status().as_u16()
}
