//! Whatever a database was, it becomes what it must be, with all its rows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::Connection as _;
use url::Url;
use waiterix_backends::{Backend, given};
use waiterix_contract::eventually;
use waiterix_ports::ErrorKind;
use waiterix_postgres::schema::{self, MigrateError, Migration, Progress, Report};
use waiterix_postgres::testing::{Scratch, database};

use crate::common::{BASE, ROWS, STATES, catalog, connect, execute, left_behind, rows};

async fn migrate(url: &Url) -> Migration {
    schema::migrate(&database(url).unwrap(), |_| {}).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn check(url: &Url) -> Report {
    schema::check(&database(url).unwrap()).await.unwrap()
}

#[tokio::test]
async fn an_empty_database_gets_everything() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&server).await.unwrap();
    let before = check(&scratch.url()).await;
    assert!(before.empty && !before.is_complete() && before.refusals().next().is_none(), "{before}");
    let migration = migrate(&scratch.url()).await;
    assert!(migration.is_complete(), "{migration}");
    assert!(check(&scratch.url()).await.is_complete());
    let again = migrate(&scratch.url()).await;
    assert!(again.done.is_empty() && again.is_complete(), "{again}");
}

#[tokio::test]
async fn a_session_table_alone_is_still_a_beginning() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&server).await.unwrap();
    let mut connection = connect(&scratch.url()).await;
    // The session library makes it wherever it is not there, even before the migration has run.
    let sessions = "CREATE TABLE sessions (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL); \
        INSERT INTO sessions VALUES ('s', '{}', now())";
    execute(&mut connection, sessions).await;
    let before = rows(&scratch.url()).await;
    let migration = migrate(&scratch.url()).await;
    assert!(migration.is_complete(), "{migration}");
    assert_eq!(rows(&scratch.url()).await, before);
}

#[tokio::test]
async fn every_state_becomes_the_same_schema_and_keeps_its_rows() {
    let Some(server) = given(Backend::Postgres) else { return };
    let target = catalog(&Scratch::migrated(&server).await.unwrap().url()).await;
    for (state, migrations) in STATES {
        let scratch = left_behind(&server, migrations).await;
        let url = scratch.url();
        let before = rows(&url).await;
        assert_eq!(before.len(), 17, "{state}: a row of every old table");
        let report = check(&url).await;
        assert!(!report.is_complete() && report.refusals().next().is_none(), "{state}: {report}");

        let migration = migrate(&url).await;
        assert!(migration.is_complete(), "{state}: {migration}");
        assert_eq!(catalog(&url).await, target, "{state}");
        assert_eq!(rows(&url).await, before, "{state}");

        let again = migrate(&url).await;
        assert!(again.done.is_empty() && again.is_complete(), "{state}: {again}");
        assert_eq!(catalog(&url).await, target, "{state}");
        assert_eq!(rows(&url).await, before, "{state}");
    }
}

/// Without the session among the rows.
async fn left_behind_without_session(server: &Url, sql: &str) -> Scratch {
    let scratch = Scratch::empty(server).await.unwrap();
    let mut connection = connect(&scratch.url()).await;
    for sql in [BASE, ROWS, sql] {
        execute(&mut connection, sql).await;
    }
    scratch
}

#[tokio::test]
async fn the_session_tables_of_both_makers_will_do() {
    let Some(server) = given(Backend::Postgres) else { return };
    for sql in [
        // As the session library makes it.
        "DROP TABLE sessions; CREATE TABLE sessions (sid varchar NOT NULL COLLATE \"default\", sess json NOT NULL, \
         expire timestamp(6) NOT NULL); ALTER TABLE sessions ADD CONSTRAINT session_pkey PRIMARY KEY (sid); \
         CREATE INDEX \"IDX_session_expire\" ON sessions (expire)",
        "DROP TABLE sessions",
    ] {
        let scratch = left_behind_without_session(&server, sql).await;
        let migration = migrate(&scratch.url()).await;
        assert!(migration.is_complete(), "{sql}: {migration}");
    }
}

#[tokio::test]
async fn migrations_at_the_same_time_take_turns() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = left_behind(&server, STATES[1].1).await;
    let url = scratch.url();
    let before = rows(&url).await;
    let run = || async {
        let waited = Mutex::new(false);
        let progress = |progress| {
            if matches!(progress, Progress::Waiting { .. }) {
                *waited.lock().unwrap() = true;
            }
        };
        let migration = schema::migrate(&database(&url).unwrap(), progress).await.unwrap();
        (migration, waited.into_inner().unwrap())
    };
    let (one, two, three) = tokio::join!(run(), run(), run());
    let all = [one, two, three];
    assert!(all.iter().all(|(migration, _)| migration.is_complete()));
    assert_eq!(all.iter().filter(|(migration, _)| !migration.done.is_empty()).count(), 1);
    assert_eq!(all.iter().filter(|(_, waited)| *waited).count(), 2);
    assert_eq!(rows(&url).await, before);
}

