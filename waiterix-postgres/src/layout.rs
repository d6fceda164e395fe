//! What differs from one database to another.

use waiterix_domain::schema::Column;
use waiterix_domain::{Table, UniqueRule};

/// What a database has. Databases of the old system were brought up to date by hand, and one column never reached all of
/// them; and where rows break a rule, its index cannot be built until somebody has mended them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Whether `pending_questions` has `table_id`.
    pub(crate) has_table_of_question: bool,
    /// The rules without an index, a bit for each in the order of their list.
    unguarded: u16,
}

/// Answers whether the optional column is there, and the names of the unique indexes that are in force.
pub(crate) const PROBE: &str = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute \
    WHERE attrelid = to_regclass('public.pending_questions') AND attname = 'table_id' AND NOT attisdropped), \
    ARRAY(SELECT c.relname::text FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid \
    WHERE x.indisunique AND x.indisvalid AND c.relnamespace = 'public'::regnamespace)";

impl Layout {
    /// The layout that was found.
    pub(crate) fn new(has_table_of_question: bool, unique_indexes: &[String]) -> Self {
        let rules = UniqueRule::ALL.iter().enumerate();
        let unguarded = rules
            .filter(|(_, rule)| !unique_indexes.iter().any(|index| index == rule.index_name()))
            .fold(0, |bits, (place, _)| bits | 1 << place);
        Self { has_table_of_question, unguarded }
    }

    /// The layout as a number that is not 0, and back.
    pub(crate) fn pack(self) -> u32 {
        1 << 17 | u32::from(self.has_table_of_question) << 16 | u32::from(self.unguarded)
    }

    /// The layout that was packed; `None` for 0.
    pub(crate) fn unpack(packed: u32) -> Option<Self> {
        let has_table_of_question = packed & 1 << 16 != 0;
        // The lower half of the number.
        (packed != 0).then_some(Self { has_table_of_question, unguarded: packed as u16 })
    }

    /// The rules that no index enforces.
    pub(crate) fn unguarded(self) -> impl Iterator<Item = UniqueRule> {
        let rules = UniqueRule::ALL.iter().copied().enumerate();
        rules.filter(move |(place, _)| self.unguarded & 1 << place != 0).map(|(_, rule)| rule)
    }

    /// Every layout there is.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 2] = [
        Self { has_table_of_question: false, unguarded: 0 },
        Self { has_table_of_question: true, unguarded: 0 },
    ];

    /// A number for each layout, for what is kept per layout.
    pub(crate) fn number(self) -> usize {
        usize::from(self.has_table_of_question)
    }

    /// Whether a column is there. One that is not is read as null and never named.
    pub(crate) fn has(self, table: Table, column: &Column) -> bool {
        self.has_table_of_question || table != Table::PendingQuestions || column.name != "table_id"
    }

    /// The places of the columns that are there.
    pub(crate) fn places(self, table: Table) -> impl Iterator<Item = usize> {
        (0..table.columns().len()).filter(move |place| self.has(table, &table.columns()[*place]))
    }

    /// All columns of a table as expressions, separated by commas.
    pub(crate) fn columns(self, table: Table, alias: &str) -> String {
        let columns = table.columns().iter().map(|column| {
            if self.has(table, column) { format!("{alias}.{}", column.name) } else { "NULL".to_owned() }
        });
        columns.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_kept_as_a_number() {
        let names: Vec<String> = UniqueRule::ALL.iter().map(|rule| rule.index_name().to_owned()).collect();
        for (has_table, count) in [(false, 0), (true, 0), (true, 3), (false, names.len())] {
            let layout = Layout::new(has_table, &names[..count]);
            assert_eq!(Layout::unpack(layout.pack()), Some(layout));
            assert_eq!(layout.unguarded().collect::<Vec<_>>(), UniqueRule::ALL[count..]);
        }
        assert_eq!(Layout::unpack(0), None);
    }

    #[test]
    fn a_column_that_is_not_there_is_not_named() {
        for layout in Layout::ALL {
            let text = layout.columns(Table::PendingQuestions, "t");
            assert_eq!(text.contains("t.table_id"), layout.has_table_of_question, "{text}");
            assert_eq!(text.split(", ").count(), Table::PendingQuestions.columns().len());
            for table in Table::ALL.iter().filter(|table| **table != Table::PendingQuestions) {
                assert_eq!(layout.places(*table).count(), table.columns().len());
            }
        }
    }
}
