//! Questions to the chef and calls for the waiter, as they are read over HTTP.

use reqwest::Method;
use serde_json::json;
use waiterix_tests::stage::Stage;

use crate::service::kitchen::{Kitchen, id_of};

const SESSION: &str = "customer-1738314307000-k3j5h7f9a";

pub(crate) async fn what_chefs_answer_is_read_and_learnt(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let ask = json!({
        "restaurantId": kitchen.restaurant, "customerSessionId": SESSION, "question": " Is it spicy? ",
        "tableNumber": "2",
    });
    let question = kitchen.guest.post("/api/pending-questions", &ask).await;
    assert_eq!((&question["question"], &question["status"]), (&json!("Is it spicy?"), &json!("pending")));
    let waiting = kitchen.owner.get("/api/chef/questions").await;
    assert_eq!(waiting[0]["id"], question["id"]);
    let answer = json!({ "questionId": question["id"], "textAnswer": "Not at all.", "addToFaq": true });
    kitchen.owner.post("/api/chef/answer", &answer).await;
    assert_eq!(kitchen.owner.get("/api/chef/questions").await, json!([]));
    let heard = kitchen.guest.get(&format!("/api/public/chef-answers/{SESSION}")).await;
    assert!(heard.to_string().contains("Not at all."), "{heard}");

    let learnt = kitchen.owner.get("/api/faqs").await;
    let faq = learnt.as_array().unwrap().iter().find(|faq| faq["answer"] == "Not at all.");
    let path = format!("/api/faqs/{}", id_of(faq.expect("what was answered is learnt")));
    let edit = json!({ "question": "Spicy?", "answer": "No.", "keywords": ["spice", "heat"] });
    assert_eq!(kitchen.owner.put(&path, &edit).await["keywords"], json!(["spice", "heat"]));
    assert_eq!(kitchen.owner.send(Method::DELETE, &path, None).await.status(), 200);
    assert_eq!(kitchen.owner.get("/api/faqs").await, json!([]));

    let second = kitchen.guest.post("/api/pending-questions", &ask).await;
    let path = format!("/api/chef/questions/{}", id_of(&second));
    assert!(kitchen.owner.send(Method::DELETE, &path, None).await.status().is_success());
    assert_eq!(kitchen.owner.get("/api/chef/questions").await, json!([]));
}

pub(crate) async fn calls_for_the_waiter_are_listed_and_resolved(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let call =
        json!({ "restaurantId": kitchen.restaurant, "tableId": "3", "customerMessage": "Water, please" });
    let call = kitchen.guest.post("/api/assistance-requests", &call).await;
    let listed = kitchen.owner.get("/api/assistance-requests").await;
    assert_eq!((&listed[0]["id"], &listed[0]["customerMessage"]), (&call["id"], &json!("Water, please")));
    let path = format!("/api/assistance-requests/{}/status", id_of(&call));
    let response = kitchen.owner.send(Method::PATCH, &path, Some(&json!({ "status": "resolved" }))).await;
    assert_eq!(response.status(), 200);
    let bad = kitchen.owner.send(Method::PATCH, &path, Some(&json!({ "status": "eaten" }))).await;
    assert_eq!(bad.status(), 400);
}
