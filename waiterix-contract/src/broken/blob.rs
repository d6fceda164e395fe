//! Broken stores of objects.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use url::Url;
use waiterix_domain::id::UserId;
use waiterix_ports::blob::{UploadRequest, once};
use waiterix_ports::{
    BlobMeta, BlobPage, BlobStore, ByteStream, Bytes, Download, Error, ErrorKind, PutBlob, PutMode, Result,
    Visibility,
};

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Loses the owner.
    LosesOwner,
    /// Stores as much of a body as came.
    KeepsHalf,
    /// Replaces whatever is there.
    AlwaysOverwrites,
    /// Takes bodies of any length.
    NoLimit,
    /// Believes that everything is HTML.
    ServesHtml,
    /// Makes malformed keys fit.
    MendsKeys,
    /// Holds the whole body.
    HoldsAll,
    /// Takes an outage for what a missing object is.
    MissingIsOutage,
    /// Sends everything whatever was asked for.
    IgnoresRanges,
    /// Sends everything in one piece.
    OnePiece,
    /// Does not tell the size without reading.
    HeadKnowsLess,
    /// Says that it deleted.
    DeletesNothing,
    /// Names the first page only.
    OnePage,
    /// Takes a part of the prefix for the prefix.
    SloppyPrefix,
    /// Makes copies public.
    CopiesArePublic,
    /// Makes an empty target of a missing source.
    CopiesNothing,
    /// Says that it recorded who may read.
    AccessStays,
    /// Signs neither type nor length.
    SignsLess,
    /// Gives URLs that carry no permission.
    BareUrls,
    /// Lets a signed URL replace what is there.
    SignedOverwrites,
    /// Gives download URLs for ten times as long.
    LongUrls,
    /// Leaves an object behind when it checks.
    CheckLeavesTraces,
}

/// Which clause each fault breaks.
pub const FAULTS: &[(&str, Fault)] = &[
    ("B1", Fault::LosesOwner),
    ("B2", Fault::KeepsHalf),
    ("B3", Fault::AlwaysOverwrites),
    ("B4", Fault::NoLimit),
    ("B5", Fault::ServesHtml),
    ("B6", Fault::MendsKeys),
    ("B7", Fault::HoldsAll),
    ("B10", Fault::MissingIsOutage),
    ("B11", Fault::IgnoresRanges),
    ("B12", Fault::OnePiece),
    ("B20", Fault::HeadKnowsLess),
    ("B30", Fault::DeletesNothing),
    ("B40", Fault::OnePage),
    ("B41", Fault::SloppyPrefix),
    ("B50", Fault::CopiesArePublic),
    ("B51", Fault::CopiesNothing),
    ("B60", Fault::AccessStays),
    ("B70", Fault::SignsLess),
    ("B71", Fault::BareUrls),
    ("B72", Fault::SignedOverwrites),
    ("B80", Fault::LongUrls),
    ("B90", Fault::CheckLeavesTraces),
];

/// A sound store with one fault, or none.
#[derive(Debug)]
pub struct BrokenBlobStore {
    inner: Arc<dyn BlobStore>,
    fault: Option<Fault>,
}

