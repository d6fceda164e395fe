//! Values as SQLite stores them.

use std::sync::Arc;

use sqlx::Arguments;
use sqlx::sqlite::SqliteArguments;
use waiterix_domain::Timestamp;
use waiterix_domain::value::Value;

/// JSON nested more deeply than this could be written but not read again.
const MAX_JSON_DEPTH: usize = 100;
/// A longer key is in no table.
const MAX_KEY_BYTES: usize = 4096;

/// A value to bind to a statement; cheap to copy.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound {
    Null,
    Int(i64),
    Text(Arc<str>),
}

impl Bound {
    /// A text that may be stored; the fault otherwise.
    pub(super) fn text(text: &str) -> Result<Self, &'static str> {
        if text.as_bytes().contains(&0) { Err("text with U+0000") } else { Ok(Self::Text(text.into())) }
    }

    /// A text to look for; one that cannot be stored becomes null, which equals nothing.
    pub(super) fn sought(text: &str) -> Self {
        if text.len() > MAX_KEY_BYTES || text.as_bytes().contains(&0) {
            Self::Null
        } else {
            Self::Text(text.into())
        }
    }

    /// Whatever a question may name.
    pub(super) fn from_sought(value: impl Sought) -> Self {
        value.bound()
    }

    /// A column's value as it is stored; the fault if it cannot be.
    pub(super) fn of(value: Value) -> Result<Self, &'static str> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Text(text) => Self::text(&text)?,
            Value::Bool(yes) => Self::Int(yes.into()),
            Value::Int(number) => Self::Int(number.into()),
            Value::Amount(amount) => Self::Int(amount.hundredths()),
            Value::Timestamp(at) => Self::Int(at.as_micros()),
            Value::TextArray(texts) => {
                if texts.iter().any(|text| text.contains('\0')) {
                    return Err("text with U+0000");
                }
                let texts: Vec<_> = texts.into_iter().map(serde_json::Value::from).collect();
                Self::Text(serde_json::Value::from(texts).to_string().into())
            }
            Value::Json(json) => {
                let mut text = String::new();
                push_json(&mut text, &json, 0)?;
                Self::Text(text.into())
            }
        })
    }

    /// Appends the value to the arguments of a statement.
    pub(super) fn push_to(&self, arguments: &mut SqliteArguments) {
        let added = match self {
            Self::Null => arguments.add(None::<i64>),
            Self::Int(number) => arguments.add(*number),
            Self::Text(text) => arguments.add(text.clone()),
        };
        // Encoding these three cannot fail; a missing argument would show as a null that no column takes.
        debug_assert!(added.is_ok(), "integers and texts can be encoded");
    }
}

/// Something a question names.
pub(super) trait Sought {
    /// What to bind in order to look for it.
    fn bound(self) -> Bound;
}

impl<T: AsRef<str>> Sought for &T {
    fn bound(self) -> Bound {
        Bound::sought(self.as_ref())
    }
}

impl Sought for &str {
    fn bound(self) -> Bound {
        Bound::sought(self)
    }
}

impl Sought for Timestamp {
    fn bound(self) -> Bound {
        Bound::Int(self.as_micros())
    }
}

impl Sought for u32 {
    fn bound(self) -> Bound {
        Bound::Int(self.into())
    }
}

/// Nothing is sought as null, which equals nothing.
impl<T: Sought> Sought for Option<T> {
    fn bound(self) -> Bound {
        self.map_or(Bound::Null, T::bound)
    }
}

/// Several texts become a JSON array for `json_each`.
impl<T: AsRef<str>> Sought for &[T] {
    fn bound(self) -> Bound {
        let texts = self.iter().map(AsRef::as_ref).filter(|text| Bound::sought(text) != Bound::Null);
        let texts: Vec<_> = texts.map(serde_json::Value::from).collect();
        Bound::Text(serde_json::Value::from(texts).to_string().into())
    }
}

/// The arguments of a statement.
pub(super) fn arguments<'a>(values: impl IntoIterator<Item = &'a Bound>) -> SqliteArguments {
    let mut arguments = SqliteArguments::default();
    for value in values {
        value.push_to(&mut arguments);
    }
    arguments
}

/// Writes JSON so that equal values have equal texts: guarded updates compare them as texts.
fn push_json(text: &mut String, json: &serde_json::Value, depth: usize) -> Result<(), &'static str> {
    if depth > MAX_JSON_DEPTH {
        return Err("JSON nested too deeply");
    }
    match json {
        serde_json::Value::Array(elements) => {
            text.push('[');
            for (place, element) in elements.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                push_json(text, element, depth + 1)?;
            }
            text.push(']');
        }
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| key.as_bytes());
            text.push('{');
            for (place, (key, value)) in members.into_iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                push_json(text, &serde_json::Value::from(key.as_str()), depth + 1)?;
                text.push(':');
                push_json(text, value, depth + 1)?;
            }
            text.push('}');
        }
        serde_json::Value::String(inner) if inner.contains('\0') => return Err("text with U+0000"),
        plain => text.push_str(&plain.to_string()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_json_has_equal_text_and_bad_json_is_refused() {
        let text = |json| Bound::of(Value::Json(json));
        assert_eq!(text(json!({"b": 1, "a": [null, "x\n"]})), Bound::text(r#"{"a":[null,"x\n"],"b":1}"#));
        for bad in [json!("\0"), json!({"\0": 1}), json!([["\0"]])] {
            assert!(text(bad).is_err());
        }
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        assert!(text(deep).is_err());
    }

    #[test]
    fn what_cannot_be_stored_is_sought_as_null() {
        assert_eq!(Bound::sought("a\0b"), Bound::Null);
        assert_eq!(Bound::sought(&"k".repeat(4097)), Bound::Null);
        assert_ne!(Bound::sought(&"k".repeat(4096)), Bound::Null);
        assert_eq!(Bound::from_sought(&["a", "\0", "b\""][..]), Bound::text(r#"["a","b\""]"#).unwrap());
    }
}
