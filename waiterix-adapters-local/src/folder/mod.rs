//! Objects in a folder.
//!
//! ```text
//! <folder>/index.db          which keys there are, what is known about them, and which body each has (SQLite)
//! <folder>/bodies/3f/<name>  the bytes: 256 folders of files with random names that are written once
//! ```
//!
//! Keys never become file names, so no key can lead out of the folder, and keys that differ by case alone, are 1 024
//! bytes long, or are "folders" of each other need no care on any file system. A put writes a new body, makes it
//! durable, and then points the index to it in one transaction: a reader has either the old record with the old
//! body or the new one with the new body, and a crash at any moment leaves the old object plus a body that nobody
//! names, which the next start removes. Listing is a range of the index.
//!
//! Several stores, also of different processes, may use one folder at the same time.

mod bodies;
mod failure;
mod index;
pub(crate) mod scratch;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::blob::{MAX_BLOB_BYTES, UploadRequest, detect_content_type, is_key};
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{
    BlobMeta, BlobPage, BlobStore, Clock, Download, Error, ErrorKind, PutBlob, PutMode, Result, Retry,
    Visibility,
};

pub(crate) use bodies::blocking;
use bodies::{Bodies, Draft, receive, stream};
use index::{Index, Record};

/// The content type of bytes that tell nothing.
const UNKNOWN_TYPE: &str = "application/octet-stream";
/// The longest validity of a signed URL, as with S3.
const MAX_SIGNED_TTL: Duration = Duration::from_secs(7 * 86_400);
/// How often an object may be replaced between finding its body and opening it.
const READ_TRIES: u32 = 64;

/// Objects in a folder. Cheap to clone; clones are the same store.
#[derive(Debug, Clone)]
pub struct FolderBlobStore {
    index: Arc<Index>,
    bodies: Bodies,
    signer: Arc<UrlSigner>,
    clock: Arc<dyn Clock>,
}

impl FolderBlobStore {
    /// Opens a folder, which is made if it is not there, and removes what crashed processes left in it.
    ///
    /// `signer` signs upload and download URLs; whoever serves them must check them with a signer of the same base
    /// and secret. `clock` dates objects and ends URLs.
    ///
    /// # Errors
    /// `Denied` without permission, `Unsupported` for a folder written by a newer version, `Corrupt` for an index
    /// that cannot be read, `Unavailable`.
    pub async fn open(dir: impl Into<PathBuf>, signer: UrlSigner, clock: Arc<dyn Clock>) -> Result<Self> {
        const OPERATION: &str = "folder.open";
        let dir = dir.into();
        let index_file = dir.join("index.db");
        let bodies = {
            let index_file = index_file.clone();
            blocking(OPERATION, move || {
                scratch::make_dir(&dir)?;
                make_private_file(&index_file)?;
                Bodies::open(dir.join("bodies"))
            })
            .await?
        };
        let index = Arc::new(Index::open(&index_file).await?);
        let store = Self { index, bodies, signer: Arc::new(signer), clock };
        store.remove_left_overs().await?;
        Ok(store)
    }

    /// Removes bodies that nobody names and nobody is writing.
    async fn remove_left_overs(&self) -> Result<()> {
        const OPERATION: &str = "folder.open";
        // Files first: whatever is written after this is not a candidate.
        let bodies = self.bodies.clone();
        let files = blocking(OPERATION, move || bodies.names()).await?;
        let named = self.index.bodies().await?;
        for body in files.into_iter().filter(|body| !named.contains(body)) {
            let bodies = self.bodies.clone();
            let name = body.clone();
            let Some(lock) = blocking(OPERATION, move || bodies.lock_left_over(&name)).await? else {
                continue;
            };
            // Its writer may have finished since the index was read; now that it is locked the answer stays true.
            if !self.index.names(&body).await? {
                self.remove_body(body).await?;
            }
            drop(lock);
        }
        Ok(())
    }

    async fn remove_body(&self, body: String) -> Result<()> {
        let bodies = self.bodies.clone();
        blocking("folder.remove_body", move || bodies.remove(&body)).await
    }

