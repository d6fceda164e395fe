//! Objects of a service that is made for two providers, before the move is begun.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use url::Url;
use waiterix_domain::Timestamp;
use waiterix_domain::id::UserId;
use waiterix_ports::blob::{UploadRequest, is_key};
use waiterix_ports::moving::Leader;
use waiterix_ports::{BlobMeta, BlobPage, BlobStore, Download, PutBlob, Result, Visibility};

use super::converge::LONGEST_UPLOAD_S;
use super::{BlobKey, DualBlobStore};
use crate::plan::Watch;

/// The old store alone until there is a plan, and the mirror from then on.
///
/// Without a plan there is no journal. So a write that was begun without one is noted when it ends, if there is a plan by then:
/// the walk over all objects may have passed it. Signed uploads that were allowed without a plan may arrive when there is one; this
/// process remembers them, and notes them when it is told to [`OutsetBlobStore::hand_over`].
#[derive(Debug)]
pub struct OutsetBlobStore {
    old: Arc<dyn BlobStore>,
    mirror: Arc<DualBlobStore>,
    watch: Arc<Watch>,
    /// What is to be noted as soon as there is a journal.
    unnoted: Mutex<Vec<BlobKey>>,
}

/// Whether an upload that was allowed until then cannot arrive any more.
fn is_over(key: &BlobKey, now: Timestamp) -> bool {
    matches!(key, BlobKey::Uploading { until, .. } if now > until.plus_seconds(LONGEST_UPLOAD_S))
}

impl OutsetBlobStore {
    /// The old store and the mirror that takes its place, for a process that watches the plan so.
    #[must_use]
    pub fn new(old: Arc<dyn BlobStore>, mirror: Arc<DualBlobStore>, watch: Arc<Watch>) -> Self {
        Self { old, mirror, watch, unnoted: Mutex::default() }
    }

    async fn now(&self) -> Result<&dyn BlobStore> {
        let store: &dyn BlobStore = if self.watch.has_begun().await? { &*self.mirror } else { &*self.old };
        Ok(store)
    }

    /// A panic elsewhere leaves the list whole, so the poison is of no interest.
    fn unnoted(&self) -> MutexGuard<'_, Vec<BlobKey>> {
        self.unnoted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, key: BlobKey) {
        let now = self.mirror.clock.now();
        let mut unnoted = self.unnoted();
        unnoted.retain(|known| !is_over(known, now));
        unnoted.push(key);
    }

    /// Writes down in the journal what this process did while there was none; nothing where there still is none. Whoever runs the
    /// relay calls it before.
    ///
    /// # Errors
    /// When the plan or the journal cannot be reached; what was not written down is kept.
    pub async fn hand_over(&self) -> Result<()> {
        if self.unnoted().is_empty() || !self.watch.has_begun().await? {
            return Ok(());
        }
        let all = std::mem::take(&mut *self.unnoted());
        let mut rest = all.into_iter();
        while let Some(key) = rest.next() {
            if let Err(error) = self.mirror.journal.add(&key).await {
                self.unnoted().extend(std::iter::once(key).chain(rest));
                return Err(error);
            }
        }
        Ok(())
    }

    /// After a write that was begun without a plan, whatever became of it. A look that begins now sees every plan that was made
    /// before the write ended; one that is made later is walked over later.
    async fn ended(&self, key: BlobKey) {
        if matches!(self.watch.look().await, Ok(plan) if !plan.is_made()) {
            return;
        }
        self.remember(key);
        // What fails is kept for the relay.
        let _ = self.hand_over().await;
    }

    async fn write<T>(&self, key: &str, write: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let written = write.await;
        if is_key(key) {
            self.ended(BlobKey::Written { key: key.to_owned(), leader: Leader::Old }).await;
        }
        written
    }
}

#[async_trait]
impl BlobStore for OutsetBlobStore {
    async fn put(&self, key: &str, blob: PutBlob) -> Result<BlobMeta> {
        if self.watch.has_begun().await? {
            return self.mirror.put(key, blob).await;
        }
        self.write(key, self.old.put(key, blob)).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        self.now().await?.get(key, range).await
    }

    async fn head(&self, key: &str) -> Result<BlobMeta> {
        self.now().await?.head(key).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        if self.watch.has_begun().await? {
            return self.mirror.delete(key).await;
        }
        let deleted = self.old.delete(key).await;
        if is_key(key) {
            self.ended(BlobKey::Deleted { key: key.to_owned(), leader: Leader::Old }).await;
        }
        deleted
    }

    async fn list(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<BlobPage> {
        self.now().await?.list(prefix, from, limit).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        if self.watch.has_begun().await? {
            return self.mirror.copy(from, to).await;
        }
        self.write(to, self.old.copy(from, to)).await
    }

    async fn set_access(&self, key: &str, owner: Option<&UserId>, visibility: Visibility) -> Result<()> {
        if self.watch.has_begun().await? {
            return self.mirror.set_access(key, owner, visibility).await;
        }
        self.write(key, self.old.set_access(key, owner, visibility)).await
    }

    async fn presign_upload(&self, request: &UploadRequest) -> Result<Url> {
        if self.watch.has_begun().await? {
            return self.mirror.presign_upload(request).await;
        }
        let url = self.old.presign_upload(request).await?;
        self.remember(self.mirror.uploading(request));
        // There may be a plan by now, whose walk passes before the upload arrives.
        let _ = self.hand_over().await;
        Ok(url)
    }

    async fn presign_download(&self, key: &str, ttl: Duration) -> Result<Url> {
        self.now().await?.presign_download(key, ttl).await
    }

    async fn check(&self) -> Result<()> {
        self.now().await?.check().await
    }
}
