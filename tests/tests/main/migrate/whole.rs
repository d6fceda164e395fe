//! The whole way: there, back, there again, and the end.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde_json::Value;
use waiterix_contract::eventually;
use waiterix_postgres::statement;

use crate::migrate::ground::{Ground, Guests, Restaurant};

#[tokio::test(flavor = "multi_thread")]
async fn rows_move_there_and_back_and_there_again_while_guests_order() {
    let Some(ground) = Ground::prepare().await else { return };
    let data = tempfile::tempdir().unwrap();
    let service = ground.serve_with(data.path(), &[("WAITERIX_STORE", "dual"), ("METRICS", "emf")]);
    let restaurant = Restaurant::open(&service.base, data.path()).await;
    let guests = Guests::come(&restaurant, &service.base, 3);

    let plan: Value = serde_json::from_str(&ground.migrate(&["plan", "--json"]).await.output()).unwrap();
    assert_eq!((&plan["begun"], &plan["refusals"]), (&Value::from(false), &serde_json::json!([])), "{plan}");
    assert!(
        !Ground::is_touched(&ground.old).await && !Ground::is_touched(&ground.new).await,
        "a plan changes nothing"
    );
    assert_eq!(ground.status().await["stage"], "not begun");

    assert!(ground.migrate(&["start"]).await.output().contains("copied: "));
    // A service that knew nothing of the move follows it from now on.
    eventually(Duration::from_secs(30), "the service says that it serves both", async || {
        ground.status().await["instances"].as_array().is_some_and(|instances| instances.len() == 1)
    })
    .await;
    let status = ground.status().await;
    assert_eq!(
        (&status["stage"], &status["leader"], &status["copyComplete"]),
        (&"mirroring".into(), &"old".into(), &true.into())
    );

    let report = ground.folder.path().to_str().unwrap();
    ground.migrate(&["verify", "--report", report]).await.output();
    ground.migrate(&["verify", "--exact"]).await.output();
    ground.migrate(&["cutover"]).await.refused_with("say --yes");
    for (command, leader) in [("cutover", "new"), ("rollback", "old"), ("cutover", "new")] {
        let said =
            ground.migrate(&[command, "--yes", "--pause-ms", "3000", "--report", report]).await.output();
        assert!(said.contains(&format!("the {leader} database leads")), "{said}");
        assert_eq!(ground.status().await["leader"], leader);
        // It is no harm to say it twice.
        assert!(ground.migrate(&[command, "--yes"]).await.output().contains("nothing to do"));
    }
    ground.migrate(&["finish", "--yes", "--report", report]).await.refused_with("still serve both sides");

    // Whoever watches it sees how far the other side is behind, of what moves and of nothing else.
    let output = service.output();
    let written = async || {
        let output = output.lock().unwrap().clone();
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let moving: Vec<Value> = lines.filter(|line| line.get("MovingPort").is_some()).collect();
        let is_of_rows = |line: &Value| {
            line["MovingPort"] == "rows" && line["Behind"].is_number() && line["Unsettled"].is_number()
        };
        assert!(moving.iter().all(is_of_rows), "{moving:?}");
        !moving.is_empty()
    };
    eventually(Duration::from_secs(30), "the numbers of the move are written", written).await;

    let ordered = guests.leave().await;
    assert_eq!(ordered.failures, Vec::<String>::new());
    assert!(ordered.ids.len() > 20, "guests ordered all the time: {}", ordered.ids.len());
    ground.holds_exactly(&ground.new, &ordered.ids).await;
    assert_eq!(Ground::run(&ground.old, "UPDATE orders SET status = 'lost'").await, Err("WX001".to_owned()));
    service.terminate();

    // The service goes on with the new side alone. A minute goes by for the process that served both.
    let service = ground.serve(data.path(), "aws");
    Ground::run(
        &ground.new,
        "UPDATE waiterix_migration.readers SET seen_at = seen_at - interval '2 minutes'",
    )
    .await
    .unwrap();
    ground.migrate(&["finish", "--yes", "--report", report]).await.output();
    assert!(!Ground::is_touched(&ground.new).await, "nothing is left in the new database");
    assert_eq!(ground.status().await["stage"], "finished");
    let still = Ground::run(&ground.old, "UPDATE orders SET status = 'lost'").await;
    assert_eq!(still, Err("WX001".to_owned()), "nobody writes where nobody reads");
    ground.migrate(&["finish", "--yes", "--report", report, "--release-old"]).await.output();
    assert!(!Ground::is_touched(&ground.old).await, "nothing is left in the old database");
    ground.holds_exactly(&ground.new, &ordered.ids).await;
    let owner = restaurant.owner.moved_to(&service.base);
    assert!(
        !owner.get("/api/orders").await.as_array().unwrap().is_empty(),
        "the service serves the new side alone"
    );

    for name in ["verify.json", "verify.md", "cutover.json", "cutover-2.json", "rollback.md", "finish.json"] {
        let text = std::fs::read_to_string(ground.folder.path().join(name)).expect(name);
        assert!(!text.contains("owner@example.org"), "{name} is about a person");
    }
    let finish = std::fs::read_to_string(ground.folder.path().join("finish.json")).unwrap();
    let finish: Value = serde_json::from_str(&finish).unwrap();
    let whats: Vec<&str> =
        finish["ledger"].as_array().unwrap().iter().filter_map(|entry| entry["what"].as_str()).collect();
    for what in ["start", "copied", "comparison", "gates", "decide", "cutover", "rollback", "finish"] {
        assert!(whats.contains(&what), "{what} in {whats:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_found_named_and_repaired() {
    let Some(ground) = Ground::prepare().await else { return };
    Ground::run(&ground.old, SEEDED).await.unwrap();
    ground.migrate(&["start"]).await.output();
    // Somebody who has the right to do so passes by the guard.
    Ground::run(&ground.new, "DO $$ BEGIN PERFORM set_config('waiterix.converging', (SELECT epoch::text FROM waiterix_migration.standing), true); \
        DELETE FROM users WHERE id = 'guest-7'; UPDATE users SET first_name = 'nobody' WHERE id = 'guest-9'; END $$").await.unwrap();
    let found = ground.migrate(&["verify"]).await;
    found.refused_with("2 rows differ");
    assert!(
        found.complaints.contains("guest-7: Missing") && found.complaints.contains("first_name"),
        "{found:?}"
    );
    assert!(!found.complaints.contains("nobody"), "values are nobody's business: {found:?}");
    ground.migrate(&["cutover", "--yes"]).await.refused_with("not equal");
    assert!(ground.migrate(&["repair"]).await.output().contains("2 keys were made equal"));
    ground.migrate(&["verify", "--exact"]).await.output();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_heeded_and_a_cutover_waits_for_its_end() {
    let Some(ground) = Ground::prepare().await else { return };
    ground.migrate(&["pause"]).await.refused_with("no move was begun");
    Ground::run(&ground.old, SEEDED).await.unwrap();
    ground.migrate(&["start"]).await.output();
    ground.migrate(&["pause"]).await.output();
    assert_eq!(ground.status().await["paused"], true);
    ground.migrate(&["cutover", "--yes"]).await.refused_with("paused");
    ground.migrate(&["resume"]).await.output();
    ground.migrate(&["cutover", "--yes", "--pause-ms", "3000"]).await.output();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_does_all_of_it_and_leaves_nothing_behind() {
    let Some(ground) = Ground::prepare().await else { return };
    Ground::run(&ground.old, SEEDED).await.unwrap();
    let report = ground.folder.path().to_str().unwrap();
    let said = ground.migrate(&["rehearse", "--report", report]).await.output();
    assert!(said.contains("cutover again: ") && said.contains("not proven: "), "{said}");
    assert!(!Ground::is_touched(&ground.old).await && !Ground::is_touched(&ground.new).await);
    let name = said.split_whitespace().find(|word| word.starts_with("waiterix_rehearsal_")).unwrap();
    let name = name.trim_end_matches(',');
    assert!(name.ends_with("_old") && !Ground::is_database(&ground.old, name).await, "{name} is still there");
    assert!(ground.folder.path().join("rehearsal.md").exists());
    ground.migrate(&["plan"]).await.output();
}

/// Orders something, and answers whether it is on the new side by the time of the answer.
async fn is_mirrored_when_answered(ground: &Ground, restaurant: &Restaurant) -> bool {
    let order = restaurant.owner.post("/api/orders", &restaurant.meal()).await;
    let id = [statement::Argument::Bound(Some(order["id"].as_str().unwrap()))];
    let sql = "SELECT 1 FROM orders WHERE id = $1";
    !statement::read(&Ground::database(&ground.new), sql, &id, "test").await.unwrap().is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_mirrored_before_its_answer_where_that_is_said_and_after_it_else() {
    const SOON: Duration = Duration::from_secs(60);
    // Longer than nothing is mirrored before the answer after the new side was late once.
    const LONG: Duration = Duration::from_secs(6);
    let Some(ground) = Ground::prepare().await else { return };
    let data = tempfile::tempdir().unwrap();
    let service = ground.serve(data.path(), "dual");
    let restaurant = Restaurant::open(&service.base, data.path()).await;
    ground.migrate(&["start"]).await.output();
    // Nothing follows in the background from now on, and what a write does not bring along itself is not there.
    ground.migrate(&["pause"]).await.output();
    let stays_away = async |what: &str| {
        let since = Cell::new(Instant::now());
        eventually(SOON, what, async || {
            if is_mirrored_when_answered(&ground, &restaurant).await {
                since.set(Instant::now());
            }
            since.get().elapsed() > LONG
        })
        .await;
    };
    for round in ["once", "and again"] {
        let said = ground.migrate(&["start", "--mirror", "inline"]).await.output();
        assert!(said.contains("rows: followed inline from now on"), "{said}");
        let mirrors = async || is_mirrored_when_answered(&ground, &restaurant).await;
        eventually(SOON, round, mirrors).await;
        let said = ground.migrate(&["start", "--mirror", "background"]).await.output();
        assert!(said.contains("rows: followed background from now on"), "{said}");
        stays_away(round).await;
    }
    let status = ground.status().await;
    assert_eq!(status["paused"], true);
    assert!(status["journal"]["entries"].as_u64().unwrap() > 0, "{status}");
    ground.migrate(&["resume"]).await.output();
    eventually(SOON, "all that was written is there", async || {
        ground.status().await["journal"]["entries"] == 0
    })
    .await;
    ground.migrate(&["verify"]).await.output();
}

/// Two thousand guests.
pub(crate) const SEEDED: &str = "INSERT INTO users (id, email, first_name) \
    SELECT 'guest-' || n, 'guest-' || n || '@example.org', 'Ä' || n FROM generate_series(1, 2000) n";
