//! What may differ about an object, and how a journal writes it down.

use waiterix_domain::Timestamp;
use waiterix_ports::moving::{JournalKey, Leader};

/// What may differ between the two stores.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BlobKey {
    /// The object was written in a store that led then: what the other one holds may be older. Where the leader has none, the
    /// write did not come about, or a delete came after it that has an entry of its own.
    ///
    /// The leader is told, so that an instance that knows of a later phase copies in the right direction.
    Written {
        /// Which object.
        key: String,
        /// Who led.
        leader: Leader,
    },
    /// The object was deleted in a store that led then: where that one has none, the other shall have none.
    Deleted {
        /// Which object.
        key: String,
        /// Who led.
        leader: Leader,
    },
    /// The object was read from the other store, and its copy put off.
    Wanted(String),
    /// The object is being copied, and must not stay there if it is deleted meanwhile where it came from.
    Copying {
        /// Which object.
        key: String,
        /// Where to.
        to: Leader,
        /// Its size in bytes.
        size: u64,
    },
    /// A signed URL allows an upload to the leader.
    Uploading {
        /// Of which object.
        key: String,
        /// Until when.
        until: Timestamp,
    },
}

/// A word, what belongs to it, and last the key, which may hold anything but control characters.
impl JournalKey for BlobKey {
    const PORT: &'static str = "objects";

    fn to_text(&self) -> String {
        match self {
            Self::Written { key, leader } => format!("written:{}:{key}", leader.as_str()),
            Self::Deleted { key, leader } => format!("deleted:{}:{key}", leader.as_str()),
            Self::Wanted(key) => format!("wanted:{key}"),
            Self::Copying { key, to, size } => format!("copying:{}:{size}:{key}", to.as_str()),
            Self::Uploading { key, until } => format!("uploading:{}:{key}", until.as_micros()),
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(':')?;
        let led = || {
            let (leader, key) = rest.split_once(':')?;
            Some((Leader::named(leader)?, key))
        };
        Some(match word {
            "written" => led().map(|(leader, key)| Self::Written { key: key.to_owned(), leader })?,
            "deleted" => led().map(|(leader, key)| Self::Deleted { key: key.to_owned(), leader })?,
            "wanted" => Self::Wanted(rest.to_owned()),
            "copying" => {
                let (to, rest) = led()?;
                let (size, key) = rest.split_once(':')?;
                Self::Copying { key: key.to_owned(), to, size: size.parse().ok()? }
            }
            "uploading" => {
                let (until, key) = rest.split_once(':')?;
                Self::Uploading { key: key.to_owned(), until: Timestamp::from_micros(until.parse().ok()?)? }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_what_its_text_says() {
        let key = || "a:b/ü c::".to_owned();
        for leader in [Leader::Old, Leader::New] {
            for entry in [
                BlobKey::Written { key: key(), leader },
                BlobKey::Deleted { key: key(), leader },
                BlobKey::Wanted(key()),
                BlobKey::Copying { key: key(), to: leader, size: u64::MAX },
                BlobKey::Uploading { key: key(), until: Timestamp::EPOCH.plus_millis(-7) },
            ] {
                assert_eq!(BlobKey::of_text(&entry.to_text()), Some(entry));
            }
        }
        for text in ["", "written", "written:key", "written:both:key", "copying:old:x:key", "later:old:key"] {
            assert_eq!(BlobKey::of_text(text), None, "{text}");
        }
    }
}
