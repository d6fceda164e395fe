//! What a side lets happen, whoever comes.

use std::time::{Duration, Instant};

use waiterix_contract::eventually;
use waiterix_contract::store::sample::{restaurant, user};
use waiterix_domain::{ChangeSet, CommitId};
use waiterix_ports::moving::{Mode, RowSide, Standing};
use waiterix_ports::{ErrorKind, Retry, Store, Violation};
use waiterix_postgres::PostgresStore;

use crate::common::execute;
use crate::moving::sides::{MIRROR, NOT_LEADING, OPEN, SOON, Side, TABLES, refusal};

/// A statement that a side which leads lets through.
const WRITE: &str = "INSERT INTO users (id) VALUES (gen_random_uuid())";

async fn waits(side: &Side) -> bool {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    side.count(sql).await > 0
}

async fn shifted(side: &Side, seen: Standing, mode: Mode) -> Standing {
    assert!(side.side.shift(seen, mode, seen.epoch, SOON).await.unwrap());
    Standing { mode, turn: seen.turn + 1, ..seen }
}

#[test]
fn installing_again_changes_nothing_and_taking_away_leaves_nothing() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::bare().await else { return };
        let before = crate::common::catalog(&side.scratch.url()).await;
        assert_eq!(side.side.standing().await.unwrap(), None);
        side.side.install(OPEN).await.unwrap();
        let installed = crate::common::catalog(&side.scratch.url()).await;
        assert_ne!(installed, before);
        side.side.install(Standing { epoch: 9, mode: Mode::Mirror, turn: 9 }).await.unwrap();
        assert_eq!(crate::common::catalog(&side.scratch.url()).await, installed);
        assert_eq!(side.side.standing().await.unwrap(), Some(OPEN), "the first standing stays");
        side.side.uninstall().await.unwrap();
        assert_eq!(crate::common::catalog(&side.scratch.url()).await, before);
        assert_eq!(side.side.standing().await.unwrap(), None);
        assert_eq!(
            side.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'waiterix_migration'").await,
            0
        );
        side.side.uninstall().await.unwrap();
        side.run(WRITE).await;
    });
}

#[test]
fn a_standing_is_replaced_by_whoever_saw_it_and_by_nobody_else() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        let stale = Standing { turn: 0, ..OPEN };
        assert!(!side.side.shift(stale, Mode::Announced, 1, SOON).await.unwrap());
        assert!(!side.side.shift(Standing { epoch: 2, ..OPEN }, Mode::Announced, 1, SOON).await.unwrap());
        assert!(side.side.shift(OPEN, Mode::Announced, 1, SOON).await.unwrap());
        // Its answer was lost, and it asks again.
        assert!(side.side.shift(OPEN, Mode::Announced, 1, SOON).await.unwrap());
        assert!(!side.side.shift(OPEN, Mode::Fenced, 1, SOON).await.unwrap());
        let expected = Standing { epoch: 1, mode: Mode::Announced, turn: 2 };
        assert_eq!(side.side.standing().await.unwrap(), Some(expected));
        // Of many at a time one succeeds.
        let made: Vec<bool> = waiterix_contract::race::at_once(8, |number| {
            let side = side.side.clone();
            let mode = if number % 2 == 0 { Mode::Fenced } else { Mode::Open };
            async move { side.shift(expected, mode, 1, SOON).await.unwrap() }
        })
        .await;
        let found = side.side.standing().await.unwrap().unwrap();
        assert_eq!(found.turn, 3);
        // Those that wanted the same found it made.
        for (number, made) in made.into_iter().enumerate() {
            assert_eq!(made, (number % 2 == 0) == (found.mode == Mode::Fenced), "{number}");
        }
    });
}

