//! Making the other store equal to the leader, one object at a time.

use waiterix_domain::Timestamp;
use waiterix_ports::blob::{MAX_BLOB_BYTES, is_key};
use waiterix_ports::{BlobMeta, BlobStore, Download, Error, ErrorKind, PutBlob, PutMode, Result, Retry};

use super::digest::{Sum, digested};
use super::{BlobKey, DualBlobStore, Sides};
use crate::journal::settle_entry;

/// How often an object that changes meanwhile is tried before it is left to the next walk of the relay.
const TRIES: u32 = 5;
/// How long an upload may last that began when its URL was still good.
pub(super) const LONGEST_UPLOAD_S: i64 = 3600;

/// An answer, or nothing where there is no object.
pub(super) fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A copy that was made.
#[derive(Debug)]
pub(super) struct Copied {
    /// Its size in bytes.
    pub(super) size: u64,
    /// The SHA-256 of what was sent.
    pub(super) sha256: [u8; 32],
    /// What the leader calls the object.
    pub(super) leaders: String,
    /// What the other store calls the copy.
    pub(super) others: String,
}

/// What stores an object as it is told of, and no more visible; and the digest of what was stored, afterwards.
fn copy_of(source: Download, mode: PutMode) -> (PutBlob, Sum) {
    let Download { meta, body, .. } = source;
    let (body, sum) = digested(body);
    let put = PutBlob {
        body,
        size: Some(meta.size),
        content_type: Some(meta.content_type),
        cache_control: meta.cache_control,
        owner: meta.owner,
        visibility: meta.visibility,
        mode,
        max_size: MAX_BLOB_BYTES,
    };
    (put, sum)
}

/// Whether an object is still the one that was read.
fn unchanged(before: &BlobMeta, after: &BlobMeta) -> bool {
    before.etag == after.etag
        && before.visibility == after.visibility
        && before.owner == after.owner
        && before.content_type == after.content_type
        && before.cache_control == after.cache_control
}

fn restless() -> Error {
    Error::new(ErrorKind::Conflict, "mirror.blob").retry(Retry::Safe)
}

impl DualBlobStore {
    /// Makes the other store equal to the leader about an object.
    ///
    /// The other store is asked first and the leader read afterwards, and the other one is written only where it still holds
    /// what it held: a slow copy of an older object is refused. Then the leader is looked at again.
    pub(super) async fn converge(&self, sides: &Sides<'_>, key: &str) -> Result<Option<Copied>> {
        let there = found(sides.other.head(key).await)?;
        self.converge_from(sides, key, there).await
    }

