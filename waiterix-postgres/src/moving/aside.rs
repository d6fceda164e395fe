//! What is put aside for the copy: keys, indexes and foreign keys, which are made faster when the rows are there.
//!
//! Each is written down in the transaction that takes it away, and struck off in the one that has made it again; so whatever
//! breaks in between, none is lost.

use sqlx::error::DatabaseError;
use sqlx::{Connection as _, PgConnection};
use waiterix_ports::moving::Mode;
use waiterix_ports::{Error, ErrorKind, Result, Retry, Violation};

use super::PostgresSide;
use super::install::{execute, of, step};
use super::standing;
use super::tables::{ident, moving_names};

/// Takes everything away that can be made again. The statement runs as one, with the names of the tables in place of `{}`.
const TAKE: &str = "\
    DO $body$
    DECLARE
        found record;
    BEGIN
        FOR found IN
            SELECT t.relname, k.conname,
                   format('ALTER TABLE public.%I ADD CONSTRAINT %I %s NOT VALID', t.relname, k.conname,
                          regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '')) AS definition
            FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class t ON t.oid = k.conrelid
            WHERE k.contype = 'f' AND t.relnamespace = 'public'::regnamespace AND t.relname = ANY (ARRAY[{}])
        LOOP
            INSERT INTO waiterix_migration.put_aside (tab, name, kind, definition)
                VALUES (found.relname, found.conname, 'reference', found.definition)
                -- It was made again, and nobody has checked the rows yet.
                ON CONFLICT (tab, name) DO UPDATE SET is_made = false;
            EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT %I', found.relname, found.conname);
        END LOOP;
        FOR found IN
            SELECT t.relname, i.relname AS name, k.conname, x.indisprimary, x.indisunique,
                   CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.oid)
                        ELSE format('ALTER TABLE public.%I ADD CONSTRAINT %I %s', t.relname, k.conname,
                                    pg_get_constraintdef(k.oid)) END AS definition
            FROM pg_catalog.pg_index x
            JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
            JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
            LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u')
            WHERE t.relnamespace = 'public'::regnamespace AND t.relname = ANY (ARRAY[{}])
        LOOP
            INSERT INTO waiterix_migration.put_aside (tab, name, kind, definition)
                VALUES (found.relname, found.name,
                        CASE WHEN found.indisprimary THEN 'key' WHEN found.indisunique THEN 'unique' ELSE 'index' END,
                        found.definition);
            IF found.conname IS NULL THEN
                EXECUTE format('DROP INDEX public.%I', found.name);
            ELSE
                EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT %I', found.relname, found.conname);
            END IF;
        END LOOP;
    END $body$";

const LISTED: &str = "SELECT place, tab, name, kind, definition, is_made FROM waiterix_migration.put_aside \
    ORDER BY array_position(ARRAY['key', 'unique', 'index', 'reference'], kind), place";

/// Of the rows of a key that was read twice, where it had been and where it was, one is as good as the other: it was written
/// meanwhile, so it is in the journal.
fn deduplication(table: &str) -> Vec<String> {
    let table = format!("public.{}", ident(table));
    vec![
        "SELECT set_config('waiterix.converging', epoch::text, true) FROM waiterix_migration.standing"
            .to_owned(),
        format!(
            "DELETE FROM {table} t USING (SELECT id, max(ctid) AS kept FROM {table} GROUP BY id HAVING count(*) > 1) d \
             WHERE t.id = d.id AND t.ctid <> d.kept"
        ),
    ]
}

/// Something that was put aside.
#[derive(Debug)]
struct Aside {
    place: i64,
    tab: String,
    name: String,
    kind: String,
    definition: String,
    is_made: bool,
}

/// Only a side that follows may be without its indexes.
async fn must_follow(side: &PostgresSide, operation: &'static str) -> Result<()> {
    let standing = standing::read(&side.database, operation).await?;
    if standing.is_some_and(|standing| standing.mode == Mode::Mirror) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unavailable, operation)
        .retry(Retry::No)
        .violating(Violation::NotLeading)
        .with("fault", "this database does not follow another one, so nothing of it is put aside"))
}

