//! The difference between what is there and what must be there.

use std::fmt;

use waiterix_domain::UniqueRule;
use waiterix_domain::schema::OnDelete;

use super::catalog::{Catalog, ColumnFound, ForeignKeyFound, TableFound};
use super::target::{ColumnTarget, TableTarget, Target, action};

/// The oldest server this works with: 13 is the first that makes ids (`gen_random_uuid()`) without an extension.
pub const OLDEST_SERVER: i32 = 130_000;

/// One way in which a database is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deviation {
    /// The server is too old.
    OldServer {
        /// Its version, e.g. 120004.
        version: i32,
    },
    /// A table is not there.
    MissingTable {
        /// Which.
        table: String,
        /// Whether rows of the old system are missing with it.
        mandatory: bool,
    },
    /// A column is not there.
    MissingColumn {
        /// Its table.
        table: String,
        /// Which.
        column: String,
        /// Whether values of the old system are missing with it.
        mandatory: bool,
    },
    /// A column is of another type.
    WrongType {
        /// Its table.
        table: String,
        /// Which.
        column: String,
        /// What it is.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A column may be null and must not, or the other way round.
    WrongNullability {
        /// Its table.
        table: String,
        /// Which.
        column: String,
        /// What it must be.
        nullable: bool,
    },
    /// A column has no default.
    MissingDefault {
        /// Its table.
        table: String,
        /// Which.
        column: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A column has another default, or its value is computed.
    WrongDefault {
        /// Its table.
        table: String,
        /// Which.
        column: String,
        /// What it is.
        found: String,
        /// What it must be; nothing if there must be none.
        expected: Option<&'static str>,
    },
    /// A column that this version does not know, and that cannot be left out when a row is written.
    UnknownColumn {
        /// Its table.
        table: String,
        /// Which.
        column: String,
    },
    /// The primary key is of other columns, or there is none.
    WrongKey {
        /// Its table.
        table: String,
        /// The columns it is of.
        found: Vec<String>,
        /// The column it must be of.
        expected: &'static str,
    },
    /// A column refers to another table without a foreign key.
    MissingForeignKey {
        /// Its table.
        table: String,
        /// Which.
        column: String,
        /// The table it refers to.
        parent: &'static str,
        /// What must happen when that row goes.
        on_delete: OnDelete,
    },
    /// A foreign key does something else when the other row goes.
    WrongForeignKey {
        /// Its table.
        table: String,
        /// Its name.
        name: String,
        /// What it must do.
        expected: String,
    },
    /// A foreign key that does not vouch for the rows that were there before it.
    UncheckedForeignKey {
        /// Its table.
        table: String,
        /// Its name.
        name: String,
    },
    /// An index is not there. Without that of a rule the rule is not kept.
    MissingIndex {
        /// Its table.
        table: String,
        /// Its name.
        name: String,
        /// The rule it enforces.
        rule: Option<UniqueRule>,
    },
    /// The leftover of a build that was broken off.
    InvalidIndex {
        /// Its table.
        table: String,
        /// Its name.
        name: String,
        /// Whether somebody is building it at this moment.
        building: bool,
        /// The rule it enforces.
        rule: Option<UniqueRule>,
    },
    /// An index of the same name is something else.
    WrongIndex {
        /// Its name.
        name: String,
        /// What it is.
        found: String,
        /// What it must be.
        expected: String,
    },
}

impl Deviation {
    /// Whether the migration can mend it by adding something. What is different, rather than missing, is left to a
    /// person: nothing tells here why it is so and what relies on it.
    #[must_use]
    pub const fn is_addable(&self) -> bool {
        match self {
            Self::MissingTable { mandatory, .. } | Self::MissingColumn { mandatory, .. } => !*mandatory,
            Self::MissingDefault { .. }
            | Self::MissingForeignKey { .. }
            | Self::UncheckedForeignKey { .. }
            | Self::MissingIndex { .. }
            | Self::InvalidIndex { .. } => true,
            Self::OldServer { .. }
            | Self::WrongType { .. }
            | Self::WrongNullability { .. }
            | Self::WrongDefault { .. }
            | Self::UnknownColumn { .. }
            | Self::WrongKey { .. }
            | Self::WrongForeignKey { .. }
            | Self::WrongIndex { .. } => false,
        }
    }

    /// The uniqueness rule that is not kept because of it.
    #[must_use]
    pub const fn rule(&self) -> Option<UniqueRule> {
        match self {
            Self::MissingIndex { rule, .. } | Self::InvalidIndex { rule, .. } => *rule,
            _ => None,
        }
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OldServer { version } => {
                write!(f, "the server is version {}; 13 is the oldest that will do", version / 10_000)
            }
            Self::MissingTable { table, .. } => write!(f, "table {table} is missing"),
            Self::MissingColumn { table, column, .. } => write!(f, "column {table}.{column} is missing"),
            Self::WrongType { table, column, found, expected } => {
                write!(f, "column {table}.{column} is of type {found}, and must be {expected}")
            }
            Self::WrongNullability { table, column, nullable: true } => {
                write!(f, "column {table}.{column} is NOT NULL, and must accept null")
            }
            Self::WrongNullability { table, column, nullable: false } => {
                write!(f, "column {table}.{column} accepts null, and must be NOT NULL")
            }
            Self::MissingDefault { table, column, expected } => {
                write!(f, "column {table}.{column} has no default, and must have {expected}")
            }
            Self::WrongDefault { table, column, found, expected: Some(expected) } => {
                write!(f, "column {table}.{column} has the default {found}, and must have {expected}")
            }
            Self::WrongDefault { table, column, found, expected: None } => {
                write!(f, "column {table}.{column} has the default {found}, and must have none")
            }
            Self::UnknownColumn { table, column } => {
                write!(f, "column {table}.{column} is not known here, and no row can be written without it")
            }
            Self::WrongKey { table, found, expected } if found.is_empty() => {
                write!(f, "table {table} has no primary key, and must have one of {expected}")
            }
            Self::WrongKey { table, found, expected } => {
                write!(f, "the primary key of {table} is of {}, and must be of {expected}", found.join(", "))
            }
            Self::MissingForeignKey { table, column, parent, on_delete } => {
                let on_delete = action(*on_delete);
                write!(f, "column {table}.{column} has no foreign key to {parent} ON DELETE {on_delete}")
            }
            Self::WrongForeignKey { table, name, expected } => {
                write!(f, "foreign key {name} of {table} must be {expected}")
            }
            Self::UncheckedForeignKey { table, name } => {
                write!(f, "foreign key {name} of {table} is not valid for all rows")
            }
            Self::MissingIndex { name, table, rule: None } => {
                write!(f, "index {name} of {table} is missing")
            }
            Self::MissingIndex { name, table, rule: Some(rule) } => {
                write!(f, "index {name} of {table} is missing: the rule {rule:?} is not kept")
            }
            Self::InvalidIndex { name, table, building: true, .. } => {
                write!(f, "index {name} of {table} is being built")
            }
            Self::InvalidIndex { name, table, building: false, .. } => {
                write!(f, "index {name} of {table} is the leftover of a build that was broken off")
            }
            Self::WrongIndex { name, found, expected } => {
                write!(f, "index {name} is `{found}`, and must be `{expected}`")
            }
        }
    }
}

