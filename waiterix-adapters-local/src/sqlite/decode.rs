//! Rows out of JSON.
//!
//! The driver hands every row and every value of it from SQLite's thread to the caller on its own, which costs more
//! than the query. So a query answers with one text per table, made by SQLite itself, which is read here in one go,
//! column by column in schema order.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use waiterix_domain::value::{Kind, Value};
use waiterix_domain::{Amount, Row, Table, Timestamp};
use waiterix_ports::Count;

/// One column of one row.
struct Cell(Kind);

impl<'de> DeserializeSeed<'de> for Cell {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Value, E> {
        match self.0 {
            Kind::Bool if number == 0 || number == 1 => Some(Value::Bool(number == 1)),
            Kind::Int => i32::try_from(number).ok().map(Value::Int),
            Kind::Amount => Amount::from_hundredths(number).map(Value::Amount),
            Kind::Timestamp => Timestamp::from_micros(number).map(Value::Timestamp),
            _ => None,
        }
        .ok_or_else(|| E::custom("number outside its column"))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number)
            .map_err(|_| E::custom("number outside its column"))
            .and_then(|n| self.visit_i64(n))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        // The causes could quote what is stored, so they are not kept.
        match self.0 {
            Kind::Text => Some(Value::Text(text.to_owned())),
            Kind::TextArray => serde_json::from_str(text).ok().map(Value::TextArray),
            Kind::Json => serde_json::from_str(text).ok().map(Value::Json),
            _ => None,
        }
        .ok_or_else(|| E::custom("text outside its column"))
    }
}

/// One row, as an array of its columns; with a label, one more element.
struct OneRow {
    table: Table,
    labelled: bool,
}

impl<'de> DeserializeSeed<'de> for OneRow {
    type Value = (Row, Option<String>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OneRow {
    type Value = (Row, Option<String>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<Self::Value, A::Error> {
        let columns = self.table.columns();
        let mut values = Vec::with_capacity(columns.len());
        for column in columns {
            let value = cells.next_element_seed(Cell(column.kind))?;
            values.push(value.ok_or_else(|| A::Error::custom("row with too few columns"))?);
        }
        let label = if self.labelled { cells.next_element()?.flatten() } else { None };
        if cells.next_element::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("row with too many columns"));
        }
        let row = self.table.row_from_values(values).map_err(A::Error::custom)?;
        Ok((row, label))
    }
}

/// An array of rows whose tables take turns.
struct ManyRows<'a, T> {
    tables: &'a [Table],
    labelled: bool,
    take: fn((Row, Option<String>)) -> T,
    rows: &'a mut Vec<T>,
}

impl<'de, T> DeserializeSeed<'de> for ManyRows<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T> Visitor<'de> for ManyRows<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        for table in self.tables.iter().cycle() {
            let seed = OneRow { table: *table, labelled: self.labelled };
            match rows.next_element_seed(seed)? {
                Some(row) => self.rows.push((self.take)(row)),
                None => break,
            }
        }
        Ok(())
    }
}

fn read<'de, S: DeserializeSeed<'de>>(seed: S, json: &'de str) -> Result<S::Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads an array of rows of tables that take turns, and appends them.
pub(super) fn rows(json: &str, tables: &[Table], rows: &mut Vec<Row>) -> Result<(), serde_json::Error> {
    read(ManyRows { tables, labelled: false, take: |(row, _)| row, rows }, json)
}

/// Reads an array of rows with labels.
pub(super) fn labelled(json: &str, table: Table) -> Result<Vec<(Row, Option<String>)>, serde_json::Error> {
    let mut rows = Vec::new();
    read(ManyRows { tables: &[table], labelled: true, take: |row| row, rows: &mut rows }, json)?;
    Ok(rows)
}

/// Reads one row, with its label if it has one.
pub(super) fn row(
    json: &str,
    table: Table,
    labelled: bool,
) -> Result<(Row, Option<String>), serde_json::Error> {
    read(OneRow { table, labelled }, json)
}

/// Reads an array of labels with their counts.
pub(super) fn counts(json: &str) -> Result<Vec<Count>, serde_json::Error> {
    let counts: Vec<(String, u64)> = serde_json::from_str(json)?;
    Ok(counts.into_iter().map(|(label, count)| Count { label, count }).collect())
}
