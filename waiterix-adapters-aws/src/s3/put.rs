//! Storing: what fits into one part in one request, everything else in parts.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;
use waiterix_domain::Timestamp;
use waiterix_ports::blob::{MAX_BLOB_BYTES, detect_content_type};
use waiterix_ports::intake::{Intake, Part};
use waiterix_ports::{BlobMeta, Error, ErrorKind, PutBlob, PutMode, Result};

use super::failure::{OnlyIfNotDone, answered};
use super::meta::{self, Metadata, UNKNOWN_TYPE, check_header, is_etag};
use super::patience::patient;
use super::upload::Upload;
use super::{S3BlobStore, check_key};

const OPERATION: &str = "s3.put";
/// How many first bytes tell a type.
const HEAD_BYTES: usize = 64;

/// What is stored with the bytes.
struct Label {
    content_type: String,
    cache_control: Option<String>,
    metadata: Metadata,
    mode: PutMode,
}

impl S3BlobStore {
    pub(super) async fn store(&self, key: &str, blob: PutBlob) -> Result<BlobMeta> {
        check_key(OPERATION, key)?;
        check_header(OPERATION, blob.content_type.as_deref())?;
        check_header(OPERATION, blob.cache_control.as_deref())?;
        let mut metadata = Metadata::new();
        meta::set_access(OPERATION, &mut metadata, blob.owner.as_ref(), blob.visibility)?;
        if matches!(&blob.mode, PutMode::IfMatch(etag) if !is_etag(etag)) {
            return Err(Error::new(ErrorKind::Conflict, OPERATION).with("fault", "no object has this etag"));
        }
        let limit = blob.max_size.min(MAX_BLOB_BYTES);
        let mut intake = Intake::new(OPERATION, blob.body, blob.size, limit)?;
        let first = intake.part(self.limits.part).await?;
        let detected = || detect_content_type(&first.bytes[..first.bytes.len().min(HEAD_BYTES)]);
        let content_type = blob.content_type.unwrap_or_else(|| detected().unwrap_or(UNKNOWN_TYPE).to_owned());
        let label = Label { content_type, cache_control: blob.cache_control, metadata, mode: blob.mode };
        let stored = if first.is_last {
            self.put_at_once(key, first.bytes, &label).await
        } else {
            self.put_in_parts(key, first, &mut intake, &label).await
        };
        let etag = stored.map_err(|error| missing_is_conflict(error, &label.mode))?;
        let meta = BlobMeta {
            size: intake.taken(),
            content_type: label.content_type,
            cache_control: label.cache_control,
            etag: etag.ok_or_else(|| Error::new(ErrorKind::Corrupt, OPERATION).with("missing", "etag"))?,
            modified_at: Timestamp::EPOCH.plus_seconds(self.clock.now().as_seconds()),
            owner: blob.owner,
            visibility: blob.visibility,
        };
        Ok(self.dated(key, meta).await)
    }

    /// The object as S3 dates it, which its answer to a write does not tell. The object is stored already, so a failure is
    /// not one of the put, and neither is another put that came after it: then our clock must do.
    async fn dated(&self, key: &str, meta: BlobMeta) -> BlobMeta {
        match self.look(OPERATION, key).await {
            Ok(found) if found.meta.etag == meta.etag => {
                BlobMeta { modified_at: found.meta.modified_at, ..meta }
            }
            _ => meta,
        }
    }

    async fn put_at_once(&self, key: &str, bytes: Bytes, label: &Label) -> Result<Option<String>> {
        let overrides = patient(&self.client, bytes.len() as u64);
        let call = self
            .client
            .put_object()
            .bucket(self.bucket_of(key))
            .key(key)
            .content_type(&label.content_type)
            .set_cache_control(label.cache_control.clone())
            .set_metadata(Some(label.metadata.clone()))
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(bytes));
        let (call, overrides) = match &label.mode {
            PutMode::Overwrite => (call, overrides),
            PutMode::Create => (call.if_none_match("*"), overrides.retry_classifier(OnlyIfNotDone)),
            PutMode::IfMatch(etag) => (call.if_match(etag), overrides.retry_classifier(OnlyIfNotDone)),
        };
        Ok(answered(OPERATION, call.customize().config_override(overrides).send().await)?.e_tag)
    }

    async fn put_in_parts(
        &self,
        key: &str,
        first: Part,
        intake: &mut Intake,
        label: &Label,
    ) -> Result<Option<String>> {
        let bucket = self.bucket_of(key);
        let call = self
            .client
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .content_type(&label.content_type)
            .set_cache_control(label.cache_control.clone())
            .set_metadata(Some(label.metadata.clone()))
            .checksum_algorithm(ChecksumAlgorithm::Crc32);
        let id = answered(OPERATION, call.send().await)?.upload_id;
        let mut upload = Upload::begun(OPERATION, self.client.clone(), (bucket, key), id)?;
        match self.send_parts(&mut upload, first, intake).await {
            Ok(()) => upload.complete(&label.mode).await,
            Err(error) => {
                upload.abandon().await;
                Err(error)
            }
        }
    }

    async fn send_parts(&self, upload: &mut Upload, first: Part, intake: &mut Intake) -> Result<()> {
        let mut part = first;
        loop {
            let is_last = part.is_last;
            upload.send(part.bytes).await?;
            if is_last {
                return Ok(());
            }
            part = intake.part(self.limits.part).await?;
        }
    }
}

/// A write that wants to replace one certain object meets none: S3 calls that not found, the port calls it a conflict.
fn missing_is_conflict(error: Error, mode: &PutMode) -> Error {
    if error.kind() == ErrorKind::NotFound && matches!(mode, PutMode::IfMatch(_)) {
        Error::new(ErrorKind::Conflict, OPERATION).because(error)
    } else {
        error
    }
}
