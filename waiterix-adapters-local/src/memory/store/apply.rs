//! Changes, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use waiterix_domain::schema::OnDelete;
use waiterix_domain::value::Value;
use waiterix_domain::{Change, ChangeSet, Counter, Requirement, Row, RowKey, UniqueRule};
use waiterix_ports::{Error, ErrorKind, Result, Violation};

use super::state::{State, references};

const OPERATION: &str = "store.commit";

fn invalid(fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, OPERATION).with("fault", fault)
}

fn conflict(violation: Violation) -> Error {
    Error::new(ErrorKind::Conflict, OPERATION).violating(violation)
}

/// Applies a set to a copy of the state, which is to be thrown away when this fails.
///
/// # Errors
/// `Conflict` with a violation; `Invalid` for a counter out of range.
pub(super) fn apply_all(state: &mut State, changes: &ChangeSet) -> Result<()> {
    changes.changes().iter().enumerate().try_for_each(|(place, change)| apply(state, place, change))
}

fn apply(state: &mut State, place: usize, change: &Change) -> Result<()> {
    let stale = || conflict(Violation::Requirement { place });
    match change {
        Change::Insert(row) => match state.get(&row.row_key()) {
            Some(found) if found == row => Ok(()),
            Some(_) => Err(conflict(Violation::Unique(UniqueRule::PrimaryKey(row.table())))),
            None => put(state, row.clone()),
        },
        Change::Update { before, after } => match state.get(&after.row_key()) {
            Some(found) if found == before => put(state, after.clone()),
            _ => Err(stale()),
        },
        Change::Delete(key) => delete(state, key),
        Change::Add { id, counter, by } => {
            let key = RowKey::new(counter.table(), id.as_str());
            let row = state.get(&key).ok_or_else(stale)?;
            let counted = counted(row, *counter, *by)?;
            put(state, counted)
        }
        Change::Require(requirement) => {
            let holds = match requirement {
                Requirement::Unchanged(row) => state.get(&row.row_key()) == Some(row),
                Requirement::Absent(key) => state.get(key).is_none(),
                Requirement::Present(key) => state.get(key).is_some(),
            };
            if holds { Ok(()) } else { Err(stale()) }
        }
    }
}

/// Writes a row that keeps every rule.
fn put(state: &mut State, row: Row) -> Result<()> {
    for rule in UniqueRule::ALL.iter().filter(|rule| rule.table() == row.table()) {
        let Some(unique) = rule.key_of(&row) else { continue };
        let mut others = state.table(row.table()).values().filter(|other| other.key() != row.key());
        if others.any(|other| rule.key_of(other).as_ref() == Some(&unique)) {
            return Err(conflict(Violation::Unique(*rule)));
        }
    }
    let values = row.to_values();
    for (column, reference) in references(row.table()) {
        if let Some(Value::Text(id)) = values.get(column)
            && !state.table(reference.table).contains_key(id)
        {
            return Err(conflict(Violation::ForeignKey));
        }
    }
    state.put(row);
    Ok(())
}

/// Deletes a row and everything that hangs on it. What merely referred to the deleted rows is set null, all its
/// references at once, after they are gone, so that a row about to be deleted is never in the way of a uniqueness rule.
fn delete(state: &mut State, key: &RowKey) -> Result<()> {
    let mut doomed = BTreeSet::new();
    let mut bereft: BTreeMap<RowKey, Vec<usize>> = BTreeMap::new();
    let mut pending = vec![key.clone()];
    while let Some(next) = pending.pop() {
        if state.get(&next).is_none() || !doomed.insert(next.clone()) {
            continue;
        }
        for child in state.children(&next) {
            match child.on_delete {
                OnDelete::Cascade => pending.push(child.key),
                OnDelete::SetNull => bereft.entry(child.key).or_default().push(child.column),
            }
        }
    }
    for key in &doomed {
        state.remove(key);
    }
    for (key, columns) in bereft {
        if let Some(row) = state.get(&key) {
            let nulled = columns
                .into_iter()
                .try_fold(row.clone(), |row, column| with_value(&row, column, Value::Null))?;
            put(state, nulled)?;
        }
    }
    Ok(())
}

/// The row with another value in one column.
fn with_value(row: &Row, column: usize, value: Value) -> Result<Row> {
    let mut values = row.to_values();
    if let Some(place) = values.get_mut(column) {
        *place = value;
    }
    row.table().row_from_values(values).map_err(|bad| Error::new(ErrorKind::Corrupt, OPERATION).because(bad))
}

fn counted(row: &Row, counter: Counter, by: i32) -> Result<Row> {
    let columns = counter.table().columns();
    let column = columns.iter().position(|column| column.name == counter.column()).unwrap_or_default();
    match row.to_values().get(column) {
        Some(Value::Int(count)) => {
            let count = count.checked_add(by).ok_or_else(|| invalid("a counter out of range"))?;
            with_value(row, column, Value::Int(count))
        }
        _ => Err(Error::new(ErrorKind::Corrupt, OPERATION).with("fault", "a counter is no integer")),
    }
}
