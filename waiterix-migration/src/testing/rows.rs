//! The rows of a side in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value};
use waiterix_ports::moving::{Image, MovingKey, MovingTable, Wanted};
use waiterix_ports::{Error, ErrorKind, KeyRange, Result, Violation};

/// How many bytes a row is said to take.
pub(super) const ROW_BYTES: u64 = 100;

/// A row: its columns by name.
pub type Columns = Map<String, Value>;

/// What holds the rows of a side. The side calls it so that nothing comes in between.
#[async_trait]
pub trait Rows: fmt::Debug + Send + Sync + 'static {
    /// The tables, parents before children.
    fn tables(&self) -> Vec<MovingTable>;

    /// A row.
    ///
    /// # Errors
    /// Where rows are kept elsewhere.
    async fn row(&self, key: &MovingKey) -> Result<Option<Columns>>;

    /// The rows of a range by key.
    ///
    /// # Errors
    /// Where rows are kept elsewhere.
    async fn range(&self, table: &str, range: &KeyRange) -> Result<Vec<(String, Columns)>>;

    /// Makes rows as they are wanted, all or nothing, and answers which keys are others now, with those that hang on them.
    ///
    /// # Errors
    /// `Conflict` where rules are broken and `is_strict`.
    async fn apply(&self, wanted: &[Wanted], is_strict: bool) -> Result<Vec<MovingKey>>;

    /// Whether all rules hold.
    ///
    /// # Errors
    /// `Conflict`.
    async fn check(&self) -> Result<()>;
}

/// The rules of a table.
#[derive(Debug, Clone, Copy)]
pub struct TableRules {
    /// Its name.
    pub name: &'static str,
    /// A column of which no value stands in two rows; null does.
    pub unique: Option<&'static str>,
    /// A column that names a row of another table, which comes before this one; rows go with the row they name.
    pub parent: Option<(&'static str, &'static str)>,
}

type Tables = BTreeMap<&'static str, BTreeMap<String, Arc<Columns>>>;

/// Rows in a map.
#[derive(Debug)]
pub struct MemoryRows {
    rules: Vec<TableRules>,
    tables: Mutex<Tables>,
}

impl MemoryRows {
    /// No rows in these tables.
    #[must_use]
    pub fn new(rules: &[TableRules]) -> Self {
        let tables = rules.iter().map(|table| (table.name, BTreeMap::new())).collect();
        Self { rules: rules.to_vec(), tables: Mutex::new(tables) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tables> {
        // What is in it is replaced whole, so a panic elsewhere leaves it whole.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, tables: &Tables) -> Option<Error> {
        let conflict = || Error::new(ErrorKind::Conflict, "memory.apply");
        for rule in &self.rules {
            let rows = &tables[rule.name];
            if let Some(column) = rule.unique {
                let mut seen = std::collections::BTreeSet::new();
                let values = rows.values().filter_map(|row| row.get(column)).filter(|value| !value.is_null());
                if !values.map(ToString::to_string).all(|value| seen.insert(value)) {
                    return Some(conflict().with("unique", column));
                }
            }
            if let Some((column, parent)) = rule.parent {
                let parents = &tables[parent];
                let mut named = rows.values().filter_map(|row| row.get(column)?.as_str());
                if !named.all(|id| parents.contains_key(id)) {
                    return Some(conflict().violating(Violation::ForeignKey));
                }
            }
        }
        None
    }

    /// Deletes a row and, where rules hold, what names it.
    fn delete(
        &self,
        tables: &mut Tables,
        table: &str,
        id: &str,
        cascades: bool,
        changed: &mut Vec<MovingKey>,
    ) {
        let Some(rows) = tables.get_mut(table) else { return };
        if rows.remove(id).is_none() {
            return;
        }
        changed.push(MovingKey { table: table.into(), id: id.to_owned() });
        if !cascades {
            return;
        }
        for rule in &self.rules {
            let Some((column, parent)) = rule.parent else { continue };
            if parent != table {
                continue;
            }
            let children = tables[rule.name].iter();
            let children = children.filter(|(_, row)| row.get(column).and_then(Value::as_str) == Some(id));
            let children: Vec<String> = children.map(|(id, _)| id.clone()).collect();
            for child in children {
                self.delete(tables, rule.name, &child, cascades, changed);
            }
        }
    }
}

/// Whether a key is in a range.
pub(super) fn is_in(range: &KeyRange, id: &str) -> bool {
    range.after.as_deref().is_none_or(|after| id > after)
        && range.up_to.as_deref().is_none_or(|up_to| id <= up_to)
}

/// The columns of an image.
pub(super) fn columns_of(image: &Image) -> Result<Columns> {
    let corrupt = |error: serde_json::Error| Error::new(ErrorKind::Corrupt, "memory.apply").because(error);
    serde_json::from_str(&image.0).map_err(corrupt)
}

#[async_trait]
impl Rows for MemoryRows {
    fn tables(&self) -> Vec<MovingTable> {
        let tables = self.lock();
        let table = |rule: &TableRules| MovingTable {
            name: rule.name.into(),
            key: "id".to_owned(),
            columns: Vec::new(),
            rows: tables[rule.name].len() as u64,
            bytes: ROW_BYTES * tables[rule.name].len() as u64,
        };
        self.rules.iter().map(table).collect()
    }

    async fn row(&self, key: &MovingKey) -> Result<Option<Columns>> {
        let tables = self.lock();
        Ok(tables.get(&*key.table).and_then(|rows| rows.get(&key.id)).map(|row| (**row).clone()))
    }

    async fn range(&self, table: &str, range: &KeyRange) -> Result<Vec<(String, Columns)>> {
        let tables = self.lock();
        let rows = tables.get(table).into_iter().flatten();
        Ok(rows.filter(|(id, _)| is_in(range, id)).map(|(id, row)| (id.clone(), (**row).clone())).collect())
    }

    async fn apply(&self, wanted: &[Wanted], is_strict: bool) -> Result<Vec<MovingKey>> {
        let (mut tables, mut changed) = (self.lock().clone(), Vec::new());
        for Wanted { key, image } in wanted {
            let Some(image) = image else {
                self.delete(&mut tables, &key.table, &key.id, is_strict, &mut changed);
                continue;
            };
            let row = Arc::new(columns_of(image)?);
            let rows = tables.get_mut(&*key.table);
            let rows = rows.ok_or_else(|| Error::new(ErrorKind::Unsupported, "memory.apply"))?;
            if rows.get(&key.id) != Some(&row) {
                rows.insert(key.id.clone(), row);
                changed.push(key.clone());
            }
        }
        if is_strict && let Some(fault) = self.fault(&tables) {
            return Err(fault);
        }
        *self.lock() = tables;
        Ok(changed)
    }

    async fn check(&self) -> Result<()> {
        self.fault(&self.lock()).map_or(Ok(()), Err)
    }
}
