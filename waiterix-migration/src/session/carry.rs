//! Temporary data that must not be forgotten with the store it was written to: which mails were sent, and who gets none.
//!
//! While both stores are there, the mirror reads both of them, so nothing needs to be moved first. When the leader has changed, and
//! before the one that follows is given up, what only that one remembers is carried over. Unlike one-time data, which would be taken
//! twice, this may be in both.

use std::collections::HashMap;
use std::time::Duration;

use waiterix_domain::Timestamp;
use waiterix_ports::moving::{Leader, TempKey};
use waiterix_ports::session::MAX_TTL;
use waiterix_ports::{ErrorKind, Result};

use super::Sides;
use super::marks::{self, Owned};
use super::sweep::SessionSweep;

/// What mail remembers in the temporary data: which mails were sent, and which addresses get none.
pub const MAIL_MEMORY: [&str; 2] = ["mail:", "mail-suppressed:"];
/// Which addresses get no mail.
pub const SUPPRESSED: [&str; 1] = ["mail-suppressed:"];
/// The mirror's own notes, which mean nothing once there is one store.
const OWN: &str = "mirror:";

/// How many keys are listed at once.
const PAGE: u32 = 500;
/// What ends so soon has ended by the time anybody asks.
const SOON: Duration = Duration::from_secs(1);
/// How much earlier a value that was carried may end: what is carried has a time to live and no end, and the clocks of two
/// servers may differ by as much as a move bears.
const EARLIER_S: i64 = 10;

/// What carrying temporary data over came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carried {
    /// Values that the leader has now, with the end they had.
    pub carried: u64,
    /// Values that the leader knew already, or something newer instead.
    pub known: u64,
    /// Values that are not of the kind that is carried: one-time codes and the like.
    pub left: u64,
    /// When the last one of those ends. Before then the mirror has to stay, or they cannot be taken any more.
    pub left_until: Option<Timestamp>,
}

/// In which way the leader does not know what the store that follows remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MemoryFault {
    /// The leader has nothing of it.
    Missing,
    /// The leader forgets it earlier, by more than ten seconds.
    EndsEarlier,
}

/// What comparing what both stores remember came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryCompared {
    /// How many values of the store that follows were looked for in the leader.
    pub compared: u64,
    /// Those that the leader does not know, by their keys, which are digests.
    pub differences: Vec<(String, MemoryFault)>,
}

impl SessionSweep {
    /// Carries what the store that follows has of these kinds to the leader, for when the one that follows is given up. It can be
    /// repeated: what was carried once and was taken away since stays away.
    ///
    /// # Errors
    /// When the values cannot be listed, read or written.
    pub async fn carry(&self, prefixes: &[&str]) -> Result<Carried> {
        self.carry_over(prefixes, false).await
    }

    /// The same for what the leader was found to lack, also if it was carried once and is lost.
    ///
    /// # Errors
    /// As [`SessionSweep::carry`].
    pub async fn carry_again(&self, prefixes: &[&str]) -> Result<Carried> {
        self.carry_over(prefixes, true).await
    }

    async fn carry_over(&self, prefixes: &[&str], again: bool) -> Result<Carried> {
        let follower = self.mirror.reading().await?.led_by.other();
        let mut sum = Carried::default();
        let mut at = None;
        loop {
            let page = self.keys_of(follower).temp_keys("", at.as_deref(), PAGE).await?;
            for temp in &page.keys {
                if prefixes.iter().any(|prefix| temp.key.starts_with(prefix)) {
                    if self.carry_one(temp, again).await? {
                        sum.carried += 1;
                    } else {
                        sum.known += 1;
                    }
                } else if !temp.key.starts_with(OWN) {
                    sum.left += 1;
                    sum.left_until = sum.left_until.max(Some(temp.ends_at));
                }
            }
            at = page.next;
            if at.is_none() {
                return Ok(sum);
            }
        }
    }

    /// Carries one value; answers whether the leader did not know it.
    async fn carry_one(&self, temp: &TempKey, again: bool) -> Result<bool> {
        let (sides, key) = (self.mirror.writing().await?, &temp.key);
        match marks::owned(sides.leader, key).await? {
            Some(Owned::Set) => return Ok(false),
            Some(Owned::Carried) if !again => return Ok(false),
            _ => {}
        }
        let Some(ttl) = self.left_of(temp) else { return Ok(false) };
        let value = match sides.other.temp_get(key).await {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(false),
            // What cannot be understood was written for a reason, and says so until its end.
            Err(error) if error.kind() == ErrorKind::Corrupt => serde_json::Value::Null,
            Err(error) => return Err(error),
        };
        let is_new = sides.leader.temp_set_if_absent(key, &value, ttl).await?;
        if is_new && marks::owned(sides.leader, key).await? == Some(Owned::Set) {
            // It was set and had ended again in between: what was carried is older.
            sides.leader.temp_take(key).await?;
            return Ok(false);
        }
        // Only now: without the value the mark would say that it was there and was taken away.
        marks::set_carried(sides.leader, key, ttl).await?;
        Ok(is_new)
    }

