//! Objects in two stores.

mod compare;
mod converge;
mod digest;
mod key;
mod list;
mod locks;
mod outset;
mod sweep;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use url::Url;
use waiterix_domain::id::UserId;
use waiterix_ports::blob::{UploadRequest, is_key};
use waiterix_ports::moving::{Journal, Leader, Mirroring};
use waiterix_ports::{
    BlobMeta, BlobPage, BlobStore, Clock, Download, ErrorKind, PutBlob, Result, Visibility,
};

use crate::journal::{Dirty, Pass, dirty, dirty_while, had_no_effect, settle_entry};
use crate::phase::{Phase, Phases, Writing};
use crate::plan::Held;
pub use compare::{Depth, ObjectFault};
use converge::found;
pub use key::BlobKey;
use locks::Locks;
pub use outset::OutsetBlobStore;
pub use sweep::{ObjectDifference, ObjectSweep, ObjectsCompared, ObjectsSwept};

/// How many keys are seen to at once where somebody waits for all of them.
const AT_ONCE: usize = 16;

fn is_upload(key: &BlobKey) -> bool {
    matches!(key, BlobKey::Uploading { .. })
}

/// Objects in two stores: a reference is good whichever of them leads.
///
/// - Reads ask the leader, and the other store only where the leader answers `NotFound` and it was not deleted there just now.
///   What only the other store has is copied, before the answer or later, if there is none in the leader by then. An outage is
///   an error and never `NotFound`.
/// - Writes are the leader's; the other store follows by reading the object from the leader afresh. Deletes go to both.
/// - A copy has what is known of its source, and is never more visible. It is written on a condition: never over something
///   newer. An object that was deleted while it was copied is deleted again.
/// - Signed uploads go to the leader. Their keys stay in the journal until none can arrive any more.
/// - Listings name the objects of both, once each.
///
/// Etags are those of the store that answers: who holds one of before a copy is refused with `Conflict` and reads again.
#[derive(Debug)]
pub struct DualBlobStore {
    old: Arc<dyn BlobStore>,
    new: Arc<dyn BlobStore>,
    phases: Arc<dyn Phases>,
    journal: Arc<dyn Journal<BlobKey>>,
    clock: Arc<dyn Clock>,
    locks: Locks,
}

/// Who is who during a call.
struct Sides<'a> {
    leader: &'a dyn BlobStore,
    other: &'a dyn BlobStore,
    led_by: Leader,
    mirroring: Mirroring,
    /// Keeps the leader from being changed during a call that writes.
    _call: Writing,
}

impl Sides<'_> {
    fn is_inline(&self) -> bool {
        self.mirroring == Mirroring::Inline
    }

    fn follower(&self) -> Leader {
        self.led_by.other()
    }

    fn written(&self, key: &str) -> BlobKey {
        BlobKey::Written { key: key.to_owned(), leader: self.led_by }
    }

    fn deleted(&self, key: &str) -> BlobKey {
        BlobKey::Deleted { key: key.to_owned(), leader: self.led_by }
    }

    /// The names of the leader and the other store.
    fn names(&self) -> (&'static str, &'static str) {
        (self.led_by.as_str(), self.follower().as_str())
    }
}

impl DualBlobStore {
    /// A mirror over two stores. `clock` tells when signed uploads are over.
    #[must_use]
    pub fn new(
        old: Arc<dyn BlobStore>,
        new: Arc<dyn BlobStore>,
        phases: Arc<dyn Phases>,
        journal: Arc<dyn Journal<BlobKey>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { old, new, phases, journal, clock, locks: Locks::default() }
    }

