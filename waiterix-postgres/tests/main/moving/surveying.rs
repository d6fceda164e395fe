//! Looking at a database before anything is changed.

use std::time::Duration;

use waiterix_backends::{Backend, given};
use waiterix_ports::moving::RowSide;

use crate::moving::sides::{MIRROR, OPEN, SOON, Side, TABLES, assert_equal, copy, pair, reached};

async fn faults(side: &Side) -> Vec<String> {
    side.side.survey().await.unwrap().faults
}

#[test]
fn a_database_with_the_schema_can_take_part() {
    waiterix_contract::run(|| async {
        let Some((leader, follower)) = pair().await else { return };
        leader.run("ANALYZE").await;
        let survey = leader.side.survey().await.unwrap();
        assert_eq!(survey.faults, Vec::<String>::new());
        assert_eq!(survey.standing, Some(OPEN));
        assert!(survey.clock_ahead_ms.abs() < 5_000 && !survey.version.is_empty(), "{survey:?}");
        let names: Vec<&str> = survey.tables.iter().map(|table| table.name.as_ref()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        let mut expected = TABLES;
        expected.sort_unstable();
        assert_eq!(sorted, expected);
        let place = |name: &str| names.iter().position(|table| *table == name).unwrap();
        for (parent, child) in [
            ("users", "restaurants"),
            ("restaurants", "orders"),
            ("orders", "ratings"),
            ("pending_questions", "chef_answers"),
            ("restaurant_tables", "orders"),
            ("menu_items", "order_items"),
        ] {
            assert!(place(parent) < place(child), "{names:?}");
        }
        let users = &survey.tables[place("users")];
        assert_eq!((users.key.as_str(), users.rows), ("id", 3));
        assert!(users.bytes > 8_192);
        assert!(users.columns.is_sorted() && users.columns.len() == 9);
        assert!(users.columns.contains(&("email".to_owned(), "character varying".to_owned())));
        let orders = &survey.tables[place("orders")];
        assert!(orders.columns.contains(&("total".to_owned(), "numeric(10,2)".to_owned())));
        // The two are two, and one is the same however it is reached.
        assert_ne!(survey.identity, follower.side.survey().await.unwrap().identity);
        let mut elsewhere = leader.scratch.url();
        elsewhere.set_host(Some("localhost")).unwrap();
        let again = reached(&elsewhere, |_| {});
        assert_eq!(again.survey().await.unwrap().identity, survey.identity);
        // It is not disturbed by what is put aside.
        follower.side.before_copy().await.unwrap();
        assert_eq!(faults(&follower).await, Vec::<String>::new());
        follower.side.after_copy().await.unwrap();
    });
}

#[test]
fn whatever_keeps_it_from_taking_part_is_told_with_what_to_do() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::bare().await else { return };
        let name = side.scratch.name().to_owned();
        assert_eq!(faults(&side).await, Vec::<String>::new());
        let replica = format!("ALTER DATABASE {name} SET session_replication_role = replica");
        let origin = format!(
            "SET session_replication_role = origin; ALTER DATABASE {name} RESET session_replication_role"
        );
        side.run(&replica).await;
        let told = reached(&side.scratch.url(), |_| {}).survey().await.unwrap().faults.join("\n");
        assert!(told.contains("DATABASE") && told.contains("RESET session_replication_role"), "{told}");
        side.run(&origin).await;
        for (doing, undoing, words) in [
            ("CREATE TABLE notes (id text PRIMARY KEY)", "DROP TABLE notes", ["notes", "drop it"]),
            (
                "ALTER TABLE orders DISABLE TRIGGER ALL",
                "ALTER TABLE orders ENABLE TRIGGER ALL",
                ["orders", "ENABLE TRIGGER ALL"],
            ),
            (
                "ALTER TABLE uploads DROP CONSTRAINT uploads_pkey",
                "ALTER TABLE uploads ADD CONSTRAINT uploads_pkey PRIMARY KEY (id)",
                ["uploads", "key"],
            ),
            (
                "ALTER TABLE uploads ADD COLUMN number bigserial",
                "ALTER TABLE uploads DROP COLUMN number",
                ["number", "uploads"],
            ),
            (
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER theirs BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION f()",
                "DROP FUNCTION f CASCADE",
                ["theirs", "users"],
            ),
            (
                "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
                "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
                ["users", "row security"],
            ),
            (
                "ALTER TABLE restaurants DROP COLUMN state",
                "ALTER TABLE restaurants ADD COLUMN state text",
                ["state", "migrate the schema"],
            ),
        ] {
            side.run(doing).await;
            let told = faults(&side).await;
            assert_eq!(told.len(), 1, "{doing}: {told:?}");
            let told = told.join("\n");
            assert!(words.iter().all(|word| told.contains(word)), "{doing}: {told}");
            side.run(undoing).await;
            assert_eq!(faults(&side).await, Vec::<String>::new(), "{undoing}");
        }
    });
}