#[tokio::test]
async fn a_database_that_is_different_is_refused_and_left_alone() {
    let Some(server) = given(Backend::Postgres) else { return };
    for (drift, expected) in [
        ("ALTER TABLE orders DROP COLUMN total", "column orders.total is missing"),
        ("DROP TABLE order_items", "table order_items is missing"),
        (
            "ALTER TABLE orders ALTER COLUMN total TYPE double precision",
            "column orders.total is of type double precision, and must be numeric(10,2)",
        ),
        (
            "ALTER TABLE orders ALTER COLUMN created_at TYPE timestamptz",
            "column orders.created_at is of type timestamp with time zone",
        ),
        ("ALTER TABLE menu_items ALTER COLUMN price DROP NOT NULL", "menu_items.price accepts null"),
        ("ALTER TABLE users ALTER COLUMN email SET DEFAULT ''", "column users.email has the default"),
        ("ALTER TABLE orders ALTER COLUMN tip SET DEFAULT 1", "and must have '0'::numeric"),
        ("ALTER TABLE ratings DROP CONSTRAINT ratings_pkey", "table ratings has no primary key"),
        ("ALTER TABLE users ADD COLUMN shoe_size int NOT NULL", "column users.shoe_size is not known here"),
        (
            "ALTER TABLE order_items DROP CONSTRAINT order_items_order_id_orders_id_fk; \
             ALTER TABLE order_items ADD CONSTRAINT own FOREIGN KEY (order_id) REFERENCES orders (id)",
            "foreign key own of order_items must be REFERENCES orders (id) ON DELETE CASCADE",
        ),
        ("CREATE INDEX idx_orders_table ON orders (status)", "index idx_orders_table is `CREATE INDEX"),
        ("CREATE TABLE uploads (id int PRIMARY KEY)", "column uploads.id is of type integer"),
    ] {
        // Rows would be in the way of some of these.
        let scratch = Scratch::empty(&server).await.unwrap();
        let mut connection = connect(&scratch.url()).await;
        execute(&mut connection, BASE).await;
        execute(&mut connection, drift).await;
        let before = catalog(&scratch.url()).await;
        let error = schema::migrate(&database(&scratch.url()).unwrap(), |_| {}).await.unwrap_err();
        let MigrateError::Refused(report) = &error else { panic!("{drift}: {error}") };
        assert!(error.to_string().contains(expected), "{drift}: {error}");
        assert!(report.to_string().contains("to be mended by hand"), "{report}");
        assert_eq!(catalog(&scratch.url()).await, before, "{drift}");
    }
}

#[tokio::test]
async fn what_is_more_than_needed_is_left_alone() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = left_behind(&server, &[]).await;
    let mut connection = connect(&scratch.url()).await;
    let more = "CREATE TABLE own (a int); ALTER TABLE users ADD COLUMN note text; CREATE INDEX own_users ON users (note)";
    execute(&mut connection, more).await;
    let migration = migrate(&scratch.url()).await;
    assert!(migration.is_complete(), "{migration}");
    assert_eq!(migration.after.unknown, ["column users.note", "table own"]);
    execute(&mut connection, "SELECT a FROM own; DROP INDEX own_users").await;
}

