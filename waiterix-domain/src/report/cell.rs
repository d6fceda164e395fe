//! Cells of a CSV file.

use std::borrow::Cow;

/// A text that a spreadsheet will not take for a formula: one that starts like a formula gets an apostrophe.
pub(crate) fn guarded(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A text as one cell: guarded, and quoted where CSV needs it.
pub(crate) fn cell(text: &str) -> Cow<'_, str> {
    let text = guarded(text);
    let outer_blank = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
    if outer_blank || text.contains([',', '"', '\n', '\r']) { Cow::Owned(quoted(&text)) } else { text }
}

/// A text as one cell: guarded, and always quoted.
pub(crate) fn quoted_cell(text: &str) -> String {
    quoted(&guarded(text))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn d90_formulas_are_guarded_and_special_texts_quoted() {
        for (text, want) in [
            ("plain text", "plain text"),
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (" blank", "\" blank\""),
            ("blank ", "\"blank \""),
            ("=\"a\",b", "\"'=\"\"a\"\",b\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), want, "{text:?}");
        }
        assert_eq!(quoted_cell("2x Soup"), "\"2x Soup\"");
        assert_eq!(quoted_cell(""), "\"\"");
    }

    proptest! {
        #[test]
        fn any_texts_come_back_from_a_csv_reader(texts in prop::collection::vec("\\PC*|[=,\"\n\r\t a]{0,6}", 2..5)) {
            let line = texts.iter().map(|text| cell(text).into_owned()).collect::<Vec<_>>().join(",");
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            let back: Vec<&str> = record.iter().collect();
            let want: Vec<String> = texts.iter().map(|text| guarded(text).into_owned()).collect();
            prop_assert_eq!(back, want);
        }
    }
}