    /// Who is who in a call that only reads.
    async fn reading(&self) -> Result<Sides<'_>> {
        Ok(self.sides(Writing::of(self.phases.reading().await?)))
    }

    /// Who is who in a call that writes.
    async fn writing(&self) -> Result<Sides<'_>> {
        Ok(self.sides(self.phases.writing().await?))
    }

    /// A pass for whoever changes the leader in a turn.
    pub(crate) async fn pass(&self, turn: u64) -> Result<Option<Writing>> {
        self.phases.changing(turn).await
    }

    fn sides(&self, call: Writing) -> Sides<'_> {
        self.sides_led_by(call.phase.leader, call)
    }

    /// The sides as they were for an entry of the journal, which says who led then.
    fn sides_led_by(&self, led_by: Leader, call: Writing) -> Sides<'_> {
        let (leader, other) = match led_by {
            Leader::Old => (&*self.old, &*self.new),
            Leader::New => (&*self.new, &*self.old),
        };
        Sides { leader, other, led_by, mirroring: call.phase.mirroring, _call: call }
    }

    /// Makes both stores equal about every dirty key; a key that fails stays dirty. An upload that may still arrive is looked
    /// for, and stays in the journal.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn relay(&self) -> Result<Pass> {
        self.relay_these(|_| true).await
    }

    /// The same without uploads that may still arrive. There may be many of them, and each is looked for in both stores: a write that
    /// just happened should not wait for that, and they need not be looked for all the time.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn relay_what_was_written(&self) -> Result<Pass> {
        self.relay_these(|key| !is_upload(key)).await
    }

    async fn relay_these(&self, wanted: impl Fn(&BlobKey) -> bool) -> Result<Pass> {
        let mut pass = Pass::default();
        let wanted = dirty(&*self.journal).await?.into_iter().filter(|dirty| wanted(&dirty.key));
        let (uploads, written): (Vec<_>, Vec<_>) = wanted.partition(|dirty| is_upload(&dirty.key));
        for dirty in written {
            let settled = self.settle_now(&dirty.key).await;
            self.close(settled, &dirty, &mut pass).await;
        }
        let looking = uploads.into_iter().map(|dirty| async move {
            let settled = self.settle_now(&dirty.key).await;
            (dirty, settled)
        });
        let mut looking = stream::iter(looking).buffer_unordered(AT_ONCE);
        while let Some((dirty, settled)) = looking.next().await {
            self.close(settled, &dirty, &mut pass).await;
        }
        Ok(pass)
    }

    async fn settle_now(&self, key: &BlobKey) -> Result<bool> {
        let call = self.phases.writing().await?;
        self.settle(key, call).await
    }

    /// Makes both stores equal about every dirty key, for whoever is about to change the leader: this one leads until then. While
    /// writes are held, no entry of a write needs to be kept. Uploads that may still arrive stay in the journal and are not even looked
    /// for: there may be hundreds, while everybody waits; what arrived is read from the store that has it, whichever leads.
    ///
    /// # Errors
    /// When the journal cannot be read, or it is not known whether the hold stands.
    pub async fn drain(&self, leader: Leader, held: Option<&Held>) -> Result<Pass> {
        let mut pass = Pass::default();
        let written =
            dirty_while(&*self.journal, held).await?.into_iter().filter(|dirty| !is_upload(&dirty.key));
        let settling = written.map(|dirty| async move {
            let settled =
                self.settle(&dirty.key, Writing::of(Phase { leader, mirroring: Mirroring::Inline })).await;
            (dirty, settled)
        });
        let mut settling = stream::iter(settling).buffer_unordered(AT_ONCE);
        while let Some((dirty, settled)) = settling.next().await {
            self.close(settled, &dirty, &mut pass).await;
        }
        Ok(pass)
    }

    /// Makes both stores equal about a key; answers whether its entries are done with.
    async fn settle(&self, key: &BlobKey, call: Writing) -> Result<bool> {
        match key {
            BlobKey::Written { key, leader } | BlobKey::Deleted { key, leader } => {
                self.converge(&self.sides_led_by(*leader, call), key).await.map(|_| true)
            }
            BlobKey::Wanted(key) => self.adopt_missing(&self.sides(call), key).await.map(|()| true),
            BlobKey::Copying { key, to, size } => {
                self.finish_copy(&self.sides_led_by(*to, call), key, *size).await.map(|()| true)
            }
            BlobKey::Uploading { key, until } => self.look_for_upload(&self.sides(call), key, *until).await,
        }
    }

    async fn close(&self, settled: Result<bool>, dirty: &Dirty<BlobKey>, pass: &mut Pass) {
        match settled {
            Ok(false) => pass.waiting += 1,
            settled => pass.close(&*self.journal, dirty, settled.map(drop)).await,
        }
    }

    /// The entry of an upload that was allowed just now.
    fn uploading(&self, request: &UploadRequest) -> BlobKey {
        let ttl_s = i64::try_from(request.ttl.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
        BlobKey::Uploading { key: request.key.clone(), until: self.clock.now().plus_seconds(ttl_s) }
    }

    /// Writes the leader between an entry in the journal and, inline, what makes the other store follow.
    async fn mirrored<T: Send>(
        &self,
        sides: &Sides<'_>,
        key: &str,
        write: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        if !is_key(key) {
            // It is refused, and is nothing that a journal should hold.
            return write.await;
        }
        let entry = self.journal.begin(&sides.written(key)).await?;
        let written = write.await;
        let is_equal = match &written {
            Ok(_) => sides.is_inline() && self.converge(sides, key).await.is_ok(),
            Err(error) => had_no_effect(error),
        };
        settle_entry(&*self.journal, entry, is_equal).await;
        written
    }
}

