//! Looking at a database before anything is changed: what is there, and what keeps it from taking part.

use std::time::{Duration, Instant};

use sqlx::Row as _;
use waiterix_ports::moving::Survey;
use waiterix_ports::{Clock, Result};

use super::PostgresSide;
use super::notes::lasted;
use super::standing;
use super::tables::{Tables, moving_names};
use super::triggers::{self, SESSIONS};
use super::work::{Bound, Limit, Trouble, Work};
use crate::schema::{self, Catalog, Deviation, Target};
use crate::session::Mode;

/// The oldest server with what is needed: combining hashes, reading rows by their places.
const OLDEST: i32 = 140_000;

const SERVER: &str = "SELECT current_setting('server_version'), current_setting('server_version_num')::int, \
    current_setting('server_encoding'), pg_is_in_recovery(), \
    current_setting('default_transaction_read_only')::boolean, \
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
    current_database()::text, (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), \
    has_database_privilege(current_database(), 'CREATE'), \
    has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')";
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";

/// Each answers texts: what is wrong, and what to do. `$1` are the tables that move, `$2` all that are known.
const FINDINGS: &[&str] = &[
    // Rights.
    "SELECT format('the role %s does not own table %s: sign in as its owner, or grant the role %s', \
                   current_user, c.relname, pg_get_userbyid(c.relowner)) \
     FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY($1) AND c.relkind = 'r' \
       AND NOT pg_has_role(c.relowner, 'USAGE')",
    // Making an index needs that right, too, and they are made again after the copy.
    "SELECT format('the role %s may not make indexes: GRANT CREATE ON SCHEMA public TO %1$I', current_user) \
     WHERE NOT has_schema_privilege('public', 'CREATE')",
    // What nobody would move.
    "SELECT format('table %s is none of the application and would stay behind: move it to another schema, or drop it', c.relname) \
     FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f') \
       AND NOT c.relname = ANY($2) \
       AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')",
    "SELECT format('column %s of table %s is numbered by a sequence, which does not move: drop the default', a.attname, c.relname) \
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
     LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum \
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY($1) \
       AND (a.attidentity <> '' OR pg_get_expr(f.adbin, f.adrelid) LIKE '%nextval(%')",
    // What would act on rows behind everybody's back, or does not act although it should.
    "SELECT format('table %s has a trigger %s: what it does would be done again on the other side; drop it for the move', c.relname, t.tgname) \
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
     WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY($1) \
       AND t.tgname NOT IN ('waiterix_guard', 'waiterix_note', 'waiterix_note_all')",
    "SELECT DISTINCT format('triggers of table %s are disabled: ALTER TABLE %1$s ENABLE TRIGGER ALL, and look for rows that refer to nothing', c.relname) \
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
     WHERE t.tgenabled = 'D' AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY($1) \
       AND t.tgname NOT IN ('waiterix_guard', 'waiterix_note', 'waiterix_note_all')",
    "SELECT format('table %s has rules or row security, which change what is read or written: drop them for the move', c.relname) \
     FROM pg_class c WHERE (c.relhasrules OR c.relrowsecurity) AND c.relkind = 'r' \
       AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY($1)",
    // Whoever writes as a replica checks no foreign key. What is written so is noted all the same.
    "SELECT format('%s: session_replication_role is set to %s, so foreign keys are not checked: ALTER %s RESET session_replication_role', \
                   who, value, who) \
     FROM (SELECT CASE WHEN s.setrole <> 0 THEN format('ROLE %I', pg_get_userbyid(s.setrole)) \
                       ELSE format('DATABASE %I', d.datname) END AS who, split_part(c, '=', 2) AS value \
           FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS c \
           WHERE c LIKE 'session_replication_role=%' AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) x \
     WHERE value <> 'origin'",
    "SELECT 'session_replication_role of this server is ' || current_setting('session_replication_role') || ': set it to origin' \
     WHERE current_setting('session_replication_role') <> 'origin'",
    "SELECT format('a transaction is prepared (%s) and holds its locks until it is ended: COMMIT PREPARED or ROLLBACK PREPARED', gid) \
     FROM pg_prepared_xacts WHERE database = current_database()",
];
/// The triggers there are, of those that belong to a side. One that is put aside for the copy is no fault.
const TRIGGERS: &str = "SELECT c.relname::text, t.tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
    WHERE c.relnamespace = 'public'::regnamespace AND t.tgname LIKE 'waiterix\\_%' AND (t.tgenabled = 'A' \
       OR EXISTS (SELECT 1 FROM waiterix_migration.put_aside p WHERE p.tab = c.relname AND p.name = t.tgname))";
const LAG: &str =
    "SELECT coalesce(max(extract(epoch FROM replay_lag)), 0)::float8 FROM pg_catalog.pg_stat_replication";

/// What is known of the server itself.
struct Server {
    identity: String,
    version: String,
    clock_ahead_ms: i64,
    faults: Vec<String>,
}

pub(super) async fn survey(side: &PostgresSide) -> Result<Survey> {
    const OPERATION: &str = "side.survey";
    let mut work = Work::begin(&side.database, Mode::Read, Limit::Usual, "", OPERATION).await?;
    let outcome = look(&mut work, &*side.clock, side.database.settings().pooled).await;
    work.end(outcome).await
}

