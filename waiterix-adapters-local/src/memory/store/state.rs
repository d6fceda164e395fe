//! Rows and recorded commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use waiterix_domain::schema::{Entity, OnDelete};
use waiterix_domain::value::Value;
use waiterix_domain::{CommitId, Row, RowKey, Table, Timestamp};

/// The rows of one table by key. Texts compare by their bytes, which is the order the contract asks for.
pub(super) type Rows = BTreeMap<String, Row>;

static NO_ROWS: Rows = Rows::new();

/// Everything the store holds. Cloning it shares the tables until one of the copies writes to them.
#[derive(Clone, Default)]
pub(super) struct State {
    tables: BTreeMap<Table, Arc<Rows>>,
    commits: Arc<BTreeMap<CommitId, Timestamp>>,
}

/// A row that refers to another one.
pub(super) struct Child {
    /// The row.
    pub(super) key: RowKey,
    /// The place of the column that refers.
    pub(super) column: usize,
    /// What becomes of it.
    pub(super) on_delete: OnDelete,
}

impl State {
    /// The rows of a table.
    pub(super) fn table(&self, table: Table) -> &Rows {
        self.tables.get(&table).map_or(&NO_ROWS, Arc::as_ref)
    }

    /// One row of any table.
    pub(super) fn get(&self, key: &RowKey) -> Option<&Row> {
        self.table(key.table).get(&key.id)
    }

    /// One row of one type.
    pub(super) fn one<R: Entity>(&self, id: impl AsRef<str>) -> Option<&R> {
        self.table(R::TABLE).get(id.as_ref()).and_then(R::of_row)
    }

    /// All rows of one type, by key.
    pub(super) fn all<'a, R: Entity + 'a>(&'a self) -> impl Iterator<Item = &'a R> {
        self.table(R::TABLE).values().filter_map(R::of_row)
    }

    /// Puts a row in its place, over the one that may be there.
    pub(super) fn put(&mut self, row: Row) {
        Arc::make_mut(self.tables.entry(row.table()).or_default()).insert(row.key().to_owned(), row);
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, key: &RowKey) {
        if let Some(rows) = self.tables.get_mut(&key.table) {
            Arc::make_mut(rows).remove(&key.id);
        }
    }

    /// Every row that refers to this one, once per column that does.
    pub(super) fn children(&self, parent: &RowKey) -> Vec<Child> {
        let mut children = Vec::new();
        for table in Table::ALL {
            for (column, reference) in references(*table).filter(|(_, to)| to.table == parent.table) {
                let of_parent = self.table(*table).values().filter(|row| refers(row, column, &parent.id));
                children.extend(of_parent.map(|row| Child {
                    key: row.row_key(),
                    column,
                    on_delete: reference.on_delete,
                }));
            }
        }
        children
    }

    /// Whether a commit is known to have happened.
    pub(super) fn is_recorded(&self, id: &CommitId) -> bool {
        self.commits.contains_key(id)
    }

    /// Remembers that a commit happened.
    pub(super) fn record(&mut self, id: &CommitId, at: Timestamp) {
        Arc::make_mut(&mut self.commits).insert(id.clone(), at);
    }

    /// Forgets the oldest commits recorded before an instant, and counts them.
    pub(super) fn forget(&mut self, before: Timestamp, limit: u32) -> u32 {
        let mut old: Vec<_> =
            self.commits.iter().filter(|(_, at)| **at < before).map(|(id, at)| (*at, id.clone())).collect();
        old.sort();
        let mut forgotten = 0;
        for (_, id) in old.into_iter().take(limit as usize) {
            Arc::make_mut(&mut self.commits).remove(&id);
            forgotten += 1;
        }
        forgotten
    }
}

/// The foreign keys of a table, with the place of their column.
pub(super) fn references(table: Table) -> impl Iterator<Item = (usize, waiterix_domain::schema::Reference)> {
    table.columns().iter().enumerate().filter_map(|(place, column)| Some((place, column.references?)))
}

/// Whether a column of a row holds this text.
fn refers(row: &Row, column: usize, id: &str) -> bool {
    matches!(row.to_values().get(column), Some(Value::Text(text)) if text == id)
}
