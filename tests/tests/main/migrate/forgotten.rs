//! A server that is dead holds up nobody once an operator says so, and one that lives after all does no harm.

use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use waiterix_contract::eventually;
use waiterix_tests::client::Client;
use waiterix_tests::program::Program;

use crate::migrate::ground::{Guests, Restaurant};
use crate::migrate::visitors::{Sessions, is_in};

const SOON: Duration = Duration::from_secs(60);
/// Entries of the journal that a process had claimed when it stood still are its own until the database ends its transaction.
const CLAIMED: Duration = Duration::from_secs(200);
const BOTH: [&str; 4] = ["--port", "rows", "--port", "sessions"];

fn serve(sessions: &Sessions) -> Program {
    let dual = [("WAITERIX_STORE", "dual"), ("WAITERIX_SESSIONS", "dual")];
    sessions.ground.serve_with(sessions.data.path(), &dual)
}

fn signal(program: &Program, signal: &str) {
    let pid = program.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

/// The ids of a list in the status of a port.
async fn ids(sessions: &Sessions, port: &str, list: &str) -> Vec<String> {
    let status = sessions.ground.status_of(port).await;
    let list = status[list].as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|one| Some(one["id"].as_str()?.to_owned())).collect()
}

/// What a server that was started just now is called; those are called so that were there before.
async fn newest(sessions: &Sessions, before: &[&str]) -> String {
    let name = std::sync::Mutex::new(None);
    eventually(SOON, "it is heard of", async || {
        let found = ids(sessions, "rows", "instances").await;
        *name.lock().unwrap() = found.into_iter().find(|id| !before.contains(&&**id));
        name.lock().unwrap().is_some()
    })
    .await;
    name.into_inner().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_forgotten_and_one_that_only_stood_still_serves_nothing_wrong() {
    let Some(sessions) = Sessions::prepare().await else { return };
    let (ground, data) = (&sessions.ground, sessions.data.path());
    ground.migrate(&["forget", "nobody", "--yes"]).await.refused_with("nobody is waited for");
    ground.migrate(&[&["start"], &BOTH[..]].concat()).await.output();
    let lives = serve(&sessions);
    let lives_id = newest(&sessions, &[]).await;
    let killed = serve(&sessions);
    let killed_id = newest(&sessions, &[&lives_id]).await;
    let frozen = serve(&sessions);
    let frozen_id = newest(&sessions, &[&lives_id, &killed_id]).await;

    let restaurant = Restaurant::open(&lives.base, data).await;
    let anna = sessions.sign_in(&frozen.base, "anna").await;
    assert_eq!(is_in(&anna).await, Ok(true));
    let guests = Guests::come(&restaurant, &lives.base, 2);
    killed.kill();
    signal(&frozen, "-STOP");

    // Whoever is silent is named, with how long it is waited for, and what to do.
    eventually(SOON, "both are silent", async || {
        ids(&sessions, "sessions", "silent").await.len() == 2
            && ids(&sessions, "rows", "silent").await.len() == 2
    })
    .await;
    let status = sessions.ground.status_of("sessions").await;
    for one in status["silent"].as_array().unwrap() {
        let is_named = [&killed_id, &frozen_id].iter().any(|id| one["id"] == **id);
        assert!(is_named && one["waitedUntil"].is_string(), "{status}");
        assert!(one["silentMs"].as_u64().unwrap() >= 5_000, "{status}");
    }
    let text = sessions.migrate(&["status"]).await.output();
    assert!(text.contains(&format!("`waiterix migrate forget {killed_id}`")), "{text}");
    assert!(!text.contains(&lives_id), "{text}");

    // Only who is dead, as far as anybody can know, and only who is meant.
    let forget = async |id: &str| ground.migrate(&["forget", id, "--yes"]).await;
    forget(&lives_id).await.refused_with("it lives");
    let refused = forget("somebody").await;
    refused.refused_with("no process is called so");
    assert!(refused.complaints.contains(&killed_id), "{refused:?}");
    ground.migrate(&["forget", &killed_id]).await.refused_with("say --yes");
    for id in [&killed_id, &frozen_id] {
        let said = forget(id).await.output();
        assert!(said.contains("be sure that it does not run"), "{said}");
        assert!(forget(id).await.output().contains("it was forgotten before"));
    }
    assert_eq!(ids(&sessions, "rows", "instances").await, [lives_id]);

    // It would fail by now, or be waited for.
    let cutover = [&["cutover", "--yes", "--pause-ms", "3000"], &BOTH[..]].concat();
    eventually(
        CLAIMED,
        "the lead changes as soon as the frozen one has no entries of the journal",
        async || ground.migrate(&cutover).await.well,
    )
    .await;
    for port in ["rows", "sessions"] {
        assert_eq!(ground.status_of(port).await["leader"], "new");
    }
    let berta = sessions.sign_in(&lives.base, "berta").await;

    // It was not dead. What it remembers is of before the change, and it goes by none of it.
    signal(&frozen, "-CONT");
    for client in [&anna, &berta.clone().moved_to(&frozen.base)] {
        let answer = is_in(client).await;
        assert!(answer.as_ref().is_err_and(|said| said.contains(" 5")), "{answer:?}");
    }
    let code = Client::new(&frozen.base)
        .send(Method::POST, "/api/auth/code", Some(&json!({ "email": "carla@example.org" })))
        .await;
    assert!(code.status().is_server_error(), "{code:?}");
    // Rows it reads and writes where they are, because it looks each time and the databases refuse.
    let order = restaurant.owner.post("/api/orders", &restaurant.meal()).await;
    let order = order["id"].as_str().unwrap();
    let guest = Client::new(&frozen.base);
    assert_eq!(guest.get(&format!("/api/orders/{order}/track")).await["order"]["id"], order);
    let late = guest.post("/api/orders", &restaurant.meal()).await;

    let mut ordered = guests.leave().await;
    assert_eq!(ordered.failures, Vec::<String>::new());
    ordered.ids.extend([order.to_owned(), late["id"].as_str().unwrap().to_owned()]);
    ground.holds_exactly(&ground.new, &ordered.ids).await;
    assert_eq!(is_in(&anna.moved_to(&lives.base)).await, Ok(true));
    // Nothing was written where it does not belong.
    ground.migrate(&[&["verify"], &BOTH[..]].concat()).await.output();

    // Started anew it serves, and the end waits for nobody who is dead.
    assert!(frozen.terminate().success());
    let again = serve(&sessions);
    assert_eq!(is_in(&berta.moved_to(&again.base)).await, Ok(true));
    for service in [again, lives] {
        assert!(service.terminate().success());
    }
    let report = ground.folder.path().to_str().unwrap();
    ground.migrate(&["finish", "--yes", "--report", report]).await.output();
    let finish = std::fs::read_to_string(ground.folder.path().join("finish.json")).unwrap();
    let finish: Value = serde_json::from_str(&finish).unwrap();
    let entries = finish["ledger"].as_array().unwrap().iter().filter(|entry| entry["what"] == "forgotten");
    let forgotten: Vec<&Value> = entries.map(|entry| &entry["evidence"]["instance"]).collect();
    assert_eq!(forgotten, [&json!(killed_id), &json!(frozen_id)], "it is written down");
}
