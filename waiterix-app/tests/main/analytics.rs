//! Scans of QR codes and calls of AI services.

use std::time::Duration;

use serde_json::{Value, json};
use waiterix_app::limits::Allowance;
use waiterix_domain::schema::{RestaurantTable, Table};
use waiterix_ports::{KeyRange, Store as _};

use crate::common::{House, message};

const DAY: Duration = Duration::from_secs(86_400);

async fn house() -> House {
    let house = House::new();
    house.owner("ada").await;
    house.owner("bob").await;
    let table = |id: &str, restaurant: &str, label: &str| RestaurantTable {
        id: id.into(),
        restaurant_id: restaurant.into(),
        table_number: label.to_owned(),
        qr_code_url: None,
        created_at: house.app.clock.now(),
    };
    house.insert([table("t1", "ada-restaurant", "5"), table("t2", "bob-restaurant", "9")]).await;
    house
}

async fn scan(house: &House, body: Value) {
    let reply = house.post("/api/analytics/table-scan", body).await;
    reply.refused(200, json!({ "success": true }));
}

async fn stats(house: &House, who: &str, query: &str) -> Value {
    let user = waiterix_ports::Reads(&*house.store).account(&who.into()).await.unwrap().unwrap().user;
    let owner = house.sign_in(user).await;
    house.get_as(&owner, &format!("/api/analytics/stats{query}")).await.expect(200)
}

#[tokio::test]
async fn scans_are_counted_by_label_most_frequent_first() {
    let house = house().await;
    for body in [
        json!({ "restaurantId": "ada-restaurant", "tableId": "t1" }),
        json!({ "restaurantId": "ada-restaurant", "tableId": "t1", "tableNumber": null }),
        json!({ "restaurantId": "ada-restaurant", "tableNumber": "2" }),
        json!({ "restaurantId": "ada-restaurant" }),
        json!({ "restaurantId": "bob-restaurant", "tableId": "t2" }),
    ] {
        scan(&house, body).await;
    }
    let want = json!({
        "period": "lifetime",
        "tableScans": { "totalScans": 4, "scansByTable": [
            { "tableNumber": "5", "count": 2 },
            { "tableNumber": "2", "count": 1 },
            { "tableNumber": "Unknown", "count": 1 },
        ] },
        "aiCalls": { "totalCalls": 0, "callsByType": [] },
    });
    assert_eq!(stats(&house, "ada", "").await, want);
}

#[tokio::test]
async fn d86_a_scan_of_another_restaurants_table_is_stored_without_table() {
    let house = house().await;
    scan(&house, json!({ "restaurantId": "ada-restaurant", "tableId": "t2" })).await;
    let rows = house.store.scan(Table::TableScanEvents, &KeyRange::default(), 10).await.unwrap();
    let waiterix_domain::Row::TableScanEvent(event) = &rows[0] else { panic!("{rows:?}") };
    assert_eq!((&event.table_id, &event.table_number), (&None, &None));
}

#[tokio::test]
async fn d85_unknown_restaurants_are_404_malformed_bodies_400_and_nothing_is_stored() {
    let house = house().await;
    let before = house.dump().await;
    let scans = "/api/analytics/table-scan";
    let calls = "/api/analytics/ai-call";
    let gone = message("Restaurant not found");
    house.post(scans, json!({ "restaurantId": "none" })).await.refused(404, gone.clone());
    house.post(calls, json!({ "restaurantId": "none", "callType": "chat" })).await.refused(404, gone);
    for body in [
        json!({}),
        json!({ "restaurantId": 5 }),
        json!({ "restaurantId": "ada-restaurant", "tableId": 5 }),
        json!({ "restaurantId": "ada-restaurant", "tableNumber": "x".repeat(51) }),
        json!({ "restaurantId": "ada-restaurant", "tableNumber": "\0" }),
    ] {
        let reply = house.post(scans, body).await.expect(400);
        assert!(reply["message"].is_string() && reply["errors"].is_array(), "{reply}");
    }
    for (field, value) in [
        ("callType", json!(null)),
        ("callType", json!("")),
        ("callType", json!("Chat")),
        ("callType", json!("a".repeat(51))),
        ("tokenCount", json!(-1)),
        ("tokenCount", json!(2_147_483_648_i64)),
        ("tokenCount", json!(1.5)),
        ("durationMs", json!("5")),
        ("customerSessionId", json!(5)),
    ] {
        let mut body = json!({ "restaurantId": "ada-restaurant", "callType": "chat" });
        body[field] = value;
        let reply = house.post(calls, body).await.expect(400);
        assert_eq!(reply["errors"][0]["path"], json!([field]));
    }
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn a_scan_in_the_demo_restaurant_is_answered_and_not_stored() {
    let house = house().await;
    let before = house.dump().await;
    scan(&house, json!({ "restaurantId": "demo", "tableId": "5" })).await;
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn d87_periods_are_counted_back_from_now_and_other_words_refused() {
    let house = house().await;
    let call = |kind: &'static str| {
        let body =
            json!({ "restaurantId": "ada-restaurant", "callType": kind, "tokenCount": 5, "durationMs": 9 });
        house.post("/api/analytics/ai-call", body)
    };
    call("oldest").await.expect(200);
    house.clock.advance(DAY);
    call("month").await.expect(200);
    // 2025-02-01 to 2025-03-01: the first instant of the month still counts.
    house.clock.advance(DAY * 21);
    call("week").await.expect(200);
    call("week").await.expect(200);
    house.clock.advance(DAY * 7);
    let of = |stats: Value| stats["aiCalls"].clone();
    assert_eq!(
        of(stats(&house, "ada", "?period=week").await),
        json!({ "totalCalls": 2, "callsByType": [{ "callType": "week", "count": 2 }] })
    );
    let month = stats(&house, "ada", "?period=month").await;
    assert_eq!((&month["period"], &month["aiCalls"]["totalCalls"]), (&json!("month"), &json!(3)));
    let lifetime = stats(&house, "ada", "?period=lifetime").await;
    assert_eq!(lifetime["aiCalls"]["totalCalls"], 4);
    let ada = house
        .sign_in(waiterix_ports::Reads(&*house.store).account(&"ada".into()).await.unwrap().unwrap().user)
        .await;
    for word in ["year", "WEEK", "week%20"] {
        let reply = house.get_as(&ada, &format!("/api/analytics/stats?period={word}")).await;
        reply.refused(400, message("Invalid period"));
    }
}

#[tokio::test]
async fn stats_are_for_owners() {
    let house = House::new();
    let cyd = house.user("cyd").await;
    house.get("/api/analytics/stats").await.refused(401, message("Unauthorized"));
    house.get_as(&cyd, "/api/analytics/stats").await.refused(404, message("Restaurant not found"));
}

#[tokio::test]
async fn d86_scans_of_one_address_are_limited() {
    let house = House::with(|settings| {
        settings.rate_limits.public_writes = Allowance { burst: 2, per_minute: 1 };
    });
    house.owner("ada").await;
    let body = json!({ "restaurantId": "ada-restaurant" });
    for _ in 0..2 {
        scan(&house, body.clone()).await;
    }
    let third = house.post("/api/analytics/table-scan", body).await;
    third.refused(429, message("Too many requests"));
}
