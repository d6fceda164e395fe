//! Bad input is refused in words, and nothing is changed.

use crate::migrate::ground::{Ground, migrate};
use crate::migrate::whole::SEEDED;

/// Nothing of a move is in either database after `plan` and `start` were refused with these words.
async fn refuses(ground: &Ground, words: &str) {
    for command in ["plan", "start"] {
        ground.migrate(&[command]).await.refused_with(words);
    }
    for side in [&ground.old, &ground.new] {
        assert!(!Ground::is_touched(side).await, "{words}: something was changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_take_part_is_named_with_what_to_do() {
    let Some(ground) = Ground::prepare().await else { return };
    Ground::run(&ground.new, SEEDED).await.unwrap();
    refuses(&ground, "the direction is wrong").await;
    Ground::run(&ground.old, SEEDED).await.unwrap();
    refuses(&ground, "the new database is not empty: it has 2000 rows").await;
    Ground::run(&ground.new, "DELETE FROM users").await.unwrap();
    ground.migrate(&["plan"]).await.output();

    Ground::run(&ground.new, "ALTER TABLE users ALTER COLUMN first_name TYPE char(40)").await.unwrap();
    refuses(&ground, "first_name").await;
    Ground::run(&ground.new, "ALTER TABLE users ALTER COLUMN first_name TYPE character varying")
        .await
        .unwrap();
    Ground::run(&ground.old, "ALTER TABLE ratings DROP CONSTRAINT ratings_pkey").await.unwrap();
    refuses(&ground, "ratings").await;
    Ground::run(&ground.old, "ALTER TABLE ratings ADD PRIMARY KEY (id)").await.unwrap();
    Ground::run(&ground.new, "ALTER TABLE ratings DISABLE TRIGGER ALL").await.unwrap();
    refuses(&ground, "triggers of table ratings are disabled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_that_cannot_be_meant_are_refused() {
    let Some(ground) = Ground::prepare().await else { return };
    let with = |name: &'static str, value: String| {
        let mut variables = ground.variables();
        variables.retain(|(known, _)| *known != name);
        variables.push((name, value));
        variables
    };
    let mut wrong = ground.old.url();
    wrong.set_username("nobody_at_all").unwrap();
    wrong.set_password(Some("wrong")).unwrap();
    let mut closed = ground.new.url();
    closed.set_port(Some(1)).unwrap();
    let mut nameless = ground.new.url();
    nameless.set_path("there_is_no_such_database");
    // The same database by another name of its server.
    let mut alias = ground.old.url();
    alias.set_host(Some("localhost")).unwrap();
    let cases = [
        (with("LEGACY_DATABASE_URL", ground.new.url().to_string()), "the same database"),
        (with("DATABASE_URL", alias.to_string()), "the same database"),
        (with("LEGACY_DATABASE_URL", String::new()), "LEGACY_DATABASE_URL: is not set"),
        (with("LEGACY_DATABASE_URL", "mysql://u:p@127.0.0.1/d".to_owned()), "must begin with postgres"),
        (with("DATABASE_URL", closed.to_string()), "the new database"),
        (with("DATABASE_URL", nameless.to_string()), "the new database"),
        (with("LEGACY_DATABASE_URL", wrong.to_string()), "the old database"),
    ];
    for (variables, words) in cases {
        for command in ["plan", "start"] {
            let ended = migrate(&variables, &[command]).await;
            ended.refused_with(words);
            assert!(
                !ended.complaints.contains("wrong@") && !ended.complaints.contains(":wrong"),
                "a secret: {ended:?}"
            );
        }
    }
    for side in [&ground.old, &ground.new] {
        assert!(!Ground::is_touched(side).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_begun_cannot_be_ended() {
    let Some(ground) = Ground::prepare().await else { return };
    for command in ["cutover", "rollback"] {
        ground.migrate(&[command, "--yes"]).await.refused_with("the move was not begun");
    }
    let report = ground.folder.path().to_str().unwrap();
    ground.migrate(&["finish", "--yes", "--report", report]).await.refused_with("does not lead");
    ground.migrate(&["verify"]).await.refused_with("");
    Ground::run(&ground.old, SEEDED).await.unwrap();
    ground.migrate(&["start"]).await.output();
    ground.migrate(&["finish", "--yes", "--report", report]).await.refused_with("does not lead");
    assert_eq!(ground.status().await["leader"], "old");
}