#[tokio::test]
async fn duplicates_are_reported_by_id_and_only_their_rule_waits() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = left_behind(&server, &[]).await;
    let mut connection = connect(&scratch.url()).await;
    let twice = "INSERT INTO restaurant_tables (id, restaurant_id, table_number) VALUES ('t9', 'r1', 'vIp'); \
        INSERT INTO chef_answers (id, pending_question_id, restaurant_id, answer, answered_by) \
        VALUES ('w9', 'q1', 'r1', 'No', 'x'), ('w8', 'q1', 'r1', 'Hm', 'x')";
    execute(&mut connection, twice).await;
    let before = rows(&scratch.url()).await;
    for _ in 0..2 {
        let told = Arc::new(Mutex::new(Vec::new()));
        let progress = {
            let told = told.clone();
            move |progress: Progress| told.lock().unwrap().push(progress.to_string())
        };
        let migration = schema::migrate(&database(&scratch.url()).unwrap(), progress).await.unwrap();
        assert!(!migration.is_complete());
        let unmet: Vec<_> = migration
            .unmet
            .iter()
            .map(|found| (found.rule.index_name(), found.groups, found.rows, found.sample.clone()))
            .collect();
        let ids = |ids: &[&str]| vec![ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>()];
        assert_eq!(
            unmet,
            [
                ("restaurant_tables_number_unique", 1, 2, ids(&["t2", "t9"])),
                ("chef_answers_question_unique", 1, 3, ids(&["w1", "w8", "w9"])),
            ]
        );
        let all = format!("{migration}\n{}", told.lock().unwrap().join("\n"));
        assert!(!all.to_lowercase().contains("vip"), "labels are not repeated: {all}");
        let report = check(&scratch.url()).await;
        let missing: Vec<_> = report.deviations.iter().filter_map(schema::Deviation::rule).collect();
        assert_eq!(report.deviations.len(), 2, "everything else is there: {report}");
        assert_eq!(missing.len(), 2, "{report}");
        assert_eq!(rows(&scratch.url()).await, before);
    }
    execute(
        &mut connection,
        "DELETE FROM restaurant_tables WHERE id = 't9'; DELETE FROM chef_answers WHERE id <> 'w1'",
    )
    .await;
    assert!(migrate(&scratch.url()).await.is_complete());
}

#[tokio::test]
async fn the_leftover_of_a_build_that_was_broken_off_is_built_anew() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = left_behind(&server, &[]).await;
    let mut connection = connect(&scratch.url()).await;
    execute(&mut connection, "INSERT INTO users (id, email) VALUES ('u8', 'x'), ('u9', 'y')").await;
    execute(
        &mut connection,
        "INSERT INTO orders (id, restaurant_id, payment_method, stripe_payment_intent_id, \
        subtotal, tax, total) VALUES ('o9', 'r1', 'cash', 'pi_1', 0, 0, 0)",
    )
    .await;
    let build =
        "CREATE UNIQUE INDEX CONCURRENTLY orders_payment_intent_unique ON orders (stripe_payment_intent_id)";
    sqlx::raw_sql(build).execute(&mut connection).await.unwrap_err();
    execute(&mut connection, "DELETE FROM orders WHERE id = 'o9'").await;
    let report = check(&scratch.url()).await;
    assert!(report.to_string().contains("leftover of a build that was broken off"), "{report}");
    assert!(migrate(&scratch.url()).await.is_complete());
    let mut again = connect(&scratch.url()).await;
    let twice = sqlx::query("UPDATE orders SET stripe_payment_intent_id = 'pi_1'").execute(&mut again).await;
    assert!(twice.unwrap_err().to_string().contains("orders_payment_intent_unique"));
}

#[tokio::test]
async fn a_duplicate_written_during_the_build_leaves_no_debris() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = left_behind(&server, &[]).await;
    let url = scratch.url();
    let insert = "INSERT INTO chef_answers (id, pending_question_id, restaurant_id, answer, answered_by) \
                  VALUES ('w9', 'q1', 'r1', 'No', 'x')";
    migrate(&url).await;
    execute(&mut connect(&url).await, "DROP INDEX chef_answers_question_unique").await;
    // A transaction that began before the build keeps it waiting after it has looked for duplicates.
    let mut early = connect(&url).await;
    execute(&mut early, "BEGIN; INSERT INTO users (id) VALUES ('u9')").await;
    execute(&mut early, insert).await;
    let migrating = tokio::spawn({
        let url = url.clone();
        async move { migrate(&url).await }
    });
    let waits = || async {
        let mut watcher = connect(&url).await;
        let sql = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                   AND query LIKE 'CREATE UNIQUE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock')";
        sqlx::query_scalar(sql).fetch_one(&mut watcher).await.unwrap()
    };
    eventually(Duration::from_secs(20), "a build waits for the early transaction", waits).await;
    execute(&mut early, "COMMIT").await;
    let migration = migrating.await.unwrap();
    let unmet: Vec<_> = migration.unmet.iter().map(|found| found.rule.index_name()).collect();
    assert_eq!(unmet, ["chef_answers_question_unique"], "{migration}");
    assert!(!catalog(&url).await.iter().any(|line| line.ends_with(" f") && line.starts_with("index")));
}

