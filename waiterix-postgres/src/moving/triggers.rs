//! What runs within every write of a database that moves: the guard, and what notes.
//!
//! Functions run as whoever installed them, so that writers need no rights in `waiterix_migration`. What runs for every statement or
//! row has no search path of its own, because setting and resetting one costs more than most of the rest: instead each name of a
//! function, an operator and a type says its schema, so that no search path of a writer leads elsewhere.

use super::standing::LOCK;
use super::tables::ident;

/// The table of sessions, whose keys are noted although its rows do not move.
pub(super) const SESSIONS: &str = "sessions";
/// The trigger by which rows are noted.
pub(super) const NOTE: &str = "waiterix_note";

/// The statement that notes keys: of a table and a key, both expressions of texts, and what follows them, a FROM for instance.
macro_rules! note {
    ($table:literal, $key:literal, $rest:literal) => {
        concat!(
            "INSERT INTO waiterix_migration.journal (tab, of_sessions, key, hash) SELECT ",
            $table,
            ", ",
            $table,
            " OPERATOR(pg_catalog.=) 'sessions', ",
            $key,
            ", pg_catalog.hashtextextended(",
            $key,
            ", 0)",
            $rest
        )
    };
}
pub(super) use note;

/// Whether a writer is admitted; see `waiterix_migration::protocol::guard`. `answers` is what the function returns, `end` how.
pub(super) fn guard(name: &str, answers: &str, end: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION waiterix_migration.{name}() RETURNS {answers} LANGUAGE plpgsql VOLATILE \
         SECURITY DEFINER AS $body$
DECLARE
    follower pg_catalog.text := pg_catalog.current_setting('waiterix.converging', true);
    mode pg_catalog.text;
    epoch pg_catalog.int8;
BEGIN
    -- Held until the transaction ends, so that the standing cannot be replaced before. An expression needs no executor.
    IF pg_catalog.pg_advisory_xact_lock_shared({LOCK}) IS NULL THEN
        RAISE EXCEPTION 'no lock, and nobody knows why' USING ERRCODE = 'internal_error';
    END IF;
    IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'read committed' THEN
        SELECT s.mode, s.epoch INTO mode, epoch FROM waiterix_migration.standing s;
    ELSE
        -- A snapshot may be older than the standing. To lock a row that was replaced since fails.
        SELECT s.mode, s.epoch INTO mode, epoch FROM waiterix_migration.standing s FOR SHARE;
    END IF;
    IF mode IS NULL THEN
        RAISE EXCEPTION 'this transaction began before the move of this database did'
            USING ERRCODE = 'serialization_failure';
    ELSIF follower IS NULL OR follower OPERATOR(pg_catalog.=) '' THEN
        IF mode OPERATOR(pg_catalog.=) 'open' OR mode OPERATOR(pg_catalog.=) 'announced' THEN
            {end};
        END IF;
    ELSIF mode OPERATOR(pg_catalog.=) 'mirror' AND follower OPERATOR(pg_catalog.=) epoch::pg_catalog.text THEN
        {end};
    END IF;
    RAISE EXCEPTION 'this database is being moved and does not take this write: it is % in epoch %', mode, epoch
        USING ERRCODE = '{code}', HINT = 'Another database takes writes now, or will in a moment.';
END $body$",
        code = crate::fault::NOT_LEADING,
    )
}

/// The function that notes keys of a column, a row at a time, and its name.
///
/// Who follows is asked here and not in the condition of the trigger, which is parsed anew in every statement.
pub(super) fn noting(column: &str) -> (String, String) {
    let (name, column) = (ident(&format!("note_{column}")), ident(column));
    let note = note!("TG_TABLE_NAME::pg_catalog.text", "KEY", "");
    let [old, new] = ["OLD", "NEW"].map(|row| note.replace("KEY", &format!("{row}.{column}")));
    let sql = format!(
        "CREATE OR REPLACE FUNCTION waiterix_migration.{name}() RETURNS trigger LANGUAGE plpgsql VOLATILE \
         SECURITY DEFINER AS $body$
BEGIN
    IF pg_catalog.current_setting('waiterix.converging', true) OPERATOR(pg_catalog.<>) '' THEN
        RETURN NULL;
    END IF;
    IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
        {new};
        RETURN NULL;
    END IF;
    {old};
    IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' AND NEW.{column} OPERATOR(pg_catalog.<>) OLD.{column} THEN
        {new};
    END IF;
    RETURN NULL;
END $body$"
    );
    (name, sql)
}

/// The function that notes all keys of a table.
pub(super) fn noting_all() -> String {
    format!(
        "CREATE OR REPLACE FUNCTION waiterix_migration.note_all() RETURNS trigger LANGUAGE plpgsql VOLATILE \
         SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    IF nullif(current_setting('waiterix.converging', true), '') IS NOT NULL THEN
        RETURN NULL;
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- The snapshot may lack rows that TRUNCATE takes away all the same.
        RAISE EXCEPTION 'while this database is being moved, TRUNCATE needs the isolation level READ COMMITTED'
            USING ERRCODE = 'feature_not_supported';
    END IF;
    EXECUTE format($sql${all}$sql$, TG_TABLE_NAME, TG_ARGV[0], TG_TABLE_SCHEMA);
    RETURN NULL;
END $body$",
        all = note!("%1$L", "%2$I", " FROM %3$I.%1$I"),
    )
}

/// The triggers a table needs, with their definitions.
pub(super) fn of(table: &str, key: &str) -> Vec<(&'static str, String)> {
    let (note, _) = noting(key);
    let (on, key) = (format!("public.{}", ident(table)), key.replace('\'', "''"));
    let noting = format!(
        "CREATE TRIGGER {NOTE} AFTER INSERT OR UPDATE OR DELETE ON {on} FOR EACH ROW \
         EXECUTE FUNCTION waiterix_migration.{note}()"
    );
    let noting_all = format!(
        "CREATE TRIGGER waiterix_note_all BEFORE TRUNCATE ON {on} FOR EACH STATEMENT \
         EXECUTE FUNCTION waiterix_migration.note_all('{key}')"
    );
    let mut triggers = vec![(NOTE, noting), ("waiterix_note_all", noting_all)];
    if table != SESSIONS {
        let guard = format!(
            "CREATE TRIGGER waiterix_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {on} FOR EACH STATEMENT \
             EXECUTE FUNCTION waiterix_migration.guard()"
        );
        triggers.push(("waiterix_guard", guard));
    }
    triggers
}
