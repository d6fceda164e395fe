//! Calls for a waiter over HTTP.

#![allow(clippy::needless_pass_by_value, reason = "bodies are written where they are used")]

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::common::{House, message};
use crate::kitchen::{Kitchen, id_of};

fn call(kitchen: &Kitchen, members: Value) -> Value {
    let mut body = json!({ "restaurantId": kitchen.restaurant.id.as_str() });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn called(kitchen: &Kitchen, members: Value) -> Value {
    kitchen.house.post("/api/assistance-requests", call(kitchen, members)).await.expect(200)
}

async fn list(kitchen: &Kitchen, query: &str) -> Value {
    kitchen.house.get_as(&kitchen.owner, &format!("/api/assistance-requests{query}")).await.expect(200)
}

#[tokio::test]
async fn a_call_answers_its_shape_and_the_kitchen_hears_it_with_the_label() {
    let kitchen = Kitchen::open().await;
    let mut chef = kitchen.chef().await;
    let request =
        called(&kitchen, json!({ "tableId": "table-5", "customerMessage": "the bill, please" })).await;
    let now = "2025-01-31T09:05:07.000Z";
    assert_eq!(
        request,
        json!({
            "id": request["id"], "restaurantId": kitchen.restaurant.id.as_str(), "tableId": "table-5",
            "orderId": null, "customerMessage": "the bill, please", "requestType": "call_waiter",
            "status": "pending", "createdAt": now, "updatedAt": now,
        })
    );
    let mut data = request.clone();
    data["tableNumber"] = json!("5");
    assert_eq!(chef.heard(), [json!({ "type": "new-assistance-request", "data": data })]);
    assert_eq!(list(&kitchen, "").await, json!([data]));
}

#[tokio::test]
async fn d64_tables_and_orders_are_looked_up_within_the_restaurant() {
    let kitchen = Kitchen::open().await;
    let order = kitchen.order().await;
    for (members, table, known_order) in [
        (json!({ "tableId": "VIP-1" }), json!("table-vip"), json!(null)),
        (json!({ "tableId": 5 }), json!("table-5"), json!(null)),
        (json!({ "tableId": "a-b-c" }), json!(null), json!(null)),
        (json!({ "orderId": order["id"] }), json!(null), order["id"].clone()),
        (json!({ "orderId": "unknown" }), json!(null), json!(null)),
    ] {
        let request = called(&kitchen, members.clone()).await;
        assert_eq!((&request["tableId"], &request["orderId"]), (&table, &known_order), "{members}");
    }
    let (_, other) = kitchen.house.owner("bob").await;
    let foreign = json!({ "restaurantId": other.id.as_str(), "tableId": "table-5", "orderId": order["id"] });
    let request = called(&kitchen, foreign).await;
    assert_eq!((&request["tableId"], &request["orderId"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn d65_bad_calls_are_400_and_leave_nothing() {
    let kitchen = Kitchen::open().await;
    let before = kitchen.house.dump().await;
    for members in [
        json!({ "requestType": "police" }),
        json!({ "requestType": 5 }),
        json!({ "customerMessage": "x".repeat(1_001) }),
        json!({ "customerMessage": "a\u{0}b" }),
        json!({ "restaurantId": null }),
    ] {
        let body = kitchen.house.post("/api/assistance-requests", call(&kitchen, members)).await.expect(400);
        assert_eq!(body["message"], "Invalid assistance request");
    }
    let unknown = call(&kitchen, json!({ "restaurantId": "nowhere" }));
    let reply = kitchen.house.post("/api/assistance-requests", unknown).await;
    reply.refused(404, message("Restaurant not found"));
    House::nothing_changed(&before, &kitchen.house.dump().await);
}

#[tokio::test]
async fn d63_d66_the_list_is_newest_first_and_filtered_by_known_words_only() {
    let kitchen = Kitchen::open().await;
    let first = called(&kitchen, json!({ "requestType": "help_needed" })).await;
    kitchen.house.clock.advance(Duration::from_secs(1));
    let second = called(&kitchen, json!({})).await;
    let path = format!("/api/assistance-requests/{}/status", id_of(&first));
    let body = Some(json!({ "status": "resolved" }));
    kitchen.house.call(Method::PATCH, &path, Some(&kitchen.owner), body).await.expect(200);
    let ids = |list: Value| list.as_array().unwrap().iter().map(id_of).collect::<Vec<_>>();
    let both = vec![id_of(&second), id_of(&first)];
    for (query, want) in [
        ("", both.clone()),
        ("?status=", both.clone()),
        ("?status=all", both),
        ("?status=pending", vec![id_of(&second)]),
        ("?status=resolved", vec![id_of(&first)]),
        ("?status=acknowledged", vec![]),
    ] {
        assert_eq!(ids(list(&kitchen, query).await), want, "{query}");
    }
    let reply = kitchen.house.get_as(&kitchen.owner, "/api/assistance-requests?status=done").await;
    reply.refused(400, message("Invalid status"));
    kitchen.house.get("/api/assistance-requests").await.refused(401, message("Unauthorized"));
    let cyd = kitchen.house.user("cyd").await;
    let reply = kitchen.house.get_as(&cyd, "/api/assistance-requests").await;
    reply.refused(404, message("Restaurant not found"));
}

#[tokio::test]
async fn d67_a_change_of_status_is_heard_in_the_kitchen() {
    let kitchen = Kitchen::open().await;
    let request = called(&kitchen, json!({ "tableId": "5" })).await;
    let mut chef = kitchen.chef().await;
    let path = format!("/api/assistance-requests/{}/status", id_of(&request));
    kitchen.house.clock.advance(Duration::from_secs(1));
    for status in ["acknowledged", "resolved"] {
        let body = Some(json!({ "status": status }));
        let after = kitchen.house.call(Method::PATCH, &path, Some(&kitchen.owner), body).await.expect(200);
        assert_eq!(
            (&after["status"], &after["updatedAt"]),
            (&json!(status), &json!("2025-01-31T09:05:08.000Z"))
        );
        let mut data = after.clone();
        data["tableNumber"] = json!("5");
        assert_eq!(chef.heard(), [json!({ "type": "assistance-request-updated", "data": data })]);
    }
}

#[tokio::test]
async fn d65_only_known_statuses_of_ones_own_requests_are_set() {
    let kitchen = Kitchen::open().await;
    let request = called(&kitchen, json!({})).await;
    let (bob, _) = kitchen.house.owner("bob").await;
    let path = format!("/api/assistance-requests/{}/status", id_of(&request));
    let before = kitchen.house.dump().await;
    for body in [json!({}), json!({ "status": "done" }), json!({ "status": null })] {
        let reply = kitchen.house.call(Method::PATCH, &path, Some(&kitchen.owner), Some(body)).await;
        reply.refused(400, message("Invalid status"));
    }
    let body = || Some(json!({ "status": "resolved" }));
    kitchen.house.call(Method::PATCH, &path, Some(&bob), body()).await.refused(403, message("Forbidden"));
    kitchen.house.call(Method::PATCH, &path, None, body()).await.refused(401, message("Unauthorized"));
    let unknown = "/api/assistance-requests/unknown/status";
    let reply = kitchen.house.call(Method::PATCH, unknown, Some(&kitchen.owner), body()).await;
    reply.refused(404, message("Assistance request not found"));
    House::nothing_changed(&before, &kitchen.house.dump().await);
}

#[tokio::test]
async fn the_demo_restaurant_answers_calls_and_stores_nothing() {
    let kitchen = Kitchen::open().await;
    let before = kitchen.house.dump().await;
    let demo = |members: Value| {
        let mut body = call(&kitchen, members);
        body["restaurantId"] = json!("demo");
        kitchen.house.post("/api/assistance-requests", body)
    };
    let now = "2025-01-31T09:05:07.000Z";
    assert_eq!(
        demo(json!({ "tableId": "9", "customerMessage": "hello" })).await.expect(200),
        json!({
            "id": "demo-assistance-1738314307000", "restaurantId": "demo", "tableId": "9", "orderId": null,
            "customerMessage": "hello", "requestType": "call_waiter", "status": "pending",
            "createdAt": now, "updatedAt": now, "tableNumber": "5",
        })
    );
    assert_eq!(demo(json!({})).await.expect(200)["tableNumber"], json!(null));
    House::nothing_changed(&before, &kitchen.house.dump().await);
}
