//! Copying inside S3. The bytes do not come here.

use std::ops::Range;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{ChecksumAlgorithm, MetadataDirective};
use waiterix_domain::id::UserId;
use waiterix_ports::signed_url::encode_key;
use waiterix_ports::{ErrorKind, PutMode, Result, Visibility};

use super::failure::answered;
use super::meta::{self, Metadata};
use super::patience::patient;
use super::read::Found;
use super::upload::Upload;
use super::{S3BlobStore, check_key};

const OPERATION: &str = "s3.copy";
/// How often an object may be replaced while it is being copied.
const TRIES: u32 = 8;

/// Where a copy goes and what it says of itself.
struct Target<'a> {
    key: &'a str,
    /// The metadata; `None` where it is that of the source.
    metadata: Option<Metadata>,
    /// What may be replaced.
    mode: PutMode,
}

impl S3BlobStore {
    pub(super) async fn duplicate(&self, from: &str, to: &str) -> Result<()> {
        check_key(OPERATION, to)?;
        let mut found = self.look(OPERATION, from).await?;
        if from == to {
            // S3 refuses a copy onto itself that changes nothing.
            return Ok(());
        }
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match self.copied_from(&found, from, to).await {
                Err(error) if error.kind() == ErrorKind::Conflict && tries > 0 => {
                    found = self.look(OPERATION, from).await?;
                }
                result => return result,
            }
        }
    }

    /// Copies an object as it was found; a conflict if it is another by now.
    pub(super) async fn copied_from(&self, found: &Found, from: &str, to: &str) -> Result<()> {
        let target = Target { key: to, metadata: None, mode: PutMode::Overwrite };
        self.copy_object(OPERATION, from, found, &target).await
    }

    /// Metadata cannot be changed, so the object is copied onto itself. Only the very object that was looked at is copied
    /// and replaced: a put in between is neither undone nor given the access meant for what was there before.
    pub(super) async fn change_access(
        &self,
        key: &str,
        owner: Option<&UserId>,
        visibility: Visibility,
    ) -> Result<()> {
        const OPERATION: &str = "s3.set_access";
        let mut tries = TRIES;
        loop {
            let found = self.look(OPERATION, key).await?;
            if (found.meta.owner.as_ref(), found.meta.visibility) == (owner, visibility) {
                return Ok(());
            }
            let mut metadata = found.head.metadata().cloned().unwrap_or_default();
            meta::set_access(OPERATION, &mut metadata, owner, visibility)?;
            let mode = PutMode::IfMatch(found.meta.etag.clone());
            let target = Target { key, metadata: Some(metadata), mode };
            tries -= 1;
            match self.copy_object(OPERATION, key, &found, &target).await {
                Err(error) if error.kind() == ErrorKind::Conflict && tries > 0 => {}
                result => return result,
            }
        }
    }

    async fn copy_object(
        &self,
        operation: &'static str,
        from: &str,
        found: &Found,
        target: &Target<'_>,
    ) -> Result<()> {
        if found.meta.size > self.limits.copied_at_once {
            return self.copy_in_parts(operation, from, found, target).await;
        }
        let head = &found.head;
        let mut call = self
            .client
            .copy_object()
            .copy_source(self.source(from))
            .copy_source_if_match(&found.meta.etag)
            .bucket(self.bucket_of(target.key))
            .key(target.key);
        if let PutMode::IfMatch(etag) = &target.mode {
            call = call.if_match(etag);
        }
        if let Some(metadata) = &target.metadata {
            call = call
                .metadata_directive(MetadataDirective::Replace)
                .set_metadata(Some(metadata.clone()))
                .set_content_type(head.content_type.clone())
                .set_cache_control(head.cache_control.clone())
                .set_content_disposition(head.content_disposition.clone())
                .set_content_encoding(head.content_encoding.clone())
                .set_content_language(head.content_language.clone())
                .set_expires(expiry(head.expires_string()))
                .set_website_redirect_location(head.website_redirect_location.clone());
        }
        let call = call.customize().config_override(patient(&self.client, found.meta.size));
        answered(operation, call.send().await).map(|_| ())
    }

    /// What is longer than one copy may be. The parts carry nothing but bytes, so everything else is said again.
    async fn copy_in_parts(
        &self,
        operation: &'static str,
        from: &str,
        found: &Found,
        target: &Target<'_>,
    ) -> Result<()> {
        let (head, bucket) = (&found.head, self.bucket_of(target.key));
        let metadata = target.metadata.clone().or_else(|| head.metadata.clone());
        let call = self
            .client
            .create_multipart_upload()
            .bucket(bucket)
            .key(target.key)
            .set_metadata(metadata)
            .set_content_type(head.content_type.clone())
            .set_cache_control(head.cache_control.clone())
            .set_content_disposition(head.content_disposition.clone())
            .set_content_encoding(head.content_encoding.clone())
            .set_content_language(head.content_language.clone())
            .set_expires(expiry(head.expires_string()))
            .set_website_redirect_location(head.website_redirect_location.clone())
            .checksum_algorithm(ChecksumAlgorithm::Crc32);
        let id = answered(operation, call.send().await)?.upload_id;
        let mut upload = Upload::begun(operation, self.client.clone(), (bucket, target.key), id)?;
        let source = self.source(from);
        for range in ranges(found.meta.size, self.limits.copied_part) {
            if let Err(error) = upload.copy(&source, &found.meta.etag, range).await {
                upload.abandon().await;
                return Err(error);
            }
        }
        upload.complete(&target.mode).await.map(|_| ())
    }

    /// An object as a copy names its source.
    fn source(&self, key: &str) -> String {
        format!("{}/{}", self.bucket_of(key), encode_key(key))
    }
}

fn ranges(size: u64, step: u64) -> impl Iterator<Item = Range<u64>> {
    (0..size.div_ceil(step)).map(move |number| number * step..size.min((number + 1) * step))
}

/// When the object says that it becomes stale, if that can be understood.
fn expiry(text: Option<&str>) -> Option<DateTime> {
    DateTime::from_str(text?, DateTimeFormat::HttpDate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_everything_once() {
        for (size, step, expected) in [
            (10, 4, &[(0, 4), (4, 8), (8, 10)][..]),
            (8, 4, &[(0, 4), (4, 8)]),
            (1, 4, &[(0, 1)]),
            (0, 4, &[]),
        ] {
            let found: Vec<(u64, u64)> = ranges(size, step).map(|range| (range.start, range.end)).collect();
            assert_eq!(found, expected, "{size} by {step}");
        }
    }
}
