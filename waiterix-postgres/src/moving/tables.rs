//! The tables that move, as the catalog describes them, and the expressions their rows are written with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use waiterix_domain::schema::OnDelete;
use waiterix_ports::moving::{Hashing, MovingTable};
use waiterix_ports::{Error, ErrorKind, Result};

use super::work::{Bound, Limit, Trouble, Work};
use crate::connect::Database;
use crate::schema::Target;
use crate::session::Mode;

/// For how long the catalog is believed to be as it was read: foreign keys come and go around the copy.
const BELIEVED: Duration = Duration::from_secs(20);

/// Types that the server hashes by itself. Others are hashed as the texts they are written as.
const HASHED: &[&str] = &[
    "text",
    "character varying",
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "timestamp without time zone",
    "timestamp with time zone",
    "date",
    "uuid",
    "jsonb",
    "text[]",
    "character varying[]",
];

/// A name as SQL needs it.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tables that move, by their names, parents first: those of the application. Its sessions and what belongs to them move
/// in a way of their own.
pub(super) fn moving_names() -> Vec<&'static str> {
    let tables = Target::current().tables;
    tables
        .iter()
        .map(|table| table.name)
        .filter(|name| !matches!(*name, super::triggers::SESSIONS | "waiterix_temp"))
        .collect()
}

/// A column of a table that moves.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// As the server writes it, with its limits.
    pub(super) sql_type: String,
    /// Without them: what a text is cast to, so that too long a value is refused and not cut off.
    base: String,
    nullable: bool,
    /// Refers to another table.
    refers: bool,
}

/// A table that moves.
#[derive(Debug, Clone)]
pub(super) struct SideTable {
    pub(super) name: Arc<str>,
    pub(super) key: String,
    /// Sorted by name.
    pub(super) columns: Vec<Column>,
    /// Whether another table refers to this one.
    pub(super) is_referenced: bool,
    /// The tables and columns whose rows go when a row of this table goes.
    pub(super) dependants: Vec<(String, String)>,
    /// The columns each unique index besides the primary key depends on.
    unique: Vec<Vec<String>>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// All of them, parents first.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) list: Vec<SideTable>,
}

/// The tables as they were read a moment ago.
#[derive(Debug, Default)]
pub(super) struct Known(tokio::sync::Mutex<Option<(Instant, Arc<Tables>)>>);

impl Known {
    /// The tables; read anew when that was long ago.
    pub(super) async fn get(&self, database: &Database, operation: &'static str) -> Result<Arc<Tables>> {
        let mut known = self.0.lock().await;
        if let Some((read, tables)) = &*known
            && read.elapsed() < BELIEVED
        {
            return Ok(tables.clone());
        }
        let mut work = Work::begin(database, Mode::Read, Limit::Usual, "", operation).await?;
        let outcome = Tables::read(&mut work).await;
        let tables = Arc::new(work.end(outcome).await?);
        *known = Some((Instant::now(), tables.clone()));
        Ok(tables)
    }

    /// The next to ask reads them anew.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// Their keys are called `id`, one and all; the index may have been put aside for the copy.
const KEYS: &str = "\
    SELECT c.relname::text, a.attname::text, greatest(c.reltuples, 0)::float8, pg_total_relation_size(c.oid), \
           EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.confrelid = c.oid AND k.contype = 'f') \
    FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id' \
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = ANY($1)";
const COLUMNS: &str = "\
    SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, -1), \
           NOT a.attnotnull, \
           EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k \
                   WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY(k.conkey)) \
    FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = ANY($1) \
    ORDER BY a.attname COLLATE \"C\"";
const REFERENCES: &str = "\
    SELECT c.relname::text, a.attname::text, p.relname::text, k.confdeltype = 'c' \
    FROM pg_catalog.pg_constraint k \
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
    JOIN pg_catalog.pg_class p ON p.oid = k.confrelid \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1] \
    WHERE k.contype = 'f' AND c.relname = ANY($1) AND c.relnamespace = 'public'::regnamespace \
      AND p.relnamespace = 'public'::regnamespace";
/// What a unique index depends on: its columns, and those of its expressions and its condition.
const UNIQUE: &str = "\
    SELECT DISTINCT t.relname::text, i.relname::text, a.attname::text \
    FROM pg_catalog.pg_index x \
    JOIN pg_catalog.pg_class t ON t.oid = x.indrelid \
    JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
    LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = x.indexrelid AND k.contype = 'u' \
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid > 0 \
      AND (d.classid = 'pg_class'::regclass AND d.objid = i.oid \
           OR d.classid = 'pg_constraint'::regclass AND d.objid = k.oid) \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid \
    WHERE x.indisunique AND NOT x.indisprimary AND t.relnamespace = 'public'::regnamespace AND t.relname = ANY($1) \
    ORDER BY 1, 2, 3";

