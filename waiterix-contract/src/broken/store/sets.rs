//! Faults of commits.

use waiterix_domain::schema::OnDelete;
use waiterix_domain::value::Value;
use waiterix_domain::{Change, ChangeSet, CommitId, Counter, Requirement, Row, RowKey, Table, UniqueRule};
use waiterix_ports::{Error, ErrorKind, KeyRange, Result, Violation};

use super::answers::without_last_column;
use super::{BrokenStore, Fault};
use crate::broken::held;

const OPERATION: &str = "store.commit";

fn conflict(violation: Violation) -> Error {
    Error::new(ErrorKind::Conflict, OPERATION).violating(violation)
}

/// A set of the same name, or of one derived from it.
fn set_of(id: impl Into<String>, changes: impl IntoIterator<Item = Change>) -> ChangeSet {
    changes.into_iter().fold(ChangeSet::new(CommitId::new(id)), ChangeSet::push)
}

impl BrokenStore {
    pub(super) async fn commit_badly(&self, changes: &ChangeSet) -> Result<()> {
        let id = changes.id().as_str();
        let all = changes.changes();
        match self.fault {
            Some(Fault::NotAtomic) => self.one_by_one(id, all.chunks(1)).await,
            Some(Fault::SplitsLongSets) => self.one_by_one(id, all.chunks(ChangeSet::MAX_CHANGES)).await,
            Some(Fault::OneTooFew) if all.len() >= ChangeSet::MAX_CHANGES => {
                Err(Error::new(ErrorKind::Invalid, OPERATION))
            }
            Some(Fault::RefusesEmptySets) if changes.is_empty() => {
                Err(Error::new(ErrorKind::Invalid, OPERATION))
            }
            Some(Fault::RemembersFailures) => self.once_whatever(changes).await,
            Some(Fault::ForgetsIds) => {
                let fresh = set_of(format!("{id} {}", self.next()), all.iter().cloned());
                self.sound.commit(&fresh).await
            }
            Some(Fault::IgnoresRequirements) => {
                let rest = all.iter().filter(|change| !matches!(change, Change::Require(_))).cloned();
                self.sound.commit(&set_of(id, rest)).await
            }
            Some(Fault::ChecksThenWrites) => self.checks_then_writes(id, all).await,
            Some(Fault::BackToFront) => self.sound.commit(&set_of(id, all.iter().rev().cloned())).await,
            Some(Fault::DeletesLast) => {
                let is_delete = |change: &&Change| matches!(change, Change::Delete(_));
                let deletes = all.iter().filter(is_delete).cloned();
                let rest = all.iter().filter(|change| !is_delete(change)).cloned();
                self.sound.commit(&set_of(id, rest.chain(deletes))).await
            }
            Some(Fault::BlamesTheFirst | Fault::BlamesTheKey) => self.blames(changes).await,
            Some(Fault::SwallowsDuplicates | Fault::SwallowsOrphans) => self.swallows(changes).await,
            Some(_) => {
                let mut bad = Vec::new();
                for (place, change) in all.iter().enumerate() {
                    bad.extend(self.change_badly(place, change).await?);
                }
                self.sound.commit(&set_of(id, bad)).await
            }
            None => self.sound.commit(changes).await,
        }
    }

    async fn one_by_one(&self, id: &str, parts: impl Iterator<Item = &[Change]> + Send) -> Result<()> {
        let mut is_empty = true;
        for (number, part) in parts.enumerate() {
            is_empty = false;
            let name = if number == 0 { id.to_owned() } else { format!("{id} {number}") };
            self.sound.commit(&set_of(name, part.iter().cloned())).await?;
        }
        if is_empty { self.sound.commit(&set_of(id, [])).await } else { Ok(()) }
    }

    async fn once_whatever(&self, changes: &ChangeSet) -> Result<()> {
        let id = changes.id().as_str().to_owned();
        if held(&self.memory).failed.contains(&id) {
            return Ok(());
        }
        let answer = self.sound.commit(changes).await;
        if answer.is_err() {
            held(&self.memory).failed.push(id);
        }
        answer
    }

