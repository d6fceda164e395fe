//! Orders, from the guest to the report.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use waiterix_tests::stage::Stage;

use crate::service::kitchen::{Kitchen, id_of};

pub(crate) async fn an_order_costs_what_the_menu_says_and_goes_its_way(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let order = kitchen.guest.post("/api/orders", &kitchen.soup(2, ["20.00", "2.00", "22.00"])).await;
    let id = id_of(&order);
    assert_eq!((&order["total"], &order["status"]), (&json!("22.00"), &json!("new")));
    let listed = kitchen.owner.get("/api/orders").await;
    assert_eq!((&listed[0]["id"], &listed[0]["tableNumber"]), (&order["id"], &json!("2")));
    let items = kitchen.owner.get(&format!("/api/orders/{id}/items")).await;
    assert_eq!((&items[0]["name"], &items[0]["quantity"]), (&json!("Soup"), &json!(2)));

    let path = format!("/api/orders/{id}/status");
    for status in ["preparing", "ready", "completed"] {
        let moved = kitchen.owner.put(&path, &json!({ "status": status })).await;
        assert_eq!(moved["status"], status);
        assert_eq!(kitchen.guest.get(&format!("/api/orders/{id}/track")).await["order"]["status"], status);
    }
    let back = kitchen.owner.send(Method::PUT, &path, Some(&json!({ "status": "new" }))).await;
    assert_eq!(back.status().as_u16() / 100, 4, "D53");
    let receipt = kitchen.guest.get(&format!("/api/orders/{id}/receipt")).await;
    assert_eq!(receipt["order"]["total"], "22.00");

    let second = kitchen.order().await;
    let cancel = format!("/api/orders/{}/cancel", id_of(&second));
    let cancelled = kitchen.owner.post(&cancel, &json!({ "reason": "out of soup" })).await;
    assert!(cancelled.to_string().contains("cancelled"), "{cancelled}");
    let day = order["createdAt"].as_str().unwrap()[..10].to_owned();
    let report =
        kitchen.owner.get_text(&format!("/api/reports/financial?startDate={day}&endDate={day}")).await;
    assert!(report.contains("22.00") && report.contains(&id[..8]), "{report}");
}

pub(crate) async fn an_order_sent_again_is_the_same_order(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let body = kitchen.soup(1, ["10.00", "1.00", "11.00"]);
    let send = async || {
        let key = ("idempotency-key", "0d7f6f0e-5d0c-4f5e-9d5e-0d7f6f0e5d0c");
        let response = kitchen.guest.send_with(Method::POST, "/api/orders", &[key], Some(&body)).await;
        assert_eq!(response.status(), 200);
        serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap()
    };
    let answers = join_all((0..8).map(|_| send())).await;
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    assert_eq!(kitchen.owner.get("/api/orders").await.as_array().unwrap().len(), 1);
}

pub(crate) async fn other_prices_than_the_menus_are_refused(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    for sums in [["1.00", "0.10", "1.10"], ["10.00", "0.00", "10.00"], ["10.00", "1.00", "10.50"]] {
        let response = kitchen.guest.send(Method::POST, "/api/orders", Some(&kitchen.soup(1, sums))).await;
        assert_eq!(response.status().as_u16() / 100, 4, "{sums:?}");
    }
    assert_eq!(kitchen.owner.get("/api/orders").await, json!([]));
}

pub(crate) async fn many_guests_at_once_lose_no_order(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let placed = join_all((0..24).map(|_| kitchen.order())).await;
    let mut placed: Vec<String> = placed.iter().map(id_of).collect();
    let listed = kitchen.owner.get("/api/orders").await;
    let mut listed: Vec<String> = listed.as_array().unwrap().iter().map(id_of).collect();
    placed.sort();
    listed.sort();
    assert_eq!(listed, placed);
}

pub(crate) async fn guests_rate_and_the_owner_counts(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let order = kitchen.order().await;
    let id = id_of(&order);
    kitchen.owner.put(&format!("/api/orders/{id}/status"), &json!({ "status": "preparing" })).await;
    kitchen.owner.put(&format!("/api/orders/{id}/status"), &json!({ "status": "ready" })).await;
    kitchen.owner.put(&format!("/api/orders/{id}/status"), &json!({ "status": "completed" })).await;
    let of = json!({ "orderId": id, "restaurantId": kitchen.restaurant });
    let numbers = json!({ "foodQuality": 5, "serviceSpeed": 4, "cleanliness": 3, "staffFriendliness": 1 });
    let service = json!({ "serviceRatings": numbers, "comment": "Lovely" });
    let dish = json!({ "menuItemId": kitchen.dish["id"], "itemRating": 4 });
    for rating in [service, dish] {
        let mut body = of.clone();
        body.as_object_mut().unwrap().extend(rating.as_object().unwrap().clone());
        kitchen.guest.post("/api/ratings", &body).await;
    }
    assert_eq!(kitchen.guest.get(&format!("/api/orders/{id}/track")).await["hasBeenRated"], true);
    let of_order = kitchen.guest.get(&format!("/api/orders/{id}/ratings")).await;
    assert!(of_order.to_string().contains("Lovely"), "{of_order}");
    let of_restaurant = kitchen.owner.get(&format!("/api/restaurants/{}/ratings", kitchen.restaurant)).await;
    assert!(of_restaurant.to_string().contains(kitchen.dish["id"].as_str().unwrap()), "{of_restaurant}");
    let called = json!({ "restaurantId": kitchen.restaurant, "callType": "chat", "tokenCount": 7 });
    kitchen.guest.post("/api/analytics/ai-call", &called).await;
    assert_eq!(kitchen.owner.get("/api/analytics/stats").await["aiCalls"]["totalCalls"], 1);
}