/// How a database compares with what must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The server's version, e.g. 150004.
    pub server_version: i32,
    /// Whether none of the tables is there.
    pub empty: bool,
    /// What is not as it must be; nothing when all is well.
    pub deviations: Vec<Deviation>,
    /// Tables and columns that this version does not know. They do no harm and are left alone.
    pub unknown: Vec<String>,
}

impl Report {
    /// Whether everything is as it must be.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.deviations.is_empty()
    }

    /// What no migration mends.
    pub fn refusals(&self) -> impl Iterator<Item = &Deviation> {
        self.deviations.iter().filter(|deviation| !deviation.is_addable() && !self.is_beginning(deviation))
    }

    /// In an empty database every table is missing and none was lost.
    const fn is_beginning(&self, deviation: &Deviation) -> bool {
        self.empty && matches!(deviation, Deviation::MissingTable { .. })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = (self.server_version / 10_000, self.server_version % 10_000);
        write!(f, "PostgreSQL {major}.{minor}: ")?;
        if self.empty {
            return f.write_str("the database is empty; `migrate` makes the tables");
        }
        if self.is_complete() {
            f.write_str("the schema is complete")?;
        } else {
            write!(f, "{} deviations", self.deviations.len())?;
        }
        for deviation in &self.deviations {
            let who = if deviation.is_addable() { "`migrate` adds it" } else { "to be mended by hand" };
            write!(f, "\n  {deviation} ({who})")?;
        }
        for unknown in &self.unknown {
            write!(f, "\n  {unknown} is not known to this version and left alone")?;
        }
        Ok(())
    }
}

