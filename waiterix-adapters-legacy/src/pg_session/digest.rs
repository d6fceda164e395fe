//! A digest of what JSON means, however it is written.
//!
//! The same record is written with its members in another order, and with `1e16` for `10000000000000000`, depending on
//! whether the column is `json` or `jsonb` and on whose program wrote it last. None of that is a change.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The digest of an object, in hexadecimal.
pub(super) fn of(members: &Map<String, Value>) -> String {
    let mut sum = Sha256::new();
    feed_object(&mut sum, members);
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every value begins with a letter for its kind, and everything of variable length with its length, so that no two values
/// make the same bytes.
fn feed(sum: &mut Sha256, value: &Value) {
    match value {
        Value::Null => sum.update(b"z"),
        Value::Bool(yes) => sum.update([b'b', u8::from(*yes)]),
        Value::Number(number) => {
            let text = number.as_f64().filter(|_| number.is_f64()).and_then(whole);
            feed_text(sum, b'n', &text.unwrap_or_else(|| number.to_string()));
        }
        Value::String(text) => feed_text(sum, b's', text),
        Value::Array(values) => {
            feed_length(sum, b'a', values.len());
            for value in values {
                feed(sum, value);
            }
        }
        Value::Object(members) => feed_object(sum, members),
    }
}

fn feed_object(sum: &mut Sha256, members: &Map<String, Value>) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    feed_length(sum, b'o', sorted.len());
    for (name, value) in sorted {
        feed_text(sum, b'k', name);
        feed(sum, value);
    }
}

fn feed_text(sum: &mut Sha256, kind: u8, text: &str) {
    feed_length(sum, kind, text.len());
    sum.update(text.as_bytes());
}

fn feed_length(sum: &mut Sha256, kind: u8, length: usize) {
    sum.update([kind]);
    sum.update((length as u64).to_be_bytes());
}

/// A floating point number without a fraction as the whole number it is, if that fits.
fn whole(number: f64) -> Option<String> {
    // Beyond this a whole number is read as a floating point number too.
    const END: f64 = u64::MAX as f64;
    (number.fract() == 0.0 && number.abs() < END).then(|| format!("{}", number as i128))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(json: &str) -> String {
        of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn how_it_is_written_makes_no_difference() {
        for (one, other) in [
            (r#"{"a":1,"b":{"c":[1,2],"d":null}}"#, r#"{ "b": {"d": null, "c": [1, 2]}, "a": 1 }"#),
            (r#"{"a":1e16}"#, r#"{"a":10000000000000000}"#),
            (r#"{"a":-0.0}"#, r#"{"a":0}"#),
            (r#"{"a":"\u00e9"}"#, r#"{"a":"é"}"#),
        ] {
            assert_eq!(digest(one), digest(other), "{one} and {other}");
        }
    }

    #[test]
    fn what_it_means_makes_one() {
        let all = [
            "{}",
            r#"{"a":null}"#,
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":1.5}"#,
            r#"{"a":-1}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":[[]]}"#,
            r#"{"a":true}"#,
            r#"{"a":false}"#,
            r#"{"a":"b","c":"d"}"#,
            r#"{"a":"bc","d":""}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"":1}"#,
        ];
        let digests: std::collections::BTreeSet<_> = all.iter().map(|json| digest(json)).collect();
        assert_eq!(digests.len(), all.len());
    }
}
