//! Values as PostgreSQL's binary protocol takes them.
//!
//! Everything goes in binary form with its type, so that no setting of the server or the session (time zone, date style,
//! escape rules) can give a value another meaning.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
use sqlx::{Arguments as _, Encode, Postgres, Type};
use waiterix_domain::Timestamp;
use waiterix_domain::value::{Kind, Value};

/// A longer key is in no table.
const MAX_KEY_BYTES: usize = 4096;
/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
pub(crate) const EPOCH_MICROS: i64 = 946_684_800_000_000;

const TEXT: Oid = Oid(25);
const INT8: Oid = Oid(20);
const TIMESTAMP: Oid = Oid(1114);
const TEXT_ARRAY: Oid = Oid(1009);

/// The type a parameter has and that of an array of such, by number and by name. Arrays and JSON travel as texts and are
/// cast by the statement: an array of arrays could not hold arrays of different lengths.
pub(crate) const fn parameter_type(kind: Kind) -> (Oid, Oid, &'static str) {
    match kind {
        Kind::Text | Kind::TextArray | Kind::Json => (TEXT, TEXT_ARRAY, "text"),
        Kind::Bool => (Oid(16), Oid(1000), "boolean"),
        Kind::Int => (Oid(23), Oid(1007), "integer"),
        Kind::Amount => (Oid(1700), Oid(1231), "numeric"),
        Kind::Timestamp => (TIMESTAMP, Oid(1115), "timestamp"),
    }
}

/// Something a question names.
#[derive(Debug, Clone, Copy)]
pub enum Sought<'a> {
    /// A text; one that cannot be stored is sought as null, which equals nothing.
    Text(Option<&'a str>),
    /// A text to compare with and not to look up, so that any is as good as another.
    Bound(Option<&'a str>),
    /// An instant.
    Instant(Option<Timestamp>),
    /// A number.
    Number(i64),
    /// One of several texts.
    Texts(&'a [&'a str]),
}

/// Whether a text could be the key of a row.
pub(crate) fn is_storable(text: &str) -> bool {
    text.len() <= MAX_KEY_BYTES && !text.as_bytes().contains(&0)
}

impl Type<Postgres> for Sought<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TEXT)
    }
}

impl<'q> Encode<'q, Postgres> for Sought<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match self {
            Self::Text(Some(text)) if is_storable(text) => buffer.extend_from_slice(text.as_bytes()),
            Self::Bound(Some(text)) => buffer.extend_from_slice(text.as_bytes()),
            Self::Instant(Some(at)) => put_instant(buffer, *at),
            Self::Number(number) => buffer.extend_from_slice(&number.to_be_bytes()),
            Self::Texts(texts) => {
                let texts = texts.iter().filter(|text| is_storable(text));
                put_array_head(buffer, TEXT, texts.clone().count())?;
                for text in texts {
                    put_sized(buffer, |buffer| buffer.extend_from_slice(text.as_bytes()))?;
                }
            }
            Self::Text(_) | Self::Bound(None) | Self::Instant(None) => return Ok(IsNull::Yes),
        }
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(match self {
            Self::Text(_) | Self::Bound(_) => TEXT,
            Self::Instant(_) => TIMESTAMP,
            Self::Number(_) => INT8,
            Self::Texts(_) => TEXT_ARRAY,
        }))
    }
}

/// The arguments of a question.
pub(crate) fn sought(values: &[Sought<'_>]) -> Result<PgArguments, BoxDynError> {
    let mut arguments = PgArguments::default();
    for value in values {
        arguments.add(*value)?;
    }
    Ok(arguments)
}

/// One column of some rows: a value, or an array of values if there are several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) kind: Kind,
    pub(crate) column: usize,
    pub(crate) rows: &'a [&'a [Value]],
}

impl Type<Postgres> for Cells<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TEXT)
    }
}

impl<'q> Encode<'q, Postgres> for Cells<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        if let [row] = self.rows {
            let value = &row[self.column];
            if value.is_null() {
                return Ok(IsNull::Yes);
            }
            put(buffer, value);
            return Ok(IsNull::No);
        }
        put_array_head(buffer, parameter_type(self.kind).0, self.rows.len())?;
        for row in self.rows {
            match &row[self.column] {
                Value::Null => buffer.extend_from_slice(&(-1_i32).to_be_bytes()),
                value => put_sized(buffer, |buffer| put(buffer, value))?,
            }
        }
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        let (one, many, _) = parameter_type(self.kind);
        Some(PgTypeInfo::with_oid(if self.rows.len() == 1 { one } else { many }))
    }
}

