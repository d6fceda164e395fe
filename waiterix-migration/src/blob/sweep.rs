//! All objects of two stores, while guests use them: copied, compared, and made equal again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::time::sleep;
use waiterix_ports::blob::is_key;
use waiterix_ports::moving::{ObjectRecord, ObjectRecords, Place, Places};
use waiterix_ports::{BlobMeta, ErrorKind, Result};

use super::compare::{Compared, Depth, ObjectFault, compare, etags};
use super::converge::{Copied, found};
use super::list::Listed;
use super::{BlobKey, DualBlobStore, Sides};
use crate::journal::{dirty, settle_entry};
use crate::rows::Stop;

/// How many keys are listed at once: the most that a store tells.
const PAGE: u32 = 1000;
/// How many objects are seen to at once, unless said otherwise.
const AT_ONCE: usize = 24;

/// How often an object is looked at that differs and is being written, and the pause in between.
const LOOKS: u32 = 6;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What a walk over all objects came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ObjectsSwept {
    /// Objects that were listed.
    pub seen: u64,
    /// Objects that were equal already.
    pub equal: u64,
    /// Objects that were copied.
    pub copied: u64,
    /// How many bytes that were.
    pub bytes: u64,
    /// Objects that somebody else deleted where they are led, and that were deleted on the other side as well.
    pub removed: u64,
    /// Objects that only the side that follows has, and nobody knows why. They stay.
    pub extra: u64,
    /// Objects that could not be made equal; they are in the journal.
    pub failed: u64,
    /// Whether somebody wanted it to end before it came to the end.
    pub interrupted: bool,
}

/// An object that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectDifference {
    /// Which object.
    pub key: String,
    /// In which way.
    pub fault: ObjectFault,
}

/// What comparing all objects came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectsCompared {
    /// How many objects were compared.
    pub compared: u64,
    /// How many of them were read, byte by byte, on both sides.
    pub read: u64,
    /// Those that differ still after they were looked at again.
    pub differences: Vec<ObjectDifference>,
}

/// Walks over all objects of a mirror.
#[derive(Debug, Clone)]
pub struct ObjectSweep {
    mirror: Arc<DualBlobStore>,
    records: Arc<dyn ObjectRecords>,
    at_once: usize,
}

enum Step {
    Gone,
    Equal(Option<ObjectRecord>),
    Copied(ObjectRecord),
    Removed,
    Extra,
    Failed,
}

impl ObjectSweep {
    /// Over a mirror. What is found equal is remembered in `records`.
    #[must_use]
    pub fn new(mirror: Arc<DualBlobStore>, records: Arc<dyn ObjectRecords>) -> Self {
        Self { mirror, records, at_once: AT_ONCE }
    }

    /// How many objects are seen to at once.
    #[must_use]
    pub fn at_once(self, at_once: usize) -> Self {
        Self { at_once: at_once.max(1), ..self }
    }

    /// Makes the side that follows equal to the leader about every object there is, by the same step as the mirror, so it does no harm
    /// to what is written meanwhile. It sees what others did too, who know of no mirror: what they wrote is copied, and what was
    /// equal once and is gone from the leader was deleted by them. A walk that was interrupted goes on where it was; one that was
    /// finished begins anew, and reads nothing that is as it was recorded.
    ///
    /// # Errors
    /// When the objects cannot be listed, or nobody can remember how far this is. It can be called again.
    pub async fn copy(&self, places: &dyn Places) -> Result<ObjectsSwept> {
        self.copy_until(places, &Stop::default(), &|_, _| {}).await
    }

    /// The same, held up or ended by somebody, and told after each object, with how many were seen to by this walk and those that it
    /// goes on with. What was begun is ended; what was copied is not copied again by the next walk.
    ///
    /// # Errors
    /// As [`ObjectSweep::copy`].
    pub async fn copy_until(
        &self,
        places: &dyn Places,
        stop: &Stop,
        told: &(dyn Fn(&ObjectsSwept, u64) + Sync),
    ) -> Result<ObjectsSwept> {
        const WALK: &str = "objects";
        let mut place = places.place(WALK).await?;
        if place.finished {
            place = Place::default();
        }
        let mut swept = ObjectsSwept::default();
        loop {
            let page = {
                let sides = self.mirror.reading().await?;
                self.mirror.page(&sides, "", place.at.as_deref(), PAGE).await?
            };
            let known = self.known(page.objects.iter().map(|listed| &*listed.key)).await?;
            let (of_page, mut of_it) = (page.objects.len() as u64, 0);
            let steps = page.objects.into_iter().map(|listed| {
                let recorded = known.get(&listed.key).cloned();
                async move {
                    if stop.goes_on().await { self.step(listed, recorded).await.map(Some) } else { Ok(None) }
                }
            });
            let mut steps = stream::iter(steps).buffer_unordered(self.at_once);
            let mut equal = Vec::new();
            while let Some(step) = steps.next().await {
                let Some(step) = step? else { continue };
                of_it += 1;
                swept.seen += 1;
                match step {
                    Step::Gone => {}
                    Step::Equal(record) => {
                        swept.equal += 1;
                        equal.extend(record);
                    }
                    Step::Copied(record) => {
                        swept.copied += 1;
                        swept.bytes += record.size;
                        equal.push(record);
                    }
                    Step::Removed => swept.removed += 1,
                    Step::Extra => swept.extra += 1,
                    Step::Failed => swept.failed += 1,
                }
                told(&swept, place.done + of_it);
            }
            drop(steps);
            self.records.keep_records(&equal).await?;
            if of_it < of_page {
                // The page is walked again, and what was found equal in it is not read again.
                swept.interrupted = true;
                return Ok(swept);
            }
            place.done += of_page;
            place.finished = page.next.is_none();
            place.at = page.next;
            places.keep_place(WALK, &place).await?;
            if place.finished {
                return Ok(swept);
            }
        }
    }

