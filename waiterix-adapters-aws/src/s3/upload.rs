//! An object that is written in parts. It becomes visible as a whole or not at all, and what was sent of one that
//! does not is removed.

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use waiterix_ports::{Error, ErrorKind, PutMode, Result};

use super::failure::{OnlyIfNotDone, answered};
use super::patience::patient;

/// Parts of an object that is not complete. Dropped, also because its caller no longer waits, it is abandoned.
pub(super) struct Upload {
    operation: &'static str,
    client: Client,
    bucket: String,
    key: String,
    id: String,
    parts: Vec<CompletedPart>,
    size: u64,
    is_open: bool,
}

impl Upload {
    /// An upload that S3 has begun under an id.
    pub(super) fn begun(
        operation: &'static str,
        client: Client,
        (bucket, key): (&str, &str),
        id: Option<String>,
    ) -> Result<Self> {
        let id = id.ok_or_else(|| Error::new(ErrorKind::Corrupt, operation).with("missing", "upload id"))?;
        Ok(Self {
            operation,
            client,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            id,
            parts: Vec::new(),
            size: 0,
            is_open: true,
        })
    }

    /// Sends the next part: at least 5 MiB, unless it is the last.
    pub(super) async fn send(&mut self, bytes: Bytes) -> Result<()> {
        let (number, length) = (self.next_number(), bytes.len() as u64);
        let call = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(bytes))
            .customize()
            .config_override(patient(&self.client, length));
        let sent = answered(self.operation, call.send().await)?;
        self.parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .set_checksum_crc32(sent.checksum_crc32)
                .build(),
        );
        self.size += length;
        Ok(())
    }

    /// Has S3 copy the next part from an object, as long as that is the one with this etag.
    pub(super) async fn copy(&mut self, source: &str, etag: &str, range: Range<u64>) -> Result<()> {
        let (number, length) = (self.next_number(), range.end - range.start);
        let call = self
            .client
            .upload_part_copy()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(number)
            .copy_source(source)
            .copy_source_if_match(etag)
            .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
            .customize()
            .config_override(patient(&self.client, length));
        let copied = answered(self.operation, call.send().await)?.copy_part_result;
        self.parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(copied.as_ref().and_then(|part| part.e_tag.clone()))
                .set_checksum_crc32(copied.and_then(|part| part.checksum_crc32))
                .build(),
        );
        self.size += length;
        Ok(())
    }

    /// Makes the object visible if its key is in the state that the mode asks for; answers its etag.
    pub(super) async fn complete(mut self, mode: &PutMode) -> Result<Option<String>> {
        let parts =
            CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts))).build();
        let call = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .multipart_upload(parts)
            .mpu_object_size(i64::try_from(self.size).unwrap_or(i64::MAX));
        let overrides = patient(&self.client, 0);
        let (call, overrides) = match mode {
            PutMode::Overwrite => (call, overrides),
            PutMode::Create => (call.if_none_match("*"), overrides.retry_classifier(OnlyIfNotDone)),
            PutMode::IfMatch(etag) => (call.if_match(etag), overrides.retry_classifier(OnlyIfNotDone)),
        };
        match answered(self.operation, call.customize().config_override(overrides).send().await) {
            Ok(done) => {
                self.is_open = false;
                Ok(done.e_tag)
            }
            Err(error) => {
                self.abandon().await;
                Err(error)
            }
        }
    }

    /// Removes what was sent. A failure leaves it to the rule of the bucket that ends unfinished uploads.
    pub(super) async fn abandon(mut self) {
        self.is_open = false;
        abort(self.operation, self.client.clone(), self.bucket.clone(), self.key.clone(), self.id.clone())
            .await;
    }

    fn next_number(&self) -> i32 {
        i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        // Whoever waited for the upload is gone, so nobody can be waited for.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (client, id) = (self.client.clone(), std::mem::take(&mut self.id));
            let (bucket, key) = (std::mem::take(&mut self.bucket), std::mem::take(&mut self.key));
            runtime.spawn(abort(self.operation, client, bucket, key, id));
        }
    }
}

async fn abort(operation: &'static str, client: Client, bucket: String, key: String, id: String) {
    let call = client.abort_multipart_upload().bucket(bucket).key(key).upload_id(id);
    match answered(operation, call.send().await) {
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "parts of an object that was not completed stay for now"),
    }
}
