//! Tables and indexes, and how an older file gets those it lacks.

use std::collections::HashSet;
use std::fmt::Write as _;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};
use waiterix_domain::schema::{Column, INDEXES, OnDelete};
use waiterix_domain::value::Kind;
use waiterix_domain::{Table, UniqueRule};
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use super::fault;

/// The version of the store's schema. Raise it whenever a table, column or index is added, so that an older program
/// leaves the file alone.
const STORE_VERSION: i32 = 1;
/// Marks a file as a store of rows, in the header that SQLite reserves for that.
const STORE_APPLICATION: i32 = 0x5754_5253;

/// What a file must hold.
#[derive(Debug)]
pub(super) struct Layout {
    /// Which application the file belongs to.
    pub(super) application: i32,
    /// The version this program writes.
    pub(super) version: i32,
    /// The tables, parents first.
    pub(super) tables: Vec<TableLayout>,
    /// Names of indexes with the statements that make them.
    pub(super) indexes: Vec<(&'static str, String)>,
}

/// What a table must hold.
#[derive(Debug)]
pub(super) struct TableLayout {
    /// Its name.
    pub(super) name: &'static str,
    /// The statement that makes it.
    pub(super) create: String,
    /// Names of columns with the definitions by which they can be added later.
    pub(super) columns: Vec<(&'static str, String)>,
}

const fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::TextArray | Kind::Json => "TEXT",
        Kind::Bool | Kind::Int | Kind::Amount | Kind::Timestamp => "INTEGER",
    }
}

fn definition(column: &Column) -> String {
    let mut sql = format!("{} {}", column.name, sql_type(column.kind));
    if !column.nullable {
        sql.push_str(" NOT NULL");
    }
    if column.kind == Kind::Bool {
        let _ = write!(sql, " CHECK ({} IN (0, 1))", column.name);
    }
    if let Some(reference) = column.references {
        let action = match reference.on_delete {
            OnDelete::Cascade => "CASCADE",
            OnDelete::SetNull => "SET NULL",
        };
        let _ = write!(sql, " REFERENCES {} (id) ON DELETE {action}", reference.table.name());
    }
    sql
}

/// A column added to a table that may have rows needs a value for them.
fn addition(column: &Column) -> String {
    let default = match column.kind {
        _ if column.nullable => return definition(column),
        Kind::Text => "''",
        Kind::TextArray => "'[]'",
        Kind::Json => "'null'",
        Kind::Bool | Kind::Int | Kind::Amount | Kind::Timestamp => "0",
    };
    format!("{} DEFAULT {default}", definition(column))
}

fn table_layout(table: Table) -> TableLayout {
    let columns: Vec<_> = table.columns().iter().map(definition).collect();
    TableLayout {
        name: table.name(),
        create: format!("CREATE TABLE {} ({}, PRIMARY KEY (id)) STRICT", table.name(), columns.join(", ")),
        columns: table.columns().iter().map(|column| (column.name, addition(column))).collect(),
    }
}

/// The layout of the store, from the schema of the domain.
pub(super) fn store() -> Layout {
    let mut tables: Vec<_> = Table::ALL.iter().copied().map(table_layout).collect();
    tables.push(TableLayout {
        name: "waiterix_commits",
        create: "CREATE TABLE waiterix_commits (id TEXT PRIMARY KEY NOT NULL, recorded_at INTEGER NOT NULL) \
                 STRICT, WITHOUT ROWID"
            .to_owned(),
        columns: Vec::new(),
    });
    let unique = UniqueRule::ALL.iter().map(|rule| {
        let (name, table, expressions) = (rule.index_name(), rule.table().name(), rule.expressions());
        let condition = rule.condition().map(|sql| format!(" WHERE {sql}")).unwrap_or_default();
        (name, format!("CREATE UNIQUE INDEX {name} ON {table} ({expressions}){condition}"))
    });
    let plain = INDEXES.iter().map(|index| {
        (index.name, format!("CREATE INDEX {} ON {} ({})", index.name, index.table.name(), index.columns))
    });
    let commits = "CREATE INDEX idx_waiterix_commits_recorded ON waiterix_commits (recorded_at)".to_owned();
    let indexes = unique.chain(plain).chain([("idx_waiterix_commits_recorded", commits)]).collect();
    Layout { application: STORE_APPLICATION, version: STORE_VERSION, tables, indexes }
}

