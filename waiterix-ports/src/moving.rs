//! What a live move of rows needs of each of its two databases.
//!
//! A *side* is a database that takes part in a move. It keeps, beside the rows, a [`Standing`], which it enforces against
//! every writer there is, and a journal of dirty keys, which it fills in the transaction of every write. Who decides what is
//! moved when is `waiterix-migration`; it names no adapter and speaks to both sides through [`RowSide`].
//!
//! What moves without being rows has a [journal] that its mirrors fill, and is [walked](walk) over. The [plan] says who leads in each
//! port.

pub mod journal;
pub mod plan;
mod shares;
pub mod walk;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use journal::{Entry, EntryId, Journal, JournalKey, LONGEST_WRITE};
pub use plan::{
    Forgetting, LEASE, Leader, Ledger, LedgerEntry, Mirroring, MovingPort, Plan, PlanStore, PortStanding,
    Recorded, Stage, Turns, Watcher,
};
pub use shares::Shares;
pub use walk::{KeyPage, ObjectRecord, ObjectRecords, Place, Places, SessionKeys, TempKey};

use crate::{KeyRange, Result};

/// What a side lets happen to its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// It leads: anyone writes, and every write is noted in the journal.
    Open,
    /// It leads still, and is about to be fenced: whoever remembers that it leads must look again before each read.
    Announced,
    /// Nobody writes, and it is not decided yet who will lead.
    Fenced,
    /// Nobody writes: the other side leads, or is about to.
    Decided,
    /// The other side leads; only those who make rows equal to its rows write here.
    Mirror,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 5] = [Self::Open, Self::Announced, Self::Fenced, Self::Decided, Self::Mirror];

    /// The mode as a stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Announced => "announced",
            Self::Fenced => "fenced",
            Self::Decided => "decided",
            Self::Mirror => "mirror",
        }
    }

    /// The mode with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

/// What a side enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Standing {
    /// Counts changes of the leader. It rises by one when a side becomes the leader, and when the other one follows it.
    pub epoch: u64,
    /// What is let happen.
    pub mode: Mode,
    /// Counts changes of this standing, so that no two are the same: whoever decides by what was seen in one is refused in
    /// the next, although mode and epoch may be the same again.
    pub turn: u64,
}

/// A row of a table, by its primary key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MovingKey {
    /// The table, without its schema.
    pub table: Arc<str>,
    /// The key; of tables that have one of a single text column.
    pub id: String,
}

/// An entry of the journal: a key that may differ on the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Names the entry. A key that is written again has another entry. Numbers may become visible out of order.
    pub id: u64,
    /// The dirty key.
    pub key: MovingKey,
}

/// How much there is to be made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Entries of the journal.
    pub entries: u64,
    /// Keys in quarantine, counted in the same snapshot: keys go from the one into the other and back, so that of two moments
    /// both may seem empty although they never were.
    pub quarantined: u64,
    /// How old the oldest one is, by the clock of the side itself.
    pub age: Duration,
}

/// A row as its side writes it down: a JSON object of every column by its name, each as the text the server writes its value
/// as, which loses nothing; `null` where there is no value. It has personal data, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Image(pub String);

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes)", self.0.len())
    }
}

/// What a key should be on the side that follows: the row of the leader, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The key.
    pub key: MovingKey,
    /// Its row; `None` where there is none.
    pub image: Option<Image>,
}

/// A table that is moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovingTable {
    /// Its name, without its schema.
    pub name: Arc<str>,
    /// The column of its primary key.
    pub key: String,
    /// All columns with their types as the server writes them, sorted by name.
    pub columns: Vec<(String, String)>,
    /// How many rows there are, as the server estimates.
    pub rows: u64,
    /// How many bytes it takes, with what belongs to it.
    pub bytes: u64,
}

