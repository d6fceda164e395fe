//! Reading records out of CSV text, strictly: a file with broken quoting is refused, not guessed at.

/// Separators people's spreadsheets use, in the order in which they are preferred.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// A line or a field breaks the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadQuoting {
    /// The record, the header being 1.
    pub(super) row: usize,
    /// What is wrong.
    pub(super) fault: &'static str,
}

/// The records of a file and what is wrong with its quoting.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) records: Vec<Vec<String>>,
    pub(super) faults: Vec<BadQuoting>,
    /// Whether reading stopped because there are more than the permitted records.
    pub(super) too_many: bool,
}

/// A cursor over the text.
struct Cursor<'a> {
    rest: &'a str,
    delimiter: char,
}

/// What ended a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Delimiter,
    Record,
    File,
}

impl<'a> Cursor<'a> {
    /// Steps over what ends a field, if the cursor stands before it.
    fn end(&mut self) -> Option<End> {
        let mut chars = self.rest.chars();
        let end = match chars.next() {
            None => End::File,
            Some(c) if c == self.delimiter => End::Delimiter,
            Some('\n') => End::Record,
            Some('\r') => {
                let after = chars.as_str();
                self.rest = after.strip_prefix('\n').unwrap_or(after);
                return Some(End::Record);
            }
            Some(_) => return None,
        };
        self.rest = chars.as_str();
        Some(end)
    }

    /// Takes everything up to the end of the field.
    fn until_end(&mut self) -> &'a str {
        let delimiter = self.delimiter;
        let end = self.rest.find([delimiter, '\n', '\r']).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(end);
        self.rest = rest;
        field
    }

    /// Reads a field that starts with a quote; blanks between its closing quote and its end are tolerated.
    fn quoted(&mut self) -> (String, Option<&'static str>) {
        let mut field = String::new();
        let mut rest = &self.rest[1..];
        loop {
            let Some(quote) = rest.find('"') else {
                field.push_str(rest);
                self.rest = "";
                return (field, Some("Quoted field unterminated"));
            };
            field.push_str(&rest[..quote]);
            rest = &rest[quote + 1..];
            match rest.strip_prefix('"') {
                Some(after) => {
                    field.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        self.rest = rest;
        let trailing = self.until_end();
        let fault = if trailing.chars().all(|c| c == ' ') {
            None
        } else {
            field.push_str(trailing);
            Some("Trailing quote on quoted field is malformed")
        };
        (field, fault)
    }
}

/// Splits a text into records of fields. Blank lines are no records. Reading stops after `max_records`.
pub(super) fn records(text: &str, delimiter: char, max_records: usize) -> Records {
    let mut cursor = Cursor { rest: text, delimiter };
    let mut all = Records::default();
    let mut record: Vec<String> = Vec::new();
    loop {
        let (field, fault) = if cursor.rest.starts_with('"') {
            cursor.quoted()
        } else {
            (cursor.until_end().to_owned(), None)
        };
        if let Some(fault) = fault {
            all.faults.push(BadQuoting { row: all.records.len() + 1, fault });
        }
        record.push(field);
        // Both ways of reading a field stop exactly before its end.
        let end = cursor.end().unwrap_or(End::File);
        if end == End::Delimiter {
            continue;
        }
        let blank = record.len() == 1 && record[0].trim().is_empty();
        if !blank {
            if all.records.len() == max_records {
                all.too_many = true;
                return all;
            }
            all.records.push(std::mem::take(&mut record));
        }
        record.clear();
        if end == End::File {
            return all;
        }
    }
}

/// The delimiter of a file with such a header: the one that separates most of the known names, then most fields at all.
/// `None` when none separates anything.
pub(super) fn detect_delimiter(text: &str, known: &[&str]) -> Option<char> {
    let mut best = None;
    for delimiter in DELIMITERS {
        let header = records(text, delimiter, 1).records.into_iter().next().unwrap_or_default();
        let named = header.iter().filter(|name| known.contains(&name.as_str())).count();
        let score = (named, header.len());
        if header.len() > 1 && best.is_none_or(|(_, best)| score > best) {
            best = Some((delimiter, score));
        }
    }
    best.map(|(delimiter, _)| delimiter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        let read = records(text, ',', usize::MAX);
        assert_eq!(read.faults, [], "{text:?}");
        read.records
    }

    #[test]
    fn records_end_at_any_line_break_and_blank_lines_are_skipped() {
        for text in ["a,b\nc,d", "a,b\r\nc,d\r\n", "a,b\rc,d", "\r\n\na,b\n  \n\nc,d\n\n"] {
            assert_eq!(read(text), [["a", "b"], ["c", "d"]], "{text:?}");
        }
        assert_eq!(read(""), Vec::<Vec<String>>::new());
        assert_eq!(read("a,"), [["a", ""]]);
        assert_eq!(read(","), [["", ""]]);
    }

    #[test]
    fn quoted_fields_hold_anything() {
        assert_eq!(read("\"a,\"\"b\"\"\r\nc\",d"), [["a,\"b\"\r\nc", "d"]]);
        assert_eq!(read("\"a\" ,b"), [["a", "b"]]);
        assert_eq!(read("5\" pipe,b"), [["5\" pipe", "b"]]);
        assert_eq!(read("\"\",b"), [["", "b"]]);
    }

    #[test]
    fn broken_quoting_is_found_with_its_row() {
        let open = records("a,b\n\"c,d", ',', usize::MAX);
        assert_eq!(open.faults, [BadQuoting { row: 2, fault: "Quoted field unterminated" }]);
        let trailing = records("a,b\nc,d\n\"e\"f,g", ',', usize::MAX);
        assert_eq!(
            trailing.faults,
            [BadQuoting { row: 3, fault: "Trailing quote on quoted field is malformed" }]
        );
    }

    #[test]
    fn reading_stops_at_the_limit() {
        let read = records("a\nb\nc\n", ',', 2);
        assert_eq!((read.records.len(), read.too_many), (2, true));
        assert!(!records("a\nb\n", ',', 2).too_many);
    }

    #[test]
    fn the_delimiter_is_the_one_that_separates_the_known_names() {
        let known = ["name", "price"];
        for (text, want) in [
            ("name,price", Some(',')),
            ("name;price\na,b,c;2", Some(';')),
            ("name\tprice", Some('\t')),
            ("name|price", Some('|')),
            ("name;a,b,c,d;price", Some(';')),
            ("\"na,me\";x", Some(';')),
            ("name\nSoup", None),
            ("", None),
        ] {
            assert_eq!(detect_delimiter(text, &known), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(
            table in prop::collection::vec(prop::collection::vec("[a,;\"\r\n ]{0,6}", 2..4), 1..5)
        ) {
            let text = table
                .iter()
                .map(|record| record.iter().map(|f| super::super::cell::encoded(f).into_owned()).collect::<Vec<_>>().join(","))
                .collect::<Vec<_>>()
                .join("\r\n");
            let read = records(&text, ',', usize::MAX);
            prop_assert_eq!(read.faults, vec![]);
            prop_assert_eq!(read.records, table);
        }
    }
}