async fn look(work: &mut Work, clock: &dyn Clock, pooled: bool) -> Result<Survey, Trouble> {
    let Server { identity, version, clock_ahead_ms, mut faults } = server(work, clock).await?;
    if pooled {
        faults.push(
            "it is reached through a pooler, which cannot be used to add or to put aside anything: use the server's own address"
                .to_owned(),
        );
    }
    let catalog = Catalog::read(work.session.connection(), work.operation).await?;
    let report = schema::compare(&catalog, &Target::current());
    let missing = |deviation: &&Deviation| {
        matches!(deviation, Deviation::MissingTable { .. } | Deviation::MissingColumn { .. })
    };
    let missing = report.deviations.iter().filter(missing);
    faults.extend(missing.map(|deviation| format!("{deviation}: migrate the schema first")));
    // A key that is put aside for the copy is no fault.
    let is_installed = standing::read_within(work).await?;
    let aside: i64 = if is_installed.is_some() {
        let sql = "SELECT count(*) FROM waiterix_migration.put_aside";
        work.row(sql, Bound::default()).await?.try_get_unchecked(0)?
    } else {
        0
    };
    let others = report.refusals().filter(|deviation| match deviation {
        Deviation::MissingTable { .. } | Deviation::MissingColumn { .. } => false,
        Deviation::WrongKey { .. } => aside == 0,
        _ => true,
    });
    faults.extend(others.map(ToString::to_string));
    let moving = moving_names();
    let known: Vec<&str> = Target::current().tables.iter().map(|table| table.name).collect();
    for sql in FINDINGS {
        let bound =
            Bound::default().and(moving.as_slice(), work.operation)?.and(known.as_slice(), work.operation)?;
        for row in work.rows(*sql, bound).await? {
            faults.push(row.try_get_unchecked(0)?);
        }
    }
    let tables = Tables::read(work).await?;
    let unguarded =
        if is_installed.is_some() { unguarded(work, &catalog, &moving).await? } else { Vec::new() };
    Ok(Survey {
        identity,
        version,
        clock_ahead_ms,
        tables: tables.surveyed(),
        faults,
        unguarded,
        standing: is_installed,
    })
}

async fn server(work: &mut Work, clock: &dyn Clock) -> Result<Server, Trouble> {
    let mut faults = Vec::new();
    let before = clock.now().as_micros();
    let row = work.row(SERVER, Bound::default()).await?;
    let after = clock.now().as_micros();
    let (version, number): (String, i32) = (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?);
    if number < OLDEST {
        faults.push(format!("it is PostgreSQL {version}; 14 or newer is needed: upgrade it first"));
    }
    let encoding: String = row.try_get_unchecked(2)?;
    if encoding != "UTF8" {
        faults.push(format!("its encoding is {encoding}; a move needs UTF8"));
    }
    if row.try_get_unchecked(3)? {
        faults.push("it is a standby and takes no writes: use the address of its primary".to_owned());
    }
    if row.try_get_unchecked(4)? {
        faults.push(
            "its transactions are read-only by default: ALTER DATABASE … RESET default_transaction_read_only"
                .to_owned(),
        );
    }
    let there: i64 = row.try_get_unchecked(5)?;
    let (database, oid): (String, i64) = (row.try_get_unchecked(6)?, row.try_get_unchecked(7)?);
    if !row.try_get_unchecked::<bool, _>(8)? {
        faults.push(format!(
            "the role may not make a schema: GRANT CREATE ON DATABASE {} TO it",
            super::tables::ident(&database)
        ));
    }
    // Not every provider tells; then the name and number of the database have to do.
    let system: String = if row.try_get_unchecked(9)? {
        work.row(SYSTEM, Bound::default()).await?.try_get_unchecked(0)?
    } else {
        "unknown".to_owned()
    };
    // The server's answer was made between the two looks at the clock.
    let clock_ahead_ms = (there - (before + (after - before) / 2)) / 1_000;
    Ok(Server { identity: format!("{system}/{oid}/{database}"), version, clock_ahead_ms, faults })
}

/// Tables that lack a trigger, or have one that somebody has disabled or made an ordinary one.
async fn unguarded(work: &mut Work, catalog: &Catalog, moving: &[&str]) -> Result<Vec<String>, Trouble> {
    let mut there: Vec<(String, String)> = Vec::new();
    for row in work.rows(TRIGGERS, Bound::default()).await? {
        there.push((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?));
    }
    let mut missing = Vec::new();
    for table in moving.iter().copied().chain([SESSIONS]).filter(|table| catalog.tables.contains_key(*table))
    {
        for (trigger, _) in triggers::of(table, "id") {
            if !there.iter().any(|(of, name)| of == table && name == trigger) {
                missing.push(format!(
                    "trigger {trigger} of table {table} is missing or not always enabled, so writes may go unseen: install \
                     again, and verify"
                ));
            }
        }
    }
    Ok(missing)
}

pub(super) async fn pressure(side: &PostgresSide) -> Result<Duration> {
    const OPERATION: &str = "side.pressure";
    let mut work = Work::begin(&side.database, Mode::Read, Limit::Usual, "", OPERATION).await?;
    let begin = Instant::now();
    let outcome = async {
        let row = work.row(LAG, Bound::default()).await?;
        Ok::<_, Trouble>(lasted(row.try_get_unchecked(0)?).max(begin.elapsed()))
    }
    .await;
    work.end(outcome).await
}