/// What is known about a side before anything is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Says which database it is, so that the two of a move can be told apart however they are reached.
    pub identity: String,
    /// The server's version as it writes it.
    pub version: String,
    /// How far its clock is ahead of this machine's; negative when it is behind.
    pub clock_ahead_ms: i64,
    /// The tables that move, parents before children.
    pub tables: Vec<MovingTable>,
    /// Everything that keeps it from taking part, as texts for people that say what to do. Empty when it can.
    pub faults: Vec<String>,
    /// Everything of the move itself that is missing, as texts: nobody notes or refuses what it was to see to. To install again makes
    /// it; what was written meanwhile is found by a comparison alone.
    pub unguarded: Vec<String>,
    /// What it enforces; `None` when nothing is installed.
    pub standing: Option<Standing>,
}

/// What was counted of a range of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Leaf {
    /// How many rows.
    pub rows: u64,
    /// A combined hash of all rows: of their keys and all their columns.
    pub hash: u64,
    /// A second one, combined in another way.
    pub sum: u64,
}

impl Leaf {
    /// What is counted of both, if no row is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            hash: self.hash ^ other.hash,
            sum: self.sum.wrapping_add(other.sum),
        }
    }
}

/// How rows are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hashing {
    /// By the server's own hash of records: the fastest. Values that SQL holds for equal hash alike (1.0 and 1.00).
    Record,
    /// Of the text of each value, with its length: slower, another family of hashes, and exact to the letter.
    Text,
}

/// The rows of a range, in a form that only sides of the same kind understand.
#[derive(Clone, Default)]
pub struct Parcel {
    /// What is in it.
    pub leaf: Leaf,
    /// The columns, in the order in which they are written.
    pub columns: Vec<String>,
    /// The rows.
    pub data: crate::Bytes,
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel")
            .field("leaf", &self.leaf)
            .field("bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}

/// A key and the hash of its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowHash {
    /// The key.
    pub id: String,
    /// The hash.
    pub hash: u64,
}

/// A key that could not be made equal on the side that follows. It stays away from the journal, so that it holds up nobody, and
/// nobody takes the lead as long as there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The key.
    pub key: MovingKey,
    /// What stood in the way, without values of the row.
    pub reason: String,
}

/// A process that serves and remembers who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Names the process.
    pub id: String,
    /// The turn it last saw on the old side; 0 before its first look.
    pub old_turn: u64,
    /// The turn it last saw on the new side; 0 before its first look.
    pub new_turn: u64,
    /// How long ago it said so, by the clock of the side.
    pub silent_for: Duration,
    /// Whether an operator said that it is dead.
    pub is_forgotten: bool,
}

impl Instance {
    /// For how long it may still believe what it saw last, if whoever is silent for so long believes nothing; `None` when it believes
    /// nothing any more, by the time that went by or by an operator's word.
    #[must_use]
    pub fn left(&self, silence: Duration) -> Option<Duration> {
        let left = silence.checked_sub(self.silent_for).filter(|left| !left.is_zero());
        if self.is_forgotten { None } else { left }
    }
}

/// What a key is claimed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claiming {
    /// The oldest entries that nobody else has claimed, at most so many.
    Oldest(u32),
    /// All entries of these keys that nobody else has claimed.
    Keys(Vec<MovingKey>),
}

/// Entries of the journal that are being worked on. Dropped, it lets go of them unchanged.
#[async_trait]
pub trait Claim: fmt::Debug + Send {
    /// The entries. Only those that had been committed when they were claimed.
    fn entries(&self) -> &[JournalEntry];

    /// Reads rows as they are committed *now*, all in one snapshot, which is taken after this call begins. A key without
    /// a row is answered without an image; the order is that of the keys.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn images(&mut self, keys: &[MovingKey]) -> Result<Vec<Wanted>>;

    /// Forgets the claimed entries of these keys, exactly those and no younger ones, and lets go of the others unchanged.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`: then they may be there still, which is harmless.
    async fn forget(self: Box<Self>, made: &[MovingKey]) -> Result<()>;
}

