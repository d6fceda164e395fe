//! What is put aside for the copy: keys, indexes and foreign keys, which are made faster when the rows are there, and the noting of
//! writes, which notes nobody who follows and would be asked for every row.
//!
//! Each is written down in the transaction that takes it away, and struck off in the one that has made it again; so whatever
//! breaks in between, none is lost.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use sqlx::error::DatabaseError;
use sqlx::{Connection as _, PgConnection};
use waiterix_ports::moving::Mode;
use waiterix_ports::{Error, ErrorKind, Result, Retry, Violation};

use super::PostgresSide;
use super::install::{execute, of, step};
use super::standing;
use super::tables::{ident, moving_names};
use super::triggers::NOTE;

/// Takes everything away that can be made again. The statement runs as one, with the names of the tables in place of `{tables}`.
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
            WHERE k.contype = 'f' AND t.relnamespace = 'public'::regnamespace AND t.relname = ANY (ARRAY[{tables}])
        LOOP
            INSERT INTO waiterix_migration.put_aside (tab, name, kind, definition)
                VALUES (found.relname, found.conname, 'reference', found.definition)
                -- It was made again, and nobody has checked the rows yet.
                ON CONFLICT (tab, name) DO UPDATE SET is_made = false;
            EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT %I', found.relname, found.conname);
        END LOOP;
        FOR found IN
            SELECT t.relname, g.tgname FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class t ON t.oid = g.tgrelid
            WHERE g.tgname = '{note}' AND t.relnamespace = 'public'::regnamespace AND t.relname = ANY (ARRAY[{tables}])
        LOOP
            INSERT INTO waiterix_migration.put_aside (tab, name, kind, definition)
                VALUES (found.relname, found.tgname, 'note',
                        format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER %I', found.relname, found.tgname))
                ON CONFLICT (tab, name) DO NOTHING;
            EXECUTE format('ALTER TABLE public.%I DISABLE TRIGGER %I', found.relname, found.tgname);
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
            WHERE t.relnamespace = 'public'::regnamespace AND t.relname = ANY (ARRAY[{tables}])
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

// What takes longest must not begin last.
const LISTED: &str = "SELECT place, tab, name, kind, definition, is_made FROM waiterix_migration.put_aside \
    ORDER BY array_position(ARRAY['note', 'key', 'unique', 'index', 'reference'], kind), \
    pg_relation_size(to_regclass('public.' || quote_ident(tab))) DESC NULLS LAST, place";

/// How much is made at once. The server builds an index with several processes, but checks references, writes down what it has built
/// and looks at samples with one.
const AT_ONCE: usize = 2;

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
        TAKE.replace("{tables}", &names.join(", ")).replace("{note}", NOTE),
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
    let mut connections = Vec::new();
    for _ in 0..AT_ONCE {
        connections.push(side.database.maintenance(OPERATION).await?);
    }
    let outcome = make(&mut connections, OPERATION).await;
    for connection in connections {
        let _ = connection.close().await;
    }
    side.tables.forget().await;
    outcome
}

async fn make(connections: &mut [PgConnection], operation: &'static str) -> Result<()> {
    let failed = |error: &sqlx::Error| of(error, operation);
    // Building an index is what memory is for; nothing else happens here. Ranges do not wait for the disk, but keys do, which come
    // after all of them: without its key nobody makes a row equal, so nobody does before what was copied outlives a crash.
    for connection in &mut *connections {
        let sql = "SET maintenance_work_mem = '256MB'";
        execute(connection, sql).await.map_err(|error| failed(&error))?;
    }
    let Some(first) = connections.first_mut() else { return Ok(()) };
    let list: Vec<(i64, String, String, String, String, bool)> =
        sqlx::query_as(LISTED).persistent(false).fetch_all(first).await.map_err(|error| failed(&error))?;
    let aside =
        |(place, tab, name, kind, definition, is_made)| Aside { place, tab, name, kind, definition, is_made };
    let list: Vec<Aside> = list.into_iter().map(aside).collect();
    // Without its key nobody makes a row equal, so whatever is written after the copy finds its noting. References need the keys of
    // other tables.
    let (notes, rules): (Vec<_>, Vec<_>) = list.iter().partition(|aside| aside.kind == "note");
    let (references, indexes) = rules.into_iter().partition(|aside| aside.kind == "reference");
    let tables: BTreeSet<&str> = list.iter().map(|aside| &*aside.tab).collect();
    let samples: Vec<String> =
        tables.into_iter().map(|table| format!("ANALYZE public.{}", ident(table))).collect();
    let mut broken = Vec::new();
    let samples = samples.iter().map(|sql| Job::Sample(sql)).collect();
    for jobs in [made(notes), made(indexes), made(references), samples] {
        broken.extend(all(connections, jobs, operation).await?);
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, operation)
        .with("rules", broken.join(", "))
        .with("fault", "rows break these; make them equal and do this again"))
}

/// Something to be done after the copy.
#[derive(Debug)]
enum Job<'a> {
    Make(&'a Aside),
    /// Looks at a table, so that the server knows what is in it.
    Sample(&'a str),
}

fn made(list: Vec<&Aside>) -> VecDeque<Job<'_>> {
    list.into_iter().map(Job::Make).collect()
}

/// Does all, one at a time on each connection; answers the rules that rows break. After a failure nothing is begun any more, and what
/// was begun is ended.
async fn all<'a>(
    connections: &mut [PgConnection],
    jobs: VecDeque<Job<'a>>,
    operation: &'static str,
) -> Result<Vec<&'a str>> {
    let jobs = Mutex::new(jobs);
    let left = || jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let workers = connections.iter_mut().map(|connection| async {
        let mut broken = Vec::new();
        loop {
            let Some(job) = left().pop_front() else { return Ok(broken) };
            match job {
                Job::Make(aside) => match aside.make(connection, operation).await {
                    Ok(true) => {}
                    Ok(false) => broken.push(&*aside.name),
                    Err(error) => {
                        left().clear();
                        return Err(error);
                    }
                },
                Job::Sample(sql) => {
                    if let Err(error) = execute(connection, sql).await {
                        left().clear();
                        return Err(of(&error, operation));
                    }
                }
            }
        }
    });
    let mut broken = Vec::new();
    for outcome in join_all(workers).await {
        broken.extend(outcome?);
    }
    Ok(broken)
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
