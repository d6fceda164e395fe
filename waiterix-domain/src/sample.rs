//! Rows for tests: null where a column may be null, else empty, zero or false.

use crate::schema::Entity;
use crate::value::{Kind, Value};
use crate::{Amount, Env, Ids, Timestamp};

/// A row in which only the key says something.
pub(crate) fn row<R: Entity>(id: &str) -> R {
    let mut values: Vec<Value> = R::COLUMNS
        .iter()
        .map(|column| match column.kind {
            _ if column.nullable => Value::Null,
            Kind::Text => Value::Text(String::new()),
            Kind::Bool => Value::Bool(false),
            Kind::Int => Value::Int(0),
            Kind::Amount => Value::Amount(Amount::ZERO),
            Kind::Timestamp => Value::Timestamp(Timestamp::EPOCH),
            Kind::TextArray => Value::TextArray(Vec::new()),
            Kind::Json => Value::Json(serde_json::Value::Null),
        })
        .collect();
    values[0] = Value::Text(id.to_owned());
    R::from_values(values).unwrap()
}

/// Ids that count up, so that every run makes the same ones.
pub(crate) struct CountingIds(pub(crate) u128);

impl Ids for CountingIds {
    fn random(&mut self) -> [u8; 16] {
        self.0 += 1;
        self.0.to_be_bytes()
    }
}

/// Decides something at a moment, with ids that count up from one.
pub(crate) fn decide<T>(now: Timestamp, decision: impl FnOnce(&mut Env<'_>) -> T) -> T {
    decision(&mut Env { now, ids: &mut CountingIds(0) })
}

/// An instant from its text.
pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse_loose(text).unwrap()
}
