//! Rows.

mod fault;
mod query;
mod reads;

use std::fmt;

use async_trait::async_trait;
pub use fault::fault_of;
pub use query::{Answer, Count, Query};
pub use reads::Reads;
use waiterix_domain::digest::Digest;
use waiterix_domain::{ChangeSet, Row, Table};

use crate::Result;

/// A range of keys in bytewise order; both ends optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// Keys after this one (exclusive).
    pub after: Option<String>,
    /// Keys up to this one (inclusive).
    pub up_to: Option<String>,
}

/// All rows of the schema.
///
/// Implementations: memory and SQLite (`waiterix-adapters-local`); PostgreSQL in other crates.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Answers one question about the rows, in one statement or one snapshot. Use [`Reads`] for typed answers.
    ///
    /// - **S1** Every [`Query`] answers with the variant and order its documentation states; order is total.
    /// - **S2** Unknown ids give empty answers, never errors.
    /// - **S3** A composite answer shows one moment: never a header without its lines.
    /// - **S4** Reading changes nothing.
    /// - **S5** Every column survives a round trip: null and empty text, null and empty array, array order, exact
    ///   amounts, microseconds, any Unicode text but U+0000, unknown words, any JSON whose numbers have at most 15
    ///   digits and no exponent.
    /// - **S6** Text with U+0000, or a key longer than 4 096 bytes, in a query is simply not found.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`, `Throttled`, `Denied`; `Corrupt` when a stored row cannot be understood.
    async fn read(&self, query: &Query) -> Result<Answer>;

    /// Commits a set of changes, all or nothing.
    ///
    /// - **S10** All changes are visible to every read that starts after the answer.
    /// - **S11** A failed commit changed nothing at all, and is not remembered: sent again it is tried anew. Where a
    ///   set cannot be committed for several reasons, any one of them is answered.
    /// - **S12** `Insert` of a key that holds another row is `Conflict` with `Unique(PrimaryKey)`; of the very same
    ///   row it is done already.
    /// - **S13** `Update` of a row that is no longer `before` is `Conflict` with `Requirement` and the place of the
    ///   change, also when another commit has made `after` of it; of a row that is gone likewise. One whose `before` and
    ///   `after` are not of the same table and key is `Invalid`.
    /// - **S14** `Delete` follows the foreign keys of the schema: cascades and set-nulls; an absent row is done
    ///   already.
    /// - **S15** `Add` counts exactly, also when many commits add at once; an absent row is `Conflict` with
    ///   `Requirement`; a result outside 32 bits is `Invalid`.
    /// - **S16** `Require` fails with `Conflict` and `Requirement` when it does not hold, and the whole set with it.
    /// - **S17** Every rule of [`UniqueRule`](waiterix_domain::UniqueRule) holds; its violation is `Conflict` with
    ///   that rule.
    /// - **S18** A foreign key to a row that is not there is `Conflict` with `ForeignKey`.
    /// - **S19** The same set sent again changes nothing and succeeds, also when others changed the rows in between. A
    ///   set of nothing but inserts is recognised by its rows alone ([`ChangeSet::needs_record`]), so only as long as
    ///   they are as it left them.
    /// - **S20** Of several commits that update the same row as it was read, exactly one succeeds, also when they would
    ///   all make the same of it; none is lost.
    /// - **S21** Changes apply in order, each to what those before it left: a parent may be inserted before its child
    ///   in one set (not after it), a value that was freed by an earlier change may be taken by a later one.
    /// - **S22** A set of [`ChangeSet::MAX_CHANGES`] changes is committed; a longer one is `Invalid`.
    /// - **S23** A text with U+0000 is `Invalid`, wherever it stands in the set: texts, arrays, JSON, keys.
    /// - **S24** An empty set succeeds.
    /// - **S25** Two commits that each require what the other changes cannot both succeed (no write skew).
    ///
    /// # Errors
    /// `Conflict` with a [`Violation`](crate::Violation), `Invalid`, `Unavailable`, `Timeout` (retry advice
    /// `Ambiguous`: send the same set again), `Throttled`, `Denied`.
    async fn commit(&self, changes: &ChangeSet) -> Result<()>;

    /// Reads a table in bytewise key order, one page at a time.
    ///
    /// - **S30** Pages that follow one another (`after` = last key of the page before) give every row exactly once,
    ///   in bytewise order of the key; a page with fewer than `limit` rows is the last.
    /// - **S31** A row that exists during the whole walk is in it, whatever else is written meanwhile.
    /// - **S32** A `limit` of 0 or above 10 000 is `Invalid`.
    ///
    /// # Errors
    /// As [`Store::read`].
    async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>>;

    /// The digest of a range of a table, see [`waiterix_domain::digest`].
    ///
    /// - **S40** Equal to the digest of the scanned rows of the range.
    ///
    /// # Errors
    /// As [`Store::read`].
    async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest>;

    /// Forgets commit ids recorded before an instant, at most `limit` of them; answers how many. A set sent again
    /// later than that is no longer recognised, so keep them for at least a day.
    ///
    /// - **S50** Ids recorded before the instant are forgotten, younger ones are kept.
    ///
    /// # Errors
    /// As [`Store::read`].
    async fn forget_commits(&self, before: waiterix_domain::Timestamp, limit: u32) -> Result<u32>;

    /// Proves that the store answers, at the price of one round trip.
    ///
    /// - **S60** Succeeds on a working store and changes nothing.
    ///
    /// # Errors
    /// As [`Store::read`].
    async fn check(&self) -> Result<()>;
}