impl BrokenBlobStore {
    /// Breaks a store. For the clauses about signed URLs it is this one whose objects must be served.
    #[must_use]
    pub fn new(inner: Arc<dyn BlobStore>, fault: Option<Fault>) -> Self {
        Self { inner, fault }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

/// The bytes up to the end or to the first error.
async fn as_much_as_comes(mut body: ByteStream) -> Bytes {
    let mut bytes = Vec::new();
    while let Ok(Some(piece)) = body.try_next().await {
        bytes.extend_from_slice(&piece);
    }
    bytes.into()
}

#[async_trait]
impl BlobStore for BrokenBlobStore {
    async fn put(&self, key: &str, mut blob: PutBlob) -> Result<BlobMeta> {
        let mut key = key.to_owned();
        match self.fault {
            Some(Fault::LosesOwner) => blob.owner = None,
            Some(Fault::KeepsHalf) => {
                let bytes = as_much_as_comes(blob.body).await;
                (blob.body, blob.size) = (once(bytes), None);
            }
            Some(Fault::AlwaysOverwrites | Fault::SignedOverwrites) => blob.mode = PutMode::Overwrite,
            Some(Fault::NoLimit) => (blob.max_size, blob.size) = (u64::MAX, None),
            Some(Fault::ServesHtml) => blob.content_type = Some("text/html".to_owned()),
            Some(Fault::MendsKeys) => key = format!("mended/{}", key.replace(['.', '\n'], "").len()),
            Some(Fault::HoldsAll) => {
                let pieces: Vec<Bytes> = blob.body.try_collect().await?;
                blob.body = Box::pin(futures_util::stream::iter(pieces.into_iter().map(Ok)));
            }
            _ => {}
        }
        self.inner.put(&key, blob).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        let range = if self.has(Fault::IgnoresRanges) { None } else { range };
        let mut found = match self.inner.get(key, range).await {
            Err(error) if error.kind() == ErrorKind::NotFound && self.has(Fault::MissingIsOutage) => {
                return Err(Error::new(ErrorKind::Unavailable, "broken.get"));
            }
            answer => answer?,
        };
        if self.has(Fault::OnePiece) {
            found.body = once(as_much_as_comes(found.body).await);
        }
        Ok(found)
    }

    async fn head(&self, key: &str) -> Result<BlobMeta> {
        let meta = self.inner.head(key).await?;
        Ok(if self.has(Fault::HeadKnowsLess) {
            BlobMeta { cache_control: None, size: 0, ..meta }
        } else {
            meta
        })
    }

    async fn delete(&self, key: &str) -> Result<()> {
        if self.has(Fault::DeletesNothing) { Ok(()) } else { self.inner.delete(key).await }
    }

    async fn list(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<BlobPage> {
        let prefix =
            if self.has(Fault::SloppyPrefix) { prefix.trim_end_matches(['/', '*', '_']) } else { prefix };
        let page = self.inner.list(prefix, from, limit).await?;
        Ok(if self.has(Fault::OnePage) { BlobPage { next: None, ..page } } else { page })
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        match self.inner.copy(from, to).await {
            Ok(()) if self.has(Fault::CopiesArePublic) => {
                let owner = self.inner.head(to).await?.owner;
                self.inner.set_access(to, owner.as_ref(), Visibility::Public).await
            }
            Err(error) if error.kind() == ErrorKind::NotFound && self.has(Fault::CopiesNothing) => {
                self.inner.put(to, PutBlob::new("")).await.map(|_| ())
            }
            answer => answer,
        }
    }

    async fn set_access(&self, key: &str, owner: Option<&UserId>, visibility: Visibility) -> Result<()> {
        if self.has(Fault::AccessStays) {
            return self.inner.head(key).await.map(|_| ());
        }
        self.inner.set_access(key, owner, visibility).await
    }

    async fn presign_upload(&self, request: &UploadRequest) -> Result<Url> {
        let mut request = request.clone();
        if self.has(Fault::SignsLess) {
            (request.content_type, request.size, request.max_size) = (None, None, u64::MAX);
        }
        let mut url = self.inner.presign_upload(&request).await?;
        if self.has(Fault::BareUrls) {
            url.set_query(None);
        }
        Ok(url)
    }

    async fn presign_download(&self, key: &str, ttl: Duration) -> Result<Url> {
        let ttl = if self.has(Fault::LongUrls) { ttl * 10 } else { ttl };
        self.inner.presign_download(key, ttl).await
    }

    async fn check(&self) -> Result<()> {
        if self.has(Fault::CheckLeavesTraces) {
            self.inner.put("check", PutBlob::new("x")).await?;
        }
        self.inner.check().await
    }
}
