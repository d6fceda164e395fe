//! Adding what a move needs to a database, and taking it away again.
//!
//! Everything is in the schema `waiterix_migration`, beside what is there. See `docs/decisions/0028-moving-rows.md`.

use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use waiterix_ports::moving::Standing;
use waiterix_ports::{Error, ErrorKind, Result, Retry};

use super::standing::{self, signed};
use super::tables::{ident, moving_names};
use super::triggers::{self, SESSIONS};
use crate::connect::{Database, fault};

/// Two that install exclude each other by this number, which means nothing.
const INSTALLING: i64 = 0x5741_4954_494e_5354;
/// How long a step waits for a table. Everybody who writes meanwhile waits behind it, so it gives way and tries again.
const TABLE_WAIT: &str = "1s";
const PAUSE: Duration = Duration::from_millis(300);
const ATTEMPTS: u32 = 120;

const TABLES: &str = "\
    CREATE SCHEMA IF NOT EXISTS waiterix_migration;
    CREATE TABLE IF NOT EXISTS waiterix_migration.standing (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        epoch bigint NOT NULL,
        mode text NOT NULL CHECK (mode IN ('open', 'announced', 'fenced', 'decided', 'mirror')),
        turn bigint NOT NULL
    );
    CREATE TABLE IF NOT EXISTS waiterix_migration.quarantine (
        tab text NOT NULL, key text NOT NULL, reason text NOT NULL, at timestamptz NOT NULL DEFAULT now()
    );
    CREATE UNIQUE INDEX IF NOT EXISTS quarantine_of_keys ON waiterix_migration.quarantine (tab, md5(key));
    CREATE TABLE IF NOT EXISTS waiterix_migration.readers (
        id text PRIMARY KEY, old_turn bigint NOT NULL, new_turn bigint NOT NULL, seen_at timestamptz NOT NULL,
        is_forgotten boolean NOT NULL DEFAULT false
    );
    CREATE TABLE IF NOT EXISTS waiterix_migration.cuts (
        tab text NOT NULL, rows bigint NOT NULL, file bigint NOT NULL, pages bigint[] NOT NULL,
        rewritten boolean NOT NULL DEFAULT false, PRIMARY KEY (tab)
    );
    CREATE TABLE IF NOT EXISTS waiterix_migration.ranges (
        tab text NOT NULL, after bytea, up_to bytea, rows bigint NOT NULL, hash bigint NOT NULL, sum bigint NOT NULL
    );
    CREATE UNIQUE INDEX IF NOT EXISTS ranges_once ON waiterix_migration.ranges
        (tab, md5(coalesce('=' || encode(after, 'hex'), '')), md5(coalesce('=' || encode(up_to, 'hex'), '')));
    CREATE TABLE IF NOT EXISTS waiterix_migration.put_aside (
        place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tab text NOT NULL, name text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('note', 'key', 'unique', 'index', 'reference')),
        definition text NOT NULL,
        is_made boolean NOT NULL DEFAULT false,
        UNIQUE (tab, name)
    )";

/// What was written, by table and key. It is there by itself where only the sessions of a database move.
///
/// Every writer pays for what is here. Whoever notes gives what is derived from table and key (see `triggers::note`), because
/// columns that are generated, and indexes that are partial or of expressions, are prepared anew in every statement.
const JOURNAL: &str = "\
    CREATE SCHEMA IF NOT EXISTS waiterix_migration;
    CREATE TABLE IF NOT EXISTS waiterix_migration.journal (
        id bigint GENERATED ALWAYS AS IDENTITY,
        hash bigint NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        of_sessions boolean NOT NULL,
        tab text NOT NULL,
        key text NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
    CREATE UNIQUE INDEX IF NOT EXISTS journal_in_order ON waiterix_migration.journal (of_sessions, id);
    CREATE INDEX IF NOT EXISTS journal_of_keys ON waiterix_migration.journal (hash)";

/// Our triggers that are there: table, name, and whether it is always enabled.
const TRIGGERS: &str = "SELECT c.relname::text, t.tgname::text, t.tgenabled = 'A' FROM pg_catalog.pg_trigger t \
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
    WHERE c.relnamespace = 'public'::regnamespace AND t.tgname IN ('waiterix_guard', 'waiterix_note', 'waiterix_note_all')";
/// Tables of `public` that a trigger belongs on, with their keys: those that move, and the sessions. Their indexes do not
/// matter, which may be put aside for the copy.
const KEYED: &str = "SELECT c.relname::text, a.attname::text FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped \
      AND a.attname = CASE WHEN c.relname = 'sessions' THEN 'sid' ELSE 'id' END \
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' \
      AND a.atttypid IN ('text'::regtype, 'varchar'::regtype) AND c.relname = ANY($1) ORDER BY c.relname";
fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    error
        .as_database_error()
        .and_then(DatabaseError::code)
        .is_some_and(|found| codes.contains(&found.as_ref()))
}

