//! Objects in S3.
//!
//! Owner and visibility are metadata of the object, so that one request tells everything. Nothing here uses
//! object ACLs: buckets of today refuse them. A put that fits into one part is one request, a longer one is an upload in
//! parts that becomes visible as a whole; what is held in memory is one part. Signed URLs are S3's own.
//!
//! What the buckets need around them, their policy, CORS and lifecycle rules, is in
//! `docs/decisions/0013-objects-in-s3.md`.

mod copy;
mod failure;
mod list;
mod meta;
mod patience;
mod presign;
mod put;
mod read;
mod settings;
mod speech;
mod upload;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use url::Url;
use waiterix_domain::id::UserId;
use waiterix_ports::blob::{UploadRequest, is_key};
use waiterix_ports::{
    BlobMeta, BlobPage, BlobStore, Clock, Download, Error, ErrorKind, PutBlob, Result, Visibility,
};

pub use settings::{Layout, S3Settings};
pub use speech::{AudioFormat, GREETING_CACHE_CONTROL, GREETING_TYPE, Transcription, greeting_key};

use failure::{answered, bucket_failure};

/// Sizes at which objects are handled in parts.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The size of a part of an upload, and the largest object that is uploaded in one request. S3 takes 5 MiB to 5 GiB and
    /// 10 000 parts, so this is enough for the largest object a port allows.
    part: usize,
    /// The largest object that S3 copies in one request.
    copied_at_once: u64,
    /// The size of a part of a copy.
    copied_part: u64,
}

const LIMITS: Limits =
    Limits { part: 8 * 1024 * 1024, copied_at_once: 5 * 1024 * 1024 * 1024, copied_part: 512 * 1024 * 1024 };

/// Objects in S3. Cheap to clone; clones are the same store.
#[derive(Clone)]
pub struct S3BlobStore {
    client: Client,
    /// Makes signed URLs. Browsers do not compute checksums, so none may be part of a signature.
    signing: Client,
    layout: Layout,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for S3BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3BlobStore").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl S3BlobStore {
    /// A store over a client that is ready; of the settings only the layout counts. `clock` begins the lifetime of signed
    /// URLs. Nothing is sent.
    #[must_use]
    pub fn new(client: Client, settings: &S3Settings, clock: Arc<dyn Clock>) -> Self {
        let signing = client
            .config()
            .to_builder()
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Self {
            signing: Client::from_conf(signing),
            client,
            layout: settings.layout.clone(),
            limits: LIMITS,
            clock,
        }
    }

    /// A store with a client of its own, made from the configuration of all clients and the region and endpoint of the
    /// settings. Nothing is sent; credentials are fetched by the first call.
    #[must_use]
    pub fn open(config: &SdkConfig, settings: &S3Settings, clock: Arc<dyn Clock>) -> Self {
        let mut builder = aws_sdk_s3::config::Builder::from(config);
        if let Some(region) = &settings.region {
            builder = builder.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.endpoint_url(endpoint.as_str().trim_end_matches('/'));
        }
        if settings.endpoint.is_some() || config.endpoint_url().is_some() {
            builder = builder.force_path_style(true);
        }
        Self::new(Client::from_conf(builder.build()), settings, clock)
    }

    fn bucket_of(&self, key: &str) -> &str {
        self.layout.bucket_of(key)
    }
}

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

fn check_key(operation: &'static str, key: &str) -> Result<()> {
    if is_key(key) { Ok(()) } else { Err(invalid(operation, "malformed key")) }
}

#[async_trait]
impl BlobStore for S3BlobStore {
    async fn put(&self, key: &str, blob: PutBlob) -> Result<BlobMeta> {
        self.store(key, blob).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        self.read(key, range).await
    }

    async fn head(&self, key: &str) -> Result<BlobMeta> {
        Ok(self.look("s3.head", key).await?.meta)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        if !is_key(key) {
            return Ok(());
        }
        let call = self.client.delete_object().bucket(self.bucket_of(key)).key(key);
        answered("s3.delete", call.send().await).map(|_| ())
    }

    async fn list(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<BlobPage> {
        self.page(prefix, from, limit).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        self.duplicate(from, to).await
    }

    async fn set_access(&self, key: &str, owner: Option<&UserId>, visibility: Visibility) -> Result<()> {
        self.change_access(key, owner, visibility).await
    }

    async fn presign_upload(&self, request: &UploadRequest) -> Result<Url> {
        self.sign_upload(request).await
    }

    async fn presign_download(&self, key: &str, ttl: Duration) -> Result<Url> {
        self.sign_download(key, ttl).await
    }

    async fn check(&self) -> Result<()> {
        const OPERATION: &str = "s3.check";
        for bucket in self.layout.buckets() {
            let call = self.client.head_bucket().bucket(bucket);
            call.send().await.map_err(|error| bucket_failure(OPERATION, &error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
