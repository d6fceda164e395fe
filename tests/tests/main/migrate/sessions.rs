//! Sessions move while people sign in and out, whatever dies.

use std::time::Duration;

use serde_json::{Value, json};
use waiterix_contract::eventually;
use waiterix_postgres::statement;
use waiterix_tests::client::Client;

use crate::migrate::ground::Ground;
use crate::migrate::visitors::{Sessions, Visitors, is_in};

/// Somebody whom the old application signs in, as it writes it.
const SIGNED_IN_THERE: &str = "INSERT INTO sessions (sid, sess, expire) SELECT 'of-the-old-application-' || n, \
    ('{\"cookie\":{\"originalMaxAge\":604800000,\"expires\":\"' || \
        to_char((now() AT TIME ZONE 'UTC') + interval '7 days', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') || \
        '\",\"secure\":true,\"httpOnly\":true,\"path\":\"/\"},\"userId\":\"anna\"}')::json, \
    (now() AT TIME ZONE 'UTC') + interval '7 days' FROM generate_series(1, 1) n";

/// Two thousand of them.
const SEEDED: &str = "INSERT INTO sessions (sid, sess, expire) SELECT 'seeded-before-the-move-' || n, \
    ('{\"cookie\":{\"originalMaxAge\":604800000,\"expires\":\"' || \
        to_char((now() AT TIME ZONE 'UTC') + interval '7 days', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') || \
        '\",\"secure\":true,\"httpOnly\":true,\"path\":\"/\"},\"userId\":\"user-' || n || '\"}')::json, \
    (now() AT TIME ZONE 'UTC') + interval '7 days' FROM generate_series(1, 2000) n";

