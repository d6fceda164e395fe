//! What was committed, in the order in which it was, and a small store of orders that tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use waiterix_contract::store::sample;
use waiterix_domain::change::Change;
use waiterix_domain::digest::Digest;
use waiterix_domain::{ChangeSet, Row, Table, Timestamp};
use waiterix_migration::testing::{MemoryRows, MemorySide, Rows as _, TableRules};
use waiterix_ports::moving::{Image, MovingKey, RowSide as _, Wanted};
use waiterix_ports::{Answer, Error, ErrorKind, KeyRange, Query, Result, Retry, Store};

use crate::row_schedules::network::{FarSide, Weather, Wrong, later};

const COMMITS: &str = "waiterix_commits";

/// The tables of the small store: orders, and the commits it remembers.
pub const TABLES: [TableRules; 2] = [
    TableRules { name: "orders", unique: None, parent: None },
    TableRules { name: COMMITS, unique: None, parent: None },
];

fn key(table: &str, id: &str) -> MovingKey {
    MovingKey { table: table.into(), id: id.to_owned() }
}

/// Every commit there was, whichever side took it.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Vec<Committed>>);

/// What a commit made of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit.
    pub id: String,
    /// The key.
    pub key: String,
    /// Its value, if it has one.
    pub value: Option<i64>,
}

impl Tally {
    fn add(&self, committed: Committed) {
        self.0.lock().unwrap().push(committed);
    }

    /// How many there have been.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Committed> {
        self.0.lock().unwrap().clone()
    }

    /// The value that each key has in the end.
    pub fn last(&self) -> BTreeMap<String, i64> {
        let mut last = BTreeMap::new();
        for Committed { key, value, .. } in self.all() {
            match value {
                Some(value) => last.insert(key, value),
                None => last.remove(&key),
            };
        }
        last
    }

    /// The values a key had from some moment until now.
    pub fn since(&self, moment: usize, key: &str) -> BTreeSet<Option<i64>> {
        let all = self.all();
        let of_key = |committed: &&Committed| committed.key == key;
        let before = all[..moment].iter().rfind(of_key).and_then(|committed| committed.value);
        let after = all[moment..].iter().filter(of_key).map(|committed| committed.value);
        after.chain([before]).collect()
    }
}

/// Orders in a side, each with a number.
#[derive(Debug, Clone)]
pub struct SmallStore {
    side: MemorySide,
    weather: Weather,
    rows: Arc<MemoryRows>,
    tally: Arc<Tally>,
}

/// A side of orders, which nobody has begun to move.
pub fn side(name: &str) -> (MemorySide, Arc<MemoryRows>) {
    let rows = Arc::new(MemoryRows::new(&TABLES));
    (MemorySide::new(name, rows.clone()), rows)
}

/// What a set of changes comes to: one order.
fn wanted(changes: &ChangeSet) -> (String, Option<i64>) {
    let of = |change: &Change| match change {
        Change::Insert(Row::Order(order)) => {
            Some((order.id.as_str().to_owned(), Some(number_of(order.created_at))))
        }
        Change::Delete(row) => Some((row.id.clone(), None)),
        _ => None,
    };
    changes.changes().iter().find_map(of).expect("one order")
}

fn number_of(at: Timestamp) -> i64 {
    (at.as_micros() - sample::at(0).as_micros()) / 1_000_000
}

impl SmallStore {
    pub fn new(far: &FarSide, rows: &Arc<MemoryRows>, tally: &Arc<Tally>) -> Self {
        let (side, weather) = (far.side().clone(), far.weather().clone());
        Self { side, weather, rows: rows.clone(), tally: tally.clone() }
    }

    async fn number(&self, id: &str) -> Result<Option<i64>> {
        let row = self.rows.row(&key("orders", id)).await?;
        Ok(row.map(|row| row["number"].as_i64().unwrap()))
    }

    async fn write(&self, changes: &ChangeSet) -> Result<()> {
        let writing = self.side.begin().await?;
        let work = async {
            let id = changes.id().as_str();
            let is_known = self.rows.row(&key(COMMITS, id)).await?.is_some();
            if is_known && !self.weather.is(Wrong::CommitsTwice) {
                return Ok(Vec::new());
            }
            let (order, value) = wanted(changes);
            let image = |json: serde_json::Value| Image(json.to_string());
            let row = value.map(|number| image(json!({ "id": order, "number": number })));
            let both = [
                Wanted { key: key("orders", &order), image: row },
                Wanted { key: key(COMMITS, id), image: Some(image(json!({ "id": id }))) },
            ];
            let changed = self.rows.apply(&both, true).await?;
            self.tally.add(Committed { id: id.to_owned(), key: order, value });
            Ok(changed)
        };
        writing.with(work).await
    }
}

#[async_trait]
impl Store for SmallStore {
    async fn read(&self, query: &Query) -> Result<Answer> {
        let Query::Order(id) = query else { return Err(Error::new(ErrorKind::Unsupported, "small.read")) };
        // As long as it takes to get there.
        self.side.standing().await?;
        let number = self.number(id.as_str()).await?;
        let row = number.map(|number| Row::from(sample::order(id.as_str(), "r", number)));
        Ok(Answer::Rows(row.into_iter().collect()))
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        if self.weather.strikes() {
            let (store, late) = (self.clone(), changes.clone());
            later(&self.weather, async move { drop(store.write(&late).await) });
            let unknown = || Error::new(ErrorKind::Timeout, "small.commit").retry(Retry::Ambiguous);
            if self.weather.below(2) == 0 {
                return Err(unknown());
            }
            // Whatever the first one is told, the second one is on its way.
            return self.write(changes).await.map_err(|_| unknown());
        }
        self.write(changes).await
    }

    async fn scan(&self, _: Table, _: &KeyRange, _: u32) -> Result<Vec<Row>> {
        Err(Error::new(ErrorKind::Unsupported, "small.scan"))
    }

    async fn digest(&self, _: Table, _: &KeyRange) -> Result<Digest> {
        Err(Error::new(ErrorKind::Unsupported, "small.digest"))
    }

    async fn forget_commits(&self, _: Timestamp, _: u32) -> Result<u32> {
        Ok(0)
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}
