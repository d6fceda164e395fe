//! What no row can be locked for: rows that are not there, and values that no index keeps unique.

use std::collections::HashSet;

use waiterix_domain::value::Value;
use waiterix_domain::{Change, ChangeSet, Requirement, UniqueRule};

use super::program::{Action, Group};
use crate::layout::Layout;

/// What a set knows about rows that are not there, and so cannot be locked.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The rows that must still be absent when the set ends, per table.
    pub(super) absent: Vec<Group>,
    /// What must be unique when the set ends, by rules that no index enforces.
    pub(super) unique: Vec<(UniqueRule, Vec<String>)>,
    /// Names of all of that, and of everything that such sets insert: whoever holds a name is alone with it.
    pub(super) names: Vec<String>,
}

impl Watch {
    pub(super) fn of(changes: &ChangeSet, layout: Layout) -> Option<Self> {
        let mut watch = Self::default();
        watch.rules(changes, layout);
        watch.absences(changes);
        (!watch.names.is_empty()).then_some(watch)
    }

    /// Values that rows take under rules that no index enforces.
    fn rules(&mut self, changes: &ChangeSet, layout: Layout) {
        for rule in layout.unguarded() {
            for change in changes.changes() {
                let taken = match change {
                    Change::Insert(row) => rule.key_of(row),
                    Change::Update { before, after } => {
                        rule.key_of(after).filter(|key| rule.key_of(before).as_ref() != Some(key))
                    }
                    Change::Delete(_) | Change::Add { .. } | Change::Require(_) => None,
                };
                if let Some(key) = taken {
                    self.names.push(format!("{} {key:?}", rule.index_name()));
                    self.unique.push((rule, key));
                }
            }
        }
    }

    /// Rows that must not be there.
    fn absences(&mut self, changes: &ChangeSet) {
        let required = changes.changes().iter().enumerate().filter_map(|(place, change)| match change {
            Change::Require(Requirement::Absent(key)) => Some((place, key)),
            _ => None,
        });
        let required: Vec<_> = required.collect();
        if required.is_empty() {
            return;
        }
        let inserted = changes.changes().iter().filter_map(|change| match change {
            Change::Insert(row) => Some(row.row_key()),
            _ => None,
        });
        let inserted: HashSet<_> = inserted.collect();
        for (place, key) in required.iter().filter(|(_, key)| !inserted.contains(key)) {
            let row = vec![Value::Text(key.id.clone())];
            match self.absent.iter_mut().find(|group| group.table == key.table) {
                Some(group) => {
                    group.rows.push(row);
                    group.places.push(*place);
                }
                None => self.absent.push(Group {
                    action: Action::Absent,
                    table: key.table,
                    rows: vec![row],
                    places: vec![*place],
                }),
            }
        }
        let keys = required.iter().map(|(_, key)| *key).chain(&inserted);
        self.names.extend(keys.map(ToString::to_string));
    }
}