    async fn checks_then_writes(&self, id: &str, all: &[Change]) -> Result<()> {
        let requirement = |change: &Change| match change {
            Change::Require(_) => Some(change.clone()),
            _ => None,
        };
        let check = set_of(format!("{id} check {}", self.next()), all.iter().filter_map(requirement));
        self.sound.commit(&check).await?;
        pause().await;
        let rest = all.iter().filter(|change| !matches!(change, Change::Require(_))).cloned();
        self.sound.commit(&set_of(id, rest)).await
    }

    async fn blames(&self, changes: &ChangeSet) -> Result<()> {
        self.sound.commit(changes).await.map_err(|error| match (self.fault, error.violation()) {
            (Some(Fault::BlamesTheFirst), Some(Violation::Requirement { .. })) => {
                conflict(Violation::Requirement { place: 0 })
            }
            (Some(Fault::BlamesTheKey), Some(Violation::Unique(rule))) => {
                conflict(Violation::Unique(UniqueRule::PrimaryKey(rule.table())))
            }
            _ => error,
        })
    }

    async fn swallows(&self, changes: &ChangeSet) -> Result<()> {
        match self.sound.commit(changes).await {
            Err(error) => match (self.fault, error.violation()) {
                (Some(Fault::SwallowsDuplicates), Some(Violation::Unique(_)))
                | (Some(Fault::SwallowsOrphans), Some(Violation::ForeignKey)) => Ok(()),
                _ => Err(error),
            },
            Ok(()) => Ok(()),
        }
    }

    /// What becomes of one change.
    async fn change_badly(&self, place: usize, change: &Change) -> Result<Vec<Change>> {
        let stale = || conflict(Violation::Requirement { place });
        Ok(match (self.fault, change) {
            (Some(Fault::InsertReplaces), Change::Insert(row)) => match self.find(&row.row_key()).await? {
                Some(before) => vec![Change::Update { before, after: row.clone() }],
                None => vec![change.clone()],
            },
            (Some(Fault::InsertsOnce), Change::Insert(row)) => {
                if self.find(&row.row_key()).await?.is_some() {
                    let key = UniqueRule::PrimaryKey(row.table());
                    return Err(conflict(Violation::Unique(key)));
                }
                vec![change.clone()]
            }
            (Some(Fault::IgnoresBefore), Change::Update { after, .. }) => {
                let before = self.find(&after.row_key()).await?.ok_or_else(stale)?;
                vec![Change::Update { before, after: after.clone() }]
            }
            (Some(Fault::ComparesAllButOneColumn), Change::Update { before, after }) => {
                match self.find(&before.row_key()).await? {
                    Some(found) if without_last_column(&found) == without_last_column(before) => {
                        vec![Change::Update { before: found, after: after.clone() }]
                    }
                    _ => vec![change.clone()],
                }
            }
            (Some(Fault::TakesEqualForDone), Change::Update { after, .. })
                if self.find(&after.row_key()).await?.as_ref() == Some(after) =>
            {
                Vec::new()
            }
            (Some(Fault::Restricts | Fault::DeletesForNull | Fault::DeletesOnce), Change::Delete(key)) => {
                self.delete_badly(key).await?
            }
            (
                Some(Fault::AddReadsThenWrites | Fault::AddSaturates | Fault::AddSkipsAbsent),
                Change::Add { id, counter, by },
            ) => self.add_badly(id, *counter, *by).await?,
            (Some(Fault::DropsNul), change) => vec![without_nul(change)],
            (_, change) => vec![change.clone()],
        })
    }

    async fn delete_badly(&self, key: &RowKey) -> Result<Vec<Change>> {
        let delete = Change::Delete(key.clone());
        let children = self.children(key).await?;
        match self.fault {
            Some(Fault::Restricts) if !children.is_empty() => Err(conflict(Violation::ForeignKey)),
            Some(Fault::DeletesForNull) => {
                let orphans = children.into_iter().filter(|(_, action)| *action == OnDelete::SetNull);
                Ok(orphans.map(|(key, _)| Change::Delete(key)).chain([delete]).collect())
            }
            Some(Fault::DeletesOnce) if self.find(key).await?.is_none() => {
                Err(Error::new(ErrorKind::NotFound, OPERATION))
            }
            _ => Ok(vec![delete]),
        }
    }