pub(super) async fn execute(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Performs statements in one transaction that gives way to others.
pub(super) async fn step(
    connection: &mut PgConnection,
    statements: &[String],
    operation: &'static str,
) -> Result<()> {
    for attempt in 1_u32.. {
        match transaction(connection, statements).await {
            Ok(()) => break,
            Err(error) if has_code(&error, &["55P03", "40P01"]) => {
                if attempt >= ATTEMPTS {
                    return Err(Error::new(ErrorKind::Timeout, operation)
                        .retry(Retry::Safe)
                        .with("fault", "a transaction that is open does not end, see pg_stat_activity"));
                }
                tracing::debug!(attempt, operation, "a table is in use; it is tried again");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(of(&error, operation)),
        }
    }
    Ok(())
}

/// What a failed step means.
pub(super) fn of(error: &sqlx::Error, operation: &'static str) -> Error {
    if has_code(error, &["42501"]) {
        return fault::of(error, operation)
            .with("hint", "the role must own the tables, and may CREATE in the database");
    }
    fault::of(error, operation)
}

async fn transaction(connection: &mut PgConnection, statements: &[String]) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    execute(&mut transaction, &format!("SET LOCAL lock_timeout = '{TABLE_WAIT}'")).await?;
    for statement in statements {
        execute(&mut transaction, statement).await?;
    }
    transaction.commit().await
}

/// The tables with triggers and their keys.
async fn keyed(connection: &mut PgConnection) -> sqlx::Result<Vec<(String, String)>> {
    let mut names = moving_names();
    names.push(SESSIONS);
    sqlx::query_as(KEYED).bind(names).persistent(false).fetch_all(connection).await
}

/// Adds everything that is missing.
pub(super) async fn install(database: &Database, first: Standing) -> Result<()> {
    const OPERATION: &str = "side.install";
    let mut connection = database.maintenance(OPERATION).await?;
    let outcome = add(&mut connection, first, OPERATION).await;
    // Nothing is held by the session, so that it does not matter how it ends.
    let _ = connection.close().await;
    outcome
}

async fn add(connection: &mut PgConnection, first: Standing, operation: &'static str) -> Result<()> {
    let tables = keyed(connection).await.map_err(|error| of(&error, operation))?;
    let mut statements =
        vec![format!("SELECT pg_advisory_xact_lock({INSTALLING})"), JOURNAL.to_owned(), TABLES.to_owned()];
    statements.push(triggers::guard("guard", "trigger", "RETURN NULL"));
    statements.push(triggers::guard("admit", "void", "RETURN"));
    statements.push(triggers::noting_all());
    let mut keys: Vec<&str> = tables.iter().map(|(_, key)| key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    statements.extend(keys.into_iter().map(|key| triggers::noting(key).1));
    let (epoch, turn) = (signed(first.epoch, operation)?, signed(first.turn, operation)?);
    statements.push(format!(
        "INSERT INTO waiterix_migration.standing (epoch, mode, turn) VALUES ({epoch}, '{}', {turn}) ON CONFLICT DO NOTHING",
        first.mode.as_str()
    ));
    step(connection, &statements, operation).await?;
    put_triggers(connection, &tables, operation).await
}

/// Puts the triggers in place that tables lack.
async fn put_triggers(
    connection: &mut PgConnection,
    tables: &[(String, String)],
    operation: &'static str,
) -> Result<()> {
    let there = there(connection).await.map_err(|error| of(&error, operation))?;
    for (table, key) in tables {
        let mut statements = Vec::new();
        for (name, definition) in triggers::of(table, key) {
            let found = there.iter().find(|(of, trigger, _)| of == table && trigger == name);
            if found.is_none() {
                statements.push(definition);
            }
            if !matches!(found, Some((.., true))) {
                // So that it fires for those, too, who say that they replicate.
                let on = ident(table);
                statements.push(format!("ALTER TABLE public.{on} ENABLE ALWAYS TRIGGER {name}"));
            }
        }
        if !statements.is_empty() {
            // It waits for every transaction that has written to the table: none is half noted.
            statements.insert(0, format!("SELECT pg_advisory_xact_lock({INSTALLING})"));
            step(connection, &statements, operation).await.map_err(|error| error.with("table", table))?;
        }
    }
    Ok(())
}

/// Has the keys of one table noted that does not move as rows do: nobody is kept from writing it.
pub(super) async fn install_noting(database: &Database, table: &str) -> Result<()> {
    const OPERATION: &str = "journal.install";
    let mut connection = database.maintenance(OPERATION).await?;
    let outcome = note_writes(&mut connection, table, OPERATION).await;
    let _ = connection.close().await;
    outcome
}

async fn note_writes(connection: &mut PgConnection, table: &str, operation: &'static str) -> Result<()> {
    let mut tables = keyed(connection).await.map_err(|error| of(&error, operation))?;
    tables.retain(|(name, _)| name == table);
    let Some((_, key)) = tables.first() else {
        return Err(Error::new(ErrorKind::Unsupported, operation).with("table", table).with(
            "hint",
            "it is not there, or its key is no text: `waiterix schema migrate --legacy` makes it",
        ));
    };
    let statements = [
        format!("SELECT pg_advisory_xact_lock({INSTALLING})"),
        JOURNAL.to_owned(),
        triggers::noting_all(),
        triggers::noting(key).1,
    ];
    step(connection, &statements, operation).await?;
    put_triggers(connection, &tables, operation).await
}

/// Takes the noting of a table away, unless rows of the database move as well: then it goes with all the rest.
pub(super) async fn uninstall_noting(database: &Database) -> Result<()> {
    const OPERATION: &str = "journal.uninstall";
    if standing::read(database, OPERATION).await?.is_some() {
        return Ok(());
    }
    let mut connection = database.maintenance(OPERATION).await?;
    let outcome = remove(&mut connection, OPERATION).await;
    let _ = connection.close().await;
    outcome
}

async fn there(connection: &mut PgConnection) -> sqlx::Result<Vec<(String, String, bool)>> {
    sqlx::query_as(TRIGGERS).persistent(false).fetch_all(connection).await
}

/// Takes everything away.
pub(super) async fn uninstall(database: &Database) -> Result<()> {
    const OPERATION: &str = "side.uninstall";
    let mut connection = database.maintenance(OPERATION).await?;
    let outcome = remove(&mut connection, OPERATION).await;
    let _ = connection.close().await;
    outcome
}

async fn remove(connection: &mut PgConnection, operation: &'static str) -> Result<()> {
    let aside: Option<i64> = {
        let is_there: bool =
            sqlx::query_scalar("SELECT to_regclass('waiterix_migration.put_aside') IS NOT NULL")
                .fetch_one(&mut *connection)
                .await
                .map_err(|error| of(&error, operation))?;
        if is_there {
            let count = sqlx::query_scalar("SELECT count(*) FROM waiterix_migration.put_aside");
            Some(count.fetch_one(&mut *connection).await.map_err(|error| of(&error, operation))?)
        } else {
            None
        }
    };
    if aside.is_some_and(|count| count > 0) {
        return Err(Error::new(ErrorKind::Conflict, operation).with(
            "fault",
            "indexes or foreign keys were put aside for the copy and are not made again yet",
        ));
    }
    let there = there(connection).await.map_err(|error| of(&error, operation))?;
    for triggers in there.chunk_by(|(one, ..), (other, ..)| one == other) {
        let statements: Vec<String> = triggers
            .iter()
            .map(|(table, name, _)| format!("DROP TRIGGER IF EXISTS {name} ON public.{}", ident(table)))
            .collect();
        step(connection, &statements, operation).await?;
    }
    // The schema may hold what others keep of the move of other ports; it goes with the last of them.
    let statements = [REMOVAL.to_owned()];
    step(connection, &statements, operation).await
}

const REMOVAL: &str = "\
    DROP TABLE IF EXISTS waiterix_migration.standing, waiterix_migration.journal, waiterix_migration.quarantine, \
        waiterix_migration.readers, waiterix_migration.cuts, waiterix_migration.ranges, waiterix_migration.put_aside;
    DO $body$
    DECLARE f record;
    BEGIN
        FOR f IN SELECT p.oid::regprocedure AS name FROM pg_catalog.pg_proc p
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                 WHERE n.nspname = 'waiterix_migration'
                   AND (p.proname IN ('guard', 'admit') OR p.proname LIKE 'note\\_%') LOOP
            EXECUTE format('DROP FUNCTION %s', f.name);
        END LOOP;
        IF EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'waiterix_migration')
           AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                           WHERE n.nspname = 'waiterix_migration') THEN
            DROP SCHEMA waiterix_migration;
        END IF;
    END $body$";
