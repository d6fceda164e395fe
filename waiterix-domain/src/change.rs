//! Writes as values.
//!
//! A use case never writes; it decides on a [`ChangeSet`], which a store commits whole or not at all.

use std::fmt;

use crate::schema::{Entity, Row, RowKey, Table};

/// Names one commit, so that sending it again does nothing twice. Chosen before the first attempt.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(String);

impl CommitId {
    /// Wraps an id; it must be unique over all commits, normally a UUID.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// An integer column that is only ever counted up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// `faq_knowledge_base.usage_count`.
    FaqUsage,
    /// `restaurants.ai_usage_count`.
    RestaurantAiUsage,
    /// `restaurants.current_month_usage`.
    RestaurantMonthUsage,
}

impl Counter {
    /// Every counter.
    pub const ALL: &'static [Self] = &[Self::FaqUsage, Self::RestaurantAiUsage, Self::RestaurantMonthUsage];

    /// Its table.
    #[must_use]
    pub const fn table(self) -> Table {
        match self {
            Self::FaqUsage => Table::Faqs,
            Self::RestaurantAiUsage | Self::RestaurantMonthUsage => Table::Restaurants,
        }
    }

    /// Its column.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::FaqUsage => "usage_count",
            Self::RestaurantAiUsage => "ai_usage_count",
            Self::RestaurantMonthUsage => "current_month_usage",
        }
    }
}

/// What a decision relied on. The commit fails when it no longer holds.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a set holds a handful of requirements for moments")]
pub enum Requirement {
    /// The row is still exactly as it was read.
    Unchanged(Row),
    /// There is no such row.
    Absent(RowKey),
    /// There is such a row, whatever it holds.
    Present(RowKey),
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a set holds a handful of changes for moments")]
pub enum Change {
    /// A new row. Finding exactly this row already there counts as done.
    Insert(Row),
    /// Replaces a row that is still exactly as it was read. That the row already is `after` does not count as done: a
    /// repeat of the same commit is known by its id, and another commit must decide anew.
    Update {
        /// The row as it was read.
        before: Row,
        /// The row as it shall be; same table, same key.
        after: Row,
    },
    /// Deletes a row and what hangs on it (see the foreign keys). An absent row counts as done.
    Delete(RowKey),
    /// Adds to a counter of a row, whatever its value; the row must be there.
    Add {
        /// The row's key.
        id: String,
        /// The counter.
        counter: Counter,
        /// By how much.
        by: i32,
    },
    /// Nothing, provided that something holds.
    Require(Requirement),
}

/// Changes that happen together, in order, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeSet {
    id: CommitId,
    changes: Vec<Change>,
}

impl ChangeSet {
    /// The most changes one set may hold; bulk work goes in several sets.
    pub const MAX_CHANGES: usize = 5_000;

    /// An empty set.
    #[must_use]
    pub const fn new(id: CommitId) -> Self {
        Self { id, changes: Vec::new() }
    }

    /// Adds a new row.
    #[must_use]
    pub fn insert(mut self, row: impl Into<Row>) -> Self {
        self.changes.push(Change::Insert(row.into()));
        self
    }

    /// Adds new rows.
    #[must_use]
    pub fn insert_all<R: Into<Row>>(mut self, rows: impl IntoIterator<Item = R>) -> Self {
        self.changes.extend(rows.into_iter().map(|row| Change::Insert(row.into())));
        self
    }

    /// Replaces a row; when both are equal nothing is added but the requirement that it is unchanged.
    #[must_use]
    pub fn update<R: Entity>(mut self, before: R, after: R) -> Self {
        debug_assert_eq!(before.key(), after.key(), "an update keeps the key");
        self.changes.push(if before == after {
            Change::Require(Requirement::Unchanged(before.into()))
        } else {
            Change::Update { before: before.into(), after: after.into() }
        });
        self
    }

    /// Deletes a row.
    #[must_use]
    pub fn delete(mut self, table: Table, id: impl AsRef<str>) -> Self {
        self.changes.push(Change::Delete(RowKey::new(table, id.as_ref())));
        self
    }

    /// Adds to a counter.
    #[must_use]
    pub fn add(mut self, counter: Counter, id: impl AsRef<str>, by: i32) -> Self {
        self.changes.push(Change::Add { id: id.as_ref().to_owned(), counter, by });
        self
    }

    /// Requires something.
    #[must_use]
    pub fn require(mut self, requirement: Requirement) -> Self {
        self.changes.push(Change::Require(requirement));
        self
    }

    /// Adds any change, for tools that build sets from data.
    #[must_use]
    pub fn push(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// The name of the commit.
    #[must_use]
    pub const fn id(&self) -> &CommitId {
        &self.id
    }

    /// The changes, in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether there is nothing to do and nothing to require.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether the commit id must be recorded in the same transaction. An insert finds its own row when it is sent
    /// again, but a counter, a value that came back, a row that was deleted and made anew or a requirement that held
    /// only then does not.
    #[must_use]
    pub fn needs_record(&self) -> bool {
        self.changes.iter().any(|change| !matches!(change, Change::Insert(_)))
    }
}