    /// Removes a body that the index no longer names. Its object is already replaced or deleted, so a failure is not
    /// one of the operation: the file stays until the next start.
    async fn discard(&self, freed: Option<String>) {
        if let Some(body) = freed
            && let Err(error) = self.remove_body(body).await
        {
            tracing::warn!(%error, "a body without object stays until the next start");
        }
    }

    async fn record(&self, operation: &'static str, key: &str) -> Result<Record> {
        let record = if is_key(key) { self.index.record(operation, key).await? } else { None };
        record.ok_or_else(|| Error::new(ErrorKind::NotFound, operation))
    }

    /// Points the index to a finished body. From the start of the transaction until the file is kept or removed
    /// nothing may interrupt, or the index could name a file that is gone.
    async fn store(self, key: String, draft: Draft, meta: BlobMeta, mode: PutMode) -> Result<()> {
        let record = Record { body: draft.name(), meta };
        match self.index.put(&key, &record, &mode).await {
            Ok(freed) => {
                draft.keep();
                self.discard(freed).await;
                Ok(())
            }
            Err(error) => {
                // When it is unknown whether the index names the file, the next start finds out.
                if error.retry_advice() == Retry::Ambiguous {
                    draft.keep();
                }
                Err(error)
            }
        }
    }

    fn now_to_the_second(&self) -> Timestamp {
        Timestamp::EPOCH.plus_seconds(self.clock.now().as_seconds())
    }
}

/// Makes an empty file for its owner alone; one that is there stays. SQLite gives its other files the same rights.
fn make_private_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(|_| ())
}

/// Runs work to its end even when the caller no longer waits for it.
async fn uninterrupted<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, operation).retry(Retry::Ambiguous)))
}

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

fn check_key(operation: &'static str, key: &str) -> Result<()> {
    if is_key(key) { Ok(()) } else { Err(invalid(operation, "malformed key")) }
}

/// What is served as a header must be one.
fn check_header(operation: &'static str, value: Option<&str>) -> Result<()> {
    let is_header = |value: &str| {
        (1..=255).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    };
    if value.is_none_or(is_header) { Ok(()) } else { Err(invalid(operation, "not a header value")) }
}

fn check_ttl(operation: &'static str, ttl: Duration) -> Result<()> {
    if ttl >= Duration::from_secs(1) && ttl <= MAX_SIGNED_TTL {
        Ok(())
    } else {
        Err(invalid(operation, "time to live"))
    }
}

/// The part of an object that a range means.
fn cut(operation: &'static str, range: Option<Range<u64>>, size: u64) -> Result<Range<u64>> {
    match range {
        None => Ok(0..size),
        Some(range) if range.start < size && range.start < range.end => Ok(range.start..range.end.min(size)),
        Some(_) => Err(invalid(operation, "range").with("size", size)),
    }
}