#[test]
fn every_table_is_guarded_against_every_kind_of_write() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(MIRROR).await else { return };
        for table in TABLES {
            for sql in [
                format!("INSERT INTO {table} (id) VALUES ('x')"),
                format!("UPDATE {table} SET id = id"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table} CASCADE"),
            ] {
                assert_eq!(side.refusal(&sql).await.as_deref(), Some(NOT_LEADING), "{sql}");
            }
        }
        // Whoever replicates is guarded as well, and so is who follows another epoch or none there is.
        for prelude in [
            "SET session_replication_role = replica",
            "SET waiterix.converging = '2'",
            "SET waiterix.converging = '0'",
            "SET waiterix.converging = 'x'",
        ] {
            let sql = format!("{prelude}; {WRITE}");
            assert_eq!(side.refusal(&sql).await.as_deref(), Some(NOT_LEADING), "{prelude}");
        }
        assert_eq!(side.refusal(&format!("SET waiterix.converging = '1'; {WRITE}")).await, None);
        // Nothing of a session moves with the rows.
        side.run("INSERT INTO sessions (sid, sess, expire) VALUES ('s', '{}', now())").await;
    });
}

#[test]
fn a_commit_that_is_refused_says_that_another_database_leads_and_is_tried_once() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        let clock = std::sync::Arc::new(waiterix_contract::ManualClock::default());
        let database = waiterix_postgres::testing::database(&side.scratch.url()).unwrap();
        let store = PostgresStore::new(database, clock);
        let one = ChangeSet::new(CommitId::new("one")).insert(user("a"));
        store.commit(&one).await.unwrap();
        shifted(&side, shifted(&side, OPEN, Mode::Announced).await, Mode::Fenced).await;
        let steps = ChangeSet::new(CommitId::new("steps"))
            .insert(user("b"))
            .delete(waiterix_domain::Table::Users, "a")
            .insert(restaurant("r", "b"));
        for changes in [ChangeSet::new(CommitId::new("two")).insert(user("b")), steps] {
            let error = store.commit(&changes).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.retry_advice(), error.violation()),
                (ErrorKind::Unavailable, Retry::No, Some(&Violation::NotLeading)),
                "{error}"
            );
        }
        let error = store.forget_commits(waiterix_domain::Timestamp::EPOCH, 10).await.unwrap_err();
        assert_eq!(error.violation(), Some(&Violation::NotLeading));
        let snapshot = store.database().snapshot();
        assert_eq!((snapshot.opened, snapshot.discarded), (1, 0), "the connection is as good as before");
        assert_eq!(side.count("SELECT count(*) FROM users").await, 1);
    });
}

#[test]
fn a_fence_waits_for_writes_under_way_and_keeps_new_ones_waiting() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        let announced = shifted(&side, OPEN, Mode::Announced).await;
        let mut early = side.psql().await;
        execute(&mut early, &format!("BEGIN; {WRITE}")).await;
        let fencing = tokio::spawn({
            let side = side.side.clone();
            async move { side.shift(announced, Mode::Fenced, 1, SOON).await }
        });
        eventually(SOON, "the fence waits", || waits(&side)).await;
        let mut late = side.psql().await;
        let late = tokio::spawn(async move { refusal(&mut late, WRITE).await });
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'";
        eventually(SOON, "the late one waits as well", || async { side.count(waiting).await == 2 }).await;
        // The early one goes on as if nothing was.
        execute(&mut early, &format!("{WRITE}; COMMIT")).await;
        assert!(fencing.await.unwrap().unwrap());
        assert_eq!(late.await.unwrap().as_deref(), Some(NOT_LEADING));
        assert_eq!(side.count("SELECT count(*) FROM users").await, 2);
        assert_eq!(side.noted().await.len(), 2, "what was written before the fence is noted");
    });
}

#[test]
fn a_fence_that_waits_too_long_changes_nothing_and_lets_everybody_go_on() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        let announced = shifted(&side, OPEN, Mode::Announced).await;
        let mut early = side.psql().await;
        execute(&mut early, &format!("BEGIN; {WRITE}")).await;
        let begin = Instant::now();
        let patience = Duration::from_millis(100);
        let error = side.side.shift(announced, Mode::Fenced, 1, patience).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Timeout, Retry::Safe), "{error}");
        assert!(begin.elapsed() < SOON);
        assert_eq!(side.side.standing().await.unwrap(), Some(announced));
        side.run(WRITE).await;
        execute(&mut early, "COMMIT").await;
    });
}

