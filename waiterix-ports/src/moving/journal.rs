//! Which keys are dirty: the other provider may not be equal to the leader there.
//!
//! For what has no triggers: sessions, objects, temporary data. Rows have a journal in their database, which every writer fills
//! ([`super::RowSide`]).

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::Backlog;
use crate::Result;

/// Names one entry. Later ones are mostly larger, but not every number is used, and where several write at once they can become
/// visible out of order: an entry is only ever forgotten by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u64);

/// A key that is dirty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<K> {
    /// Names the entry. A key that is written again meanwhile has another entry.
    pub id: EntryId,
    /// The key.
    pub key: K,
    /// Whether the write that it was begun for may still be under way. Whoever makes the key equal now must not forget it.
    pub is_open: bool,
}

/// How long a write can be under way at most. Whoever has not said by then that it has ended was ended itself.
pub const LONGEST_WRITE: Duration = Duration::from_secs(15 * 60);

/// A key as a journal writes it down.
pub trait JournalKey: Clone + PartialEq + Send + Sync + Sized + 'static {
    /// Names what the keys are of, so that several kinds can share a table. Never changed once a journal holds keys.
    const PORT: &'static str;

    /// The key as a text: equal keys have equal texts, and no others have.
    fn to_text(&self) -> String;

    /// The key of a text; `None` where none has that text.
    fn of_text(text: &str) -> Option<Self>;
}

/// Remembers dirty keys. A mirror begins an entry before it writes a key, and whoever has converged the key takes away exactly those
/// entries that it had seen before, and whose writes had ended by then; so what is written meanwhile stays dirty.
///
/// All processes that write through mirrors of the same providers share one journal, and it outlives them: what it holds is
/// what a crash left to be done. Writers outside of Waiterix may add entries too, for example by a trigger.
#[async_trait]
pub trait Journal<K>: fmt::Debug + Send + Sync + 'static {
    /// Remembers that a key is about to be written, before it answers. The entry is open until [`Journal::ended`] says that the write
    /// has ended, or for [`LONGEST_WRITE`]. After an error there may be an entry all the same, which is harmless.
    ///
    /// # Errors
    /// As [`Journal::add`].
    async fn begin(&self, key: &K) -> Result<EntryId>;

    /// The writes of these entries have ended, and what became of them can be read. Unknown entries are fine.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`: then they stay open for a while, which is harmless.
    async fn ended(&self, entries: &[EntryId]) -> Result<()>;

    /// Remembers that a key is dirty, before it answers. After an error there may be an entry all the same, which is harmless.
    ///
    /// # Errors
    /// `Invalid` for a key that cannot be written down, `Unavailable`, `Timeout`: then the write is not begun.
    async fn add(&self, key: &K) -> Result<EntryId>;

    /// The entries behind another one, in the order of their names, at most `limit`. Those whose key this version does not know are left out;
    /// they still count in [`Journal::backlog`], so nobody takes the journal for empty.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn entries(&self, after: Option<EntryId>, limit: u32) -> Result<Vec<Entry<K>>>;

    /// Forgets these entries; unknown ones are fine.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn done(&self, entries: &[EntryId]) -> Result<()>;

    /// Whether there is an entry of a key.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn holds(&self, key: &K) -> Result<bool>;

    /// How much there is, and how old the oldest is by the clock of whoever keeps the journal.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn backlog(&self) -> Result<Backlog>;
}
