//! What the command and the service make of races that need no luck to happen.

use std::time::Duration;

use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given};
use waiterix_contract::eventually;
use waiterix_tests::psql::{DONE, Psql};

use crate::migrate::ground::{Ground, Guests, Restaurant};
use crate::migrate::whole::SEEDED;

#[tokio::test(flavor = "multi_thread")]
async fn two_coordinators_at_once_change_the_lead_once_and_no_guest_notices() {
    let Some(ground) = Ground::prepare().await else { return };
    let data = tempfile::tempdir().unwrap();
    let service = ground.serve(data.path(), "dual");
    let restaurant = Restaurant::open(&service.base, data.path()).await;
    ground.migrate(&["start"]).await.output();
    let guests = Guests::come(&restaurant, &service.base, 2);
    let mut epoch = ground.status().await["old"]["epoch"].as_u64().unwrap();
    for (command, leader) in [("cutover", "new"), ("rollback", "old")] {
        let arguments = [command, "--yes", "--pause-ms", "3000"];
        let (one, other) = tokio::join!(ground.migrate(&arguments), ground.migrate(&arguments));
        // Both may have turned each other back.
        let again = ground.migrate(&arguments).await;
        assert!(again.well, "{again:?} after {one:?} and {other:?}");
        epoch += 1;
        let status = ground.status().await;
        assert_eq!(
            (&status["leader"], &status[leader]["epoch"]),
            (&leader.into(), &epoch.into()),
            "{status}"
        );
        ground.migrate(&["verify"]).await.output();
    }
    let ordered = guests.leave().await;
    assert_eq!(ordered.failures, Vec::<String>::new());
    ground.holds_exactly(&ground.old, &ordered.ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_database_out_of_reach_for_long_fails_no_guest_and_is_made_up_for() {
    let Some(mut ground) = Ground::prepare().await else { return };
    let Some(server) = given(Backend::Postgres) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    ground.way = Some(ground.new.through(&proxy.url(&server)));
    let data = tempfile::tempdir().unwrap();
    let service = ground.serve(data.path(), "dual");
    let restaurant = Restaurant::open(&service.base, data.path()).await;
    ground.migrate(&["start"]).await.output();
    let guests = Guests::come(&restaurant, &service.base, 3);
    let (old, new) = (Psql::at(&ground.old.url()), Psql::at(&ground.new.url()));
    let orders = "SELECT count(*) FROM orders";
    eventually(Duration::from_secs(30), "the new side follows", async || new.count(orders) > 10).await;

    // First it falls silent, and nobody is told; then it is not there at all.
    for mode in [Mode::Hold, Mode::Refuse] {
        proxy.set(mode);
        if mode == Mode::Refuse {
            proxy.cut();
            let refused = ground.migrate(&["cutover", "--yes"]).await;
            assert!(!refused.well, "{refused:?}");
        }
        let before = old.count(orders);
        eventually(Duration::from_secs(60), "guests go on", async || old.count(orders) > before + 150).await;
    }
    let missing = old.count(orders) - new.count(orders);
    assert!(missing > 250, "{missing} orders are not on the new side");
    proxy.set(Mode::Pass);
    eventually(Duration::from_secs(60), "it is made up for", async || {
        ground.status().await["journal"]["oldestMs"].as_u64().is_some_and(|age| age < 1_000)
    })
    .await;
    ground.migrate(&["cutover", "--yes", "--pause-ms", "3000"]).await.output();
    let ordered = guests.leave().await;
    assert_eq!(ordered.failures, Vec::<String>::new());
    ground.holds_exactly(&ground.new, &ordered.ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_truncated_is_empty_on_the_side_that_leads_next() {
    let Some(ground) = Ground::prepare().await else { return };
    let data = tempfile::tempdir().unwrap();
    Ground::run(&ground.old, SEEDED).await.unwrap();
    ground.migrate(&["start"]).await.output();
    let _service = ground.serve(data.path(), "dual");
    let (old, new) = (Psql::at(&ground.old.url()), Psql::at(&ground.new.url()));
    old.ask("TRUNCATE users CASCADE; INSERT INTO users (id) VALUES ('after')");
    eventually(Duration::from_secs(30), "what was truncated is made up for", async || {
        new.ask("SELECT id FROM users") == "after"
    })
    .await;
    ground.migrate(&["cutover", "--yes", "--pause-ms", "3000"]).await.output();
    // And on the way back.
    new.ask("TRUNCATE users CASCADE");
    ground.migrate(&["rollback", "--yes", "--pause-ms", "3000"]).await.output();
    assert_eq!((old.count("SELECT count(*) FROM users"), new.count("SELECT count(*) FROM users")), (0, 0));
    ground.migrate(&["verify", "--exact"]).await.output();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_older_than_the_cutover_writes_nothing_after_it() {
    let Some(ground) = Ground::prepare().await else { return };
    Ground::run(&ground.old, SEEDED).await.unwrap();
    ground.migrate(&["start"]).await.output();
    let old = Psql::at(&ground.old.url());
    let write = "UPDATE users SET first_name = 'late' WHERE id = 'guest-7'";
    let mut sessions = Vec::new();
    for isolation in ["REPEATABLE READ", "SERIALIZABLE", "READ COMMITTED"] {
        let mut session = old.session();
        session.run(&format!("BEGIN ISOLATION LEVEL {isolation}"));
        assert_eq!(session.run("SELECT count(*) FROM users"), DONE);
        sessions.push(session);
    }
    ground.migrate(&["cutover", "--yes", "--pause-ms", "3000"]).await.output();
    let told: Vec<String> = sessions.iter_mut().map(|session| session.run(write)).collect();
    assert_eq!(told, ["40001", "40001", "WX001"]);
    ground.migrate(&["verify", "--exact"]).await.output();
    assert_eq!(old.count("SELECT count(*) FROM users WHERE first_name = 'late'"), 0);
}
