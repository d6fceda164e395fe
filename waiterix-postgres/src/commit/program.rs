//! A change set, cut into pieces that one statement each can perform.
//!
//! A statement sees one moment and performs its parts in an order of its own, while the changes of a set apply one after
//! the other. So a piece goes on only as long as the order within it cannot make a difference; almost every set is one
//! piece.

use std::collections::HashSet;

use waiterix_domain::value::Value;
use waiterix_domain::{Change, ChangeSet, Counter, Requirement, Row, Table, Timestamp, UniqueRule};
use waiterix_ports::store::fault_of;
use waiterix_ports::{Error, ErrorKind, Result};

use super::OPERATION;
use super::watch::Watch;
use crate::layout::Layout;

/// JSON nested more deeply than this could be written but not read again.
const MAX_JSON_DEPTH: usize = 100;

/// What is done with rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// Require that they are as they were read.
    Unchanged,
    /// Require that they are there.
    Present,
    /// Require that they are not there.
    Absent,
    /// Replace rows that are as they were read.
    Update,
    /// Count.
    Add(Counter),
    /// Insert, unless the key is there.
    Insert,
    /// Delete.
    Delete,
}

/// The same action on some rows of a table.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) action: Action,
    pub(super) table: Table,
    /// Per row what the action needs: the row; for an update the row before and the row after; for a counter the key and
    /// the number; else the key.
    pub(super) rows: Vec<Vec<Value>>,
    /// The place of each row's change in the set.
    pub(super) places: Vec<usize>,
}

/// What one statement performs.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// In the order in which they are performed.
    pub(super) groups: Vec<Group>,
}

/// A change set, ready to be performed.
#[derive(Debug)]
pub(super) struct Program {
    /// The id and the instant to record, if the set does not leave traces enough of its own.
    pub(super) record: Option<[Value; 2]>,
    pub(super) pieces: Vec<Piece>,
    /// What must be looked at once more when everything else is done.
    pub(super) watch: Option<Watch>,
}

fn invalid(place: usize, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, OPERATION).with("change", place).with("fault", fault)
}

impl Action {
    /// How strongly a row that is there must be locked, so that what was found about it stays true; `None` for what is
    /// not there.
    pub(super) const fn lock(self) -> Option<Lock> {
        match self {
            Self::Present => Some(Lock::KeyShare),
            Self::Unchanged => Some(Lock::Share),
            Self::Update | Self::Add(_) => Some(Lock::NoKeyUpdate),
            Self::Delete => Some(Lock::Update),
            Self::Absent | Self::Insert => None,
        }
    }

    /// The order within a piece: first whatever waits for the rows of others, then what makes others wait; parents
    /// before children.
    const fn rank(self) -> u8 {
        match self {
            Self::Unchanged | Self::Present | Self::Absent => 0,
            Self::Update | Self::Add(_) => 1,
            Self::Insert => 2,
            Self::Delete => 3,
        }
    }
}

/// The locks of rows, from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lock {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

/// One change, ready to be taken into a piece.
struct Step<'a> {
    action: Action,
    table: Table,
    key: &'a str,
    values: Vec<Value>,
    /// Whether an update changes something that must be unique, so that it takes or frees a value.
    moves: bool,
}

impl<'a> Step<'a> {
    fn of(change: &'a Change) -> Self {
        let of_key = |action, table, key: &'a str| Self {
            action,
            table,
            key,
            values: vec![Value::Text(key.to_owned())],
            moves: false,
        };
        let of_row = |action, row: &'a Row| Self {
            action,
            table: row.table(),
            key: row.key(),
            values: row.to_values(),
            moves: false,
        };
        match change {
            Change::Insert(row) => of_row(Action::Insert, row),
            Change::Require(Requirement::Unchanged(row)) => of_row(Action::Unchanged, row),
            Change::Update { before, after } => {
                let moves = UniqueRule::ALL.iter().any(|rule| rule.key_of(before) != rule.key_of(after));
                let mut step = of_row(Action::Update, before);
                step.values.extend(after.to_values());
                Self { moves, ..step }
            }
            Change::Add { id, counter, by } => {
                let mut step = of_key(Action::Add(*counter), counter.table(), id);
                step.values.push(Value::Int(*by));
                step
            }
            Change::Delete(key) => of_key(Action::Delete, key.table, &key.id),
            Change::Require(Requirement::Absent(key)) => of_key(Action::Absent, key.table, &key.id),
            Change::Require(Requirement::Present(key)) => of_key(Action::Present, key.table, &key.id),
        }
    }

    fn check(&self, layout: Layout) -> Result<(), &'static str> {
        for (place, value) in self.values.iter().enumerate() {
            match value {
                Value::Json(json) if depth(json) > MAX_JSON_DEPTH => return Err("JSON nested too deeply"),
                Value::Null => {}
                _ => {
                    let columns = self.table.columns();
                    let of_rows = self.values.len() >= columns.len();
                    if of_rows && !layout.has(self.table, &columns[place % columns.len()]) {
                        return Err("a value for a column that this database lacks");
                    }
                }
            }
        }
        Ok(())
    }
}