#[async_trait]
impl BlobStore for FolderBlobStore {
    async fn put(&self, key: &str, blob: PutBlob) -> Result<BlobMeta> {
        const OPERATION: &str = "folder.put";
        check_key(OPERATION, key)?;
        check_header(OPERATION, blob.content_type.as_deref())?;
        check_header(OPERATION, blob.cache_control.as_deref())?;
        let limit = blob.max_size.min(MAX_BLOB_BYTES);
        if blob.size.is_some_and(|size| size > limit) {
            return Err(invalid(OPERATION, "body is too long"));
        }
        // The index decides; asking before the body is read only saves a transfer that must fail.
        if blob.mode == PutMode::Create && self.index.record(OPERATION, key).await?.is_some() {
            return Err(Error::new(ErrorKind::Conflict, OPERATION));
        }
        let (bodies, own_key) = (self.bodies.clone(), key.to_owned());
        let draft = blocking(OPERATION, move || bodies.draft(&own_key)).await?;
        let draft = receive(OPERATION, draft, blob.body, limit.min(blob.size.unwrap_or(limit))).await?;
        if blob.size.is_some_and(|size| size != draft.size()) {
            return Err(invalid(OPERATION, "body has another length than announced"));
        }
        let draft = blocking(OPERATION, move || draft.sync().map(|()| draft)).await?;
        let detected = || detect_content_type(draft.head()).unwrap_or(UNKNOWN_TYPE).to_owned();
        let meta = BlobMeta {
            size: draft.size(),
            content_type: blob.content_type.unwrap_or_else(detected),
            cache_control: blob.cache_control,
            etag: draft.etag(),
            modified_at: self.now_to_the_second(),
            owner: blob.owner,
            visibility: blob.visibility,
        };
        let work = self.clone().store(key.to_owned(), draft, meta.clone(), blob.mode);
        uninterrupted(OPERATION, work).await?;
        Ok(meta)
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        const OPERATION: &str = "folder.get";
        let mut missing = None;
        for _ in 0..READ_TRIES {
            let Record { body, meta } = self.record(OPERATION, key).await?;
            if missing.as_ref() == Some(&body) {
                return Err(Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "body is missing"));
            }
            let range = cut(OPERATION, range.clone(), meta.size)?;
            let (bodies, name, start) = (self.bodies.clone(), body.clone(), range.start);
            match blocking(OPERATION, move || bodies.read(&name, start)).await? {
                Some((file, size)) if size == meta.size => {
                    return Ok(Download { meta, body: stream(OPERATION, file, range.clone()), range });
                }
                Some(_) => {
                    return Err(Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "body was cut off"));
                }
                // The object was replaced since its record was read; the next record names another body.
                None => missing = Some(body),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, OPERATION).retry(Retry::Safe))
    }

    async fn head(&self, key: &str) -> Result<BlobMeta> {
        Ok(self.record("folder.head", key).await?.meta)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        if !is_key(key) {
            return Ok(());
        }
        let (store, key) = (self.clone(), key.to_owned());
        uninterrupted("folder.delete", async move {
            let freed = store.index.delete(&key).await?;
            store.discard(freed).await;
            Ok(())
        })
        .await
    }

    async fn list(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<BlobPage> {
        if !(1..=1000).contains(&limit) {
            return Err(invalid("folder.list", "limit"));
        }
        let mut keys = self.index.keys(prefix, from.unwrap_or_default(), limit + 1).await?;
        let next = if keys.len() > limit as usize { keys.pop().map(|(key, _)| key) } else { None };
        Ok(BlobPage { keys, next })
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        const OPERATION: &str = "folder.copy";
        check_key(OPERATION, to)?;
        if !is_key(from) {
            return Err(Error::new(ErrorKind::NotFound, OPERATION));
        }
        let (store, from, to) = (self.clone(), from.to_owned(), to.to_owned());
        uninterrupted(OPERATION, async move {
            let freed = store.index.copy(&from, &to, store.now_to_the_second()).await?;
            store.discard(freed).await;
            Ok(())
        })
        .await
    }

    async fn set_access(&self, key: &str, owner: Option<&UserId>, visibility: Visibility) -> Result<()> {
        self.index.set_access(key, owner, visibility).await
    }

    async fn presign_upload(&self, request: &UploadRequest) -> Result<Url> {
        const OPERATION: &str = "folder.presign_upload";
        check_key(OPERATION, &request.key)?;
        check_header(OPERATION, request.content_type.as_deref())?;
        check_ttl(OPERATION, request.ttl)?;
        if request.max_size > MAX_BLOB_BYTES || request.size.is_some_and(|size| size > request.max_size) {
            return Err(invalid(OPERATION, "size"));
        }
        Ok(self.signer.upload(request, self.clock.now()))
    }

    async fn presign_download(&self, key: &str, ttl: Duration) -> Result<Url> {
        const OPERATION: &str = "folder.presign_download";
        check_key(OPERATION, key)?;
        check_ttl(OPERATION, ttl)?;
        Ok(self.signer.download(key, ttl, self.clock.now()))
    }

    async fn check(&self) -> Result<()> {
        self.index.check().await?;
        let bodies = self.bodies.clone();
        blocking("folder.check", move || std::fs::read_dir(bodies.dir()).map(|_| ())).await
    }
}

#[cfg(test)]
mod tests;
