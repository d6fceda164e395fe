//! Whether an object is the same on both sides.

use tokio::try_join;
use waiterix_ports::moving::{Leader, ObjectRecord};
use waiterix_ports::{BlobMeta, Result};

use super::Sides;
use super::converge::found;
use super::digest::digest_of;

/// In which way an object differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectFault {
    /// The side that follows does not have it.
    Missing,
    /// Only the side that follows has it.
    Extra,
    /// It is longer or shorter.
    Size,
    /// Its bytes are others.
    Bytes,
    /// Its content type is another.
    ContentType,
    /// It is to be served with another `Cache-Control`.
    CacheControl,
    /// It belongs to somebody else.
    Owner,
    /// It is shown to others.
    Visibility,
}

/// How closely objects are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// One that was found equal before, and that both stores call what they called it then, is not read again.
    Recorded,
    /// Every byte of every object is read on both sides.
    Bytes,
}

/// What comparing an object came to.
pub(super) enum Compared {
    /// None of the sides has it.
    Gone,
    /// It is as it was recorded.
    AsRecorded,
    /// It was read on both sides and is the same.
    Same(ObjectRecord),
    /// It differs.
    Differs(ObjectFault),
}

/// What is known about an object apart from its bytes.
pub(super) fn fault_between(here: &BlobMeta, there: &BlobMeta) -> Option<ObjectFault> {
    if here.size != there.size {
        Some(ObjectFault::Size)
    } else if here.visibility != there.visibility {
        Some(ObjectFault::Visibility)
    } else if here.owner != there.owner {
        Some(ObjectFault::Owner)
    } else if here.content_type != there.content_type {
        Some(ObjectFault::ContentType)
    } else if here.cache_control != there.cache_control {
        Some(ObjectFault::CacheControl)
    } else {
        None
    }
}

/// The record of an object, by what the leader and the other store call it.
pub(super) fn record(
    led_by: Leader,
    key: &str,
    size: u64,
    sha256: [u8; 32],
    leaders: String,
    others: String,
) -> ObjectRecord {
    let (old_etag, new_etag) = match led_by {
        Leader::Old => (leaders, others),
        Leader::New => (others, leaders),
    };
    ObjectRecord { key: key.to_owned(), size, sha256, old_etag, new_etag }
}

/// What the leader and the other store called an object when it was recorded.
pub(super) fn etags(led_by: Leader, record: &ObjectRecord) -> (&str, &str) {
    match led_by {
        Leader::Old => (&record.old_etag, &record.new_etag),
        Leader::New => (&record.new_etag, &record.old_etag),
    }
}

/// Compares an object; `recorded` only where it need not be read again.
pub(super) async fn compare(
    sides: &Sides<'_>,
    key: &str,
    recorded: Option<&ObjectRecord>,
) -> Result<Compared> {
    let (here, there) = try_join!(head(sides.leader, key), head(sides.other, key))?;
    let (here, there) = match (here, there) {
        (None, None) => return Ok(Compared::Gone),
        (Some(_), None) => return Ok(Compared::Differs(ObjectFault::Missing)),
        (None, Some(_)) => return Ok(Compared::Differs(ObjectFault::Extra)),
        (Some(here), Some(there)) => (here, there),
    };
    if let Some(fault) = fault_between(&here, &there) {
        return Ok(Compared::Differs(fault));
    }
    if recorded.is_some_and(|record| {
        record.size == here.size && etags(sides.led_by, record) == (&*here.etag, &*there.etag)
    }) {
        return Ok(Compared::AsRecorded);
    }
    let (ours, theirs) = try_join!(bytes(sides.leader, key), bytes(sides.other, key))?;
    Ok(match (ours, theirs) {
        (Some((sum, ours)), Some((other, theirs))) if sum == other => {
            let (size, sha256) = (ours.size, sum);
            Compared::Same(record(sides.led_by, key, size, sha256, ours.etag, theirs.etag))
        }
        (Some(_), Some(_)) => Compared::Differs(ObjectFault::Bytes),
        (Some(_), None) => Compared::Differs(ObjectFault::Missing),
        (None, Some(_)) => Compared::Differs(ObjectFault::Extra),
        (None, None) => Compared::Gone,
    })
}

async fn head(store: &dyn waiterix_ports::BlobStore, key: &str) -> Result<Option<BlobMeta>> {
    found(store.head(key).await)
}

/// The digest of an object, and what was known about it when it was read.
async fn bytes(store: &dyn waiterix_ports::BlobStore, key: &str) -> Result<Option<([u8; 32], BlobMeta)>> {
    let Some(download) = found(store.get(key, None).await)? else { return Ok(None) };
    let (sum, _) = digest_of(download.body).await?;
    Ok(Some((sum, download.meta)))
}