#[async_trait]
impl BlobStore for DualBlobStore {
    async fn put(&self, key: &str, blob: PutBlob) -> Result<BlobMeta> {
        let sides = self.writing().await?;
        self.prepare(&sides, key).await;
        self.mirrored(&sides, key, sides.leader.put(key, blob)).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Download> {
        let sides = self.reading().await?;
        match sides.leader.get(key, range.clone()).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let place = self.place_of(&sides, key).await?;
                sides.store_at(&place).get(key, range).await
            }
            answer => answer,
        }
    }

    async fn head(&self, key: &str) -> Result<BlobMeta> {
        let sides = self.reading().await?;
        match sides.leader.head(key).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let place = self.place_of(&sides, key).await?;
                sides.store_at(&place).head(key).await
            }
            answer => answer,
        }
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let sides = self.writing().await?;
        if !is_key(key) {
            // There is none, and nothing that a journal should hold.
            return sides.leader.delete(key).await;
        }
        let _alone = self.locks.of(key).await;
        let entry = self.journal.begin(&sides.deleted(key)).await?;
        if let Err(error) = sides.leader.delete(key).await {
            settle_entry(&*self.journal, entry, had_no_effect(&error)).await;
            return Err(error);
        }
        // What fails on the other side stays in the journal, and is not read from there meanwhile.
        let is_gone = sides.other.delete(key).await.is_ok();
        settle_entry(&*self.journal, entry, is_gone).await;
        Ok(())
    }

    async fn list(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<BlobPage> {
        let sides = self.reading().await?;
        let page = self.page(&sides, prefix, from, limit).await?;
        let keys = page.objects.into_iter().map(|listed| (listed.key, listed.size)).collect();
        Ok(BlobPage { keys, next: page.next })
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let sides = self.writing().await?;
        self.prepare(&sides, to).await;
        let copying = async {
            match sides.leader.copy(from, to).await {
                Err(error) if error.kind() == ErrorKind::NotFound && self.adopt(&sides, from).await? => {
                    sides.leader.copy(from, to).await
                }
                answer => answer,
            }
        };
        self.mirrored(&sides, to, copying).await
    }

    async fn set_access(&self, key: &str, owner: Option<&UserId>, visibility: Visibility) -> Result<()> {
        let sides = self.writing().await?;
        let changing = async {
            match sides.leader.set_access(key, owner, visibility).await {
                Err(error) if error.kind() == ErrorKind::NotFound && self.adopt(&sides, key).await? => {
                    sides.leader.set_access(key, owner, visibility).await
                }
                answer => answer,
            }
        };
        self.mirrored(&sides, key, changing).await
    }

    async fn presign_upload(&self, request: &UploadRequest) -> Result<Url> {
        let sides = self.writing().await?;
        self.prepare(&sides, &request.key).await;
        let url = sides.leader.presign_upload(request).await?;
        self.journal.add(&self.uploading(request)).await?;
        Ok(url)
    }

    async fn presign_download(&self, key: &str, ttl: Duration) -> Result<Url> {
        let sides = self.reading().await?;
        if found(sides.leader.head(key).await)?.is_some() {
            return sides.leader.presign_download(key, ttl).await;
        }
        let place = self.place_of(&sides, key).await?;
        sides.store_at(&place).presign_download(key, ttl).await
    }

    async fn check(&self) -> Result<()> {
        self.reading().await?.leader.check().await
    }
}