/// Puts aside.
pub(super) async fn before_copy(side: &PostgresSide) -> Result<()> {
    const OPERATION: &str = "side.before_copy";
    must_follow(side, OPERATION).await?;
    let names: Vec<_> = moving_names().iter().map(|name| format!("'{name}'")).collect();
    let statements = [
        // So that it follows until this has ended.
        format!("SELECT pg_advisory_xact_lock_shared({})", standing::LOCK),
        "DO $body$ BEGIN IF (SELECT mode FROM waiterix_migration.standing) <> 'mirror' THEN \
         RAISE EXCEPTION 'this database does not follow' USING ERRCODE = 'object_not_in_prerequisite_state'; \
         END IF; END $body$"
            .to_owned(),
        TAKE.replace("{}", &names.join(", ")),
    ];
    let mut connection = side.database.maintenance(OPERATION).await?;
    let outcome = step(&mut connection, &statements, OPERATION).await;
    let _ = connection.close().await;
    side.tables.forget().await;
    outcome
}

/// Makes again.
pub(super) async fn after_copy(side: &PostgresSide) -> Result<()> {
    const OPERATION: &str = "side.after_copy";
    let mut connection = side.database.maintenance(OPERATION).await?;
    let outcome = make(&mut connection, OPERATION).await;
    let _ = connection.close().await;
    side.tables.forget().await;
    outcome
}

async fn make(connection: &mut PgConnection, operation: &'static str) -> Result<()> {
    let failed = |error: &sqlx::Error| of(error, operation);
    // Building an index is what memory is for; nothing else happens here. Ranges do not wait for the disk, but keys do, which come
    // after all of them: without its key nobody makes a row equal, so nobody does before what was copied outlives a crash.
    execute(connection, "SET maintenance_work_mem = '256MB'").await.map_err(|error| failed(&error))?;
    let list: Vec<(i64, String, String, String, String, bool)> = sqlx::query_as(LISTED)
        .persistent(false)
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| failed(&error))?;
    let aside =
        |(place, tab, name, kind, definition, is_made)| Aside { place, tab, name, kind, definition, is_made };
    let list: Vec<Aside> = list.into_iter().map(aside).collect();
    let mut tables: Vec<&str> = Vec::new();
    let mut broken: Vec<&str> = Vec::new();
    for aside in &list {
        if !tables.contains(&aside.tab.as_str()) {
            tables.push(&aside.tab);
        }
        if !aside.make(connection, operation).await? {
            broken.push(&aside.name);
        }
    }
    for table in tables {
        let sql = format!("ANALYZE public.{}", ident(table));
        execute(connection, &sql).await.map_err(|error| failed(&error))?;
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, operation)
        .with("rules", broken.join(", "))
        .with("fault", "rows break these; make them equal and do this again"))
}

impl Aside {
    /// Makes it; whether the rows allow it.
    async fn make(&self, connection: &mut PgConnection, operation: &'static str) -> Result<bool> {
        let struck = format!("DELETE FROM waiterix_migration.put_aside WHERE place = {}", self.place);
        if self.kind == "reference" {
            if !self.is_made {
                let made = format!(
                    "UPDATE waiterix_migration.put_aside SET is_made = true WHERE place = {}",
                    self.place
                );
                step(connection, &[self.definition.clone(), made], operation)
                    .await
                    .map_err(|error| error.with("rule", &self.name))?;
            }
            let validation =
                format!("ALTER TABLE public.{} VALIDATE CONSTRAINT {}", ident(&self.tab), ident(&self.name));
            return self.unless_broken(connection, &[validation, struck], operation).await;
        }
        let statements = [self.definition.clone(), struck];
        if self.unless_broken(connection, &statements, operation).await? {
            return Ok(true);
        }
        if self.kind != "key" {
            return Ok(false);
        }
        let statements = [deduplication(&self.tab), statements.to_vec()].concat();
        self.unless_broken(connection, &statements, operation).await
    }

    /// Performs statements in one transaction; `false` when rows break a rule.
    async fn unless_broken(
        &self,
        connection: &mut PgConnection,
        statements: &[String],
        operation: &'static str,
    ) -> Result<bool> {
        let done = async {
            let mut transaction = connection.begin().await?;
            for statement in statements {
                execute(&mut transaction, statement).await?;
            }
            transaction.commit().await
        }
        .await;
        match done {
            Ok(()) => Ok(true),
            Err(error) if is_broken(&error) => Ok(false),
            Err(error) => Err(of(&error, operation).with("rule", &self.name)),
        }
    }
}

fn is_broken(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| matches!(code.as_ref(), "23505" | "23503"))
}
