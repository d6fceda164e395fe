//! Objects in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use url::Url;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::blob::{UploadRequest, detect_content_type, is_key};
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{
    BlobMeta, BlobPage, BlobStore, ByteStream, Bytes, Clock, Download, Error, ErrorKind, PutBlob, PutMode,
    Result, Visibility,
};

/// How many bytes a reader gets at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// A [`BlobStore`] that forgets everything with the process; for tests. It has no server: whoever serves its signed
/// URLs honours them with the signer it was made with.
pub struct MemoryBlobStore {
    clock: Arc<dyn Clock>,
    signer: UrlSigner,
    objects: Mutex<BTreeMap<String, Object>>,
}

#[derive(Clone)]
struct Object {
    meta: BlobMeta,
    bytes: Bytes,
}

impl fmt::Debug for MemoryBlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBlobStore").field("objects", &self.objects().len()).finish_non_exhaustive()
    }
}

impl MemoryBlobStore {
    /// An empty store that lives by a clock and signs URLs with a signer.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, signer: UrlSigner) -> Self {
        Self { clock, signer, objects: Mutex::default() }
    }

    /// A panic elsewhere while the lock was held leaves the map whole, so the poison is of no interest.
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, key: &str, operation: &'static str) -> Result<Object> {
        self.objects().get(key).cloned().ok_or_else(|| Error::new(ErrorKind::NotFound, operation))
    }

    /// Now, as exactly as an object keeps it.
    fn this_second(&self) -> Timestamp {
        Timestamp::EPOCH.plus_seconds(self.clock.now().as_seconds())
    }
}

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

fn check_key(key: &str, operation: &'static str) -> Result<()> {
    if is_key(key) { Ok(()) } else { Err(invalid(operation, "malformed key")) }
}

/// All bytes of a body that has the announced length and is not too long.
async fn collect(mut body: ByteStream, size: Option<u64>, max_size: u64) -> Result<Bytes> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.try_next().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > max_size {
            return Err(invalid("blob.put", "body is longer than allowed"));
        }
    }
    if size.is_some_and(|size| size != bytes.len() as u64) {
        return Err(invalid("blob.put", "body has another length than announced"));
    }
    Ok(bytes.into())
}

fn etag_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    format!("\"{}\"", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn may_replace(mode: &PutMode, old: Option<&Object>) -> bool {
    match mode {
        PutMode::Overwrite => true,
        PutMode::Create => old.is_none(),
        PutMode::IfMatch(etag) => old.is_some_and(|old| old.meta.etag == *etag),
    }
}

#[async_trait]
impl BlobStore for MemoryBlobStore {
    async fn put(&self, key: &str, blob: PutBlob) -> Result<BlobMeta> {
        check_key(key, "blob.put")?;
        let bytes = collect(blob.body, blob.size, blob.max_size).await?;
        let detected = detect_content_type(&bytes).unwrap_or("application/octet-stream");
        let meta = BlobMeta {
            size: bytes.len() as u64,
            content_type: blob.content_type.unwrap_or_else(|| detected.to_owned()),
            cache_control: blob.cache_control,
            etag: etag_of(&bytes),
            modified_at: self.this_second(),
            owner: blob.owner,
            visibility: blob.visibility,
        };
        let mut objects = self.objects();
        if !may_replace(&blob.mode, objects.get(key)) {
            return Err(Error::new(ErrorKind::Conflict, "blob.put"));
        }
        objects.insert(key.to_owned(), Object { meta: meta.clone(), bytes });
        Ok(meta)
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        let Object { meta, bytes } = self.object(key, "blob.get")?;
        let range = match range {
            None => 0..meta.size,
            Some(range) if range.start < range.end && range.start < meta.size => {
                range.start..range.end.min(meta.size)
            }
            Some(_) => return Err(invalid("blob.get", "range names no byte")),
        };
        let part = bytes.slice(range.start as usize..range.end as usize);
        let pieces = (0..part.len()).step_by(PIECE_BYTES).map(move |start| {
            let end = part.len().min(start + PIECE_BYTES);
            Ok(part.slice(start..end))
        });
        Ok(Download { meta, range, body: Box::pin(futures_util::stream::iter(pieces)) })
    }

    async fn head(&self, key: &str) -> Result<BlobMeta> {
        Ok(self.object(key, "blob.head")?.meta)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.objects().remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<BlobPage> {
        if !(1..=1000).contains(&limit) {
            return Err(invalid("blob.list", "limit is not 1 to 1000"));
        }
        let start = from.map_or(prefix, |from| from.max(prefix));
        let objects = self.objects();
        let mut found = objects
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, object)| (key.clone(), object.meta.size));
        let keys = found.by_ref().take(limit as usize).collect();
        Ok(BlobPage { keys, next: found.next().map(|(key, _)| key) })
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        check_key(to, "blob.copy")?;
        let mut object = self.object(from, "blob.copy")?;
        object.meta.modified_at = self.this_second();
        self.objects().insert(to.to_owned(), object);
        Ok(())
    }

    async fn set_access(&self, key: &str, owner: Option<&UserId>, visibility: Visibility) -> Result<()> {
        let mut objects = self.objects();
        let object =
            objects.get_mut(key).ok_or_else(|| Error::new(ErrorKind::NotFound, "blob.set_access"))?;
        object.meta.owner = owner.cloned();
        object.meta.visibility = visibility;
        Ok(())
    }

    async fn presign_upload(&self, request: &UploadRequest) -> Result<Url> {
        check_key(&request.key, "blob.presign_upload")?;
        Ok(self.signer.upload(request, self.clock.now()))
    }

    async fn presign_download(&self, key: &str, ttl: Duration) -> Result<Url> {
        check_key(key, "blob.presign_download")?;
        Ok(self.signer.download(key, ttl, self.clock.now()))
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}
