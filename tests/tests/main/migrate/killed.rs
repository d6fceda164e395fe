//! The power goes out: everything is done again, and nothing is lost.

use std::time::Duration;

use waiterix_contract::eventually;
use waiterix_tests::psql::{DONE, Psql};

use crate::migrate::ground::{Ground, Guests, Restaurant};
use crate::migrate::whole::SEEDED;

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_killed_goes_on() {
    let Some(ground) = Ground::prepare().await else { return };
    Ground::run(&ground.old, SEEDED).await.unwrap();
    let mut killed = 0;
    for words in ["copied  orders", "copied  users", "copied  menu_items"] {
        killed += u32::from(ground.killed_at(&["start"], words).await);
    }
    assert!(killed > 0, "none of them was killed before its end");
    ground.migrate(&["start"]).await.output();
    assert_eq!(ground.status().await["copyComplete"], true);
    ground.migrate(&["verify", "--exact"]).await.output();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_killed_while_it_installs_goes_on_and_says_so() {
    const GUARDS: &str = "SELECT count(*) FROM pg_trigger WHERE tgname = 'waiterix_guard'";
    let Some(ground) = Ground::prepare().await else { return };
    Ground::run(&ground.old, SEEDED).await.unwrap();
    let (old, new) = (Psql::at(&ground.old.url()), Psql::at(&ground.new.url()));
    // Triggers wait for whoever writes to a table.
    let mut writer = old.session();
    assert_eq!(writer.run("BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE"), DONE);
    let half =
        eventually(Duration::from_secs(60), "some tables have triggers", || async { old.count(GUARDS) > 0 });
    assert!(ground.killed_when(&["start"], half).await);
    drop(writer);
    let plan = ground.migrate(&["plan"]).await.output();
    assert!(plan.contains("the old database: trigger waiterix_guard of table orders is missing"), "{plan}");
    let started = ground.migrate(&["start"]).await;
    assert!(started.complaints.contains("triggers of the move were missing"), "{started:?}");
    started.output();
    assert_eq!(old.count(GUARDS), new.count(GUARDS));
    ground.migrate(&["verify", "--exact"]).await.output();
    let plan = ground.migrate(&["plan"]).await.output();
    assert!(!plan.contains("is missing"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_asked_to_stop_ends_well_and_goes_on_later() {
    let Some(ground) = Ground::prepare().await else { return };
    Ground::run(&ground.old, SEEDED).await.unwrap();
    let said = ground.interrupted_at(&["start"], "copied  ").await.output();
    // It may have been through by then.
    assert!(said.contains("goes on from here") || said.contains("copied: 2000 rows"), "{said}");
    ground.migrate(&["start"]).await.output();
    ground.migrate(&["verify"]).await.output();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cutover_that_was_killed_at_any_step_is_turned_back_or_finished_and_no_guest_notices() {
    let Some(ground) = Ground::prepare().await else { return };
    let data = tempfile::tempdir().unwrap();
    let service = ground.serve(data.path(), "dual");
    let restaurant = Restaurant::open(&service.base, data.path()).await;
    ground.migrate(&["start"]).await.output();
    let guests = Guests::come(&restaurant, &service.base, 2);
    for step in ["announce", "await readers", "fence", "drain", "verify", "decide", "open", "follow"] {
        let was_killed = ground.killed_at(&["cutover", "--yes", "--pause-ms", "3000"], step).await;
        ground.migrate(&["cutover", "--yes", "--pause-ms", "3000"]).await.output();
        assert_eq!(ground.status().await["leader"], "new", "killed at {step}: {was_killed}");
        // It compares both sides before it begins.
        ground.migrate(&["rollback", "--yes", "--pause-ms", "3000"]).await.output();
    }
    let ordered = guests.leave().await;
    assert_eq!(ordered.failures, Vec::<String>::new());
    ground.holds_exactly(&ground.old, &ordered.ids).await;
}
