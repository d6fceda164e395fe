//! What the service writes into its log.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test is a panic")]

use reqwest::Method;
use serde_json::{Value, json};
use waiterix_tests::client::Client;
use waiterix_tests::program::Program;

#[tokio::test]
async fn d16_m13_logs_are_json_lines_with_request_ids_and_hold_nothing_personal() {
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("log");
    let program = Program::start_logging(&data.path().join("data"), &log);
    let owner = Client::signed_in(&program.base, &program.data, "private.person@example.org").await;
    let restaurant = owner.post("/api/restaurant", &json!({ "name": "Secret Supper Club" })).await;
    let id = restaurant["id"].as_str().unwrap();
    let question = json!({
        "restaurantId": id, "customerSessionId": "customer-session-0123456789", "question": "Private question?",
    });
    owner.post("/api/pending-questions", &question).await;
    let upload = owner.post("/api/objects/upload", &json!({})).await;
    owner.send(Method::PUT, upload["uploadURL"].as_str().unwrap(), Some(&json!("no picture"))).await;
    owner
        .send(Method::POST, "/api/auth/verify", Some(&json!({ "idToken": "header.payload.signature" })))
        .await;
    owner.send(Method::GET, "/api/public/chef-answers/customer-session-0123456789", None).await;
    let cookie = owner.cookie().split_once('=').unwrap().1.to_owned();
    assert!(program.terminate().success());

    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let answered = lines.iter().filter(|line| line["fields"]["message"] == "answered");
    let mut count = 0;
    for line in answered {
        count += 1;
        assert!(line["span"]["id"].as_str().is_some_and(|id| id.len() >= 8), "{line}");
        assert!(line["span"]["route"].as_str().is_some(), "{line}");
        assert!(line["fields"]["status"].as_u64().is_some(), "{line}");
    }
    assert!(count >= 8, "{count} requests are logged");
    for personal in [
        "private.person",
        "Secret Supper",
        "Private question",
        "customer-session",
        "signature=",
        "header.payload",
        cookie.as_str(),
        upload["uploadURL"].as_str().unwrap(),
    ] {
        assert!(!text.contains(personal), "{personal} is in the log");
    }
}