fn depth(json: &serde_json::Value) -> usize {
    match json {
        serde_json::Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A piece that is being filled.
#[derive(Default)]
struct Filling<'a> {
    piece: Piece,
    /// The rows touched so far.
    keys: HashSet<(Table, &'a str)>,
    /// Tables of inserted rows and of updated ones, and of those where a unique value moves.
    inserted: HashSet<Table>,
    updated: HashSet<Table>,
    moved: HashSet<Table>,
    /// The last table, parents first, that got a row or another reference.
    reached: Option<Table>,
    /// The table rows are deleted from; nothing else goes with that.
    deleted: Option<Table>,
}

impl<'a> Filling<'a> {
    /// Whether a step can be performed together with what is there already.
    fn takes(&self, step: &Step<'a>) -> bool {
        let table = step.table;
        if self.piece.groups.is_empty() {
            return true;
        }
        if let Some(deleted) = self.deleted {
            return step.action == Action::Delete && deleted == table;
        }
        if self.keys.contains(&(table, step.key)) {
            return false;
        }
        match step.action {
            Action::Delete => false,
            // A row that refers to this one must come later, and a value that moves must have done so before.
            Action::Insert => {
                self.reached.is_none_or(|reached| reached <= table) && !self.moved.contains(&table)
            }
            Action::Update if step.moves => !self.inserted.contains(&table) && !self.updated.contains(&table),
            Action::Update => !self.moved.contains(&table),
            Action::Add(_) | Action::Unchanged | Action::Present | Action::Absent => true,
        }
    }

    fn take(&mut self, step: Step<'a>, place: usize) {
        let Step { action, table, key, values, moves } = step;
        self.keys.insert((table, key));
        match action {
            Action::Delete => self.deleted = Some(table),
            Action::Insert => {
                self.inserted.insert(table);
                self.reached = self.reached.max(Some(table));
            }
            Action::Update => {
                self.updated.insert(table);
                self.reached = self.reached.max(Some(table));
                if moves {
                    self.moved.insert(table);
                }
            }
            Action::Add(_) | Action::Unchanged | Action::Present | Action::Absent => {}
        }
        let groups = &mut self.piece.groups;
        match groups.iter_mut().find(|group| group.action == action && group.table == table) {
            Some(group) => {
                group.rows.push(values);
                group.places.push(place);
            }
            None => groups.push(Group { action, table, rows: vec![values], places: vec![place] }),
        }
    }

    fn finish(mut self) -> Piece {
        self.piece.groups.sort_by_key(|group| (group.action.rank(), group.table));
        self.piece
    }
}

impl Program {
    /// Prepares a set; whatever no state of a store would take is refused here.
    pub(super) fn of(changes: &ChangeSet, layout: Layout, now: Timestamp) -> Result<Self> {
        if let Some(fault) = fault_of(changes) {
            return Err(Error::new(ErrorKind::Invalid, OPERATION).with("fault", fault));
        }
        let mut pieces = Vec::new();
        let mut filling = Filling::default();
        for (place, change) in changes.changes().iter().enumerate() {
            let step = Step::of(change);
            step.check(layout).map_err(|fault| invalid(place, fault))?;
            if !filling.takes(&step) {
                pieces.push(std::mem::take(&mut filling).finish());
            }
            filling.take(step, place);
        }
        pieces.push(filling.finish());
        let record = changes
            .needs_record()
            .then(|| [Value::Text(changes.id().as_str().to_owned()), Value::Timestamp(now)]);
        Ok(Self { record, pieces, watch: Watch::of(changes, layout) })
    }

    /// The one piece the set consists of, if nothing about it needs to be looked at more than once.
    pub(super) fn alone(&self) -> Option<&Piece> {
        match (&self.pieces[..], &self.watch) {
            ([piece], None) => Some(piece),
            _ => None,
        }
    }

    /// The rows that are there and must be locked, by table, in the order in which everybody locks them; nothing where
    /// a single group locks its own in that order.
    pub(super) fn locks(&self) -> Vec<(Table, Lock, Vec<&Value>)> {
        let groups = || self.pieces.iter().flat_map(|piece| &piece.groups);
        let mut locks: Vec<(Table, Lock, Vec<&Value>)> = Vec::new();
        let mut locking = 0;
        for group in groups() {
            let Some(lock) = group.action.lock() else { continue };
            locking += 1;
            let keys = group.rows.iter().map(|row| &row[0]);
            match locks.iter_mut().find(|(table, ..)| *table == group.table) {
                Some((_, strongest, all)) => {
                    *strongest = lock.max(*strongest);
                    all.extend(keys);
                }
                None => locks.push((group.table, lock, keys.collect())),
            }
        }
        locks.sort_by_key(|(table, ..)| *table);
        // Requirements are locked in order by the statement that looks at them, and a single row has no order.
        let is_ordered = locking <= 1
            && groups().all(|group| {
                group.rows.len() == 1
                    || matches!(group.action, Action::Unchanged | Action::Present | Action::Insert)
            });
        if is_ordered { Vec::new() } else { locks }
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
