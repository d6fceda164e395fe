//! Signed URLs. They are computed here; S3 itself honours them.

use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use url::Url;
use waiterix_ports::blob::{MAX_BLOB_BYTES, UploadRequest};
use waiterix_ports::{Error, ErrorKind, Result};

use super::failure::answered;
use super::invalid;
use super::meta::check_header;
use super::{S3BlobStore, check_key};

/// The longest validity of a signed URL.
const MAX_TTL: Duration = Duration::from_secs(7 * 86_400);

impl S3BlobStore {
    /// Type, length and `If-None-Match: *` are part of the signature, so the uploader sends exactly those headers; which,
    /// stands in the URL as `X-Amz-SignedHeaders`.
    pub(super) async fn sign_upload(&self, request: &UploadRequest) -> Result<Url> {
        const OPERATION: &str = "s3.presign_upload";
        check_key(OPERATION, &request.key)?;
        check_header(OPERATION, request.content_type.as_deref())?;
        let is_fit = |size: u64| size <= request.max_size && size <= MAX_BLOB_BYTES;
        if request.max_size > MAX_BLOB_BYTES || !request.size.is_none_or(is_fit) {
            return Err(invalid(OPERATION, "size"));
        }
        let lifetime = self.lifetime(OPERATION, request.ttl)?;
        let call = self
            .signing
            .put_object()
            .bucket(self.bucket_of(&request.key))
            .key(&request.key)
            .set_content_type(request.content_type.clone())
            .set_content_length(request.size.and_then(|size| i64::try_from(size).ok()))
            .if_none_match("*");
        url_of(OPERATION, &answered(OPERATION, call.presigned(lifetime).await)?)
    }

    pub(super) async fn sign_download(&self, key: &str, ttl: Duration) -> Result<Url> {
        const OPERATION: &str = "s3.presign_download";
        check_key(OPERATION, key)?;
        let lifetime = self.lifetime(OPERATION, ttl)?;
        let call = self.signing.get_object().bucket(self.bucket_of(key)).key(key);
        url_of(OPERATION, &answered(OPERATION, call.presigned(lifetime).await)?)
    }

    /// From now on, by our clock. S3 compares with its own, which must not differ by more than a quarter of an hour.
    fn lifetime(&self, operation: &'static str, ttl: Duration) -> Result<PresigningConfig> {
        if ttl < Duration::from_secs(1) || ttl > MAX_TTL {
            return Err(invalid(operation, "time to live"));
        }
        let since_epoch = u64::try_from(self.clock.now().as_micros()).unwrap_or_default();
        PresigningConfig::builder()
            .start_time(UNIX_EPOCH + Duration::from_micros(since_epoch))
            .expires_in(ttl)
            .build()
            .map_err(|_| invalid(operation, "time to live"))
    }
}

fn url_of(operation: &'static str, request: &PresignedRequest) -> Result<Url> {
    // What cannot be parsed is not shown: it would be a permission.
    let url = Url::parse(request.uri())
        .map_err(|_| Error::new(ErrorKind::Corrupt, operation).with("fault", "the signed URL is none"))?;
    // Without any provider of credentials the SDK leaves the signature out and says nothing.
    if url.query_pairs().any(|(name, _)| name == "X-Amz-Signature") {
        Ok(url)
    } else {
        Err(Error::new(ErrorKind::Denied, operation).with("fault", "no credentials"))
    }
}
