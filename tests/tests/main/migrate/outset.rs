//! Before anything is begun, after it was given up, and when a part of it fails.

use std::time::Duration;

use serde_json::{Value, json};
use waiterix_contract::eventually;
use waiterix_ports::{BlobStore as _, PutBlob};
use waiterix_tests::client::Client;

use crate::migrate::gallery::{Gallery, dish, picture, seen};
use crate::migrate::ground::{Ground, Restaurant};
use crate::migrate::whole::SEEDED;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_dual_service_serves_from_the_old_side_alone_until_the_move_begins() {
    let Some(mut gallery) = Gallery::prepare().await else { return };
    let whole = gallery.ground.more.clone();
    // Nothing of Amazon's is there yet but the database.
    gallery.ground.more.extend([
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1".to_owned()),
        ("REDIS_HOST", "127.0.0.1".to_owned()),
        ("REDIS_PORT", "1".to_owned()),
        ("WAITERIX_SESSIONS", "dual".to_owned()),
    ]);
    let data = tempfile::tempdir().unwrap();
    let service = gallery.ground.serve(data.path(), "dual");
    let restaurant = Restaurant::open(&service.base, data.path()).await;
    let first = dish(&restaurant.owner, &restaurant.id, "first").await.unwrap();
    let path = gallery.show(&restaurant.owner, &first, &picture(1)).await.unwrap();
    seen(&Client::new(&service.base), &path, &picture(1)).await.unwrap();
    assert!(!Ground::is_touched(&gallery.ground.new).await, "whoever only serves makes no plan");
    assert_eq!(gallery.ground.status_of("objects").await["stage"], "not begun");
    service.terminate();

    // The same with everything there: it is signed in still, and follows as soon as the move is begun.
    gallery.ground.more = whole;
    gallery.ground.more.push(("WAITERIX_SESSIONS", "dual".to_owned()));
    let service = gallery.ground.serve(data.path(), "dual");
    let owner = restaurant.owner.clone().moved_to(&service.base);
    let second = dish(&owner, &restaurant.id, "second").await.unwrap();
    gallery
        .ground
        .migrate(&["start", "--port", "rows", "--port", "sessions", "--port", "objects"])
        .await
        .output();
    let path = gallery.show(&owner, &second, &picture(2)).await.unwrap();
    let key = path.trim_start_matches("/api/objects/").to_owned();
    eventually(SOON, "what is stored from now on is copied", async || {
        gallery.at_the_new().await.get(&key) == Some(&picture(2))
    })
    .await;
    for port in ["rows", "sessions", "objects"] {
        gallery.ground.migrate(&["verify", "--port", port]).await.output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_given_up_leaves_nothing_and_the_old_side_serves() {
    let Some(gallery) = Gallery::prepare().await else { return };
    let ground = &gallery.ground;
    let report = ground.folder.path().to_str().unwrap();
    let cancel = ["cancel", "--yes", "--report", report];
    assert!(ground.migrate(&cancel).await.output().contains("no move was begun"));
    let data = tempfile::tempdir().unwrap();
    let service = ground.serve(data.path(), "dual");
    let restaurant = Restaurant::open(&service.base, data.path()).await;
    let both = ["--port", "rows", "--port", "objects"];
    ground.migrate(&[&["start"], &both[..]].concat()).await.output();
    let first = dish(&restaurant.owner, &restaurant.id, "first").await.unwrap();
    let path = gallery.show(&restaurant.owner, &first, &picture(1)).await.unwrap();
    ground.migrate(&[&["cutover", "--yes", "--pause-ms", "3000"], &both[..]].concat()).await.output();
    ground.migrate(&cancel).await.refused_with("`waiterix migrate rollback` first");
    ground.migrate(&["rollback", "--yes", "--pause-ms", "3000", "--port", "rows"]).await.output();
    ground.migrate(&cancel).await.refused_with("not rolled back yet: objects");
    ground.migrate(&["rollback", "--yes", "--pause-ms", "3000", "--port", "objects"]).await.output();
    ground.migrate(&cancel).await.refused_with("still serve both sides");
    service.terminate();
    ground.migrate(&cancel).await.output();
    for side in [&ground.old, &ground.new] {
        assert!(!Ground::is_touched(side).await, "something is left");
    }
    let ledger = std::fs::read_to_string(ground.folder.path().join("cancel.json")).unwrap();
    assert!(ledger.contains("rollback") && !ledger.contains("owner@example.org"), "{ledger}");
    let service = ground.serve(data.path(), "dual");
    let owner = restaurant.owner.clone().moved_to(&service.base);
    seen(&owner, &path, &picture(1)).await.unwrap();
    dish(&owner, &restaurant.id, "second").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_fails_leaves_those_before_it_moved_and_says_which() {
    let Some(gallery) = Gallery::prepare().await else { return };
    let gallery = gallery.filled(3).await;
    let ground = &gallery.ground;
    Ground::run(&ground.old, SEEDED).await.unwrap();
    let ports = ["--port", "sockets", "--port", "objects", "--port", "rows"];
    ground.migrate(&[&["start"], &ports[..]].concat()).await.output();
    let foreign = gallery.bucket.store();
    foreign.put("public/uploads/foreign", PutBlob::new(picture(9))).await.unwrap();

    let report = ground.folder.path().to_str().unwrap();
    let cutover = [&["cutover", "--yes", "--pause-ms", "3000", "--report", report], &ports[..]].concat();
    let refused = ground.migrate(&cutover).await;
    refused.refused_with("objects: the two sides are not equal");
    refused.refused_with("the new side leads in: sockets; not tried: rows");
    let outcome = std::fs::read_to_string(ground.folder.path().join("cutover-ports.json")).unwrap();
    let outcome: Value = serde_json::from_str(&outcome).unwrap();
    assert_eq!((&outcome["lead"], &outcome["failed"]), (&json!(["sockets"]), &json!("objects")), "{outcome}");
    assert_eq!(outcome["notTried"], json!(["rows"]));
    for (port, leader) in [("sockets", "new"), ("objects", "old"), ("rows", "old")] {
        assert_eq!(ground.status_of(port).await["leader"], leader, "{port}");
    }

    ground.migrate(&["repair", "--port", "objects"]).await.output();
    let said = ground.migrate(&cutover).await.output();
    assert!(said.contains("the new side leads in all of: sockets, objects, rows"), "{said}");
    for port in ["sockets", "objects", "rows"] {
        let status = ground.status_of(port).await;
        assert_eq!(status["leader"], "new", "{port}");
        assert_eq!(status["lastChange"]["what"], "cutover", "{status}");
    }
}
