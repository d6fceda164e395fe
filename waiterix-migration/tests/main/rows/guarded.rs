//! A store whose rows are those of a side: every commit asks the standing, and is noted in the journal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};
use waiterix_adapters_local::memory::MemoryStore;
use waiterix_domain::digest::Digest;
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Amount, Change, ChangeSet, CommitId, Row, Table, Timestamp};
use waiterix_migration::testing::{Columns, MemorySide, Rows};
use waiterix_ports::moving::{MovingKey, MovingTable, Wanted};
use waiterix_ports::{Answer, Clock, KeyRange, Query, Result, Store};

const COMMITS: &str = "waiterix_commits";

/// The rows of a [`MemoryStore`], and which commits moved here.
#[derive(Debug)]
pub struct StoreRows {
    store: MemoryStore,
    clock: Arc<dyn Clock>,
    commits: Mutex<BTreeMap<String, Timestamp>>,
    number: Mutex<u64>,
}

fn to_json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Text(text) => json!(text),
        Value::Bool(bool) => json!(bool),
        Value::Int(number) => json!(number),
        Value::Amount(amount) => json!(amount.hundredths()),
        Value::Timestamp(at) => json!(at.as_micros()),
        Value::TextArray(texts) => json!(texts),
        // Null of JSON is another thing than no value.
        Value::Json(json) => json!({ "json": json }),
    }
}

fn from_json(kind: Kind, json: &Json) -> Value {
    if json.is_null() {
        return Value::Null;
    }
    match kind {
        Kind::Text => Value::Text(json.as_str().unwrap().to_owned()),
        Kind::Bool => Value::Bool(json.as_bool().unwrap()),
        Kind::Int => Value::Int(i32::try_from(json.as_i64().unwrap()).unwrap()),
        Kind::Amount => Value::Amount(Amount::from_hundredths(json.as_i64().unwrap()).unwrap()),
        Kind::Timestamp => Value::Timestamp(Timestamp::from_micros(json.as_i64().unwrap()).unwrap()),
        Kind::TextArray => {
            let texts = json.as_array().unwrap().iter();
            Value::TextArray(texts.map(|text| text.as_str().unwrap().to_owned()).collect())
        }
        Kind::Json => Value::Json(json["json"].clone()),
    }
}

fn columns(row: &Row) -> Columns {
    let names = row.table().columns().iter().map(|column| column.name.to_owned());
    names.zip(row.to_values().into_iter().map(to_json)).collect()
}

/// The keys that a set may change; `None` when others hang on them.
fn named(changes: &ChangeSet) -> Option<Vec<MovingKey>> {
    let key = |table: Table, id: &str| MovingKey { table: table.name().into(), id: id.to_owned() };
    let mut keys = Vec::new();
    for change in changes.changes() {
        match change {
            Change::Insert(row) | Change::Update { after: row, .. } => keys.push(key(row.table(), row.key())),
            Change::Add { id, counter, .. } => keys.push(key(counter.table(), id)),
            Change::Delete(_) => return None,
            Change::Require(_) => {}
        }
    }
    Some(keys)
}

/// A row as it is written down.
pub fn columns_of_row(row: &Row) -> Json {
    Json::Object(columns(row))
}

fn row(table: Table, columns: &Columns) -> Row {
    let values = table.columns().iter().map(|column| from_json(column.kind, &columns[column.name]));
    table.row_from_values(values.collect()).unwrap()
}

impl StoreRows {
    async fn rows(&self, table: Table, range: &KeyRange) -> Result<Vec<Row>> {
        let (mut all, mut range) = (Vec::new(), range.clone());
        loop {
            let page = self.store.scan(table, &range, 10_000).await?;
            let Some(last) = page.last() else { return Ok(all) };
            range.after = Some(last.key().to_owned());
            all.extend(page);
        }
    }

    async fn stored(&self, key: &MovingKey) -> Result<Option<Row>> {
        let Some(table) = Table::named(&key.table) else { return Ok(None) };
        // Keys that begin like this one and are not after it: few.
        let mut before = key.id.clone();
        before.pop();
        let after = (before < key.id).then_some(before);
        let rows = self.rows(table, &KeyRange { after, up_to: Some(key.id.clone()) }).await?;
        Ok(rows.into_iter().find(|row| row.key() == key.id))
    }

    async fn everything(&self) -> Result<BTreeMap<MovingKey, Row>> {
        let mut all = BTreeMap::new();
        for table in Table::ALL {
            for row in self.rows(*table, &KeyRange::default()).await? {
                all.insert(MovingKey { table: table.name().into(), id: row.key().to_owned() }, row);
            }
        }
        Ok(all)
    }

    async fn look(&self, keys: Option<&[MovingKey]>) -> Result<BTreeMap<MovingKey, Row>> {
        let Some(keys) = keys else { return self.everything().await };
        let mut rows = BTreeMap::new();
        for key in keys {
            if let Some(row) = self.stored(key).await? {
                rows.insert(key.clone(), row);
            }
        }
        Ok(rows)
    }