/// Compares; pure.
#[must_use]
pub fn compare(found: &Catalog, target: &Target) -> Report {
    let mut deviations = Vec::new();
    let mut unknown = Vec::new();
    if found.server_version < OLDEST_SERVER {
        deviations.push(Deviation::OldServer { version: found.server_version });
    }
    for table in &target.tables {
        match found.tables.get(table.name) {
            None => deviations
                .push(Deviation::MissingTable { table: table.name.to_owned(), mandatory: table.mandatory }),
            Some(there) => compare_table(there, table, &mut deviations, &mut unknown),
        }
    }
    for index in &target.indexes {
        let (name, rule, table) = (index.name.clone(), index.rule, index.table.to_owned());
        match found.indexes.get(&name) {
            // The missing table says it all.
            None if !found.tables.contains_key(index.table) => {}
            None => deviations.push(Deviation::MissingIndex { name, table, rule }),
            Some(there) if there.definition != index.definition() => deviations.push(Deviation::WrongIndex {
                name,
                found: there.definition.clone(),
                expected: index.definition(),
            }),
            Some(there) if !there.valid => {
                deviations.push(Deviation::InvalidIndex { name, table, building: there.building, rule });
            }
            Some(_) => {}
        }
    }
    for name in found.tables.keys().filter(|name| target.table(name).is_none()) {
        unknown.push(format!("table {name}"));
    }
    let empty = target.tables.iter().all(|table| !found.tables.contains_key(table.name));
    Report { server_version: found.server_version, empty, deviations, unknown }
}

fn compare_table(
    found: &TableFound,
    target: &TableTarget,
    deviations: &mut Vec<Deviation>,
    unknown: &mut Vec<String>,
) {
    let table = target.name.to_owned();
    for column in &target.columns {
        match found.columns.get(column.name) {
            None => deviations.push(Deviation::MissingColumn {
                table: table.clone(),
                column: column.name.to_owned(),
                mandatory: column.mandatory,
            }),
            Some(there) => {
                deviations.extend(compare_column(there, &table, column));
                deviations.extend(compare_reference(found, &table, column));
            }
        }
    }
    if found.key != [target.key()] {
        let expected = target.key();
        deviations.push(Deviation::WrongKey { table: table.clone(), found: found.key.clone(), expected });
    }
    let known = |name: &str| target.columns.iter().any(|column| column.name == name);
    for (name, column) in found.columns.iter().filter(|(name, _)| !known(name)) {
        if column.nullable || column.default.is_some() || column.computed {
            unknown.push(format!("column {table}.{name}"));
        } else {
            deviations.push(Deviation::UnknownColumn { table: table.clone(), column: name.clone() });
        }
    }
}

fn compare_column(found: &ColumnFound, table: &str, target: &ColumnTarget) -> Vec<Deviation> {
    let (table, column) = (table.to_owned(), target.name.to_owned());
    if found.sql_type != target.sql_type && !target.also.contains(&found.sql_type.as_str()) {
        let found = found.sql_type.clone();
        return vec![Deviation::WrongType { table, column, found, expected: target.sql_type }];
    }
    let mut deviations = Vec::new();
    if found.nullable != target.nullable {
        let (table, column) = (table.clone(), column.clone());
        deviations.push(Deviation::WrongNullability { table, column, nullable: target.nullable });
    }
    match (&found.default, target.default) {
        _ if found.computed => {
            let (found, expected) = ("a computed value".to_owned(), target.default);
            deviations.push(Deviation::WrongDefault { table, column, found, expected });
        }
        (None, Some(expected)) => deviations.push(Deviation::MissingDefault { table, column, expected }),
        (Some(there), expected) if expected.is_none_or(|expected| bare(there) != bare(expected)) => {
            deviations.push(Deviation::WrongDefault { table, column, found: there.clone(), expected });
        }
        _ => {}
    }
    deviations
}

/// A constant without its cast and quotes: `'0'::numeric` and `0` are the same default.
fn bare(default: &str) -> &str {
    let value = default.split_once("::").map_or(default, |(value, _)| value);
    value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value)
}

/// Foreign keys are told by what they do: files run by hand named them as they liked.
fn compare_reference(found: &TableFound, table: &str, column: &ColumnTarget) -> Option<Deviation> {
    let (parent, on_delete) = column.references?;
    let table = table.to_owned();
    let of_column = |key: &&ForeignKeyFound| key.columns == [column.name] && key.parent == parent;
    let (name, key) = match found.foreign_keys.iter().find(|(_, key)| of_column(key)) {
        Some(found) => found,
        None => {
            let column = column.name.to_owned();
            return Some(Deviation::MissingForeignKey { table, column, parent, on_delete });
        }
    };
    let code = match on_delete {
        OnDelete::Cascade => "c",
        OnDelete::SetNull => "n",
    };
    if key.parent_columns != ["id"] || key.on_delete != code || key.on_update != "a" {
        let action = action(on_delete);
        let expected = format!("REFERENCES {parent} (id) ON DELETE {action} ON UPDATE NO ACTION");
        return Some(Deviation::WrongForeignKey { table, name: name.clone(), expected });
    }
    (!key.validated).then(|| Deviation::UncheckedForeignKey { table, name: name.clone() })
}
