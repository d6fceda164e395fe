//! Whether a set can fail for more than one reason.

use waiterix_domain::value::Value;
use waiterix_domain::{Change, ChangeSet, Row, RowKey, UniqueRule};

/// Whether a set of one change has at most one reason to fail in a store with these rows.
pub(super) fn has_one_reason(rows: &[Row], changes: &ChangeSet) -> bool {
    let [change] = changes.changes() else { return false };
    match change {
        Change::Insert(row) => {
            let found = find(rows, &row.row_key());
            usize::from(found.is_some_and(|found| found != row)) + broken_rules(rows, row) <= 1
        }
        Change::Update { before, after } => {
            let found = find(rows, &before.row_key());
            let is_stale = found != Some(before);
            usize::from(is_stale) + broken_rules(rows, after) <= 1
        }
        Change::Delete(_) | Change::Add { .. } | Change::Require(_) => true,
    }
}

fn find<'a>(rows: &'a [Row], key: &RowKey) -> Option<&'a Row> {
    rows.iter().find(|row| row.table() == key.table && row.key() == key.id)
}

/// How many uniqueness rules a row breaks among others; missing parents are one reason together.
fn broken_rules(rows: &[Row], row: &Row) -> usize {
    let clashes = UniqueRule::ALL.iter().filter(|rule| {
        let unique = rule.key_of(row);
        let mut others = rows.iter().filter(|other| other.row_key() != row.row_key());
        unique.is_some() && others.any(|other| rule.key_of(other) == unique)
    });
    let values = row.to_values();
    let columns = row.table().columns().iter().zip(&values);
    let is_orphan = columns.into_iter().any(|(column, value)| match (column.references, value) {
        (Some(reference), Value::Text(id)) => {
            find(rows, &RowKey::new(reference.table, id.as_str())).is_none()
        }
        _ => false,
    });
    clashes.count() + usize::from(is_orphan)
}