    /// Commits, and answers which rows are others now.
    async fn commit(&self, changes: &ChangeSet) -> Result<Vec<MovingKey>> {
        let id = changes.id().as_str().to_owned();
        if self.commits.lock().unwrap().contains_key(&id) {
            return Ok(Vec::new());
        }
        let named = named(changes);
        let before = self.look(named.as_deref()).await?;
        self.store.commit(changes).await?;
        let after = self.look(named.as_deref()).await?;
        let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(key)));
        let mut changed: Vec<MovingKey> =
            keys.filter(|key| before.get(key) != after.get(key)).cloned().collect();
        if changes.needs_record() {
            self.commits.lock().unwrap().insert(id.clone(), self.clock.now());
            changed.push(MovingKey { table: COMMITS.into(), id });
        }
        Ok(changed)
    }
}

#[async_trait]
impl Rows for StoreRows {
    fn tables(&self) -> Vec<MovingTable> {
        let names = Table::ALL.iter().map(|table| table.name()).chain([COMMITS]);
        let table = |name: &str| MovingTable {
            name: name.into(),
            key: "id".to_owned(),
            columns: Vec::new(),
            rows: 0,
            bytes: 0,
        };
        names.map(table).collect()
    }

    async fn row(&self, key: &MovingKey) -> Result<Option<Columns>> {
        if &*key.table == COMMITS {
            let commits = self.commits.lock().unwrap();
            let commit = commits.get(&key.id);
            return Ok(commit.map(|at| Map::from_iter([("at".to_owned(), json!(at.as_micros()))])));
        }
        Ok(self.stored(key).await?.as_ref().map(columns))
    }

    async fn range(&self, table: &str, range: &KeyRange) -> Result<Vec<(String, Columns)>> {
        let Some(table) = Table::named(table) else { return Ok(Vec::new()) };
        let rows = self.rows(table, range).await?;
        Ok(rows.iter().map(|row| (row.key().to_owned(), columns(row))).collect())
    }

    async fn apply(&self, wanted: &[Wanted], _: bool) -> Result<Vec<MovingKey>> {
        let number = {
            let mut number = self.number.lock().unwrap();
            *number += 1;
            *number
        };
        let (mut deletes, mut writes) = (Vec::new(), Vec::new());
        for Wanted { key, image } in wanted {
            let image: Option<Columns> = image.as_ref().map(|image| serde_json::from_str(&image.0).unwrap());
            let Some(table) = Table::named(&key.table) else {
                let mut commits = self.commits.lock().unwrap();
                match image {
                    Some(image) => {
                        let at = Timestamp::from_micros(image["at"].as_i64().unwrap()).unwrap();
                        commits.insert(key.id.clone(), at);
                    }
                    None => drop(commits.remove(&key.id)),
                }
                continue;
            };
            match (self.stored(key).await?, image.map(|image| row(table, &image))) {
                (None, None) => {}
                (Some(before), Some(after)) if before == after => {}
                (Some(before), Some(after)) => writes.push((table, Change::Update { before, after })),
                (None, Some(row)) => writes.push((table, Change::Insert(row))),
                (Some(row), None) => deletes.push(Change::Delete(row.row_key())),
            }
        }
        writes.sort_by_key(|(table, _)| Table::ALL.iter().position(|known| known == table));
        let set = ChangeSet::new(CommitId::new(format!("converger {number}")));
        let set = deletes
            .into_iter()
            .chain(writes.into_iter().map(|(_, change)| change))
            .fold(set, ChangeSet::push);
        self.store.commit(&set).await?;
        Ok(wanted.iter().map(|wanted| wanted.key.clone()).collect())
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// The store of an application whose database is a side.
#[derive(Debug, Clone)]
pub struct SideStore {
    side: MemorySide,
    rows: Arc<StoreRows>,
}

impl SideStore {
    /// A side over the schema of Waiterix, and the store that writes it.
    pub fn new(name: &str, clock: &Arc<dyn Clock>) -> (MemorySide, Self) {
        let rows = Arc::new(StoreRows {
            store: MemoryStore::new(clock.clone()),
            clock: clock.clone(),
            commits: Mutex::default(),
            number: Mutex::default(),
        });
        let side = MemorySide::new(name, rows.clone());
        (side.clone(), Self { side, rows })
    }

    /// The same, reached by another way.
    pub fn through(&self, side: MemorySide) -> Self {
        Self { side, rows: self.rows.clone() }
    }
}

#[async_trait]
impl Store for SideStore {
    async fn read(&self, query: &Query) -> Result<Answer> {
        self.rows.store.read(query).await
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        let (side, rows, changes) = (self.side.clone(), self.rows.clone(), changes.clone());
        // What the server was asked for it does, whatever becomes of who asked.
        let work = tokio::spawn(async move {
            let writing = side.begin().await?;
            writing.with(rows.commit(&changes)).await
        });
        work.await.unwrap()
    }

    async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        self.rows.store.scan(table, range, limit).await
    }

    async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest> {
        self.rows.store.digest(table, range).await
    }

    async fn forget_commits(&self, before: Timestamp, limit: u32) -> Result<u32> {
        let writing = self.side.begin().await?;
        let count = self.rows.store.forget_commits(before, limit).await?;
        let forget = async {
            let mut commits = self.rows.commits.lock().unwrap();
            let old = commits.iter().filter(|(_, at)| **at < before).map(|(id, _)| id.clone());
            let old: Vec<String> = old.take(limit as usize).collect();
            for id in &old {
                commits.remove(id);
            }
            Ok(old.into_iter().map(|id| MovingKey { table: COMMITS.into(), id }).collect())
        };
        writing.with(forget).await?;
        Ok(count)
    }

    async fn check(&self) -> Result<()> {
        self.rows.store.check().await
    }
}