/// Whose a file is, of which version, and whether nothing is in it yet.
async fn header(connection: &mut SqliteConnection) -> sqlx::Result<(i32, i32, bool)> {
    let row = sqlx::query(
        "SELECT (SELECT application_id FROM pragma_application_id), \
         (SELECT user_version FROM pragma_user_version), NOT EXISTS (SELECT 1 FROM sqlite_schema)",
    )
    .fetch_one(connection)
    .await?;
    Ok((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?, row.try_get_unchecked(2)?))
}

/// Refuses a file that is not of this layout or was made by a newer version; reads only.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    layout: &Layout,
    operation: &'static str,
) -> Result<()> {
    let failed = |error: sqlx::Error| fault::of(&error, operation, Retry::Safe);
    let (application, version, empty) = header(connection).await.map_err(failed)?;
    if !empty && application != layout.application {
        return Err(Error::new(ErrorKind::Unsupported, operation)
            .with("fault", "the file is a database of something else")
            .with("application_id", application));
    }
    if version > layout.version {
        return Err(Error::new(ErrorKind::Unsupported, operation)
            .with("fault", "the database was made by a newer version of this program")
            .with("found_version", version)
            .with("supported_version", layout.version));
    }
    Ok(())
}

/// Adds the tables, columns and indexes that a file lacks, all or none.
pub(super) async fn upgrade(
    connection: &mut SqliteConnection,
    layout: &Layout,
    operation: &'static str,
) -> Result<()> {
    let failed = |error: sqlx::Error| fault::of(&error, operation, Retry::Safe);
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await.map_err(failed)?;
    // Another process may have been quicker, so what is there is looked up inside the transaction.
    check(connection, layout, operation).await?;
    let (_, version, empty) = header(connection).await.map_err(failed)?;
    let missing = missing(connection, layout).await.map_err(failed)?;
    for statement in &missing {
        sqlx::raw_sql(AssertSqlSafe(statement.as_str()))
            .execute(&mut *connection)
            .await
            .map_err(|error| failed(error).with("statement", statement))?;
    }
    if !missing.is_empty() || version != layout.version {
        let (application, version) = (layout.application, layout.version);
        let mark = format!("PRAGMA application_id = {application}; PRAGMA user_version = {version}");
        sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *connection).await.map_err(failed)?;
    }
    sqlx::raw_sql("COMMIT").execute(&mut *connection).await.map_err(failed)?;
    if !empty && !missing.is_empty() {
        tracing::info!(statements = missing.len(), version = layout.version, "database upgraded");
    }
    Ok(())
}

/// The statements that make a file complete.
async fn missing(connection: &mut SqliteConnection, layout: &Layout) -> sqlx::Result<Vec<String>> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'",
    )
    .fetch_all(&mut *connection)
    .await?;
    let columns: HashSet<(String, String)> = columns.into_iter().collect();
    let names: Vec<(String,)> =
        sqlx::query_as("SELECT name FROM sqlite_schema").fetch_all(&mut *connection).await?;
    let names: HashSet<&str> = names.iter().map(|(name,)| name.as_str()).collect();
    let mut statements = Vec::new();
    for table in &layout.tables {
        if !names.contains(table.name) {
            statements.push(table.create.clone());
            continue;
        }
        for (column, definition) in &table.columns {
            if !columns.contains(&(table.name.to_owned(), (*column).to_owned())) {
                statements.push(format!("ALTER TABLE {} ADD COLUMN {definition}", table.name));
            }
        }
    }
    let indexes = layout.indexes.iter().filter(|(name, _)| !names.contains(name));
    statements.extend(indexes.map(|(_, create)| create.clone()));
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn a_changed_schema_has_a_new_version() {
        let layout = store();
        let mut hash = Sha256::new();
        for sql in layout.tables.iter().map(|t| &t.create).chain(layout.indexes.iter().map(|i| &i.1)) {
            hash.update(sql);
        }
        let digest: String = hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (STORE_VERSION, digest.as_str()),
            (1, "fc53c9ee"),
            "the schema changed: raise STORE_VERSION by one and write its digest here"
        );
    }
}
