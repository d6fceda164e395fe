//! Listing.
//!
//! In bytewise order all keys below `public/` stand together. So a listing over two buckets needs no merging: it is what
//! the private bucket has before them, then the public bucket, then what the private one has after them.

use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;
use waiterix_ports::{BlobPage, Error, ErrorKind, Result};

use super::S3BlobStore;
use super::failure::answered;
use super::invalid;
use super::settings::{Layout, PUBLIC_PREFIX};

const OPERATION: &str = "s3.list";
/// The first text after every key below `public/`; the slash is followed by the zero.
const AFTER_PUBLIC: &str = "public0";

/// A stretch of keys that one bucket holds.
#[derive(Debug, PartialEq, Eq)]
struct Stretch<'a> {
    bucket: &'a str,
    prefix: &'a str,
    /// Keys from here on, if it does not begin at the start.
    from: Option<&'a str>,
    /// Keys before this, if it does not reach to the end.
    before: Option<&'a str>,
}

/// The stretches in which keys with a prefix lie, in order.
fn stretches<'a>(layout: &'a Layout, prefix: &'a str) -> Vec<Stretch<'a>> {
    let whole = |bucket, prefix| Stretch { bucket, prefix, from: None, before: None };
    match layout {
        Layout::One(bucket) => vec![whole(bucket, prefix)],
        Layout::Two { public, .. } if prefix.starts_with(PUBLIC_PREFIX) => vec![whole(public, prefix)],
        Layout::Two { public, private } if PUBLIC_PREFIX.starts_with(prefix) => vec![
            Stretch { before: Some(PUBLIC_PREFIX), ..whole(private, prefix) },
            Stretch { before: Some(AFTER_PUBLIC), ..whole(public, PUBLIC_PREFIX) },
            Stretch { from: Some(AFTER_PUBLIC), ..whole(private, prefix) },
        ],
        Layout::Two { private, .. } => vec![whole(private, prefix)],
    }
}

impl S3BlobStore {
    /// `after` is the last key of the page before.
    pub(super) async fn page(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage> {
        if !(1..=1000).contains(&limit) {
            return Err(invalid(OPERATION, "limit"));
        }
        let limit = limit as usize;
        let mut keys: Vec<(String, u64)> = Vec::new();
        let mut stretches = stretches(&self.layout, prefix).into_iter().peekable();
        while let Some(stretch) = stretches.next() {
            let has_more = self.fill(&stretch, after, limit, &mut keys).await?;
            if keys.len() >= limit && (has_more || stretches.peek().is_some()) {
                let next = keys.last().map(|(key, _)| key.clone());
                return Ok(BlobPage { keys, next });
            }
        }
        Ok(BlobPage { keys, next: None })
    }

    /// Adds the keys of a stretch until there are `limit`; answers whether the stretch has more.
    async fn fill(
        &self,
        stretch: &Stretch<'_>,
        after: Option<&str>,
        limit: usize,
        keys: &mut Vec<(String, u64)>,
    ) -> Result<bool> {
        if after.is_some_and(|after| stretch.before.is_some_and(|end| after >= end)) {
            return Ok(false);
        }
        // S3 begins after a text and not at it, so what should not be in this bucket is passed over one by one below.
        let start = match (after, stretch.from) {
            (after, Some(from)) if after.is_none_or(|after| after < from) => Some(PUBLIC_PREFIX),
            (after, _) => after,
        };
        let mut token = None;
        while keys.len() < limit {
            let call = self
                .client
                .list_objects_v2()
                .bucket(stretch.bucket)
                .prefix(stretch.prefix)
                .max_keys(i32::try_from(limit - keys.len()).unwrap_or(1000))
                // Keys may hold what XML cannot.
                .encoding_type(EncodingType::Url)
                .set_start_after(start.map(str::to_owned))
                .set_continuation_token(token.take());
            let page = answered(OPERATION, call.send().await)?;
            let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
            for object in page.contents() {
                let key = decoded(object.key().unwrap_or_default(), is_encoded)?;
                if stretch.before.is_some_and(|end| key.as_str() >= end) {
                    return Ok(false);
                }
                if stretch.from.is_some_and(|from| key.as_str() < from) {
                    continue;
                }
                keys.push((key, object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default()));
            }
            if !page.is_truncated().unwrap_or_default() {
                return Ok(false);
            }
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                return Err(Error::new(ErrorKind::Corrupt, OPERATION).with("missing", "continuation token"));
            }
        }
        Ok(true)
    }
}

/// A key as it was stored. In listings S3 writes a blank as `+`, and a plus as `%2B`.
fn decoded(key: &str, is_encoded: bool) -> Result<String> {
    if !is_encoded {
        return Ok(key.to_owned());
    }
    let corrupt = |_| Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "a key is no text");
    let key = key.replace('+', " ");
    Ok(percent_decode_str(&key).decode_utf8().map_err(corrupt)?.into_owned())
}
