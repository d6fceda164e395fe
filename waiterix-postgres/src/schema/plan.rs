//! From what is missing to the statements that add it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use waiterix_domain::UniqueRule;

use super::compare::{Deviation, Report};
use super::target::{ColumnTarget, IndexTarget, TableTarget, Target, action, foreign_key_name, quoted};

/// One step of a migration. Each leaves a database that both the old and the new system can work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Statements that must all be done or none, and that take a lock for a moment.
    Together {
        /// In words.
        what: String,
        /// In order.
        statements: Vec<String>,
    },
    /// Builds an index while others go on writing.
    Index {
        /// Its name.
        name: String,
        /// Its table.
        table: String,
        /// The rule it enforces.
        rule: Option<UniqueRule>,
        /// Whether a leftover is in the way.
        leftover: bool,
        /// The statement that builds it.
        statement: String,
    },
    /// Checks the rows that were there before a foreign key.
    Validate {
        /// Its name.
        name: String,
        /// Its table.
        table: String,
    },
}

impl Step {
    /// In words.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Together { what, .. } => what.clone(),
            Self::Index { name, table, .. } => format!("build index {name} of {table}"),
            Self::Validate { name, table } => format!("check foreign key {name} of {table}"),
        }
    }
}

/// The statements that make a whole new database.
pub(super) fn creation(target: &Target) -> Vec<String> {
    let mut statements = Vec::new();
    for table in &target.tables {
        statements.push(create_table(table, target));
        statements.extend(plain_indexes(table, target));
    }
    statements
}

/// The steps that add what a report says is missing, in an order in which each can be done.
pub(super) fn steps(report: &Report, target: &Target) -> Vec<Step> {
    if report.empty {
        return vec![Step::Together { what: "make all tables".to_owned(), statements: creation(target) }];
    }
    let mut steps = Vec::new();
    let mut alterations: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut afterwards = Vec::new();
    for deviation in &report.deviations {
        match deviation {
            Deviation::MissingTable { table, .. } => {
                let Some(table) = target.table(table) else { continue };
                let mut statements = vec![create_table(table, target)];
                statements.extend(plain_indexes(table, target));
                steps.push(Step::Together { what: format!("make table {}", table.name), statements });
            }
            Deviation::MissingColumn { table, column, .. } => {
                let Some(column) = target.column(table, column) else { continue };
                let addition = format!("ADD COLUMN {}", definition(table, column));
                alterations.entry(table).or_default().push(addition);
            }
            Deviation::MissingDefault { table, column, expected } => {
                let alteration = format!("ALTER COLUMN {column} SET DEFAULT {expected}");
                alterations.entry(table).or_default().push(alteration);
            }
            Deviation::MissingForeignKey { table, column, parent, on_delete } => {
                let name = foreign_key_name(table, column, parent);
                let on_delete = action(*on_delete);
                let addition = format!(
                    "ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES public.{parent} (id) \
                     ON DELETE {on_delete} NOT VALID"
                );
                alterations.entry(table).or_default().push(addition);
                afterwards.push(Step::Validate { name, table: table.clone() });
            }
            Deviation::UncheckedForeignKey { table, name } => {
                afterwards.push(Step::Validate { name: name.clone(), table: table.clone() });
            }
            Deviation::MissingIndex { name, .. } => afterwards.extend(build(target, name, false)),
            Deviation::InvalidIndex { name, .. } => afterwards.extend(build(target, name, true)),
            _ => {}
        }
    }
    // One statement per table: the lock is taken once.
    steps.extend(alterations.into_iter().map(|(table, alterations)| Step::Together {
        what: format!("alter table {table}"),
        statements: vec![format!("ALTER TABLE public.{table} {}", alterations.join(", "))],
    }));
    // An index may be of a column that was missing as well.
    steps.extend(afterwards);
    steps
}

fn build(target: &Target, name: &str, leftover: bool) -> Option<Step> {
    let index = target.index(name)?;
    Some(Step::Index {
        name: index.name.clone(),
        table: index.table.to_owned(),
        rule: index.rule,
        leftover,
        statement: index.concurrently(),
    })
}

fn definition(table: &str, column: &ColumnTarget) -> String {
    let mut sql = format!("{} {}", column.name, column.sql_type);
    if let Some(default) = column.default {
        let _ = write!(sql, " DEFAULT {default}");
    }
    if !column.nullable {
        sql.push_str(" NOT NULL");
    }
    if let Some((parent, on_delete)) = column.references {
        let (name, on_delete) = (foreign_key_name(table, column.name, parent), action(on_delete));
        let _ = write!(sql, " CONSTRAINT {name} REFERENCES public.{parent} (id) ON DELETE {on_delete}");
    }
    sql
}

fn create_table(table: &TableTarget, target: &Target) -> String {
    let mut parts: Vec<_> = table.columns.iter().map(|column| definition(table.name, column)).collect();
    parts.push(format!("CONSTRAINT {}_pkey PRIMARY KEY ({})", table.name, table.key()));
    let constraints = target.indexes.iter().filter(|index| index.table == table.name && index.constraint);
    parts.extend(
        constraints.map(|index| format!("CONSTRAINT {} UNIQUE ({})", quoted(&index.name), index.keys)),
    );
    format!("CREATE TABLE public.{} ({})", table.name, parts.join(", "))
}

/// A table made a moment ago has no rows and no readers, so its indexes need no care.
fn plain_indexes<'a>(table: &'a TableTarget, target: &'a Target) -> impl Iterator<Item = String> + 'a {
    let of_table = |index: &&IndexTarget| index.table == table.name && !index.constraint;
    target.indexes.iter().filter(of_table).map(IndexTarget::definition)
}
