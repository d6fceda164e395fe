//! Digests of rows that every store computes alike, so that two of them can be compared.
//!
//! A row's canonical text is the concatenation of its columns in schema order, each written as `-` for null or as
//! its length in bytes, `:` and its text: texts as they are, booleans `t`/`f`, integers in decimal, amounts in
//! hundredths, instants in microseconds since the Unix epoch, arrays as their length, `:` and each element again
//! with its length, JSON in the form PostgreSQL gives `jsonb::text`. The row's hash is the MD5 of that text (for
//! speed inside the database, not for secrecy) read as two big-endian 64-bit numbers; the digest of a range adds
//! both up, wrapping, and counts the rows, so the order of rows does not matter but every row does.

use md5::{Digest as _, Md5};

use crate::schema::Row;
use crate::value::Value;

/// The digest of a set of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// How many rows.
    pub rows: u64,
    /// The wrapping sums of both halves of the rows' hashes.
    pub sums: [u64; 2],
}

impl Digest {
    /// Takes one more row in.
    pub fn add(&mut self, row: &Row) {
        let [high, low] = row_hash(row);
        self.rows += 1;
        self.sums = [self.sums[0].wrapping_add(high), self.sums[1].wrapping_add(low)];
    }

    /// The digest of some rows.
    #[must_use]
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut digest = Self::default();
        for row in rows {
            digest.add(row);
        }
        digest
    }
}

/// The hash of one row: both halves of the MD5 of its canonical text.
#[must_use]
pub fn row_hash(row: &Row) -> [u64; 2] {
    let hash: [u8; 16] = Md5::digest(canonical_text(row).as_bytes()).into();
    let number = u128::from_be_bytes(hash);
    // The halves of a 128-bit number always fit.
    [(number >> 64) as u64, number as u64]
}

/// The canonical text of a row.
#[must_use]
pub fn canonical_text(row: &Row) -> String {
    let mut text = String::with_capacity(256);
    for value in row.to_values() {
        push_column(&mut text, &value);
    }
    text
}

fn push_column(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push('-'),
        Value::Text(inner) => push_sized(text, inner),
        Value::Bool(inner) => push_sized(text, if *inner { "t" } else { "f" }),
        Value::Int(inner) => push_sized(text, &inner.to_string()),
        Value::Amount(inner) => push_sized(text, &inner.hundredths().to_string()),
        Value::Timestamp(inner) => push_sized(text, &inner.as_micros().to_string()),
        Value::TextArray(elements) => {
            let mut inner = String::new();
            for element in elements {
                push_sized(&mut inner, element);
            }
            push_sized(text, &format!("{}:{inner}", elements.len()));
        }
        Value::Json(inner) => {
            let mut json = String::new();
            push_jsonb(&mut json, inner);
            push_sized(text, &json);
        }
    }
}

fn push_sized(text: &mut String, inner: &str) {
    text.push_str(&inner.len().to_string());
    text.push(':');
    text.push_str(inner);
}

/// Writes JSON as PostgreSQL writes `jsonb`: `", "` and `": "` between parts, keys ordered by length, then bytes.
fn push_jsonb(text: &mut String, json: &serde_json::Value) {
    match json {
        serde_json::Value::Array(elements) => {
            text.push('[');
            for (place, element) in elements.iter().enumerate() {
                if place > 0 {
                    text.push_str(", ");
                }
                push_jsonb(text, element);
            }
            text.push(']');
        }
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| (a.len(), a.as_bytes()).cmp(&(b.len(), b.as_bytes())));
            text.push('{');
            for (place, (key, value)) in members.into_iter().enumerate() {
                if place > 0 {
                    text.push_str(", ");
                }
                text.push_str(&serde_json::Value::from(key.as_str()).to_string());
                text.push_str(": ");
                push_jsonb(text, value);
            }
            text.push('}');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::schema::{Faq, Row};

    fn faq(keywords: Option<Vec<&str>>) -> Row {
        Row::from(Faq {
            id: "a".into(),
            restaurant_id: "r".into(),
            question: "q".into(),
            answer: String::new(),
            keywords: keywords.map(|words| words.into_iter().map(String::from).collect()),
            related_menu_item_ids: None,
            usage_count: 0,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        })
    }

    #[test]
    fn null_empty_and_shifted_elements_differ() {
        let texts: Vec<_> = [
            None,
            Some(vec![]),
            Some(vec![""]),
            Some(vec!["a", "b"]),
            Some(vec!["a1:b"]),
            Some(vec!["b", "a"]),
        ]
        .into_iter()
        .map(|words| canonical_text(&faq(words)))
        .collect();
        for (place, text) in texts.iter().enumerate() {
            assert!(!texts[place + 1..].contains(text), "{text}");
        }
        assert_eq!(texts[3], "1:a1:r1:q0:8:2:1:a1:b-1:01:01:0");
    }

    #[test]
    fn the_digest_does_not_depend_on_order_but_on_every_row() {
        let (a, b) = (faq(None), faq(Some(vec![])));
        assert_eq!(Digest::of([&a, &b]), Digest::of([&b, &a]));
        assert_ne!(Digest::of([&a, &a]), Digest::of([&b, &b]));
    }

    #[test]
    fn json_is_written_as_postgresql_writes_jsonb() {
        let mut text = String::new();
        push_jsonb(&mut text, &serde_json::json!({"bb": [1, null, "x\n"], "c": {}, "a": true}));
        assert_eq!(text, r#"{"a": true, "c": {}, "bb": [1, null, "x\n"]}"#);
    }
}