impl Tables {
    /// Reads them.
    pub(super) async fn read(work: &mut Work) -> Result<Self, Trouble> {
        let names = moving_names();
        let operation = work.operation;
        let bound = || Bound::default().and(names.clone(), operation);
        let mut found: BTreeMap<String, SideTable> = BTreeMap::new();
        for row in work.rows(KEYS, bound()?).await? {
            let name: String = row.try_get_unchecked(0)?;
            let (rows, bytes): (f64, i64) = (row.try_get_unchecked(2)?, row.try_get_unchecked(3)?);
            let table = SideTable {
                name: name.as_str().into(),
                key: row.try_get_unchecked(1)?,
                columns: Vec::new(),
                is_referenced: row.try_get_unchecked(4)?,
                dependants: Vec::new(),
                unique: Vec::new(),
                // The estimate of the server is a float, and never as large as that matters.
                rows: rows as u64,
                bytes: u64::try_from(bytes).unwrap_or(0),
            };
            found.insert(name, table);
        }
        for row in work.rows(COLUMNS, bound()?).await? {
            if let Some(table) = found.get_mut(&row.try_get_unchecked::<String, _>(0)?) {
                table.columns.push(column(&row)?);
            }
        }
        let mut references: Vec<(String, String)> = Vec::new();
        for row in work.rows(REFERENCES, bound()?).await? {
            let (child, column): (String, String) = (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?);
            let (parent, cascades): (String, bool) = (row.try_get_unchecked(2)?, row.try_get_unchecked(3)?);
            if let Some(table) = found.get_mut(&parent)
                && cascades
            {
                table.dependants.push((child.clone(), column));
            }
            references.push((child, parent));
        }
        add_known_references(&mut found);
        let mut index = String::new();
        for row in work.rows(UNIQUE, bound()?).await? {
            let (table, name): (String, String) = (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?);
            let Some(table) = found.get_mut(&table) else { continue };
            if index != name {
                table.unique.push(Vec::new());
                index = name;
            }
            if let Some(columns) = table.unique.last_mut() {
                columns.push(row.try_get_unchecked(2)?);
            }
        }
        Ok(Self { list: parents_first(found, &names, &references) })
    }

    /// A table by its name.
    pub(super) fn named(&self, name: &str, operation: &'static str) -> Result<&SideTable> {
        self.list.iter().find(|table| table.name.as_ref() == name).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, operation)
                .with("table", name)
                .with("fault", "no such table moves")
        })
    }

    /// What a survey says of them.
    pub(super) fn surveyed(&self) -> Vec<MovingTable> {
        let table = |table: &SideTable| MovingTable {
            name: table.name.clone(),
            key: table.key.clone(),
            columns: table
                .columns
                .iter()
                .map(|column| (column.name.clone(), column.sql_type.clone()))
                .collect(),
            rows: table.rows,
            bytes: table.bytes,
        };
        self.list.iter().map(table).collect()
    }
}

fn column(row: &PgRow) -> Result<Column, Trouble> {
    Ok(Column {
        name: row.try_get_unchecked(1)?,
        sql_type: row.try_get_unchecked(2)?,
        base: row.try_get_unchecked(3)?,
        nullable: row.try_get_unchecked(4)?,
        refers: row.try_get_unchecked(5)?,
    })
}

/// What refers to what although the catalog does not say so at this moment: foreign keys are put aside for the copy, and whoever
/// looked then must not take rows away later as if nothing referred to them.
fn add_known_references(found: &mut BTreeMap<String, SideTable>) {
    for table in Target::current().tables {
        for column in &table.columns {
            let Some((parent, on_delete)) = column.references else { continue };
            let has = |found: &SideTable| found.columns.iter().any(|other| other.name == column.name);
            if !found.get(table.name).is_some_and(has) {
                continue;
            }
            let Some(parent) = found.get_mut(parent) else { continue };
            parent.is_referenced = true;
            let dependant = (table.name.to_owned(), column.name.to_owned());
            if on_delete == OnDelete::Cascade && !parent.dependants.contains(&dependant) {
                parent.dependants.push(dependant);
            }
        }
    }
}

