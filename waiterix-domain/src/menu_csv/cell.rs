//! Cells that spreadsheets do not take for formulas, and the way back.

use std::borrow::Cow;

/// What makes a spreadsheet take a cell for a formula.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

fn starts_like_a_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA_STARTS)
}

/// Puts an apostrophe before a text that starts like a formula (D41). One that already has apostrophes there gets one
/// more, so that taking one away again gives exactly the text.
pub(crate) fn guarded(text: &str) -> Cow<'_, str> {
    if starts_like_a_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Takes the apostrophe of [`guarded`] away.
pub(super) fn unguarded(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if starts_like_a_formula(rest) => rest,
        _ => text,
    }
}

/// A text as it stands in the file: quoted where it holds a comma, a quote or a line break, or starts or ends blank.
pub(crate) fn encoded(text: &str) -> Cow<'_, str> {
    let outer_blank = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
    if outer_blank || text.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn d41_formulas_are_guarded() {
        for (text, want) in [
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-", "'-"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("'=x", "''=x"),
            ("plain", "plain"),
            ("'s Gravenhage", "'s Gravenhage"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(guarded(text), want, "{text:?}");
        }
    }

    #[test]
    fn cells_are_quoted_only_where_needed() {
        for (text, want) in [
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\nb\""),
            (" a", "\" a\""),
            ("a ", "\"a \""),
            ("a;b|c\td", "a;b|c\td"),
            ("", ""),
        ] {
            assert_eq!(encoded(text), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn guarding_can_be_taken_back(text in "['=+@a\\t-]{0,5}") {
            let guarded = guarded(&text);
            prop_assert_eq!(unguarded(&guarded), text.as_str());
        }
    }
}
