//! Reading and deleting.
//!
//! A read is two requests: what is known about the object, and the bytes of exactly that state of it. One request would bring
//! both in its headers, but not the policy, whose name has a colon and so cannot be one of a header.

use std::ops::Range;

use futures_util::stream::empty;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use waiterix_domain::blob_ref::LegacyObject;
use waiterix_ports::blob::is_key;
use waiterix_ports::served::{Broken, Pieces, content_range, exactly};
use waiterix_ports::{BlobMeta, Bytes, Download, Error, ErrorKind, Result, Retry};

use super::link::Ask;
use super::resource::Resource;
use super::{Shared, invalid};

/// How often an object may be replaced while somebody begins to read it. A round is only lost to a write that succeeded.
const TRIES: u32 = 32;

/// An object that was looked at.
pub(super) struct Found {
    pub(super) place: LegacyObject,
    pub(super) resource: Resource,
    pub(super) meta: BlobMeta,
}

/// An answer of which nothing matters but that it came.
#[derive(Deserialize)]
struct Anything {}

impl Shared {
    /// What is known about the object of a key.
    pub(super) async fn look(&self, operation: &'static str, key: &str) -> Result<Found> {
        if !is_key(key) {
            return Err(Error::new(ErrorKind::NotFound, operation));
        }
        let found = self.first_of(operation, self.layout.places(key)).await?;
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, operation))
    }

    /// The first of these places at which there is an object.
    pub(super) async fn first_of(
        &self,
        operation: &'static str,
        places: impl IntoIterator<Item = LegacyObject>,
    ) -> Result<Option<Found>> {
        for place in places {
            let ask = Ask::new(operation, Method::GET, self.link.object(&place));
            match self.link.json::<Resource>(&ask).await {
                Ok(resource) => {
                    let meta = resource.meta(operation)?;
                    return Ok(Some(Found { place, resource, meta }));
                }
                Err(error) => self.missing(error, &place.bucket).await?,
            }
        }
        Ok(None)
    }

    /// Says of an error that it only means that an object is not there; a bucket that is not there is an outage (B3 of the
    /// old system). The servers answer both alike but for a text, so the first time the bucket is asked for.
    async fn missing(&self, error: Error, bucket: &str) -> Result<()> {
        if error.kind() != ErrorKind::NotFound {
            return Err(error);
        }
        if self.layout.is_proven(bucket) {
            return Ok(());
        }
        match self.look_into(error.operation(), bucket, "").await {
            Ok(()) => {
                self.layout.prove(bucket);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::Unavailable, error.operation())
                    .with("fault", "the bucket is not there"))
            }
            Err(error) => Err(error),
        }
    }

    async fn look_into(&self, operation: &'static str, bucket: &str, prefix: &str) -> Result<()> {
        let ask = Ask::new(operation, Method::GET, self.link.objects(bucket))
            .with("maxResults", 1)
            .with("fields", "kind")
            .with("prefix", prefix);
        self.link.json::<Anything>(&ask).await.map(|_| ())
    }

    /// Proves that every folder can be looked into.
    pub(super) async fn look_at_buckets(&self) -> Result<()> {
        for dir in self.layout.dirs() {
            self.look_into("gcs.check", dir.bucket(), &format!("{}/", dir.dir())).await?;
        }
        Ok(())
    }

    pub(super) async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        const OPERATION: &str = "gcs.get";
        for _ in 0..TRIES {
            let found = self.look(OPERATION, key).await?;
            let size = found.meta.size;
            let served = range.clone().map_or(0..size, |range| range.start..range.end.min(size));
            if range.is_some() && served.is_empty() {
                return Err(invalid(OPERATION, "range").with("size", size));
            }
            if served.is_empty() {
                return Ok(Download { meta: found.meta, range: served, body: Box::pin(empty()) });
            }
            match self.bytes_of(OPERATION, &found, range.is_some().then_some(&served)).await {
                // It was replaced or deleted in between.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                answer => {
                    let body = exactly(
                        OPERATION,
                        Body(answer?),
                        served.end - served.start,
                        self.link.limits.attempt,
                    );
                    return Ok(Download { meta: found.meta, range: served, body });
                }
            }
        }
        Err(Error::new(ErrorKind::Unavailable, OPERATION)
            .retry(Retry::Safe)
            .with("fault", "the object is replaced again and again"))
    }

    /// Begins to read the bytes of an object that was looked at.
    async fn bytes_of(
        &self,
        operation: &'static str,
        found: &Found,
        range: Option<&Range<u64>>,
    ) -> Result<Response> {
        let mut ask = Ask::new(operation, Method::GET, self.link.object(&found.place))
            .with("alt", "media")
            .with("generation", found.resource.generation(operation)?)
            // What was stored compressed is not to arrive as something of another length.
            .header(ACCEPT_ENCODING, "gzip")?;
        if let Some(range) = range {
            ask = ask.header(RANGE, &format!("bytes={}-{}", range.start, range.end - 1))?;
        }
        let response = self.link.open(&ask).await?;
        let is_whole = response.status() == StatusCode::OK;
        let told = response.headers().get(CONTENT_RANGE).and_then(|text| content_range(text.to_str().ok()?));
        let is_asked = match range {
            None => is_whole,
            Some(range) => !is_whole && told == Some((range.clone(), found.meta.size)),
        };
        if is_asked {
            Ok(response)
        } else {
            Err(Error::new(ErrorKind::Corrupt, operation).with("fault", "another range was served"))
        }
    }

    pub(super) async fn remove(&self, key: &str) -> Result<()> {
        const OPERATION: &str = "gcs.delete";
        if !is_key(key) {
            return Ok(());
        }
        // Deleted from one folder only, an object would come back from the next.
        for place in self.layout.places(key).into_iter().rev() {
            let ask = Ask::new(OPERATION, Method::DELETE, self.link.object(&place));
            match self.link.open(&ask).await {
                Ok(_) => {}
                Err(error) => self.missing(error, &place.bucket).await?,
            }
        }
        Ok(())
    }

    /// Deletes an object if it is in this state.
    pub(super) async fn remove_state(
        &self,
        operation: &'static str,
        place: &LegacyObject,
        generation: u64,
    ) -> Result<()> {
        let ask = Ask::new(operation, Method::DELETE, self.link.object(place));
        match self.link.open(&ask.with("ifGenerationMatch", generation)).await {
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => Err(error),
            _ => Ok(()),
        }
    }
}

/// The body of an answer.
struct Body(Response);

impl Pieces for Body {
    async fn next(&mut self) -> Option<std::result::Result<Bytes, Broken>> {
        self.0.chunk().await.map_err(|_| Broken).transpose()
    }
}