#[test]
fn a_change_that_shuts_out_nobody_waits_for_no_write_and_keeps_none_waiting() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        let mut early = side.psql().await;
        execute(&mut early, &format!("BEGIN; {WRITE}")).await;
        // As long as it is open a fence may be announced and taken back, but does not come.
        let at_once = Duration::from_millis(1);
        let announced = shifted(&side, OPEN, Mode::Announced).await;
        let error = side.side.shift(announced, Mode::Fenced, 1, at_once).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        let open = shifted(&side, announced, Mode::Open).await;
        execute(&mut early, &format!("{WRITE}; COMMIT")).await;
        assert_eq!(side.count("SELECT count(*) FROM users").await, 2);
        // Whoever is let in meanwhile holds up no later step of the way to the other side, either.
        let fenced = shifted(&side, shifted(&side, open, Mode::Announced).await, Mode::Fenced).await;
        assert_eq!(side.refusal(WRITE).await.as_deref(), Some(NOT_LEADING));
        let decided = shifted(&side, fenced, Mode::Decided).await;
        assert!(side.side.shift(decided, Mode::Mirror, 2, at_once).await.unwrap());
        let mut following = side.psql().await;
        execute(&mut following, &format!("BEGIN; SET LOCAL waiterix.converging = '2'; {WRITE}")).await;
        let mirror = Standing { epoch: 2, mode: Mode::Mirror, turn: decided.turn + 1 };
        let error = side.side.shift(mirror, Mode::Open, 3, at_once).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Timeout,
            "a side that is being made equal does not lead yet: {error}"
        );
        execute(&mut following, "COMMIT").await;
        assert!(side.side.shift(mirror, Mode::Open, 3, SOON).await.unwrap());
    });
}

/// Its snapshot shows the standing of before.
#[test]
fn a_repeatable_read_writer_older_than_the_fence_is_refused() {
    waiterix_contract::run(|| async {
        for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
            let Some(side) = Side::standing(OPEN).await else { return };
            let mut old = side.psql().await;
            let begin = format!("BEGIN ISOLATION LEVEL {isolation}; SELECT count(*) FROM users");
            execute(&mut old, &begin).await;
            shifted(&side, shifted(&side, OPEN, Mode::Announced).await, Mode::Fenced).await;
            assert_eq!(refusal(&mut old, WRITE).await.as_deref(), Some("40001"), "{isolation}");
            execute(&mut old, "ROLLBACK").await;
            assert_eq!(side.count("SELECT count(*) FROM users").await, 0);
        }
    });
}

#[test]
fn a_repeatable_read_writer_older_than_the_move_is_refused() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::bare().await else { return };
        let mut old = side.psql().await;
        execute(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class").await;
        side.side.install(OPEN).await.unwrap();
        assert_eq!(refusal(&mut old, WRITE).await.as_deref(), Some("40001"));
    });
}

#[test]
fn who_replicates_or_deletes_by_cascade_is_noted_like_everybody() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        side.run("SET session_replication_role = replica; INSERT INTO users (id) VALUES ('u')").await;
        side.run("INSERT INTO restaurants (id, user_id, name) VALUES ('r', 'u', 'R')").await;
        side.run("INSERT INTO restaurant_tables (id, restaurant_id, table_number) VALUES ('t', 'r', '1')")
            .await;
        side.run("INSERT INTO table_scan_events (id, restaurant_id, table_id) VALUES ('e', 'r', 't')").await;
        assert_eq!(
            side.noted().await,
            ["restaurant_tables t", "restaurants r", "table_scan_events e", "users u"]
        );
        side.run("DELETE FROM waiterix_migration.journal; DELETE FROM restaurant_tables").await;
        assert_eq!(side.noted().await, ["restaurant_tables t", "table_scan_events e"], "set to null");
        side.run("DELETE FROM waiterix_migration.journal; DELETE FROM users").await;
        assert_eq!(side.noted().await, ["restaurants r", "table_scan_events e", "users u"], "cascaded");
        side.run("DELETE FROM waiterix_migration.journal; INSERT INTO users (id) VALUES ('v')").await;
        side.run("UPDATE users SET id = 'w'").await;
        assert_eq!(side.noted().await, ["users v", "users w"], "a key that becomes another is two");
    });
}

