//! What differs from one database to another.

use waiterix_domain::Table;
use waiterix_domain::schema::Column;

/// Which columns a database has. Databases of the old system were brought up to date by hand, and one column never
/// reached all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Whether `pending_questions` has `table_id`.
    pub(crate) has_table_of_question: bool,
}

/// Answers whether the optional column is there.
pub(crate) const PROBE: &str = "SELECT count(*) FROM pg_catalog.pg_attribute \
    WHERE attrelid = to_regclass('public.pending_questions') AND attname = 'table_id' AND NOT attisdropped";

impl Layout {
    /// Every layout there is.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 2] =
        [Self { has_table_of_question: false }, Self { has_table_of_question: true }];

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
