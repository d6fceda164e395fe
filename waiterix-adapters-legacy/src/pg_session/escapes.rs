//! Half characters.
//!
//! JavaScript's texts may hold one half of a surrogate pair without the other, and `JSON.stringify` writes it as an escape.
//! A column of type `json` keeps that, the old server reads it, and no text in Rust or in PostgreSQL can hold it. Such a
//! session must not be one that cannot be loaded or, worse, that survives logging out everywhere.

use std::borrow::Cow;

/// The text of a JSON document with `\ufffd`, the sign for what cannot be shown, in the place of every half character.
pub(super) fn mended(json: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    let (mut kept, mut at) = (0, 0);
    // An escape of anything but ASCII is no JSON, and what follows it is of no interest.
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('\\')) {
        let start = at + found;
        at = start + 2;
        let Some(unit) = unit_at(json, start) else { continue };
        at = start + 6;
        match unit {
            0xd800..=0xdbff if unit_at(json, at).is_some_and(|next| (0xdc00..=0xdfff).contains(&next)) => {
                at += 6;
            }
            0xd800..=0xdfff => {
                mended.push_str(&json[kept..start]);
                mended.push_str("\\ufffd");
                kept = at;
            }
            _ => {}
        }
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(&json[kept..]);
    Cow::Owned(mended)
}

/// The unit that an escape `\uXXXX` stands for.
fn unit_at(json: &str, start: usize) -> Option<u16> {
    let digits = json.get(start..start + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_replaced_and_everything_else_stays() {
        for (before, after) in [
            (r#"{"a":"\ud83d\ude00 é \n \\ \" \u0000"}"#, r#"{"a":"\ud83d\ude00 é \n \\ \" \u0000"}"#),
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#"{"a":"\uD83Dx\uDE00"}"#, r#"{"a":"\ufffdx\ufffd"}"#),
            (r#"{"a":"\ud83d\ud83d\ude00"}"#, r#"{"a":"\ufffd\ud83d\ude00"}"#),
            (r#"{"a":"\\ud83d"}"#, r#"{"a":"\\ud83d"}"#),
            (r#"{"\ud83d":1}"#, r#"{"\ufffd":1}"#),
            (r"\u12", r"\u12"),
            (r"\", r"\"),
            (r"\ué", r"\ué"),
            (r"\éé", r"\éé"),
        ] {
            assert_eq!(mended(before), after);
        }
    }
}