    /// The same for whoever has asked the other store already; answers the copy, if it was one that made them equal.
    pub(super) async fn converge_from(
        &self,
        sides: &Sides<'_>,
        key: &str,
        there: Option<BlobMeta>,
    ) -> Result<Option<Copied>> {
        let _alone = self.locks.of(key).await;
        let mut asked = Some(there);
        for _ in 0..TRIES {
            let there = match asked.take() {
                Some(there) => there,
                None => found(sides.other.head(key).await)?,
            };
            let Some(source) = found(sides.leader.get(key, None).await)? else {
                // Without a delete that was asked for, it is the other store's alone: the write never came about.
                if there.is_some() && self.is_deleted(sides, key).await? {
                    sides.other.delete(key).await?;
                }
                if found(sides.leader.head(key).await)?.is_none() {
                    return Ok(None);
                }
                continue;
            };
            let before = source.meta.clone();
            let mode = there.map_or(PutMode::Create, |there| PutMode::IfMatch(there.etag));
            let copying = BlobKey::Copying { key: key.to_owned(), to: sides.follower(), size: before.size };
            let entry = self.journal.begin(&copying).await?;
            let (blob, sum) = copy_of(source, mode);
            let copy = match sides.other.put(key, blob).await {
                Ok(copy) => copy,
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    self.journal.done(&[entry]).await?;
                    continue;
                }
                Err(error) => {
                    settle_entry(&*self.journal, entry, false).await;
                    return Err(error);
                }
            };
            let checked = async {
                let after = found(sides.leader.head(key).await)?;
                let is_gone = after.is_none();
                if is_gone && found(sides.other.head(key).await)?.is_some_and(|now| unchanged(&copy, &now)) {
                    // It was deleted on both sides while it was copied.
                    sides.other.delete(key).await?;
                }
                Ok(after)
            };
            let checked = checked.await;
            settle_entry(&*self.journal, entry, checked.is_ok()).await;
            let after: Option<BlobMeta> = checked?;
            if after.is_some_and(|after| unchanged(&before, &after)) {
                // A store that did not read all of the body cannot have stored it.
                let sha256 = sum.of_bytes(before.size).ok_or_else(restless)?;
                let (size, leaders, others) = (before.size, before.etag, copy.etag);
                return Ok(Some(Copied { size, sha256, leaders, others }));
            }
        }
        Err(restless())
    }

    /// Copies an object that only the other store has to the leader, unless it is there by then; answers whether it is.
    ///
    /// One that was deleted in the leader is none, whatever the other store still has.
    pub(super) async fn adopt(&self, sides: &Sides<'_>, key: &str) -> Result<bool> {
        if !is_key(key) || self.is_deleted(sides, key).await? {
            return Ok(false);
        }
        let Some(BlobMeta { size, .. }) = found(sides.other.head(key).await)? else { return Ok(false) };
        let _alone = self.locks.of(key).await;
        let copying = BlobKey::Copying { key: key.to_owned(), to: sides.led_by, size };
        let entry = self.journal.begin(&copying).await?;
        let adopted = self.copy_to_leader(sides, key).await;
        settle_entry(&*self.journal, entry, adopted.is_ok()).await;
        adopted
    }

    async fn copy_to_leader(&self, sides: &Sides<'_>, key: &str) -> Result<bool> {
        for _ in 0..TRIES {
            if self.is_deleted(sides, key).await? {
                break;
            }
            let Some(source) = found(sides.other.get(key, None).await)? else { break };
            let before = source.meta.clone();
            let copy = match sides.leader.put(key, copy_of(source, PutMode::Create).0).await {
                Ok(copy) => copy,
                Err(error) if error.kind() == ErrorKind::Conflict => return Ok(true),
                Err(error) => return Err(error),
            };
            let after = found(sides.other.head(key).await)?;
            if after.is_some_and(|after| unchanged(&before, &after)) && !self.is_deleted(sides, key).await? {
                return Ok(true);
            }
            // It was deleted or replaced while it was copied: the copy goes, unless it was replaced too.
            if found(sides.leader.head(key).await)?.is_some_and(|now| unchanged(&copy, &now)) {
                sides.leader.delete(key).await?;
            }
        }
        Ok(found(sides.leader.head(key).await)?.is_some())
    }

    /// What is left to be done about a copy that was begun: whoever made it may have been ended before it saw that the object
    /// had been deleted meanwhile.
    pub(super) async fn finish_copy(&self, sides: &Sides<'_>, key: &str, size: u64) -> Result<()> {
        let Some(here) = found(sides.leader.head(key).await)? else { return Ok(()) };
        let was_deleted = self.is_deleted(sides, key).await? || found(sides.other.head(key).await)?.is_none();
        // What was written since says so itself.
        if was_deleted && here.size == size && !self.journal.holds(&sides.written(key)).await? {
            sides.leader.delete(key).await?;
        }
        Ok(())
    }

    /// Copies what only the other store has.
    pub(super) async fn adopt_missing(&self, sides: &Sides<'_>, key: &str) -> Result<()> {
        if found(sides.leader.head(key).await)?.is_none() {
            self.adopt(sides, key).await?;
        }
        Ok(())
    }

    /// Looks whether a signed upload has arrived; answers whether none can arrive any more. It never replaces an object, so
    /// one that is there on both sides with the same size is the same.
    pub(super) async fn look_for_upload(
        &self,
        sides: &Sides<'_>,
        key: &str,
        until: Timestamp,
    ) -> Result<bool> {
        let is_over = self.clock.now() > until.plus_seconds(LONGEST_UPLOAD_S);
        let Some(here) = found(sides.leader.head(key).await)? else {
            // It may have been signed by the store that led before.
            self.adopt(sides, key).await?;
            return Ok(is_over);
        };
        let there = found(sides.other.head(key).await)?;
        if there.is_none_or(|there| there.size != here.size) {
            self.converge(sides, key).await?;
        }
        Ok(is_over)
    }

    /// Whether it was deleted in the leader, and the other store may not have followed.
    pub(super) async fn is_deleted(&self, sides: &Sides<'_>, key: &str) -> Result<bool> {
        self.journal.holds(&sides.deleted(key)).await
    }

    /// Before a key is written: what only the other store has is copied, so that readers meanwhile find it, and so that what
    /// must not be replaced is not. The other store need not answer for that.
    pub(super) async fn prepare(&self, sides: &Sides<'_>, key: &str) {
        if is_key(key) && matches!(found(sides.leader.head(key).await), Ok(None)) {
            let _ = self.adopt(sides, key).await;
        }
    }
}

/// Where an object is read that the leader does not have.
pub(super) enum Place {
    /// From the leader: nowhere else, or copied meanwhile.
    Leader,
    /// From the other store.
    Other,
}

impl DualBlobStore {
    /// Where to read what the leader says it does not have. Inline it is copied first; in the background that is put off.
    pub(super) async fn place_of(&self, sides: &Sides<'_>, key: &str) -> Result<Place> {
        if !is_key(key) || self.is_deleted(sides, key).await? {
            return Ok(Place::Leader);
        }
        if sides.is_inline() {
            return Ok(match self.adopt(sides, key).await {
                Ok(_) => Place::Leader,
                // What cannot be copied now can perhaps be read.
                Err(_) => Place::Other,
            });
        }
        if found(sides.other.head(key).await)?.is_none() {
            return Ok(Place::Leader);
        }
        self.journal.add(&BlobKey::Wanted(key.to_owned())).await?;
        Ok(Place::Other)
    }
}

impl Sides<'_> {
    pub(super) fn store_at(&self, place: &Place) -> &dyn BlobStore {
        match place {
            Place::Leader => self.leader,
            Place::Other => self.other,
        }
    }
}