#[test]
fn truncate_notes_every_key_and_a_blind_one_is_refused() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        side.run(crate::common::ROWS).await;
        let all = side.noted().await;
        side.run("DELETE FROM waiterix_migration.journal").await;
        // Its snapshot is older than a row that it takes away.
        let mut old = side.psql().await;
        execute(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class").await;
        assert_eq!(refusal(&mut old, "TRUNCATE users CASCADE").await.as_deref(), Some("0A000"));
        execute(&mut old, "ROLLBACK").await;
        side.run("TRUNCATE users, sessions CASCADE").await;
        assert_eq!(side.noted().await, all);
        assert_eq!(side.count("SELECT count(*) FROM restaurants").await, 0);
    });
}

#[test]
fn a_transaction_open_across_the_start_is_waited_for() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::bare().await else { return };
        let mut early = side.psql().await;
        execute(&mut early, "BEGIN; INSERT INTO users (id) VALUES ('early')").await;
        let installing = tokio::spawn({
            let side = side.side.clone();
            async move { side.install(OPEN).await }
        });
        eventually(SOON, "it waits", || waits(&side)).await;
        assert!(!installing.is_finished());
        execute(&mut early, "COMMIT").await;
        installing.await.unwrap().unwrap();
        // Whoever reads the table from now on finds the row, and what was written later is noted.
        side.run("INSERT INTO users (id) VALUES ('late')").await;
        assert_eq!(side.count("SELECT count(*) FROM users").await, 2);
        assert_eq!(side.noted().await, ["users late"]);
    });
}

#[test]
fn the_search_path_of_a_writer_leads_neither_guard_nor_noting_astray() {
    waiterix_contract::run(|| async {
        for (standing, is_admitted) in [(OPEN, true), (MIRROR, false)] {
            let Some(side) = Side::standing(standing).await else { return };
            // All that guard and noting call, and all operators of texts and numbers, as somebody would like them who wants to be
            // let in unseen.
            side.run(
                "CREATE SCHEMA astray; \
                 CREATE FUNCTION astray.equal(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT $2 <> $$read committed$$'; \
                 CREATE OPERATOR astray.= (LEFTARG = text, RIGHTARG = text, FUNCTION = astray.equal); \
                 CREATE OPERATOR astray.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = astray.equal); \
                 CREATE FUNCTION astray.current_setting(text, boolean) RETURNS text LANGUAGE sql AS 'SELECT $$1$$'; \
                 CREATE FUNCTION astray.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT $$read committed$$'; \
                 CREATE FUNCTION astray.hashtextextended(text, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'; \
                 CREATE FUNCTION astray.pg_advisory_xact_lock_shared(bigint) RETURNS void LANGUAGE sql AS 'SELECT'; \
                 CREATE DOMAIN astray.text AS pg_catalog.text CHECK (VALUE IS NULL); \
                 CREATE DOMAIN astray.int8 AS pg_catalog.int8 CHECK (VALUE IS NULL)",
            )
            .await;
            let mut writer = crate::common::connect(&side.scratch.url()).await;
            execute(&mut writer, "SET search_path = astray, pg_catalog, public").await;
            let write = "INSERT INTO public.users (id) VALUES ('astray')";
            if is_admitted {
                execute(&mut writer, write).await;
                execute(&mut writer, "UPDATE public.users SET id = 'changed' WHERE id LIKE 'astray'").await;
                assert_eq!(side.noted().await, ["users astray", "users changed"]);
                let wrong = "SELECT count(*) FROM waiterix_migration.journal \
                             WHERE hash <> hashtextextended(key, 0) OR of_sessions";
                assert_eq!(side.count(wrong).await, 0);
            } else {
                assert_eq!(refusal(&mut writer, write).await.as_deref(), Some(NOT_LEADING));
            }
        }
    });
}
