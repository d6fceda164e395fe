//! The page behind the passcode.

use reqwest::Method;
use serde_json::{Value, json};
use waiterix_tests::stage::Stage;

use crate::service::kitchen::Kitchen;

pub(crate) async fn the_office_is_locked_opened_and_reset(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let post = async |path: &str, body: Value| {
        let path = format!("/api/admin/{path}");
        kitchen.owner.send(Method::POST, &path, Some(&body)).await
    };
    let json = async |response: reqwest::Response| -> Value {
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    };
    assert_eq!(json(post("password/check", json!({})).await).await, json!({ "hasPassword": false }));
    assert_eq!(post("password/set", json!({ "password": "123456" })).await.status(), 200);
    let verify = async |password: &str| {
        json(post("password/verify", json!({ "password": password })).await).await["valid"].clone()
    };
    assert_eq!((verify("123456").await, verify("654321").await), (json!(true), json!(false)));
    assert_eq!(post("password/set", json!({ "password": "abcdef" })).await.status(), 401, "D78");

    let asked = json!({ "question1": "Pet?", "answer1": " ReX ", "question2": "Town?", "answer2": "Rome" });
    assert_eq!(post("security-questions/set", asked.clone()).await.status(), 200);
    assert_eq!(post("security-questions/set", asked).await.status(), 403, "D81");
    let shown = kitchen.owner.get("/api/admin/security-questions").await;
    assert_eq!(shown["questions"], json!({ "question1": "Pet?", "question2": "Town?" }));
    let reset = json!({ "answer1": "rex", "answer2": "ROME ", "newPassword": "abcdef" });
    assert_eq!(post("password/reset", reset).await.status(), 200);
    assert_eq!((verify("abcdef").await, verify("123456").await), (json!(true), json!(false)));

    kitchen.owner.put("/api/admin/settings/ai-waiter", &json!({ "enabled": false })).await;
    kitchen.owner.put("/api/admin/settings/auto-print", &json!({ "enabled": true })).await;
    let view = kitchen.owner.get("/api/restaurant").await;
    assert_eq!((&view["aiWaiterEnabled"], &view["autoPrintOrders"]), (&json!(false), &json!(true)));
    assert!(!view.to_string().contains("$2b$"), "no digest of a secret is shown");
    let wrong = json!({ "password": "wrong!" });
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(post("password/verify", wrong.clone()).await.status().as_u16());
    }
    assert_eq!(statuses.last(), Some(&429), "D80: {statuses:?}");
}
