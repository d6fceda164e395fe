//! Reading: one request brings the bytes and everything known about the object.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream as Body;
use futures_util::stream::try_unfold;
use waiterix_ports::blob::is_key;
use waiterix_ports::{BlobMeta, ByteStream, Download, Error, ErrorKind, Result, Retry};

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
        let body = pieces(OPERATION, answer.body, served.end - served.start, piece_limit(&self.client));
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

/// `bytes 0-9/100` as a range and a size.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
    (first <= last && last < size).then_some((first..last + 1, size))
}

/// A body of exactly this length. One that ends early, does not go on, or is damaged is an error and not a short body.
fn pieces(operation: &'static str, body: Body, length: u64, limit: Duration) -> ByteStream {
    let broken = move |kind, fault| Error::new(kind, operation).retry(Retry::Safe).with("fault", fault);
    Box::pin(try_unfold((body, length), move |(mut body, left)| async move {
        match tokio::time::timeout(limit, body.next()).await {
            Err(_) => Err(broken(ErrorKind::Timeout, "the body does not go on")),
            // The SDK's own text may name the host, and with it the bucket.
            Ok(Some(Err(_))) => Err(broken(ErrorKind::Unavailable, "the body broke off or is damaged")),
            Ok(None) if left > 0 => Err(broken(ErrorKind::Unavailable, "the body is too short")),
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => match left.checked_sub(piece.len() as u64) {
                Some(left) => Ok(Some((piece, (body, left)))),
                None => Err(broken(ErrorKind::Corrupt, "the body is too long")),
            },
        }
    }))
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;
    use waiterix_ports::Bytes;

    use super::*;

    #[test]
    fn content_ranges_are_read_exactly() {
        assert_eq!(content_range("bytes 0-0/1"), Some((0..1, 1)));
        assert_eq!(content_range("bytes 5-9/100"), Some((5..10, 100)));
        for bad in
            ["", "bytes */10", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-1/*", "items 0-1/2", "bytes -1/2"]
        {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_body_of_another_length_is_an_error() {
        let collect = |length| async move {
            let body = pieces("test", Body::from_static(b"ten bytes!"), length, Duration::from_secs(1));
            body.try_collect::<Vec<Bytes>>().await.map(|parts| parts.concat()).map_err(|error| error.kind())
        };
        waiterix_contract::run(|| async {
            assert_eq!(collect(10).await, Ok(b"ten bytes!".to_vec()));
            assert_eq!(collect(11).await, Err(ErrorKind::Unavailable));
            assert_eq!(collect(9).await, Err(ErrorKind::Corrupt));
        });
    }
}
