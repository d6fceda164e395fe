//! Cells of a report, by the same rules as those of the menu's file.

use crate::menu_csv::cell::{encoded, guarded};

/// A text as one cell: guarded against being taken for a formula, and quoted where CSV needs it.
pub(super) fn cell(text: &str) -> String {
    encoded(&guarded(text)).into_owned()
}

/// A text as one cell: guarded, and always quoted.
pub(super) fn quoted_cell(text: &str) -> String {
    format!("\"{}\"", guarded(text).replace('"', "\"\""))
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
            let line = texts.iter().map(|text| cell(text)).collect::<Vec<_>>().join(",");
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            let back: Vec<&str> = record.iter().collect();
            let want: Vec<String> = texts.iter().map(|text| guarded(text).into_owned()).collect();
            prop_assert_eq!(back, want);
        }
    }
}