#[tokio::test]
async fn a_table_in_use_is_not_queued_for() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = left_behind(&server, &[]).await;
    let url = scratch.url();
    let mut reader = connect(&url).await;
    execute(&mut reader, "BEGIN; SELECT * FROM orders").await;
    let attempts = Arc::new(Mutex::new(0));
    let migrating = tokio::spawn({
        let (url, attempts) = (url.clone(), attempts.clone());
        async move {
            let progress = |progress| {
                if matches!(progress, Progress::Again { .. }) {
                    *attempts.lock().unwrap() += 1;
                }
            };
            schema::migrate(&database(&url).unwrap(), progress).await.unwrap()
        }
    });
    let tried = || async { *attempts.lock().unwrap() >= 2 };
    eventually(Duration::from_secs(20), "the migration gives way and tries again", tried).await;
    // Somebody who came after the migration began to wait gets through all the same.
    let mut writer = connect(&url).await;
    let write = sqlx::query("UPDATE orders SET status = 'ready' WHERE id = 'o1'").execute(&mut writer);
    tokio::time::timeout(Duration::from_secs(5), write).await.expect("orders can be written").unwrap();
    execute(&mut reader, "COMMIT").await;
    assert!(migrating.await.unwrap().is_complete());
}

#[tokio::test]
async fn a_missing_foreign_key_holds_for_new_rows_even_if_old_ones_break_it() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = left_behind(&server, &[]).await;
    let mut connection = connect(&scratch.url()).await;
    let lost = "ALTER TABLE order_items DROP CONSTRAINT order_items_order_id_orders_id_fk; \
        INSERT INTO order_items (id, order_id, name, price, quantity) VALUES ('l9', 'nowhere', 'x', 0, 1)";
    execute(&mut connection, lost).await;
    let migration = migrate(&scratch.url()).await;
    assert_eq!(migration.unchecked, ["order_items_order_id_orders_id_fk"], "{migration}");
    assert!(!migration.is_complete());
    let orphan =
        "INSERT INTO order_items (id, order_id, name, price, quantity) VALUES ('l8', 'no', 'x', 0, 1)";
    sqlx::query(orphan).execute(&mut connection).await.unwrap_err();
    execute(&mut connection, "DELETE FROM order_items WHERE id = 'l9'").await;
    assert!(migrate(&scratch.url()).await.is_complete());
}

#[tokio::test]
async fn labels_of_tables_are_folded_by_ascii_rules_only() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = Scratch::migrated(&server).await.unwrap();
    let mut connection = connect(&scratch.url()).await;
    execute(
        &mut connection,
        "INSERT INTO users (id) VALUES ('u'); INSERT INTO restaurants (id, user_id, name) \
        VALUES ('r', 'u', ''); INSERT INTO restaurant_tables (restaurant_id, table_number) \
        VALUES ('r', 'É1'), ('r', 'é1'), ('r', 'A1')",
    )
    .await;
    let twice = sqlx::query("INSERT INTO restaurant_tables (restaurant_id, table_number) VALUES ('r', 'a1')");
    let error = twice.execute(&mut connection).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().constraint(), Some("restaurant_tables_number_unique"));
}

#[tokio::test]
async fn a_pooler_is_good_for_checking_and_refused_for_migrating() {
    let (Some(server), Some(pooler)) = (given(Backend::Postgres), given(Backend::PgBouncer)) else { return };
    let scratch = Scratch::migrated(&server).await.unwrap();
    let mut url = scratch.through(&pooler);
    // Nobody said that this is a pooler: it refuses the settings of a session.
    let undeclared = schema::migrate(&database(&url).unwrap(), |_| {}).await.unwrap_err();
    let MigrateError::Failed(error) = &undeclared else { panic!("{undeclared}") };
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("DB_POOLED"), "{error}");
    url.set_query(Some("pgbouncer=true"));
    assert!(check(&url).await.is_complete());
    let declared = schema::migrate(&database(&url).unwrap(), |_| {}).await.unwrap_err();
    let MigrateError::Failed(error) = &declared else { panic!("{declared}") };
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn a_role_that_may_not_is_told_so() {
    let Some(server) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&server).await.unwrap();
    let mut connection = connect(&scratch.url()).await;
    let role = format!("guest_of_{}", scratch.name());
    execute(
        &mut connection,
        &format!("CREATE ROLE {role} LOGIN PASSWORD 'guest'; REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
    )
    .await;
    let mut url = scratch.url();
    url.set_username(&role).unwrap();
    url.set_password(Some("guest")).unwrap();
    let error = schema::migrate(&database(&url).unwrap(), |_| {}).await.unwrap_err();
    execute(&mut connection, &format!("DROP ROLE {role}")).await;
    let MigrateError::Failed(error) = &error else { panic!("{error}") };
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    connection.close().await.unwrap();
}
