//! What the service writes into its log.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use waiterix_contract::eventually;
use waiterix_tests::client::{Client, http_client};
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
    let http = http_client().build().unwrap();
    let traced = http
        .get(program.base.join("/api/public/restaurant/nobody").unwrap())
        .header("traceparent", "00-67891233abcdef012345678912345678-53995c3f42cd8ad8-01")
        .header("x-request-id", "a-request-of-a-client");
    let traced = traced.build().unwrap();
    http.execute(traced).await.unwrap();
    let output = program.output();
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
        assert!(line["span"]["trace"].as_str().is_some_and(is_trace), "{line}");
    }
    assert!(count >= 8, "{count} requests are logged");
    // A trace that a client began goes on, in whatever was done for it.
    let of_client: Vec<&Value> = lines
        .iter()
        .filter(|line| line["spans"][0]["trace"] == "1-67891233-abcdef012345678912345678")
        .collect();
    let done: Vec<&Value> = of_client.iter().map(|line| &line["fields"]["message"]).collect();
    assert_eq!(done, ["a port answered", "answered"], "{of_client:?}");
    assert!(of_client.iter().all(|line| line["spans"][0]["id"] == "a-request-of-a-client"), "{of_client:?}");

    // The last numbers are written before it ends.
    let ended = || std::future::ready(output.lock().unwrap().contains("Stopped"));
    eventually(Duration::from_secs(5), "it says that it stopped", ended).await;
    let numbers: Vec<Value> =
        output.lock().unwrap().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for (label, expected) in
        [("Operation", "store.commit"), ("Operation", "mailer.send"), ("Route", "/api/restaurant")]
    {
        assert!(numbers.iter().any(|line| line[label] == expected), "{expected} in {numbers:?}");
    }
    let text = text + &output.lock().unwrap();
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

/// Whether it is the id of a trace as X-Ray writes it.
fn is_trace(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_hex = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    parts.len() == 3 && parts[0] == "1" && is_hex(parts[1], 8) && is_hex(parts[2], 24)
}