/// The tables in the order of the application, except where the foreign keys that are there want another one.
fn parents_first(
    mut found: BTreeMap<String, SideTable>,
    names: &[&str],
    references: &[(String, String)],
) -> Vec<SideTable> {
    let mut list: Vec<SideTable> = Vec::new();
    while !found.is_empty() {
        let is_free = |name: &&&str| {
            found.contains_key(**name)
                && !references
                    .iter()
                    .any(|(child, parent)| child == **name && parent != child && found.contains_key(parent))
        };
        // Tables that refer to each other in a circle have no order; any is as good as another.
        let next =
            names.iter().find(is_free).or_else(|| names.iter().find(|name| found.contains_key(**name)));
        let Some(table) = next.and_then(|name| found.remove(*name)) else { break };
        list.push(table);
    }
    list
}

impl Column {
    /// The value as text, of a row called `t`.
    fn text(&self) -> String {
        if self.base == "text" {
            format!("t.{}", ident(&self.name))
        } else {
            format!("t.{}::text", ident(&self.name))
        }
    }

    /// The value as the server hashes it.
    fn hashed(&self) -> String {
        if HASHED.contains(&self.base.as_str()) { format!("t.{}", ident(&self.name)) } else { self.text() }
    }
}

impl SideTable {
    /// Its name as SQL needs it.
    pub(super) fn sql(&self) -> String {
        format!("public.{}", ident(&self.name))
    }

    /// Keeps others from rewriting it, and nobody from reading or writing it.
    pub(super) fn lock(&self) -> String {
        format!("LOCK TABLE {} IN ACCESS SHARE MODE", self.sql())
    }

    /// Its key, of a row called `t`, and in the order of bytes whatever the collation.
    pub(super) fn key_sql(&self) -> String {
        format!("t.{}", ident(&self.key))
    }

    /// The names of all columns, with commas.
    pub(super) fn column_list(&self) -> String {
        self.columns.iter().map(|column| ident(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// A row called `t` as an image.
    pub(super) fn image(&self) -> String {
        let values: Vec<_> = self
            .columns
            .iter()
            .map(|column| format!("{} AS {}", column.text(), ident(&column.name)))
            .collect();
        format!("(SELECT row_to_json(r)::text FROM (SELECT {}) r)", values.join(", "))
    }

    /// The rows of a JSON array of images, as a table called `x` with the columns of this one.
    pub(super) fn of_images(&self, parameter: u32) -> String {
        let (values, texts): (Vec<_>, Vec<_>) = self
            .columns
            .iter()
            .map(|column| {
                let name = ident(&column.name);
                let cast = if column.base == "text" { String::new() } else { format!("::{}", column.base) };
                (format!("j.{name}{cast} AS {name}"), format!("{name} text"))
            })
            .unzip();
        format!(
            "(SELECT {} FROM json_to_recordset(${parameter}::json) AS j ({})) AS x",
            values.join(", "),
            texts.join(", ")
        )
    }

    /// The hash of a row called `t`, as a signed number of 64 bits.
    pub(super) fn hash(&self, hashing: Hashing) -> String {
        match hashing {
            Hashing::Record => {
                let values: Vec<_> = self.columns.iter().map(Column::hashed).collect();
                format!("hash_record_extended(ROW({}), 0)", values.join(", "))
            }
            Hashing::Text => {
                let values: Vec<_> = self
                    .columns
                    .iter()
                    .map(|column| {
                        let text = column.text();
                        format!("coalesce(octet_length({text})::text || ':' || {text}, '-')")
                    })
                    .collect();
                format!("('x' || substr(md5({}), 1, 16))::bit(64)::bigint", values.join(" || "))
            }
        }
    }

    /// How rows stop standing in the way of each other in unique indexes while all of them are about to be written anew: what
    /// their columns are set to meanwhile. Nothing where nothing can be done.
    pub(super) fn vacating(&self) -> Option<String> {
        let column = |name: &String| self.columns.iter().find(|column| column.name == *name);
        let mut sets: Vec<String> = Vec::new();
        for columns in &self.unique {
            let mut found = columns.iter().filter_map(column).filter(|column| column.name != self.key);
            let nullable = found.clone().find(|column| column.nullable);
            let textual = found.find(|column| {
                !column.refers && matches!(column.base.as_str(), "text" | "character varying")
            });
            let set = match (nullable, textual) {
                (Some(column), _) => format!("{} = NULL", ident(&column.name)),
                // It is never seen: the same transaction replaces it.
                (None, Some(column)) => {
                    format!("{} = 'waiterix is moving ' || {}", ident(&column.name), ident(&self.key))
                }
                (None, None) => continue,
            };
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
        (!sets.is_empty()).then(|| sets.join(", "))
    }

    /// Whether there is any unique index besides the primary key.
    pub(super) fn has_rules(&self) -> bool {
        !self.unique.is_empty()
    }
}