    async fn known<'a>(&self, keys: impl Iterator<Item = &'a str>) -> Result<HashMap<String, ObjectRecord>> {
        let keys: Vec<&str> = keys.collect();
        let records = self.records.records(&keys).await?;
        Ok(records.into_iter().map(|record| (record.key.clone(), record)).collect())
    }

    async fn step(&self, listed: Listed, recorded: Option<ObjectRecord>) -> Result<Step> {
        let Listed { key, is_there, .. } = listed;
        if !is_key(&key) {
            // No adapter of ours can name it, so nobody who uses the port can have stored or found it.
            return Ok(Step::Extra);
        }
        let sides = self.mirror.writing().await?;
        match self.make_equal(&sides, &key, is_there, recorded.as_ref()).await {
            Ok(step) => Ok(step),
            Err(_) => {
                self.mirror.journal.add(&sides.written(&key)).await?;
                Ok(Step::Failed)
            }
        }
    }

    async fn make_equal(
        &self,
        sides: &Sides<'_>,
        key: &str,
        is_there: bool,
        recorded: Option<&ObjectRecord>,
    ) -> Result<Step> {
        // What was not listed is written only if it is still not there.
        let there = if is_there { found(sides.other.head(key).await)? } else { None };
        if let Some(there) = &there {
            match compare(sides, key, recorded).await? {
                Compared::Gone => return Ok(Step::Gone),
                Compared::AsRecorded => return Ok(Step::Equal(None)),
                Compared::Same(record) => return Ok(Step::Equal(Some(record))),
                Compared::Differs(ObjectFault::Extra) => {
                    let was_ours = recorded.is_some_and(|record| etags(sides.led_by, record).1 == there.etag);
                    let is_gone = was_ours && self.follow_delete(sides, key, there).await?;
                    return Ok(if is_gone { Step::Removed } else { Step::Extra });
                }
                Compared::Differs(_) => {}
            }
        }
        Ok(match self.mirror.converge_from(sides, key, there).await? {
            Some(copied) => Step::Copied(record_of(sides, key, copied)),
            None => Step::Gone,
        })
    }

    /// Deletes on the other side what was equal once and is gone from the leader: somebody deleted it there who knows of no
    /// mirror. If it is written again meanwhile, the other side gets it again.
    async fn follow_delete(&self, sides: &Sides<'_>, key: &str, there: &BlobMeta) -> Result<bool> {
        let journal = &self.mirror.journal;
        if journal.holds(&sides.written(key)).await? {
            // It is being written, or a write of it did not come about; the relay will tell.
            return Ok(false);
        }
        let entry = journal.begin(&sides.deleted(key)).await?;
        let is_gone = self.delete_copy(sides, key, there).await;
        settle_entry(&**journal, entry, is_gone.is_ok()).await;
        is_gone
    }

    async fn delete_copy(&self, sides: &Sides<'_>, key: &str, there: &BlobMeta) -> Result<bool> {
        let is_gone = found(sides.leader.head(key).await)?.is_none()
            && found(sides.other.head(key).await)?.is_none_or(|now| now.etag == there.etag);
        if is_gone {
            sides.other.delete(key).await?;
            self.records.forget_records(&[key]).await?;
            if found(sides.leader.head(key).await)?.is_some() {
                self.mirror.converge(sides, key).await?;
            }
        }
        Ok(is_gone)
    }

    /// Compares all objects of both sides: their bytes by SHA-256, and everything known about them. What is being written is made
    /// equal first, as the relay would; a difference counts if it is still there when it is looked at again.
    ///
    /// # Errors
    /// When the objects cannot be listed or read.
    pub async fn verify(&self, depth: Depth) -> Result<ObjectsCompared> {
        let mut report = ObjectsCompared::default();
        let mut at = None;
        loop {
            let page = {
                let sides = self.mirror.reading().await?;
                self.mirror.page(&sides, "", at.as_deref(), PAGE).await?
            };
            let known = match depth {
                Depth::Recorded => self.known(page.objects.iter().map(|listed| &*listed.key)).await?,
                Depth::Bytes => HashMap::new(),
            };
            let keys = page.objects.into_iter().map(|listed| listed.key).filter(|key| is_key(key));
            let looks = keys.map(|key| {
                let recorded = known.get(&key).cloned();
                async move {
                    let sides = self.mirror.reading().await?;
                    let compared = compare(&sides, &key, recorded.as_ref()).await?;
                    Ok::<_, waiterix_ports::Error>((key, compared))
                }
            });
            let mut looks = stream::iter(looks).buffer_unordered(self.at_once);
            let (mut suspects, mut equal) = (Vec::new(), Vec::new());
            while let Some(look) = looks.next().await {
                let (key, compared) = look?;
                report.compared += 1;
                match compared {
                    Compared::Gone | Compared::AsRecorded => {}
                    Compared::Same(record) => {
                        report.read += 1;
                        equal.push(record);
                    }
                    Compared::Differs(fault) => suspects.push(ObjectDifference { key, fault }),
                }
            }
            drop(looks);
            self.records.keep_records(&equal).await?;
            report.differences.extend(self.look_again(suspects).await?);
            at = page.next;
            if at.is_none() {
                return Ok(report);
            }
        }
    }

    /// Those that still differ. What is in the journal is made equal first, as the relay would; a difference counts if it is the same
    /// twice while nothing was in the journal, or if it stays however often it is made equal.
    async fn look_again(&self, mut suspects: Vec<ObjectDifference>) -> Result<Vec<ObjectDifference>> {
        let (mut left, mut seen) = (Vec::new(), HashMap::new());
        for look in 1..=LOOKS {
            if suspects.is_empty() {
                break;
            }
            let entries = dirty(&*self.mirror.journal).await?;
            let dirty: HashSet<&str> = entries.iter().map(|entry| key_of(&entry.key)).collect();
            let mut still = Vec::new();
            for ObjectDifference { key, .. } in suspects {
                let is_dirty = dirty.contains(&*key);
                if is_dirty {
                    self.try_to_make_equal(&key).await?;
                }
                let sides = self.mirror.reading().await?;
                let Compared::Differs(fault) = compare(&sides, &key, None).await? else { continue };
                let was = if is_dirty { None } else { seen.insert(key.clone(), fault) };
                let is_settled = look == LOOKS || was == Some(fault);
                if is_settled { &mut left } else { &mut still }.push(ObjectDifference { key, fault });
            }
            suspects = still;
            if !suspects.is_empty() {
                sleep(BETWEEN_LOOKS).await;
            }
        }
        Ok(left)
    }

    /// Somebody may be writing it all the time, which is no failure of a side.
    async fn try_to_make_equal(&self, key: &str) -> Result<()> {
        let sides = self.mirror.writing().await?;
        match self.mirror.converge(&sides, key).await {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the objects equal that a comparison found to differ, and compares them again; answers those that still differ. What
    /// only the side that follows has is deleted there if it was equal once, because then somebody deleted it where it is led; of
    /// anything else `remove_extras` says whether it is, and it stays otherwise.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub async fn repair(
        &self,
        found_to_differ: &ObjectsCompared,
        remove_extras: bool,
    ) -> Result<Vec<ObjectDifference>> {
        for ObjectDifference { key, fault } in &found_to_differ.differences {
            let sides = self.mirror.writing().await?;
            let there = found(sides.other.head(key).await)?;
            match (fault, &there) {
                (ObjectFault::Extra, Some(there)) => {
                    let recorded = self.known(std::iter::once(&**key)).await?.remove(key);
                    let was_equal = recorded.is_some_and(|known| etags(sides.led_by, &known).1 == there.etag);
                    if was_equal || remove_extras {
                        self.follow_delete(&sides, key, there).await?;
                    }
                }
                (ObjectFault::Extra, None) => {}
                _ => {
                    if let Some(copied) = self.mirror.converge_from(&sides, key, there).await? {
                        self.records.keep_records(&[record_of(&sides, key, copied)]).await?;
                    }
                }
            }
        }
        self.look_again(found_to_differ.differences.clone()).await
    }
}

fn record_of(sides: &Sides<'_>, key: &str, copied: Copied) -> ObjectRecord {
    let Copied { size, sha256, leaders, others } = copied;
    super::compare::record(sides.led_by, key, size, sha256, leaders, others)
}

fn key_of(key: &BlobKey) -> &str {
    match key {
        BlobKey::Written { key, .. }
        | BlobKey::Deleted { key, .. }
        | BlobKey::Wanted(key)
        | BlobKey::Copying { key, .. }
        | BlobKey::Uploading { key, .. } => key,
    }
}