/// The id of a session, out of its signed cookie.
fn sid(client: &Client) -> String {
    let value = client.cookie().split_once('=').unwrap().1.trim_start_matches("s%3A");
    value.split('.').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_move_there_and_back_and_there_again_while_people_sign_in_and_out() {
    let Some(sessions) = Sessions::prepare().await else { return };
    let (ground, data) = (&sessions.ground, sessions.data.path());
    // Before the move, at the old provider.
    let service = sessions.serve("legacy");
    let early = [
        sessions.sign_in(&service.base, "anna").await,
        sessions.sign_in(&service.base, "berta").await,
        sessions.sign_in(&service.base, "carla").await,
    ];
    service.terminate();
    assert_eq!(sessions.status().await["stage"], "not begun");
    let said = sessions.migrate(&["start"]).await.output();
    assert!(said.contains("3 of about 3 sessions") && said.contains("of which 3 are equal now"), "{said}");
    let service = sessions.serve("dual");
    let [anna, berta, carla] = early.map(|client| client.moved_to(&service.base));
    let visitors = Visitors::come(&service.base, data, "dual", 2);
    assert_eq!(is_in(&anna).await, Ok(true));
    // The old application signs somebody out, and knows nothing of a move.
    let gone = "DELETE FROM sessions WHERE sid = $1 RETURNING sid";
    let (berta_sid, database) = (sid(&berta), Ground::database(&ground.old));
    let out = [statement::Argument::Bound(Some(&berta_sid))];
    assert_eq!(statement::write(&database, gone, &out, "test").await.unwrap().len(), 1);
    assert_eq!(is_in(&berta).await, Ok(false));
    Ground::run(&ground.old, SIGNED_IN_THERE).await.unwrap();

    let report = ground.folder.path().to_str().unwrap();
    for (command, leader) in [("cutover", "new"), ("rollback", "old"), ("cutover", "new")] {
        let moved = [command, "--yes", "--pause-ms", "3000", "--report", report];
        let said = sessions.migrate(&moved).await.output();
        assert!(said.contains(&format!("the {leader} provider leads")), "{said}");
        let status = sessions.status().await;
        assert_eq!((&status["leader"], &status["instances"]), (&json!(leader), &json!(1)), "{status}");
        // It is no harm to say it twice.
        assert!(sessions.migrate(&moved).await.output().contains("leads already"));
        assert_eq!(is_in(&anna).await, Ok(true), "she stays signed in");
        assert_eq!(is_in(&berta).await, Ok(false), "a logout is not resurrected");
    }
    sessions.migrate(&["verify", "--report", report]).await.output();
    let finish = ["finish", "--yes", "--report", report];
    ground.migrate(&finish).await.refused_with("still serve both sides");
    let mut visited = visitors.leave().await;
    assert_eq!(visited.failures, Vec::<String>::new());
    assert!(visited.outside.len() > 5, "people came all the time: {}", visited.outside.len());
    service.terminate();

    // The new side alone serves; what happens there is in no journal any more.
    let service = sessions.serve("aws");
    visited.are_known_at(&service.base).await;
    visited.inside.extend([anna, sessions.sign_in(&service.base, "dora").await]);
    let carla = carla.moved_to(&service.base);
    carla.post("/api/logout", &json!({})).await;
    visited.outside.extend([berta, carla]);
    // Somebody still signs in at the old application.
    let late = "INSERT INTO sessions (sid, sess, expire) SELECT 'late-at-the-old-application', sess, expire FROM sessions \
        WHERE sid LIKE 'of-the-old-application-%'";
    Ground::run(&ground.old, late).await.unwrap();
    let refused = ground.migrate(&finish).await;
    refused.refused_with("1 sessions, or things that mail remembers, are not in the new store");
    assert!(refused.complaints.contains("repair --port sessions") && refused.complaints.contains("Extra"));
    assert!(!refused.complaints.contains("late-at"), "an id is a secret: {refused:?}");
    assert!(
        Ground::is_touched(&ground.old).await && Ground::is_touched(&ground.new).await,
        "nothing is gone"
    );
    sessions.migrate(&["repair"]).await.output();
    ground.migrate(&finish).await.output();
    assert!(!Ground::is_touched(&ground.old).await, "nothing is left of the move");
    // But that there was one, for whoever is started with `dual` by mistake.
    assert!(Ground::is_touched(&ground.new).await);
    ground.migrate(&[&finish[..], &["--release-old"]].concat()).await.output();
    assert!(!Ground::is_touched(&ground.new).await, "and not even that");
    visited.are_known_at(&service.base).await;

    let finish = std::fs::read_to_string(ground.folder.path().join("finish.json")).unwrap();
    assert!(
        !finish.contains("example.org") && !finish.contains(&sid(&visited.inside[0])),
        "no person, no secret"
    );
    let finish: Value = serde_json::from_str(&finish).unwrap();
    assert_eq!(finish["ports"][0]["clean"], true, "{finish}");
    let whats: Vec<&str> =
        finish["ledger"].as_array().unwrap().iter().filter_map(|entry| entry["what"].as_str()).collect();
    for what in ["start", "copied", "announced", "held", "changed", "cutover", "rollback", "last comparison"]
    {
        assert!(whats.contains(&what), "{what} in {whats:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_application_does_is_followed_when_sessions_move_alone() {
    let Some(sessions) = Sessions::prepare().await else { return };
    let ground = &sessions.ground;
    sessions.migrate(&["start"]).await.output();
    let triggers = "SELECT 1 FROM pg_trigger WHERE tgname LIKE 'waiterix\\_note%' AND tgrelid = 'public.sessions'::regclass";
    let database = Ground::database(&ground.old);
    assert_eq!(statement::read(&database, triggers, &[], "test").await.unwrap().len(), 2);
    let standing = "SELECT 1 WHERE to_regclass('waiterix_migration.standing') IS NOT NULL";
    assert!(statement::read(&database, standing, &[], "test").await.unwrap().is_empty(), "rows do not move");
    let _service = sessions.serve("dual");
    Ground::run(&ground.old, SIGNED_IN_THERE).await.unwrap();
    // Nobody reads it, so nothing but the trigger can have told of it.
    eventually(Duration::from_secs(20), "it is in both", async || {
        let status = sessions.status().await;
        let verified = sessions.migrate(&["plan", "--json"]).await.output();
        let verified: Value = serde_json::from_str(&verified).unwrap();
        status["journal"] == 0 && (&verified["old"], &verified["new"]) == (&json!(1), &json!(1))
    })
    .await;
    Ground::run(&ground.old, "DELETE FROM sessions").await.unwrap();
    eventually(Duration::from_secs(20), "it ended in both", async || {
        // Until it is followed, the new side has what the old one has not, and that is refused.
        let planned = sessions.migrate(&["plan", "--json"]).await.output;
        serde_json::from_str::<Value>(&planned).unwrap()["new"] == 0
    })
    .await;
    // Rows that begin to move later find the trigger there.
    ground.migrate(&["start", "--port", "rows"]).await.output();
    ground.migrate(&["verify", "--port", "rows"]).await.output();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_of_sessions_that_was_killed_at_any_moment_goes_on() {
    let Some(sessions) = Sessions::prepare().await else { return };
    Ground::run(&sessions.ground.old, SEEDED).await.unwrap();
    let start = ["start", "--port", "sessions"];
    let mut killed = 0;
    for ms in [150, 500, 3_200] {
        killed += u32::from(sessions.ground.killed_after(&start, Duration::from_millis(ms)).await);
    }
    killed += u32::from(sessions.ground.killed_at(&start, "sessions/s").await);
    assert!(killed > 1, "{killed} were killed before their end");
    let said = sessions.migrate(&["start"]).await.output();
    assert!(said.contains("sessions, of which"), "{said}");
    let found = sessions.migrate(&["verify", "--json"]).await.output();
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found["compared"], &found["clean"]), (&json!(2_000), &json!(true)), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_of_sessions_that_is_asked_to_stop_ends_well_and_goes_on_later() {
    let Some(sessions) = Sessions::prepare().await else { return };
    Ground::run(&sessions.ground.old, SEEDED).await.unwrap();
    let start = ["start", "--port", "sessions"];
    let said = sessions.ground.interrupted_at(&start, "sessions/s").await.output();
    // It may have been through by then.
    assert!(said.contains("goes on from here") || said.contains("2000 sessions, of which 2000"), "{said}");
    assert!(said.contains("of about 2,000 sessions") && said.contains(" left"), "rate and time left: {said}");
    let again = sessions.migrate(&["start"]).await.output();
    if said.contains("goes on from here") {
        assert!(!again.contains("2000 sessions, of which"), "it goes on from there: {again}");
    }
    sessions.migrate(&["verify"]).await.output();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cutover_of_sessions_that_was_killed_at_any_step_is_ended_by_the_next_one_and_nobody_notices() {
    let Some(sessions) = Sessions::prepare().await else { return };
    sessions.migrate(&["start"]).await.output();
    let service = sessions.serve("dual");
    let visitors = Visitors::come(&service.base, sessions.data.path(), "killed", 2);
    let cutover = ["cutover", "--yes", "--pause-ms", "3000", "--port", "sessions"];
    for step in ["announce", "prepare", "hold", "change"] {
        let was_killed = sessions.ground.killed_at(&cutover, step).await;
        // The one that was killed is waited for until it can do nothing any more.
        sessions.ground.migrate(&cutover).await.output();
        assert_eq!(sessions.status().await["leader"], "new", "killed at {step}: {was_killed}");
        sessions.migrate(&["rollback", "--yes", "--pause-ms", "3000"]).await.output();
        assert_eq!(sessions.status().await["leader"], "old");
    }
    let visited = visitors.leave().await;
    assert_eq!(visited.failures, Vec::<String>::new());
    sessions.migrate(&["verify"]).await.output();
    visited.are_known_at(&service.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cutover_that_is_refused_because_sessions_differ_names_some_and_no_secret() {
    let Some(sessions) = Sessions::prepare().await else { return };
    Ground::run(&sessions.ground.old, SIGNED_IN_THERE).await.unwrap();
    sessions.migrate(&["start"]).await.output();
    sessions.empty_redis();
    let refused = sessions.migrate(&["cutover", "--yes"]).await;
    refused.refused_with("sessions: the two sides are not equal, 1 of 1 differ");
    assert!(refused.complaints.contains(": Missing"), "{refused:?}");
    assert!(!refused.complaints.contains("of-the-old-application"), "an id is a secret: {refused:?}");
    assert_eq!(sessions.status().await["leader"], "old");
    // It is the name by which `verify` calls it.
    let verified = sessions.migrate(&["verify", "--json"]).await;
    let named: Value = serde_json::from_str(&verified.output).unwrap();
    let named = named["named"][0]["key"].as_str().unwrap();
    assert!(refused.complaints.contains(&format!("\n  {named}: Missing")), "{named} in {refused:?}");
    sessions.migrate(&["repair"]).await.output();
    sessions.migrate(&["cutover", "--yes", "--pause-ms", "3000"]).await.output();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_in_json_is_one_line_that_names_its_port() {
    let Some(sessions) = Sessions::prepare().await else { return };
    let both = ["--json", "--port", "rows", "--port", "sessions"];
    let ground = &sessions.ground;
    let lines = async |command: &[&str]| -> Vec<Value> {
        let said = ground.migrate(&[command, &both[..]].concat()).await.output();
        said.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    };
    let ports = |lines: &[Value]| -> Vec<String> {
        lines.iter().map(|line| line["port"].as_str().unwrap_or("all").to_owned()).collect()
    };
    assert_eq!(ports(&lines(&["plan"]).await), ["rows", "sessions"]);
    ground.migrate(&["start", "--port", "rows", "--port", "sessions"]).await.output();
    for command in ["plan", "status", "verify", "repair"] {
        assert_eq!(ports(&lines(&[command]).await), ["rows", "sessions"], "{command}");
    }
    for leads in [false, true] {
        let changed = lines(&["cutover", "--yes", "--pause-ms", "3000"]).await;
        assert_eq!(ports(&changed), ["sessions", "rows", "all"]);
        assert_eq!(changed[2]["lead"], json!(["sessions", "rows"]));
        let moved = changed[..2].iter().all(|line| line["moved"] == !leads);
        assert!(moved, "{changed:?}");
    }
    assert_eq!(
        ports(&lines(&["rollback", "--yes", "--pause-ms", "3000"]).await),
        ["rows", "sessions", "all"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_lost_is_noticed_before_the_way_back_is_taken_away() {
    let Some(sessions) = Sessions::prepare().await else { return };
    let (ground, report) = (&sessions.ground, sessions.ground.folder.path().to_str().unwrap());
    let service = sessions.serve("legacy");
    let anna = sessions.sign_in(&service.base, "anna").await;
    service.terminate();
    sessions.migrate(&["start"]).await.output();
    sessions.migrate(&["cutover", "--yes", "--pause-ms", "3000"]).await.output();
    sessions.empty_redis();
    let finish = ["finish", "--yes", "--report", report];
    ground.migrate(&finish).await.refused_with("are not in the new store as they are in the old one");
    sessions.migrate(&["repair"]).await.output();
    ground.migrate(&finish).await.output();
    let service = sessions.serve("aws");
    assert_eq!(is_in(&anna.moved_to(&service.base)).await, Ok(true));
}
