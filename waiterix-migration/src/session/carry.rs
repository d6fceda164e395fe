//! Temporary data that must not be forgotten with the store it was written to: which mails were sent, and who gets none.
//!
//! While both stores are there, the mirror reads both of them, so nothing needs to be moved first. Before the one that follows is
//! given up, what only it remembers is carried over. Unlike one-time data, which would be taken twice, this may be in both.

use waiterix_domain::Timestamp;
use waiterix_ports::moving::TempKey;
use waiterix_ports::session::MAX_TTL;
use waiterix_ports::{ErrorKind, Result};

use super::marks;
use super::sweep::SessionSweep;

/// What mail remembers in the temporary data: which mails were sent, and which addresses get none.
pub const MAIL_MEMORY: [&str; 2] = ["mail:", "mail-suppressed:"];
/// The mirror's own notes, which mean nothing once there is one store.
const OWN: &str = "mirror:";

/// How many keys are listed at once.
const PAGE: u32 = 500;

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

impl SessionSweep {
    /// Carries what the store that follows has of these kinds to the leader, for when the one that follows is given up. It can be
    /// repeated.
    ///
    /// # Errors
    /// When the values cannot be listed, read or written.
    pub async fn carry(&self, prefixes: &[&str]) -> Result<Carried> {
        let follower = self.mirror.reading().await?.led_by.other();
        let mut sum = Carried::default();
        let mut at = None;
        loop {
            let page = self.keys_of(follower).temp_keys("", at.as_deref(), PAGE).await?;
            for temp in &page.keys {
                if prefixes.iter().any(|prefix| temp.key.starts_with(prefix)) {
                    if self.carry_one(temp).await? {
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
    async fn carry_one(&self, TempKey { key, ends_at }: &TempKey) -> Result<bool> {
        let sides = self.mirror.writing().await?;
        if marks::owns(sides.leader, key).await? {
            return Ok(false);
        }
        let left_ms = ends_at.as_millis().saturating_sub(self.mirror.clock.now().as_millis());
        // What ends within the second has ended by the time anybody asks.
        let Some(ttl) = u64::try_from(left_ms).ok().filter(|left_ms| *left_ms >= 1000) else {
            return Ok(false);
        };
        let ttl = std::time::Duration::from_millis(ttl).min(MAX_TTL);
        let value = match sides.other.temp_get(key).await {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(false),
            // What cannot be understood was written for a reason, and says so until its end.
            Err(error) if error.kind() == ErrorKind::Corrupt => serde_json::Value::Null,
            Err(error) => return Err(error),
        };
        let is_new = sides.leader.temp_set_if_absent(key, &value, ttl).await?;
        if is_new && marks::owns(sides.leader, key).await? {
            // It was set and had ended again in between: what was carried is older.
            sides.leader.temp_take(key).await?;
            return Ok(false);
        }
        Ok(is_new)
    }
}