    /// Hands what the leader has of these kinds on to the store that follows, so that whoever reads that one alone knows it before
    /// it leads. What is set or taken away in the leader later is taken away there, too, as with everything temporary. Answers
    /// how many values are new there.
    ///
    /// # Errors
    /// When the values cannot be listed, read or written.
    pub async fn hand_on(&self, prefixes: &[&str]) -> Result<u64> {
        let leader = self.mirror.reading().await?.led_by;
        let mut new = 0;
        for prefix in prefixes {
            let mut at = None;
            loop {
                let page = self.keys_of(leader).temp_keys(prefix, at.as_deref(), PAGE).await?;
                for temp in &page.keys {
                    new += u64::from(self.hand_on_one(temp).await?);
                }
                at = page.next;
                if at.is_none() {
                    break;
                }
            }
        }
        Ok(new)
    }

    async fn hand_on_one(&self, temp: &TempKey) -> Result<bool> {
        let (sides, key) = (self.mirror.writing().await?, &temp.key);
        let Some(ttl) = self.left_of(temp) else { return Ok(false) };
        let value = match sides.leader.temp_get(key).await {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Corrupt => serde_json::Value::Null,
            Err(error) => return Err(error),
        };
        if !sides.other.temp_set_if_absent(key, &value, ttl).await? {
            return Ok(false);
        }
        // Whoever took it away meanwhile may have looked at the other store before it was there.
        let is_still = match sides.leader.temp_get(key).await {
            Ok(now) => now.as_ref() == Some(&value),
            Err(error) => error.kind() == ErrorKind::Corrupt && value.is_null(),
        };
        if !is_still {
            sides.other.temp_take(key).await?;
        }
        Ok(is_still)
    }

    /// How long a value has left; nothing if that is over before anybody asks.
    fn left_of(&self, temp: &TempKey) -> Option<Duration> {
        let left_ms = temp.ends_at.as_millis().saturating_sub(self.mirror.clock.now().as_millis());
        let left = Duration::from_millis(u64::try_from(left_ms).ok()?);
        (left >= SOON).then(|| left.min(MAX_TTL))
    }

    /// Looks in the leader for everything of these kinds that the store that follows remembers: that it is there, and is not
    /// forgotten earlier. Changes nothing.
    ///
    /// # Errors
    /// When the values cannot be listed or read.
    pub async fn compare_memory(&self, prefixes: &[&str]) -> Result<MemoryCompared> {
        let leader = self.mirror.reading().await?.led_by;
        let ends = self.ends_in(leader, prefixes).await?;
        let mut report = MemoryCompared::default();
        for prefix in prefixes {
            let mut at = None;
            loop {
                let page = self.keys_of(leader.other()).temp_keys(prefix, at.as_deref(), PAGE).await?;
                for temp in page.keys {
                    // What ends within the next seconds may be forgotten by one of them already.
                    if self.left_of(&temp).is_none_or(|left| left <= SOON * 3) {
                        continue;
                    }
                    report.compared += 1;
                    let fault = match ends.get(&temp.key) {
                        Some(end) if end.plus_seconds(EARLIER_S) >= temp.ends_at => None,
                        Some(_) => Some(MemoryFault::EndsEarlier),
                        None => Some(MemoryFault::Missing),
                    };
                    if let Some(fault) = fault
                        && self.is_unknown(&self.mirror.reading().await?, &temp.key, fault).await?
                    {
                        report.differences.push((temp.key, fault));
                    }
                }
                at = page.next;
                if at.is_none() {
                    break;
                }
            }
        }
        Ok(report)
    }

    /// When the values of these kinds end in a store.
    async fn ends_in(&self, side: Leader, prefixes: &[&str]) -> Result<HashMap<String, Timestamp>> {
        let mut ends = HashMap::new();
        for prefix in prefixes {
            let mut at = None;
            loop {
                let page = self.keys_of(side).temp_keys(prefix, at.as_deref(), PAGE).await?;
                ends.extend(page.keys.into_iter().map(|temp| (temp.key, temp.ends_at)));
                at = page.next;
                if at.is_none() {
                    break;
                }
            }
        }
        Ok(ends)
    }

    /// Whether what a listing shows is so: it may have come or gone since, and what was set in the leader itself is newer.
    async fn is_unknown(&self, sides: &Sides<'_>, key: &str, fault: MemoryFault) -> Result<bool> {
        if marks::owned(sides.leader, key).await? == Some(Owned::Set) {
            return Ok(false);
        }
        let read = async |store: &dyn waiterix_ports::SessionStore| match store.temp_get(key).await {
            Ok(value) => Ok(value.is_some()),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(true),
            Err(error) => Err(error),
        };
        if !read(sides.other).await? {
            return Ok(false);
        }
        Ok(fault == MemoryFault::EndsEarlier || !read(sides.leader).await?)
    }
}
