//! What every case does with a store: fill it, look at all of it, and be refused.

use waiterix_domain::schema::Entity;
use waiterix_domain::{Change, ChangeSet, CommitId, Row, RowKey, Table, UniqueRule};
use waiterix_ports::{Answer, Error, ErrorKind, KeyRange, Query, Result, Store, Violation};

/// An empty set of this name.
#[must_use]
pub fn set(name: &str) -> ChangeSet {
    ChangeSet::new(CommitId::new(name))
}

/// Commits rows, parents first, in sets of the greatest size.
///
/// # Panics
/// When the store refuses them.
pub async fn fill(store: &dyn Store, rows: impl IntoIterator<Item = impl Into<Row>>) {
    let rows: Vec<Row> = rows.into_iter().map(Into::into).collect();
    for chunk in rows.chunks(ChangeSet::MAX_CHANGES) {
        let (first, last) = (&chunk[0], &chunk[chunk.len() - 1]);
        let name = format!("fill {} to {}, {} rows", first.row_key(), last.row_key(), chunk.len());
        store.commit(&set(&name).insert_all(chunk.iter().cloned())).await.unwrap();
    }
}

/// Every row of every table, table by table, in key order.
///
/// # Panics
/// When the store fails, or hands out a row twice (which would otherwise never end).
pub async fn dump(store: &dyn Store) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        rows.extend(walk(store, *table, 1_000).await);
    }
    rows
}

/// Every row of a table, page by page.
///
/// # Panics
/// When the store fails, or hands out more than a million rows.
pub async fn walk(store: &dyn Store, table: Table, limit: u32) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut range = KeyRange::default();
    loop {
        let page = store.scan(table, &range, limit).await.unwrap();
        let is_last = page.len() < limit as usize;
        rows.extend(page);
        assert!(rows.len() < 1_000_000, "the walk over {} does not end", table.name());
        if is_last {
            return rows;
        }
        range.after = rows.last().map(|row| row.key().to_owned());
    }
}

/// One row, wherever it stands in its table.
///
/// # Panics
/// When the store fails.
pub async fn row(store: &dyn Store, key: &RowKey) -> Option<Row> {
    let range = KeyRange { after: None, up_to: Some(key.id.clone()) };
    walk_range(store, key.table, range).await.into_iter().find(|row| row.key() == key.id)
}

async fn walk_range(store: &dyn Store, table: Table, mut range: KeyRange) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let page = store.scan(table, &range, 10_000).await.unwrap();
        let is_last = page.len() < 10_000;
        rows.extend(page);
        if is_last {
            return rows;
        }
        range.after = rows.last().map(|row| row.key().to_owned());
    }
}

/// One row of a known type that must be there.
///
/// # Panics
/// When it is not there, or the store fails.
pub async fn the<R: Entity>(store: &dyn Store, id: &str) -> R {
    let found = row(store, &RowKey::new(R::TABLE, id)).await;
    R::from_row(found.unwrap_or_else(|| panic!("{}[{id}] is not there", R::TABLE.name()))).unwrap()
}

/// Commits a set that must be refused, and proves that nothing changed.
///
/// # Panics
/// When it is committed after all, or changed something.
pub async fn refused(store: &dyn Store, changes: &ChangeSet, what: &str) -> Error {
    let before = dump(store).await;
    let error = match store.commit(changes).await {
        Ok(()) => panic!("{what}: committed, but must be refused"),
        Err(error) => error,
    };
    assert_same_rows(&dump(store).await, &before, what);
    error
}

/// Asserts that two dumps are equal, and shows the first difference when they are not.
///
/// # Panics
/// When they differ.
#[track_caller]
pub fn assert_same_rows(found: &[Row], expected: &[Row], what: &str) {
    for (place, row) in expected.iter().enumerate() {
        assert_eq!(found.get(place), Some(row), "{what}: row {place}, expected {}", row.row_key());
    }
    assert_eq!(found.len(), expected.len(), "{what}: more rows than expected: {:?}", found.last());
}

/// Asserts a conflict with this violation.
///
/// # Panics
/// When it is another error.
#[track_caller]
pub fn assert_violates(error: &Error, violation: &Violation, what: &str) {
    assert_eq!(error.kind(), ErrorKind::Conflict, "{what}: {error}");
    assert_eq!(error.violation(), Some(violation), "{what}: {error}");
}

/// Asserts that the change at this place relied on something that does not hold.
///
/// # Panics
/// When it is another error.
#[track_caller]
pub fn assert_stale(error: &Error, place: usize, what: &str) {
    assert_violates(error, &Violation::Requirement { place }, what);
}

/// Asserts that a uniqueness rule was violated.
///
/// # Panics
/// When it is another error.
#[track_caller]
pub fn assert_unique(error: &Error, rule: UniqueRule, what: &str) {
    assert_violates(error, &Violation::Unique(rule), what);
}

/// Asserts that the set can never be committed.
///
/// # Panics
/// When it is another error.
#[track_caller]
pub fn assert_invalid(error: &Error, what: &str) {
    assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}");
}

/// Asserts that of several answers exactly one is a success, and answers the errors of the others.
///
/// # Panics
/// When none or more than one succeeded.
#[track_caller]
pub fn assert_one_winner(answers: Vec<Result<()>>, what: &str) -> Vec<Error> {
    let count = answers.len();
    let errors: Vec<Error> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(count - errors.len(), 1, "{what}: successes of {count}; errors: {errors:?}");
    errors
}

/// The rows of an answer, in its order.
///
/// # Panics
/// When the answer is of another shape, or the store fails.
pub async fn rows(store: &dyn Store, query: &Query) -> Vec<Row> {
    match store.read(query).await.unwrap() {
        Answer::Rows(rows) => rows,
        other => panic!("{query:?} answers with rows, not {other:?}"),
    }
}

/// The same row once more with another `before`, as a change.
#[must_use]
pub fn update(before: impl Into<Row>, after: impl Into<Row>) -> Change {
    Change::Update { before: before.into(), after: after.into() }
}
