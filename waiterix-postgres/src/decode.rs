//! Rows out of PostgreSQL's binary form.
//!
//! Where only rows of one table are asked for, they come column by column, which costs the server least. Else a question answers with whole
//! records: how many fields, then each with its type, its length and its bytes, so that rows of several tables fit in one answer. Neither
//! needs escaping on either side or depends on how a session wishes dates or numbers to look.

use sqlx::postgres::PgRow;
use sqlx::{Column as _, Row as _, ValueRef as _};
use waiterix_domain::schema::Column;
use waiterix_domain::value::{BadValue, Kind, Value};
use waiterix_domain::{Amount, Row, Table, Timestamp};
use waiterix_ports::Count;

use crate::bind::EPOCH_MICROS;

/// Why a stored row cannot be understood. Names columns and never their content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The answer is no sequence of records.
    #[error("a record is cut off")]
    CutOff,
    /// A record has another number of fields.
    #[error("a record with {found} fields instead of {expected}")]
    Fields {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A value does not fit its column.
    #[error("{column}: {fault}")]
    Value {
        /// The column.
        column: String,
        /// What is wrong.
        fault: &'static str,
    },
    /// As above.
    #[error(transparent)]
    Bad(#[from] BadValue),
}

/// What is left to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Unreadable::CutOff)?;
        self.0 = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Result<i32, Unreadable> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Unreadable::CutOff)?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*taken))
    }

    fn short(&mut self) -> Result<i16, Unreadable> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Unreadable::CutOff)?;
        self.0 = rest;
        Ok(i16::from_be_bytes(*taken))
    }

    fn count(&mut self) -> Result<usize, Unreadable> {
        usize::try_from(self.word()?).map_err(|_| Unreadable::CutOff)
    }

    /// A value behind its length, null for a negative one.
    fn sized(&mut self) -> Result<Option<&'a [u8]>, Unreadable> {
        match self.word()? {
            ..0 => Ok(None),
            length => self.take(length.unsigned_abs() as usize).map(Some),
        }
    }

    /// A field with the number of its type.
    fn field(&mut self) -> Result<(i32, Option<&'a [u8]>), Unreadable> {
        Ok((self.word()?, self.sized()?))
    }

    fn fields(&mut self, expected: usize) -> Result<(), Unreadable> {
        let found = self.count()?;
        if found == expected { Ok(()) } else { Err(Unreadable::Fields { found, expected }) }
    }
}

/// Reads a record of a table.
pub(crate) fn row(bytes: &[u8], table: Table) -> Result<Row, Unreadable> {
    let mut bytes = Bytes(bytes);
    bytes.fields(table.columns().len())?;
    one(&mut bytes, table)
}

/// Reads a row whose columns came one by one.
pub(crate) fn columns(found: &PgRow, table: Table) -> Result<Row, Unreadable> {
    let mut types = found.columns().iter();
    table.row_from_columns(|column| {
        let of = types.next().ok_or(Unreadable::CutOff)?;
        let field = found.try_get_raw(of.ordinal()).map_err(|_| Unreadable::CutOff)?;
        if field.is_null() {
            return Ok(Value::Null);
        }
        let bytes = field.as_bytes().map_err(|_| Unreadable::CutOff)?;
        let oid = of.type_info().oid().map_or(0, |oid| oid.0.cast_signed());
        of_column(table, column, oid, bytes)
    })
}

/// Reads a record that ends with a label.
pub(crate) fn row_labelled(bytes: &[u8], table: Table) -> Result<(Row, Option<String>), Unreadable> {
    let mut bytes = Bytes(bytes);
    bytes.fields(table.columns().len() + 1)?;
    let row = one(&mut bytes, table)?;
    let label = match bytes.field()?.1 {
        Some(label) => Some(text(label).ok_or(Unreadable::CutOff)?.to_owned()),
        None => None,
    };
    Ok((row, label))
}

/// Reads a record of a label and a count.
pub(crate) fn count(bytes: &[u8]) -> Result<Count, Unreadable> {
    let mut bytes = Bytes(bytes);
    bytes.fields(2)?;
    let label = text(bytes.field()?.1.unwrap_or_default()).ok_or(Unreadable::CutOff)?.to_owned();
    let count = bytes.field()?.1.and_then(number).and_then(|count| u64::try_from(count).ok());
    Ok(Count { label, count: count.ok_or(Unreadable::CutOff)? })
}

/// Reads the number of a part.
pub(crate) fn part(bytes: &[u8]) -> Result<usize, Unreadable> {
    number(bytes).and_then(|part| usize::try_from(part).ok()).ok_or(Unreadable::CutOff)
}

/// Reads the fields of one row.
fn one(bytes: &mut Bytes<'_>, table: Table) -> Result<Row, Unreadable> {
    table.row_from_columns(|column| {
        let (oid, field) = bytes.field()?;
        let Some(field) = field else { return Ok(Value::Null) };
        of_column(table, column, oid, field)
    })
}

/// The value of a column that is not null.
fn of_column(table: Table, column: &Column, oid: i32, bytes: &[u8]) -> Result<Value, Unreadable> {
    value(oid, bytes, column.kind)
        .map_err(|fault| Unreadable::Value { column: format!("{}.{}", table.name(), column.name), fault })
}

