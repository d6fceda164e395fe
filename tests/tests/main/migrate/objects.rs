//! Pictures move from a bucket of Google's to one of Amazon's.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use waiterix_contract::eventually;
use waiterix_ports::{BlobStore as _, PutBlob};
use waiterix_tests::client::Client;

use crate::migrate::gallery::{Gallery, Photographer, dish, granted, picture, seen, upload};
use crate::migrate::ground::{Ground, Restaurant};

const SOON: Duration = Duration::from_secs(30);
const BOTH: [&str; 4] = ["--port", "rows", "--port", "objects"];
const OBJECTS: [&str; 2] = ["--port", "objects"];

/// A command and the ports it is about.
fn of<'a>(command: &[&'a str], ports: &[&'a str]) -> Vec<&'a str> {
    [command, ports].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_move_there_and_back_and_there_again_while_owners_upload_and_somebody_else_writes() {
    let Some(gallery) = Gallery::prepare().await else { return };
    let gallery = Arc::new(gallery.filled(40).await);
    let ground = &gallery.ground;
    let old = gallery.bucket.store();
    let data = tempfile::tempdir().unwrap();
    // Nobody has begun anything, and it serves from the old side.
    let service = ground.serve(data.path(), "dual");
    let restaurant = Restaurant::open(&service.base, data.path()).await;
    let owner = restaurant.owner.clone();
    let photographer = Photographer::comes(gallery.clone(), &restaurant);
    let late_dish = dish(&owner, &restaurant.id, "late").await.unwrap();
    let before_the_plan = granted(&owner).await.unwrap();
    assert!(gallery.at_the_new().await.is_empty(), "without a plan nobody follows");

    let said = ground.migrate(&of(&["start"], &BOTH)).await.output();
    assert!(said.contains(" objects, ") && said.contains(" objects/s, "), "{said}");
    // Uploads that were allowed before there was a plan, and before the walk, arrive after both.
    let (late, later) = (picture(1), [picture(1), picture(1)].concat());
    let before_the_end = granted(&owner).await.unwrap();
    ground.migrate(&of(&["start"], &OBJECTS)).await.output();
    for (grant, picture) in [(&before_the_plan, &late), (&before_the_end, &later)] {
        upload(grant, picture).await.unwrap();
        eventually(SOON, "an upload that was allowed before the walk is copied", async || {
            gallery.at_the_new().await.values().any(|bytes| bytes == picture)
        })
        .await;
    }
    let late_path = gallery.attach(&owner, &late_dish, &before_the_plan).await.unwrap();
    seen(&owner, &late_path, &late).await.unwrap();

    // The old application goes on without knowing of any of this.
    old.put("public/uploads/foreign", PutBlob::new(picture(2))).await.unwrap();
    old.put("public/uploads/old-0004", PutBlob::new(picture(3))).await.unwrap();
    old.delete("public/uploads/old-0005").await.unwrap();
    ground.migrate(&of(&["start"], &BOTH)).await.output();
    let new = gallery.at_the_new().await;
    assert_eq!(new.get("public/uploads/foreign"), Some(&picture(2)));
    assert_eq!(new.get("public/uploads/old-0004"), Some(&picture(3)));
    assert!(!new.contains_key("public/uploads/old-0005"), "what it deleted is deleted");
    ground.migrate(&of(&["verify", "--exact"], &OBJECTS)).await.output();

    old.put("public/uploads/later", PutBlob::new(picture(4))).await.unwrap();
    ground.migrate(&of(&["verify"], &OBJECTS)).await.refused_with("1 differ");
    ground.migrate(&of(&["cutover", "--yes"], &OBJECTS)).await.refused_with("not equal");
    ground.migrate(&of(&["repair"], &OBJECTS)).await.output();
    for (command, leader) in [("cutover", "new"), ("rollback", "old"), ("cutover", "new")] {
        ground.migrate(&of(&[command, "--yes", "--pause-ms", "3000"], &BOTH)).await.output();
        assert_eq!(ground.status_of("objects").await["leader"], leader);
        let picture = picture(5);
        let dish = dish(&owner, &restaurant.id, command).await.unwrap();
        let path = gallery.show(&owner, &dish, &picture).await.unwrap();
        seen(&owner, &path, &picture).await.unwrap();
    }
    ground.migrate(&of(&["verify"], &BOTH)).await.output();

    let shown = photographer.leaves().await;
    assert_eq!(shown.failures, Vec::<String>::new());
    assert!(shown.pictures.len() > 5 && !shown.taken_away.is_empty(), "{shown:?}");
    let guest = Client::new(&service.base);
    for (path, picture) in &shown.pictures {
        seen(&guest, path, picture).await.unwrap();
    }
    for path in &shown.taken_away {
        let is_gone = async || guest.send(Method::GET, path, None).await.status() == 404;
        eventually(SOON, "a picture that was taken away is gone", is_gone).await;
    }
    eventually(SOON, "both sides are equal when all is quiet", async || {
        gallery.at_the_old().await == gallery.at_the_new().await
    })
    .await;
    finished(&gallery, service, &restaurant, &data).await;
}

/// The end: nobody waits for a process that ended well, and what differs is found before the way back is taken away.
async fn finished(
    gallery: &Gallery,
    service: waiterix_tests::program::Program,
    restaurant: &Restaurant,
    data: &tempfile::TempDir,
) {
    let ground = &gallery.ground;
    let report = ground.folder.path().to_str().unwrap();
    let finish = ["finish", "--yes", "--report", report];
    ground.migrate(&finish).await.refused_with("still serve both sides");
    service.terminate();
    let mut variables = ground.variables();
    variables.extend([("WAITERIX_BLOBS", "aws".to_owned()), ("WAITERIX_STORE", "aws".to_owned())]);
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let service = waiterix_tests::program::Program::start(data.path(), &variables);
    let owner = restaurant.owner.clone().moved_to(&service.base);
    let last_dish = dish(&owner, &restaurant.id, "last").await.unwrap();
    let path = gallery.show(&owner, &last_dish, &picture(6)).await.unwrap();

    gallery.bucket.store().put("public/uploads/old-0007", PutBlob::new(picture(700))).await.unwrap();
    let refused = ground.migrate(&finish).await;
    refused.refused_with("1 objects differ");
    assert!(refused.complaints.contains("public/uploads/old-0007"), "{refused:?}");
    assert_eq!(ground.status_of("objects").await["leader"], "new", "nothing was taken away");
    ground.migrate(&of(&["repair"], &OBJECTS)).await.output();
    ground.migrate(&finish).await.output();
    assert!(!Ground::is_touched(&ground.new).await, "nothing is left in the new database");
    assert_eq!(
        gallery.at_the_old().await,
        gallery.at_the_new().await,
        "what the new side alone got is at the old one, too"
    );
    seen(&owner, &path, &picture(6)).await.unwrap();
    let evidence = std::fs::read_to_string(ground.folder.path().join("finish.json")).unwrap();
    let evidence: Value = serde_json::from_str(&evidence).unwrap();
    let objects = evidence["ports"].as_array().unwrap().iter().find(|found| found["port"] == "objects");
    assert_eq!(objects.unwrap()["clean"], true, "{evidence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_over_objects_that_was_killed_or_interrupted_goes_on() {
    let Some(gallery) = Gallery::prepare().await else { return };
    let gallery = gallery.filled(120).await;
    let ground = &gallery.ground;
    let start = of(&["start"], &OBJECTS);
    assert!(ground.killed_at(&start, " objects/s").await, "it was not through by then");
    let said = ground.interrupted_at(&start, " objects/s").await.output();
    assert!(said.contains("; stopped: ") && said.contains("goes on from here"), "{said}");
    let copied = gallery.at_the_new().await.len();
    assert!(copied < 120, "it ended in the middle: {copied}");
    ground.migrate(&start).await.output();
    ground.migrate(&of(&["verify", "--exact"], &OBJECTS)).await.output();
    assert_eq!(gallery.at_the_new().await, gallery.at_the_old().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cutover_that_is_refused_because_objects_differ_names_some_of_them() {
    let Some(gallery) = Gallery::prepare().await else { return };
    let gallery = gallery.filled(3).await;
    let ground = &gallery.ground;
    ground.migrate(&of(&["start"], &OBJECTS)).await.output();
    // Somebody stores past the servers, of which there is none.
    for number in 1..=7 {
        let key = format!("public/uploads/late-{number}");
        gallery.bucket.store().put(&key, PutBlob::new(picture(number))).await.unwrap();
    }
    let refused = ground.migrate(&of(&["cutover", "--yes"], &OBJECTS)).await;
    refused.refused_with("objects: the two sides are not equal, 7 of 10 differ");
    let named: Vec<&str> =
        refused.complaints.lines().filter(|line| line.contains("public/uploads/late-")).collect();
    assert!(named.len() == 5 && named.iter().all(|line| line.ends_with(": Missing")), "{refused:?}");
    assert!(refused.complaints.contains("\n  and 2 more"), "{refused:?}");
    let verified = ground.migrate(&of(&["verify"], &OBJECTS)).await;
    verified.refused_with("10 compared, 7 differ\n  public/uploads/late-");
    assert_eq!(ground.status_of("objects").await["leader"], "old");
    ground.migrate(&of(&["repair"], &OBJECTS)).await.output();
    ground.migrate(&of(&["cutover", "--yes", "--pause-ms", "3000"], &OBJECTS)).await.output();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cutover_of_objects_that_was_killed_at_any_step_is_done_again_and_no_owner_notices() {
    let Some(gallery) = Gallery::prepare().await else { return };
    let gallery = Arc::new(gallery.filled(10).await);
    let ground = &gallery.ground;
    let data = tempfile::tempdir().unwrap();
    let service = ground.serve(data.path(), "local");
    let restaurant = Restaurant::open(&service.base, data.path()).await;
    ground.migrate(&of(&["start"], &OBJECTS)).await.output();
    let photographer = Photographer::comes(gallery.clone(), &restaurant);
    for step in ["announce", "drain", "change"] {
        let was_killed =
            ground.killed_at(&of(&["cutover", "--yes", "--pause-ms", "3000"], &OBJECTS), step).await;
        let status = ground.status_of("objects").await;
        assert!(status["stage"] == "steady" || status["endsBy"].is_string(), "{status}");
        ground.migrate(&of(&["cutover", "--yes", "--pause-ms", "3000"], &OBJECTS)).await.output();
        assert_eq!(ground.status_of("objects").await["leader"], "new", "killed at {step}: {was_killed}");
        ground.migrate(&of(&["rollback", "--yes", "--pause-ms", "3000"], &OBJECTS)).await.output();
    }
    let shown = photographer.leaves().await;
    assert_eq!(shown.failures, Vec::<String>::new());
    for (path, picture) in &shown.pictures {
        seen(&restaurant.owner, path, picture).await.unwrap();
    }
    ground.migrate(&of(&["verify", "--exact"], &OBJECTS)).await.output();
}