fn put_array_head(buffer: &mut Vec<u8>, element: Oid, count: usize) -> Result<(), BoxDynError> {
    let count = i32::try_from(count)?;
    // One dimension (none for an empty array), perhaps with nulls, counted from 1.
    let words = if count == 0 { vec![0, 0] } else { vec![1, 1] };
    for word in words {
        buffer.extend_from_slice(&i32::to_be_bytes(word));
    }
    buffer.extend_from_slice(&element.0.to_be_bytes());
    if count > 0 {
        buffer.extend_from_slice(&count.to_be_bytes());
        buffer.extend_from_slice(&1_i32.to_be_bytes());
    }
    Ok(())
}

/// Puts a value behind its length.
fn put_sized(buffer: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) -> Result<(), BoxDynError> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    value(buffer);
    let length = i32::try_from(buffer.len() - start - 4)?;
    buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Puts a value that is not null.
fn put(buffer: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => {}
        Value::Text(text) => buffer.extend_from_slice(text.as_bytes()),
        Value::Bool(yes) => buffer.push(u8::from(*yes)),
        Value::Int(number) => buffer.extend_from_slice(&number.to_be_bytes()),
        Value::Amount(amount) => put_numeric(buffer, amount.hundredths()),
        Value::Timestamp(at) => put_instant(buffer, *at),
        Value::TextArray(texts) => put_array_text(buffer, texts),
        Value::Json(json) => buffer.extend_from_slice(json.to_string().as_bytes()),
    }
}

fn put_instant(buffer: &mut Vec<u8>, at: Timestamp) {
    // The range of instants is far from the ends of 64 bits.
    buffer.extend_from_slice(&(at.as_micros() - EPOCH_MICROS).to_be_bytes());
}

/// A `numeric` with two decimals: digits to the base of 10 000 without zeros at either end, and where the point is.
pub(crate) fn put_numeric(buffer: &mut Vec<u8>, hundredths: i64) {
    const NEGATIVE: i16 = 0x4000;
    let magnitude = hundredths.unsigned_abs();
    let (whole, fraction) = (magnitude / 100, magnitude % 100);
    // An amount has at most eight digits before the point, so these all fit.
    let all = [whole / 10_000, whole % 10_000, fraction * 100].map(|digit| digit as i16);
    let start = all.iter().position(|digit| *digit != 0).unwrap_or(all.len());
    let end = all.iter().rposition(|digit| *digit != 0).map_or(start, |last| last + 1);
    let digits = &all[start..end];
    let weight = if digits.is_empty() { 0 } else { 1 - start as i16 };
    let sign = if hundredths < 0 { NEGATIVE } else { 0 };
    for word in [digits.len() as i16, weight, sign, 2].iter().chain(digits) {
        buffer.extend_from_slice(&word.to_be_bytes());
    }
}

/// An array as its text, every element in quotes.
fn put_array_text(buffer: &mut Vec<u8>, texts: &[String]) {
    buffer.push(b'{');
    for (place, text) in texts.iter().enumerate() {
        if place > 0 {
            buffer.push(b',');
        }
        buffer.push(b'"');
        for byte in text.bytes() {
            if matches!(byte, b'"' | b'\\') {
                buffer.push(b'\\');
            }
            buffer.push(byte);
        }
        buffer.push(b'"');
    }
    buffer.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(hundredths: i64) -> Vec<i16> {
        let mut buffer = Vec::new();
        put_numeric(&mut buffer, hundredths);
        buffer.chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn amounts_are_written_as_the_server_would() {
        assert_eq!(words(0), [0, 0, 0, 2]);
        assert_eq!(words(1), [1, -1, 0, 2, 100]);
        assert_eq!(words(-1), [1, -1, 0x4000, 2, 100]);
        assert_eq!(words(100), [1, 0, 0, 2, 1]);
        assert_eq!(words(1_250), [2, 0, 0, 2, 12, 5_000]);
        assert_eq!(words(1_000_000), [1, 1, 0, 2, 1]);
        assert_eq!(words(9_999_999_999), [3, 1, 0, 2, 9_999, 9_999, 9_900]);
        assert_eq!(words(1_000_001), [3, 1, 0, 2, 1, 0, 100]);
    }

    #[test]
    fn arrays_are_quoted() {
        let mut buffer = Vec::new();
        put_array_text(&mut buffer, &["a,b".to_owned(), "\"\\".to_owned(), String::new(), "NULL".to_owned()]);
        assert_eq!(String::from_utf8(buffer).unwrap(), r#"{"a,b","\"\\","","NULL"}"#);
    }

    #[test]
    fn what_cannot_be_stored_is_not_sought() {
        let null = |text: &str| {
            let mut buffer = PgArgumentBuffer::default();
            matches!(Sought::Text(Some(text)).encode_by_ref(&mut buffer), Ok(IsNull::Yes))
        };
        assert!(null("a\0b") && null(&"k".repeat(4_097)));
        assert!(!null("") && !null(&"k".repeat(4_096)));
    }
}