fn value(oid: i32, bytes: &[u8], kind: Kind) -> Result<Value, &'static str> {
    const JSONB: i32 = 3802;
    const VARCHAR: i32 = 1043;
    const TEXT: i32 = 25;
    Ok(match (kind, oid) {
        (Kind::Text, TEXT | VARCHAR) => Value::Text(text(bytes).ok_or("not UTF-8")?.to_owned()),
        (Kind::Bool, 16) => Value::Bool(bytes == [1]),
        (Kind::Int, 23) => {
            Value::Int(number(bytes).and_then(|n| i32::try_from(n).ok()).ok_or("not 32 bits")?)
        }
        (Kind::Amount, 1700) => Value::Amount(amount(bytes)?),
        (Kind::Timestamp, 1114) => Value::Timestamp(instant(bytes)?),
        (Kind::TextArray, 1009 | 1015) => Value::TextArray(texts(bytes)?),
        // The binary form of jsonb is its version and its text; json is its text.
        (Kind::Json, JSONB) => match bytes {
            [1, json @ ..] => Value::Json(serde_json::from_slice(json).map_err(|_| "not JSON")?),
            _ => return Err("jsonb of an unknown version"),
        },
        (Kind::Json, 114) => Value::Json(serde_json::from_slice(bytes).map_err(|_| "not JSON")?),
        // A column that a database lacks is answered with an untyped null, and a null needs no type.
        _ => return Err("a column of another type"),
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn number(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        4 => Some(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        8 => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

fn instant(bytes: &[u8]) -> Result<Timestamp, &'static str> {
    match number(bytes).ok_or("not 64 bits")? {
        i64::MAX | i64::MIN => Err("an infinite instant"),
        micros => micros
            .checked_add(EPOCH_MICROS)
            .and_then(Timestamp::from_micros)
            .ok_or("an instant outside the years 1 to 9999"),
    }
}

/// A `numeric`, as hundredths.
fn amount(bytes: &[u8]) -> Result<Amount, &'static str> {
    const NEGATIVE: i16 = 0x4000;
    const NOT_EXACT: &str = "an amount that is not in hundredths, or too large";
    let cut_off = |_| "a number that is cut off";
    let mut bytes = Bytes(bytes);
    let digits = bytes.short().map_err(cut_off)?;
    let weight = i32::from(bytes.short().map_err(cut_off)?);
    let sign = bytes.short().map_err(cut_off)?;
    let _scale = bytes.short().map_err(cut_off)?;
    if sign != 0 && sign != NEGATIVE {
        return Err("an amount that is no number");
    }
    let mut hundredths = 0_i64;
    for place in 0..i32::from(digits) {
        let digit = i64::from(bytes.short().map_err(cut_off)?);
        // The power of 10 000 this digit counts, in hundredths.
        let part = match weight - place {
            power @ 0..=3 => 10_000_i64
                .checked_pow(power.unsigned_abs())
                .and_then(|unit| unit.checked_mul(100))
                .and_then(|unit| unit.checked_mul(digit)),
            -1 if digit % 100 == 0 => Some(digit / 100),
            _ if digit == 0 => Some(0),
            _ => None,
        };
        hundredths = part.and_then(|part| hundredths.checked_add(part)).ok_or(NOT_EXACT)?;
    }
    Amount::from_hundredths(if sign == NEGATIVE { -hundredths } else { hundredths }).ok_or(NOT_EXACT)
}

/// An array of texts, without its nulls.
fn texts(bytes: &[u8]) -> Result<Vec<String>, &'static str> {
    let cut_off = |_| "an array that is cut off";
    let mut bytes = Bytes(bytes);
    let dimensions = bytes.count().map_err(cut_off)?;
    let (_has_nulls, _element) = (bytes.word().map_err(cut_off)?, bytes.word().map_err(cut_off)?);
    for _ in 0..dimensions {
        let (_length, _first) = (bytes.word().map_err(cut_off)?, bytes.word().map_err(cut_off)?);
    }
    let mut texts = Vec::new();
    while !bytes.0.is_empty() {
        if let Some(element) = bytes.sized().map_err(cut_off)? {
            texts.push(text(element).ok_or("not UTF-8")?.to_owned());
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(words: &[i16]) -> Result<i64, &'static str> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        amount(&bytes).map(Amount::hundredths)
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        assert_eq!(numeric(&[0, 0, 0, 2]), Ok(0));
        assert_eq!(numeric(&[2, 0, 0, 2, 12, 5_000]), Ok(1_250));
        assert_eq!(numeric(&[1, -1, 0x4000, 2, 100]), Ok(-1));
        assert_eq!(numeric(&[3, 1, 0, 2, 9_999, 9_999, 9_900]), Ok(9_999_999_999));
        for bad in [
            // NaN, both infinities, half a cent, and too much.
            &[0, 0, -0x4000, 0][..],
            &[0, 0, -0x3000, 0],
            &[0, 0, -0x1000, 0],
            &[1, -1, 0, 3, 50],
            &[1, -2, 0, 8, 1],
            &[1, 2, 0, 2, 1],
            &[1, 300, 0, 2, 1],
            &[2, 0, 0, 2, 1],
        ] {
            assert!(numeric(bad).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn an_amount_that_is_written_is_read_again(
            hundredths in -Amount::MAX.hundredths()..=Amount::MAX.hundredths(),
        ) {
            let mut buffer = Vec::new();
            crate::bind::put_numeric(&mut buffer, hundredths);
            proptest::prop_assert_eq!(amount(&buffer).map(Amount::hundredths), Ok(hundredths));
        }
    }

    #[test]
    fn infinite_instants_are_refused() {
        for bad in [i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1] {
            assert!(instant(&bad.to_be_bytes()).is_err(), "{bad}");
        }
        assert_eq!(
            instant(&0_i64.to_be_bytes()).map(|at| at.to_string()).as_deref(),
            Ok("2000-01-01T00:00:00.000Z")
        );
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        for bytes in [&[][..], &[0, 0], &[0, 0, 0, 1], &[0, 0, 0, 4, 0, 0, 0, 25, 0, 0, 0, 9, 65]] {
            assert!(row(bytes, Table::IdempotencyKeys).is_err(), "{bytes:?}");
        }
    }
}