#[test]
fn a_trigger_that_somebody_took_away_is_missed_and_installed_again() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(MIRROR).await else { return };
        side.run("DROP TRIGGER waiterix_guard ON orders; ALTER TABLE users ENABLE TRIGGER waiterix_note; DROP TRIGGER waiterix_note ON sessions").await;
        side.run("ALTER TABLE orders DISABLE TRIGGER waiterix_note").await;
        let told = side.side.survey().await.unwrap();
        assert_eq!((told.unguarded.len(), told.faults), (4, Vec::new()), "{:?}", told.unguarded);
        assert!(
            told.unguarded.iter().all(|missing| missing.contains("install again")),
            "{:?}",
            told.unguarded
        );
        side.side.install(OPEN).await.unwrap();
        let told = side.side.survey().await.unwrap();
        assert_eq!((told.unguarded, told.faults), (Vec::new(), Vec::new()));
        assert_eq!(side.side.standing().await.unwrap(), Some(MIRROR));
    });
}

#[test]
fn who_may_not_is_told_what_to_grant() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::bare().await else { return };
        let name = side.scratch.name().to_owned();
        let role = format!("guest_of_{name}");
        side.run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'guest'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
        let mut url = side.scratch.url();
        url.set_username(&role).unwrap();
        url.set_password(Some("guest")).unwrap();
        let guest = reached(&url, |_| {});
        let told = guest.survey().await.unwrap().faults.join("\n");
        assert!(
            told.contains("does not own table users") && told.contains("GRANT CREATE ON DATABASE"),
            "{told}"
        );
        let error = guest.install(OPEN).await.unwrap_err();
        assert_eq!(error.kind(), waiterix_ports::ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("own the tables"), "{error}");
        // Writers need no rights to what was added.
        side.run(&format!(
            "GRANT INSERT, SELECT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
        side.side.install(OPEN).await.unwrap();
        let mut psql = crate::common::connect(&url).await;
        crate::common::execute(
            &mut psql,
            "INSERT INTO users (id) VALUES ('a'); UPDATE users SET id = 'b'; TRUNCATE uploads",
        )
        .await;
        assert_eq!(side.noted().await, ["users a", "users b"]);
        let refused =
            crate::moving::sides::refusal(&mut psql, "DELETE FROM waiterix_migration.journal").await;
        assert_eq!(refused.as_deref(), Some("42501"));
        side.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}

/// As providers give it: no superuser, and nothing that only those may do.
#[test]
fn an_ordinary_owner_of_the_tables_can_do_everything() {
    waiterix_contract::run(|| async {
        let (Some(leader), Some(follower)) = (Side::bare().await, Side::bare().await) else { return };
        let role = format!("owner_of_{}", leader.scratch.name());
        leader.run(crate::common::ROWS).await;
        leader.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'owner'")).await;
        let mut owned = Vec::new();
        for side in [&leader, &follower] {
            side.run(&format!(
                "GRANT CREATE ON DATABASE {} TO {role}; DO $$ DECLARE t record; BEGIN \
                 FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
                 EXECUTE format('ALTER TABLE %I OWNER TO {role}', t.tablename); END LOOP; END $$",
                side.scratch.name()
            ))
            .await;
            let mut url = side.scratch.url();
            url.set_username(&role).unwrap();
            url.set_password(Some("owner")).unwrap();
            let owner = reached(&url, |_| {});
            let told = owner.survey().await.unwrap().faults;
            assert!(told.len() == 1 && told[0].contains("GRANT CREATE ON SCHEMA public"), "{told:?}");
            side.run(&format!("GRANT CREATE ON SCHEMA public TO {role}")).await;
            assert_eq!(owner.survey().await.unwrap().faults, Vec::<String>::new());
            owned.push(owner);
        }
        let (from, to) = (owned.remove(0), owned.remove(0));
        to.install(MIRROR).await.unwrap();
        from.install(OPEN).await.unwrap();
        let (from, to) = (Side { side: from, ..leader }, Side { side: to, ..follower });
        to.side.before_copy().await.unwrap();
        // A second start, in the middle of the copy.
        to.side.install(MIRROR).await.unwrap();
        for table in TABLES {
            copy(&from, &to, table, 1_000).await;
        }
        to.side.after_copy().await.unwrap();
        from.run("UPDATE users SET email = NULL; DELETE FROM restaurants").await;
        to.follow(&from.side, 1).await.unwrap();
        assert_equal(&from, &to).await;
        for side in [&from, &to] {
            assert_eq!(faults(side).await, Vec::<String>::new());
            side.side.uninstall().await.unwrap();
        }
        for side in [&from, &to] {
            // Takes away what was granted on every database as well.
            side.run(&format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}")).await;
        }
        from.run(&format!("DROP ROLE {role}")).await;
    });
}

#[test]
fn a_pooler_is_no_way_for_what_is_added_or_put_aside() {
    waiterix_contract::run(|| async {
        let Some(pooler) = given(Backend::PgBouncer) else { return };
        let Some(side) = Side::standing(MIRROR).await else { return };
        let pooled = reached(&side.scratch.through(&pooler), |settings| settings.pooled = true);
        let survey = pooled.survey().await.unwrap();
        assert_eq!(survey.faults.len(), 1);
        assert!(survey.faults[0].contains("pooler"), "{survey:?}");
        assert_eq!(survey.identity, side.side.survey().await.unwrap().identity);
        for refused in [
            pooled.install(OPEN).await,
            pooled.before_copy().await,
            pooled.after_copy().await,
            pooled.uninstall().await,
        ] {
            assert_eq!(refused.unwrap_err().kind(), waiterix_ports::ErrorKind::Unsupported);
        }
    });
}

#[test]
fn pressure_is_how_long_a_trifle_takes() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::bare().await else { return };
        let pressure = side.side.pressure().await.unwrap();
        assert!(pressure > Duration::ZERO && pressure < SOON);
    });
}
