//! Random steps: few keys and few values, so that they meet.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use waiterix_domain::schema::AssistanceStatus;
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Change, Counter, Requirement, Row, RowKey, Table, Timestamp};
use waiterix_ports::{KeyRange, Query};

use crate::store::catalogue::{About, every};
use crate::store::sample::{amount, at, with};

/// Keys of every table. Their bytewise order is none of a locale.
const IDS: [&str; 7] = ["a", "B", "b", "é", "z-1", "Z", "10"];

/// Whatever else is a text: labels that differ in case, words that queries look for, odd ones.
const TEXTS: [&str; 13] = [
    "",
    " ",
    "1",
    "VIP",
    "vip",
    "É",
    "é",
    "pending",
    "answered",
    "completed",
    "🍕",
    "it's \"1\"",
    "acknowledged",
];

/// One thing to do.
pub(super) enum Step {
    /// Commit these changes.
    Commit(Vec<Change>),
    /// Send the set at this place once more.
    Repeat(usize),
    /// Ask.
    Read(Query),
    /// Read a page.
    Scan(Table, KeyRange, u32),
    /// Digest a range.
    Digest(Table, KeyRange),
}

/// Where the steps come from.
pub(super) struct Dice(StdRng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// The next step, for stores with these rows, of which so many sets are known.
    pub(super) fn step(&mut self, rows: &[Row], sent: usize) -> Step {
        match self.0.random_range(0..100) {
            0..55 => Step::Commit(self.changes(rows)),
            55..62 if sent > 0 => Step::Repeat(self.0.random_range(0..sent)),
            55..90 => Step::Read(self.query()),
            90..95 => {
                let limit = if self.is(5) { self.one(&[0, 10_001]) } else { self.0.random_range(1..8) };
                Step::Scan(self.table(), self.range(), limit)
            }
            _ => Step::Digest(self.table(), self.range()),
        }
    }

    /// True in so many of a hundred cases.
    fn is(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.random_range(0..of.len())]
    }

    fn table(&mut self) -> Table {
        self.one(Table::ALL)
    }

    fn id(&mut self) -> String {
        self.one(&IDS).to_owned()
    }

    fn range(&mut self) -> KeyRange {
        let mut bound = || if self.is(50) { None } else { Some(self.id()) };
        KeyRange { after: bound(), up_to: bound() }
    }

    fn instant(&mut self) -> Timestamp {
        let micros = self.0.random_range(0..3) + self.0.random_range(0..3) * 1_000_000;
        Timestamp::from_micros(at(0).as_micros() + micros).unwrap()
    }

    fn query(&mut self) -> Query {
        let ids: Vec<String> = Table::ALL.iter().map(|_| self.id()).collect();
        let text = if self.is(5) {
            self.one(&["\0", "unknown"])
        } else if self.is(40) {
            self.one(&IDS)
        } else {
            self.one(&TEXTS)
        };
        let status = self.is(60).then(|| AssistanceStatus::from(self.one(&TEXTS).to_owned()));
        let (from, to) = (self.instant(), self.instant());
        let about = About {
            id: &|table| ids[Table::ALL.iter().position(|other| *other == table).unwrap_or_default()].clone(),
            text: text.to_owned(),
            status,
            from,
            to,
            limit: self.0.random_range(0..6),
        };
        let mut queries = every(&about);
        queries.swap_remove(self.0.random_range(0..queries.len()))
    }

    fn changes(&mut self, rows: &[Row]) -> Vec<Change> {
        if self.is(4) {
            return vec![self.invalid(rows)];
        }
        let count = if self.is(60) { 1 } else { self.0.random_range(2..6) };
        (0..count).map(|_| self.change(rows)).collect()
    }

    fn change(&mut self, rows: &[Row]) -> Change {
        match self.0.random_range(0..100) {
            0..48 => Change::Insert(self.new_row(rows)),
            48..72 => match rows.choose(&mut self.0).cloned() {
                Some(row) => {
                    let before = if self.is(12) { self.altered(&row, rows) } else { row };
                    let after = self.altered(&before, rows);
                    Change::Update { before, after }
                }
                None => Change::Insert(self.new_row(rows)),
            },
            // The first two tables take nearly everything along, so they go less often.
            72..78 => {
                let table = if self.is(85) { self.one(&Table::ALL[2..]) } else { self.table() };
                Change::Delete(RowKey::new(table, self.id()))
            }
            78..90 => {
                let (id, counter) = (self.id(), self.one(Counter::ALL));
                // A counter that `invalid` drove to its limit could make a set of several changes invalid.
                let by = if is_at_limit(rows, &id, counter) { 0 } else { self.0.random_range(-3..4) };
                Change::Add { id, counter, by }
            }
            _ => Change::Require(self.requirement(rows)),
        }
    }

    fn requirement(&mut self, rows: &[Row]) -> Requirement {
        let row = rows.choose(&mut self.0).cloned();
        match (self.0.random_range(0..4), row) {
            (0 | 1, Some(row)) => {
                Requirement::Unchanged(if self.is(15) { self.altered(&row, rows) } else { row })
            }
            (2, Some(row)) => Requirement::Present(row.row_key()),
            (3, _) => Requirement::Absent(RowKey::new(self.table(), self.id())),
            _ => Requirement::Present(RowKey::new(self.table(), self.id())),
        }
    }

    /// A change that is refused as such, or counts up to the limit.
    fn invalid(&mut self, rows: &[Row]) -> Change {
        match (self.0.random_range(0..4), rows.choose(&mut self.0).cloned()) {
            (0, Some(row)) => {
                let place = row.table().columns().iter().position(|column| {
                    column.kind == Kind::Text && column.references.is_none() && column.name != "id"
                });
                let after = place.map(|place| with(&row, place, Value::Text("a\0b".to_owned())));
                after.map_or_else(
                    || Change::Delete(RowKey::new(Table::Orders, "\0")),
                    |after| Change::Update { before: row, after },
                )
            }
            (1, _) => Change::Delete(RowKey::new(self.table(), "\0")),
            (2, _) => Change::Require(Requirement::Absent(RowKey::new(self.table(), "a\0"))),
            _ => {
                let by = self.one(&[i32::MAX, i32::MIN]);
                Change::Add { id: self.id(), counter: self.one(Counter::ALL), by }
            }
        }
    }

    /// A row whose parents are mostly there, of a table that mostly can have it.
    fn new_row(&mut self, rows: &[Row]) -> Row {
        let table = self.table();
        let mut row = blank(table);
        for place in 0..table.columns().len() {
            row = self.with_another(&row, place, rows);
        }
        sound(&row)
    }

    /// The row with one to three other columns, never the key.
    fn altered(&mut self, row: &Row, rows: &[Row]) -> Row {
        let mut other = row.clone();
        for _ in 0..self.0.random_range(1..4) {
            let place = self.0.random_range(1..row.table().columns().len());
            other = self.with_another(&other, place, rows);
        }
        sound(&other)
    }

    fn with_another(&mut self, row: &Row, place: usize, rows: &[Row]) -> Row {
        let column = &row.table().columns()[place];
        if column.nullable && self.is(30) {
            return with(row, place, Value::Null);
        }
        let value = match (column.references, column.kind) {
            (Some(reference), _) => {
                let parents: Vec<&Row> = rows.iter().filter(|row| row.table() == reference.table).collect();
                let parent = parents.choose(&mut self.0).map(|row| row.key().to_owned());
                Value::Text(parent.filter(|_| !self.is(8)).unwrap_or_else(|| self.id()))
            }
            (None, Kind::Text) if column.name == "id" || column.name == "user_id" => Value::Text(self.id()),
            (None, Kind::Text) => Value::Text(self.one(&TEXTS).to_owned()),
            (None, Kind::Bool) => Value::Bool(self.is(50)),
            (None, Kind::Int) => Value::Int(self.0.random_range(-1..4)),
            (None, Kind::Amount) => Value::Amount(amount(self.0.random_range(-2..200))),
            (None, Kind::Timestamp) => Value::Timestamp(self.instant()),
            (None, Kind::TextArray) => {
                let count = self.0.random_range(0..3);
                Value::TextArray((0..count).map(|_| self.one(&TEXTS).to_owned()).collect())
            }
            (None, Kind::Json) => Value::Json(match self.0.random_range(0..4) {
                0 => serde_json::Value::Null,
                1 => serde_json::json!({ "foodQuality": self.0.random_range(1..6), "b": [1.5, true] }),
                2 => serde_json::json!(self.one(&TEXTS)),
                _ => serde_json::json!({}),
            }),
        };
        with(row, place, value)
    }
}

fn blank(table: Table) -> Row {
    crate::store::sample::room("", table)
}

/// Whether a few more could take a counter out of 32 bits.
fn is_at_limit(rows: &[Row], id: &str, counter: Counter) -> bool {
    let place = counter.table().columns().iter().position(|column| column.name == counter.column());
    let row = rows.iter().find(|row| row.table() == counter.table() && row.key() == id);
    match row.map(Row::to_values).zip(place).map(|(values, place)| values[place].clone()) {
        Some(Value::Int(count)) => count.unsigned_abs() > i32::MAX.unsigned_abs() - 100,
        _ => false,
    }
}

/// A rating of a dish has no service ratings, see the module's documentation.
fn sound(row: &Row) -> Row {
    match row {
        Row::Rating(rating) if rating.menu_item_id.is_some() => {
            Row::from(waiterix_domain::schema::Rating { service_ratings: None, ..(**rating).clone() })
        }
        row => row.clone(),
    }
}
