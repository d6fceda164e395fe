//! Reading: one request brings the bytes and everything known about the object.

use std::ops::Range;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use waiterix_ports::blob::is_key;
use waiterix_ports::served::{Broken, Pieces, content_range, exactly};
use waiterix_ports::{BlobMeta, Bytes, Download, Error, ErrorKind, Result};

use super::S3BlobStore;
use super::failure::answered;
use super::invalid;
use super::meta::Told;
use super::patience::piece_limit;

/// No object is as long as this, and a number up to it fits into every part of the protocol.
const BEYOND: u64 = 1 << 50;

/// What is known about an object, in our words and in those of S3.
pub(super) struct Found {
    pub(super) meta: BlobMeta,
    pub(super) head: HeadObjectOutput,
}

impl S3BlobStore {
    pub(super) async fn look(&self, operation: &'static str, key: &str) -> Result<Found> {
        if !is_key(key) {
            return Err(Error::new(ErrorKind::NotFound, operation));
        }
        let call = self.client.head_object().bucket(self.bucket_of(key)).key(key);
        let head = answered(operation, call.send().await)?;
        let told = Told {
            size: head.content_length(),
            content_type: head.content_type(),
            cache_control: head.cache_control(),
            etag: head.e_tag(),
            modified: head.last_modified(),
            metadata: head.metadata(),
        };
        Ok(Found { meta: told.meta(operation)?, head })
    }

    pub(super) async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        const OPERATION: &str = "s3.get";
        if let Some(range) = &range
            && (range.is_empty() || range.start >= BEYOND)
        {
            // Such a range cannot be said in a header. A missing object is missing all the same.
            let size = self.look(OPERATION, key).await?.meta.size;
            return Err(invalid(OPERATION, "range").with("size", size));
        }
        if !is_key(key) {
            return Err(Error::new(ErrorKind::NotFound, OPERATION));
        }
        let header =
            range.as_ref().map(|range| format!("bytes={}-{}", range.start, range.end.min(BEYOND) - 1));
        let call = self.client.get_object().bucket(self.bucket_of(key)).key(key).set_range(header);
        let answer = answered(OPERATION, call.send().await)?;
        let (served, size) = extent(OPERATION, &answer)?;
        let asked = range.map_or(0..size, |range| range.start..range.end.min(size));
        if served != asked {
            return Err(Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "another range was served"));
        }
        let told = Told {
            size: i64::try_from(size).ok(),
            content_type: answer.content_type(),
            cache_control: answer.cache_control(),
            etag: answer.e_tag(),
            modified: answer.last_modified(),
            metadata: answer.metadata(),
        };
        let meta = told.meta(OPERATION)?;
        let body =
            exactly(OPERATION, Body(answer.body), served.end - served.start, piece_limit(&self.client));
        Ok(Download { meta, range: served, body })
    }
}

/// Which bytes an answer holds, and how many the object has.
fn extent(operation: &'static str, answer: &GetObjectOutput) -> Result<(Range<u64>, u64)> {
    let corrupt = || Error::new(ErrorKind::Corrupt, operation).with("fault", "length of the answer");
    let length = answer.content_length().and_then(|length| u64::try_from(length).ok()).ok_or_else(corrupt)?;
    let Some(text) = answer.content_range() else { return Ok((0..length, length)) };
    let (served, size) = content_range(text).ok_or_else(corrupt)?;
    if served.end - served.start == length { Ok((served, size)) } else { Err(corrupt()) }
}

/// The body of an answer.
struct Body(ByteStream);

impl Pieces for Body {
    async fn next(&mut self) -> Option<std::result::Result<Bytes, Broken>> {
        Some(self.0.next().await?.map_err(|_| Broken))
    }
}
