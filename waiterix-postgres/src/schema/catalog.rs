//! What a database holds, read from PostgreSQL's catalog.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use waiterix_ports::Result;

use crate::connect::fault;

/// The part of a database's catalog that matters here: the ordinary tables of the schema `public`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    /// The server's version, e.g. 150004.
    pub server_version: i32,
    /// The tables by name.
    pub tables: BTreeMap<String, TableFound>,
    /// The indexes by name, except those of primary keys.
    pub indexes: BTreeMap<String, IndexFound>,
}

/// A table that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableFound {
    /// Its columns by name.
    pub columns: BTreeMap<String, ColumnFound>,
    /// The columns of its primary key, in their order.
    pub key: Vec<String>,
    /// Its foreign keys, by name.
    pub foreign_keys: BTreeMap<String, ForeignKeyFound>,
}

/// A column that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFound {
    /// Its type as `format_type` writes it.
    pub sql_type: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// Its default as `pg_get_expr` writes it.
    pub default: Option<String>,
    /// Whether the database computes its value.
    pub computed: bool,
}

/// A foreign key that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKeyFound {
    /// The columns, in their order.
    pub columns: Vec<String>,
    /// The table referred to.
    pub parent: String,
    /// The columns referred to.
    pub parent_columns: Vec<String>,
    /// What happens when the parent goes: `a`, `r`, `c`, `n` or `d`, as in `pg_constraint.confdeltype`.
    pub on_delete: String,
    /// What happens when the parent's key changes, likewise.
    pub on_update: String,
    /// Whether the rows that were there before it have been checked.
    pub validated: bool,
}

/// An index that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFound {
    /// Its table.
    pub table: String,
    /// Its definition as `pg_get_indexdef` writes it.
    pub definition: String,
    /// Whether it is complete. The leftover of a build that was broken off is not.
    pub valid: bool,
    /// Whether somebody is building it at this moment.
    pub building: bool,
    /// Whether it belongs to a constraint.
    pub constraint: bool,
}

const COLUMNS: &str = "\
    SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, \
           pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '' OR a.attidentity <> '' \
    FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')";

const CONSTRAINTS: &str = "\
    SELECT c.relname::text, k.conname::text, k.contype::text, \
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS n (number, place) \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n.number ORDER BY n.place), \
           p.relname::text, \
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS n (number, place) \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = n.number ORDER BY n.place), \
           k.confdeltype::text, k.confupdtype::text, k.convalidated \
    FROM pg_catalog.pg_constraint k \
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
    LEFT JOIN pg_catalog.pg_class p ON p.oid = k.confrelid \
    WHERE c.relnamespace = 'public'::regnamespace AND k.contype IN ('p', 'f')";

const INDEXES: &str = "\
    SELECT i.relname::text, t.relname::text, pg_get_indexdef(x.indexrelid), x.indisvalid AND x.indisready AND x.indislive, \
           EXISTS (SELECT 1 FROM pg_catalog.pg_stat_progress_create_index b WHERE b.index_relid = x.indexrelid), \
           EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype = 'u') \
    FROM pg_catalog.pg_index x \
    JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid \
    JOIN pg_catalog.pg_class t ON t.oid = x.indrelid \
    WHERE t.relnamespace = 'public'::regnamespace AND NOT x.indisprimary";

type ColumnRow = (String, String, String, bool, Option<String>, bool);
type ConstraintRow = (String, String, String, Vec<String>, Option<String>, Vec<String>, String, String, bool);
type IndexRow = (String, String, String, bool, bool, bool);

impl Catalog {
    /// Reads it. Works through a pooler as well.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn read(connection: &mut PgConnection, operation: &'static str) -> Result<Self> {
        Self::query(connection).await.map_err(|error| fault::of(&error, operation))
    }

    async fn query(connection: &mut PgConnection) -> sqlx::Result<Self> {
        let mut catalog = Self::default();
        catalog.server_version = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
            .persistent(false)
            .fetch_one(&mut *connection)
            .await?;
        let columns: Vec<ColumnRow> =
            sqlx::query_as(COLUMNS).persistent(false).fetch_all(&mut *connection).await?;
        for (table, column, sql_type, nullable, default, computed) in columns {
            let found = ColumnFound { sql_type, nullable, default, computed };
            catalog.tables.entry(table).or_default().columns.insert(column, found);
        }
        let constraints: Vec<ConstraintRow> =
            sqlx::query_as(CONSTRAINTS).persistent(false).fetch_all(&mut *connection).await?;
        for row in constraints {
            let (table, name, kind, columns, parent, parent_columns, on_delete, on_update, validated) = row;
            let table = catalog.tables.entry(table).or_default();
            if kind == "p" {
                table.key = columns;
            } else if let Some(parent) = parent {
                let found =
                    ForeignKeyFound { columns, parent, parent_columns, on_delete, on_update, validated };
                table.foreign_keys.insert(name, found);
            }
        }
        let indexes: Vec<IndexRow> =
            sqlx::query_as(INDEXES).persistent(false).fetch_all(&mut *connection).await?;
        for (name, table, definition, valid, building, constraint) in indexes {
            let found = IndexFound { table, definition, valid, building, constraint };
            catalog.indexes.insert(name, found);
        }
        Ok(catalog)
    }
}