    async fn add_badly(&self, id: &str, counter: Counter, by: i32) -> Result<Vec<Change>> {
        let change = Change::Add { id: id.to_owned(), counter, by };
        let key = RowKey::new(counter.table(), id);
        let Some(row) = self.find(&key).await? else {
            return Ok(if self.has(Fault::AddSkipsAbsent) { Vec::new() } else { vec![change] });
        };
        let Some((column, count)) = count_of(&row, counter) else { return Ok(vec![change]) };
        let with = |count| replaced(&row, column, Value::Int(count));
        match self.fault {
            Some(Fault::AddReadsThenWrites) => {
                pause().await;
                let before = self.find(&key).await?.unwrap_or_else(|| row.clone());
                Ok(vec![Change::Update { before, after: with(count.saturating_add(by)) }])
            }
            Some(Fault::AddSaturates) if count.checked_add(by).is_none() => {
                Ok(vec![Change::Update { before: row.clone(), after: with(count.saturating_add(by)) }])
            }
            _ => Ok(vec![change]),
        }
    }

    async fn find(&self, key: &RowKey) -> Result<Option<Row>> {
        let rows = self.all(key.table, &KeyRange::default()).await?;
        Ok(rows.into_iter().find(|row| row.key() == key.id))
    }

    /// Which rows refer to a row, and what they expect when it goes.
    async fn children(&self, parent: &RowKey) -> Result<Vec<(RowKey, OnDelete)>> {
        let mut children = Vec::new();
        for table in Table::ALL {
            for row in self.all(*table, &KeyRange::default()).await? {
                for (column, value) in table.columns().iter().zip(row.to_values()) {
                    if let (Some(reference), Value::Text(id)) = (column.references, value)
                        && reference.table == parent.table
                        && id == parent.id
                    {
                        children.push((row.row_key(), reference.on_delete));
                    }
                }
            }
        }
        Ok(children)
    }
}

/// Lets other tasks go first.
async fn pause() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn count_of(row: &Row, counter: Counter) -> Option<(usize, i32)> {
    let column = row.table().columns().iter().position(|column| column.name == counter.column())?;
    match row.to_values().get(column)? {
        Value::Int(count) => Some((column, *count)),
        _ => None,
    }
}

fn replaced(row: &Row, column: usize, value: Value) -> Row {
    let mut values = row.to_values();
    values[column] = value;
    row.table().row_from_values(values).unwrap_or_else(|_| row.clone())
}

fn without_nul(change: &Change) -> Change {
    let text = |text: &str| text.replace('\0', "");
    let key = |key: &RowKey| RowKey::new(key.table, text(&key.id));
    let row = |row: &Row| {
        let values = row.to_values().into_iter().map(|value| match value {
            Value::Text(inner) => Value::Text(text(&inner)),
            Value::TextArray(inner) => Value::TextArray(inner.iter().map(|inner| text(inner)).collect()),
            value => value,
        });
        row.table().row_from_values(values.collect()).unwrap_or_else(|_| row.clone())
    };
    match change {
        Change::Insert(inner) => Change::Insert(row(inner)),
        Change::Update { before, after } => Change::Update { before: row(before), after: row(after) },
        Change::Delete(inner) => Change::Delete(key(inner)),
        Change::Add { id, counter, by } => Change::Add { id: text(id), counter: *counter, by: *by },
        Change::Require(Requirement::Unchanged(inner)) => Change::Require(Requirement::Unchanged(row(inner))),
        Change::Require(Requirement::Absent(inner)) => Change::Require(Requirement::Absent(key(inner))),
        Change::Require(Requirement::Present(inner)) => Change::Require(Requirement::Present(key(inner))),
    }
}