/// Keys of a side that follows, locked against everybody else who would make them equal. Dropped, it lets go of them
/// and has changed nothing.
#[async_trait]
pub trait Hold: fmt::Debug + Send {
    /// Makes the rows as they are wanted, all or nothing: what must go first, then parents before children. Rows that are
    /// equal already are not written.
    ///
    /// # Errors
    /// `Conflict` with `Violation::Unique`, `Violation::ForeignKey` or none where other rows stand in the way;
    /// `Unavailable` with `Violation::NotLeading` when the side does not follow in that epoch; `Unavailable`, `Timeout`.
    async fn make(self: Box<Self>, wanted: &[Wanted]) -> Result<()>;
}

/// One of the two databases of a move.
#[async_trait]
pub trait RowSide: fmt::Debug + Send + Sync + 'static {
    /// Looks at the database without changing it.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`, `Denied`.
    async fn survey(&self) -> Result<Survey>;

    /// Adds what a move needs, and the first standing if there is none; doing it again changes nothing.
    ///
    /// # Errors
    /// `Denied` without the privileges; `Unsupported`; `Unavailable`, `Timeout`.
    async fn install(&self, first: Standing) -> Result<()>;

    /// Takes away everything that was added. Anyone may write afterwards.
    ///
    /// # Errors
    /// As [`RowSide::install`].
    async fn uninstall(&self) -> Result<()>;

    /// What the side enforces; `None` when nothing is installed.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn standing(&self) -> Result<Option<Standing>>;

    /// Replaces a standing by another of the next turn, if it is still the one that was seen; answers whether it was. Where
    /// the next one lets in fewer, it waits for all writes that are under way, at most for this long, and keeps new ones waiting
    /// meanwhile. A repeat after
    /// an unknown outcome finds the standing it made and answers `true`.
    ///
    /// # Errors
    /// `Timeout` when writes did not end: then nothing has changed; `Unavailable`.
    async fn shift(&self, seen: Standing, mode: Mode, epoch: u64, patience: Duration) -> Result<bool>;

    /// Claims entries of the journal.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn claim(&self, what: &Claiming) -> Result<Box<dyn Claim>>;

    /// How much is in the journal and in quarantine, both at one moment.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn backlog(&self) -> Result<Backlog>;

    /// Notes keys in the journal.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn mark(&self, keys: &[MovingKey]) -> Result<()>;

    /// Which of these keys have entries in the journal, claimed by somebody or not.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn dirty(&self, keys: &[MovingKey]) -> Result<Vec<MovingKey>>;

    /// Puts keys into quarantine; one that is there already has the new reason. The quarantine is beside the journal: on the side
    /// that leads.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn quarantine(&self, keys: &[Quarantined]) -> Result<()>;

    /// The keys in quarantine, in order, at most so many.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn quarantined(&self, limit: u32) -> Result<Vec<Quarantined>>;

    /// Notes all keys of the quarantine in the journal and empties it, in one transaction; answers how many.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn release(&self) -> Result<u64>;

    /// Notes what an instance has seen, and forgets those that have been silent for more than a day.
    ///
    /// # Errors
    /// `Unavailable` with [`Violation::Forgotten`](crate::Violation::Forgotten) for an instance that was
    /// [forgotten](RowSide::forget), ever after: nobody knows of it, so it must look before each read. `Unavailable`, `Timeout`.
    async fn report(&self, id: &str, old_turn: u64, new_turn: u64) -> Result<()>;

    /// An instance ends, and need not be waited for any more; one that is not known is fine, also where nothing is installed.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn leave(&self, id: &str) -> Result<()>;

    /// An operator says that an instance is dead: nobody waits for it any more, and its reports are refused from now on. Only if it has
    /// not reported for so long. Also where nothing is installed, and a repeat answers the same.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn forget(&self, id: &str, silent: Duration) -> Result<Forgetting>;

    /// The instances that reported here.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn instances(&self) -> Result<Vec<Instance>>;

    /// Begins to make keys equal to those of the leader of an epoch, and waits until nobody else does.
    ///
    /// # Errors
    /// `Unavailable` with `Violation::NotLeading` when the side does not follow in that epoch; `Unavailable`, `Timeout`.
    async fn hold(&self, epoch: u64, keys: &[MovingKey]) -> Result<Box<dyn Hold>>;

    /// Cuts a table into ranges of about so many rows, in key order, which together hold every key there can be. Both sides
    /// understand them.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn ranges(&self, table: &str, rows: u64) -> Result<Vec<KeyRange>>;

    /// Cuts a table for the copy, into ranges of about so many rows which together hold every row there is. What they mean is
    /// known to this side only, which may prefer the order in which the rows lie; the other one remembers them as they are. Asked
    /// again, it answers the same ones until everything is [taken away](RowSide::uninstall), so that a copy that was broken off
    /// goes on. What is written after the cut may be in none of them, and is in the journal.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn cut(&self, table: &str, rows: u64) -> Result<Vec<KeyRange>>;

    /// Reads a range of a [cut](RowSide::cut), or one of [`ranges`](RowSide::ranges), in one snapshot.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn copy_out(&self, table: &str, range: &KeyRange) -> Result<Parcel>;

    /// Writes a range, compares what is there with what should be, and notes the range as copied, in one transaction. A
    /// range that is noted already is left alone.
    ///
    /// # Errors
    /// `Corrupt` when what is there is not what was sent; `Unavailable` with `Violation::NotLeading`; `Unavailable`,
    /// `Timeout`.
    async fn copy_in(&self, epoch: u64, table: &str, range: &KeyRange, parcel: Parcel) -> Result<()>;

    /// The ranges of a table that are noted as copied.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn copied(&self, table: &str) -> Result<Vec<KeyRange>>;

    /// Takes away what would make the copy slow and can be made again: indexes and foreign keys. They are written down
    /// first, so that a crash loses none.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`, `Timeout`.
    async fn before_copy(&self) -> Result<()>;

    /// Makes indexes and foreign keys again, and has the server check all rows; doing it again changes nothing. It belongs
    /// between the copy and the first key that is made equal.
    ///
    /// # Errors
    /// `Conflict` when rows break one, which rows that were copied at different moments may: everything else is made then, keys
    /// can be made equal, and after that it is to be called again. `Denied`, `Unavailable`, `Timeout`.
    async fn after_copy(&self) -> Result<()>;

    /// Cuts a table into stretches of about so many bytes, in the order in which its rows lie now, which together hold every row. What
    /// they mean is known to this side only. A row that is written later may be in two of them, or in none.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn stretches(&self, table: &str, bytes: u64) -> Result<Vec<KeyRange>>;

    /// Counts and hashes the shares of a [stretch](RowSide::stretches), or of a range of keys, in one pass: one leaf per share.
    ///
    /// # Errors
    /// `Conflict` when the rows of the whole table lie elsewhere since the stretch was cut (`VACUUM FULL`, `TRUNCATE`): it must be cut
    /// again. `Unavailable`, `Timeout`.
    async fn leaves(
        &self,
        table: &str,
        range: &KeyRange,
        shares: Shares,
        hashing: Hashing,
    ) -> Result<Vec<Leaf>>;

    /// The keys of some of the shares with the hashes of their rows, in one pass over a [stretch](RowSide::stretches) or a range of keys.
    ///
    /// # Errors
    /// As [`RowSide::leaves`].
    async fn hashes(
        &self,
        table: &str,
        range: &KeyRange,
        shares: Shares,
        some: &[u32],
        hashing: Hashing,
    ) -> Result<Vec<RowHash>>;

    /// Rows by their keys, as they are committed now, in one snapshot.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn images(&self, keys: &[MovingKey]) -> Result<Vec<Wanted>>;

    /// How many milliseconds behind the server is with its own work (standby lag, or how long a trivial statement takes).
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn pressure(&self) -> Result<Duration>;
}
