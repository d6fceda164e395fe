//! Orders over HTTP, once they are placed.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use waiterix_domain::Table;
use waiterix_domain::schema::Order;

use crate::common::{House, message};
use crate::kitchen::{Kitchen, id_of, orders, with};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn d49_d54_the_kitchen_hears_everything_and_the_tracking_guest_ids_and_words_only() {
    let kitchen = Kitchen::open().await;
    let mut chef = kitchen.chef().await;
    let order = kitchen.order().await;
    let id = id_of(&order);
    let mut tracking = kitchen.guest(&format!("tracking-{id}")).await;
    let mut stranger = kitchen.guest("tracking-of-somebody-else").await;
    let new_order =
        json!({ "type": "new-order", "data": { "orderId": id, "order": order, "tableNumber": "5" } });
    assert_eq!(chef.heard(), [new_order]);

    let path = format!("/api/orders/{id}/status");
    let ready = kitchen.house.put_as(&kitchen.owner, &path, json!({ "status": "ready" })).await.expect(200);
    let full = json!({ "orderId": id, "status": "ready", "order": ready });
    assert_eq!(chef.heard(), [json!({ "type": "order-status-changed", "data": full })]);
    let reduced = json!({ "orderId": id, "status": "ready" });
    assert_eq!(tracking.heard(), [json!({ "type": "order-status-changed", "data": reduced })]);

    kitchen.house.post_as(&kitchen.owner, &format!("/api/orders/{id}/cancel"), json!({})).await.expect(200);
    assert_eq!(chef.heard()[0]["data"]["status"], "cancelled");
    let reduced = json!({ "orderId": id, "status": "cancelled" });
    assert_eq!(tracking.heard(), [json!({ "type": "order-status-changed", "data": reduced })]);
    assert_eq!(stranger.heard(), Vec::<Value>::new());
}

#[tokio::test]
async fn d50_s3_completed_orders_leave_the_list_after_24_hours_and_stay_stored() {
    let kitchen = Kitchen::open().await;
    let completed = kitchen.order_that_is("completed").await;
    let open = kitchen.order().await;
    let listed = async || {
        let list = kitchen.house.get_as(&kitchen.owner, "/api/orders").await.expect(200);
        list.as_array().unwrap().iter().map(id_of).collect::<Vec<_>>()
    };
    assert_eq!(listed().await.len(), 2);
    kitchen.house.clock.advance(DAY + Duration::from_millis(1));
    let before = kitchen.house.dump().await;
    assert_eq!(listed().await, [id_of(&open)]);
    House::nothing_changed(&before, &kitchen.house.dump().await);
    let path = format!("/api/orders/{}/track", id_of(&completed));
    assert_eq!(kitchen.house.get(&path).await.expect(200)["order"], completed);
}

#[tokio::test]
async fn the_list_is_newest_first_with_labels_and_the_owners_only() {
    let kitchen = Kitchen::open().await;
    let first = kitchen.order().await;
    kitchen.house.clock.advance(Duration::from_secs(1));
    let second = with(kitchen.two_soups(), json!({ "tableId": null }));
    let second = kitchen.house.post("/api/orders", second).await.expect(200);
    let list = kitchen.house.get_as(&kitchen.owner, "/api/orders").await.expect(200);
    let labelled = |order: &Value, label: Value| with(order.clone(), json!({ "tableNumber": label }));
    assert_eq!(list, json!([labelled(&second, json!(null)), labelled(&first, json!("5"))]));
    let (bob, _) = kitchen.house.owner("bob").await;
    assert_eq!(kitchen.house.get_as(&bob, "/api/orders").await.expect(200), json!([]));
    let cyd = kitchen.house.user("cyd").await;
    kitchen.house.get_as(&cyd, "/api/orders").await.refused(404, message("Restaurant not found"));
    kitchen.house.get("/api/orders").await.refused(401, message("Unauthorized"));
}

#[tokio::test]
async fn d31_the_label_of_a_deleted_table_is_kept() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    kitchen.commit(|set| set.delete(Table::RestaurantTables, "table-5")).await;
    let list = kitchen.house.get_as(&kitchen.owner, "/api/orders").await.expect(200);
    assert_eq!((&list[0]["tableId"], &list[0]["tableNumber"]), (&json!(null), &json!("5")));
    for page in ["track", "receipt"] {
        let view = kitchen.house.get(&format!("/api/orders/{id}/{page}")).await.expect(200);
        assert_eq!(view["table"], json!({ "tableNumber": "5" }));
    }
}

#[tokio::test]
async fn d53_only_the_steps_of_the_table_are_taken() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let path = format!("/api/orders/{id}/status");
    for body in
        [json!({}), json!({ "status": null }), json!({ "status": "cancelled" }), json!({ "status": 5 })]
    {
        let before = kitchen.house.dump().await;
        let reply = kitchen.house.put_as(&kitchen.owner, &path, body).await;
        reply.refused(400, message("Invalid order status"));
        House::nothing_changed(&before, &kitchen.house.dump().await);
    }
    for status in ["preparing", "new", "ready", "preparing", "completed"] {
        kitchen.house.clock.advance(Duration::from_secs(1));
        let order =
            kitchen.house.put_as(&kitchen.owner, &path, json!({ "status": status })).await.expect(200);
        assert_eq!(order["status"], status);
        assert_ne!(order["updatedAt"], order["createdAt"]);
    }
    let reply = kitchen.house.put_as(&kitchen.owner, &path, json!({ "status": "new" })).await;
    reply.refused(400, message("Cannot change order status from completed to new"));
    let before = kitchen.house.dump().await;
    kitchen.house.clock.advance(Duration::from_secs(1));
    kitchen.house.put_as(&kitchen.owner, &path, json!({ "status": "completed" })).await.expect(200);
    House::nothing_changed(&before, &kitchen.house.dump().await);
}

#[tokio::test]
async fn s19_of_two_who_move_an_order_at_once_none_is_lost() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let (house, racing) = kitchen.racing();
    let path = format!("/api/orders/{id}/status");
    let cancel = format!("/api/orders/{id}/cancel");
    let (moved, cancelled) = tokio::join!(
        house.put_as(&kitchen.owner, &path, json!({ "status": "completed" })),
        house.post_as(&kitchen.owner, &cancel, json!({})),
    );
    moved.expect(200);
    cancelled.refused(400, message("Cannot cancel order that is already completed"));
    assert_eq!(racing.conflicts(), 1);
}

#[tokio::test]
async fn d58_completing_a_cash_order_marks_it_paid() {
    let kitchen = Kitchen::open().await;
    assert_eq!(kitchen.order_that_is("completed").await["paymentStatus"], "completed");
    let online = with(kitchen.two_soups(), json!({ "paymentMethod": "online" }));
    let id = id_of(&kitchen.house.post("/api/orders", online).await.expect(200));
    let path = format!("/api/orders/{id}/status");
    let order =
        kitchen.house.put_as(&kitchen.owner, &path, json!({ "status": "completed" })).await.expect(200);
    assert_eq!(order["paymentStatus"], "pending");
}

#[tokio::test]
async fn working_on_an_order_takes_its_owner() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let (bob, _) = kitchen.house.owner("bob").await;
    let before = kitchen.house.dump().await;
    for (method, page) in [(Method::PUT, "status"), (Method::POST, "cancel")] {
        let body = || Some(json!({ "status": "ready" }));
        let path = format!("/api/orders/{id}/{page}");
        let anonymous = kitchen.house.call(method.clone(), &path, None, body()).await;
        anonymous.refused(401, message("Unauthorized"));
        kitchen
            .house
            .call(method.clone(), &path, Some(&bob), body())
            .await
            .refused(403, message("Forbidden"));
        let unknown = format!("/api/orders/unknown/{page}");
        let reply = kitchen.house.call(method, &unknown, Some(&kitchen.owner), body()).await;
        reply.refused(404, message("Order not found"));
    }
    House::nothing_changed(&before, &kitchen.house.dump().await);
}

#[tokio::test]
async fn d55_a_cancellation_is_answered_with_its_reason_and_happens_once() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let path = format!("/api/orders/{id}/cancel");
    let body = |reason: &str| json!({ "reason": reason, "skipRefund": true });
    let (house, racing) = kitchen.racing();
    // A double click: the very same request twice, in one instant of the standing clock.
    let (one, two) = tokio::join!(
        house.post_as(&kitchen.owner, &path, body("out of fish")),
        house.post_as(&kitchen.owner, &path, body("out of fish"))
    );
    assert_eq!(racing.conflicts(), 1, "both had read before the first one wrote");
    two.refused(400, message("Cannot cancel order that is already cancelled"));
    let answer = one.expect(200);
    assert_eq!((&answer["success"], &answer["refunded"]), (&json!(true), &json!(false)));
    assert!(answer.get("refundId").is_none());
    assert_eq!(answer["order"]["customerNote"], "no salt\n---\nCancelled: out of fish");
    assert_eq!(
        (&answer["order"]["status"], &answer["order"]["paymentStatus"]),
        (&json!("cancelled"), &json!("pending"))
    );
    assert!(answer["order"].get("cancellationReason").is_none());
    let rows = kitchen.house.dump().await;
    assert_eq!(orders(&rows)[0].cancellation_reason.as_deref(), Some("out of fish"));
}

#[tokio::test]
async fn d55_a_completed_order_cannot_be_cancelled_and_a_reason_has_a_limit() {
    let kitchen = Kitchen::open().await;
    let completed = kitchen.order_that_is("completed").await;
    let path = format!("/api/orders/{}/cancel", id_of(&completed));
    let reply = kitchen.house.post_as(&kitchen.owner, &path, json!({})).await;
    reply.refused(400, message("Cannot cancel order that is already completed"));
    let path = format!("/api/orders/{}/cancel", id_of(&kitchen.order().await));
    for reason in [json!("x".repeat(1_001)), json!(7), json!("a\u{0}")] {
        let body =
            kitchen.house.post_as(&kitchen.owner, &path, json!({ "reason": reason })).await.expect(400);
        assert_eq!(body["errors"][0]["path"], json!(["reason"]));
    }
    let reply = kitchen.house.call(Method::POST, &path, Some(&kitchen.owner), None).await.expect(200);
    assert_eq!(reply["order"]["customerNote"], "no salt\n---\nCancelled: No reason provided");
}

#[tokio::test]
async fn d52_guests_see_an_order_without_payment_references() {
    let kitchen = Kitchen::open().await;
    let placed = kitchen.order().await;
    let id = id_of(&placed);
    let stored = orders(&kitchen.house.dump().await)[0].clone();
    let paid = Order {
        stripe_payment_intent_id: Some("pi_secret".to_owned()),
        paystack_reference: Some("ps_secret".to_owned()),
        telr_transaction_ref: Some("te_secret".to_owned()),
        adyen_psp_reference: Some("ad_secret".to_owned()),
        ..stored.clone()
    };
    kitchen.commit(|set| set.update(stored, paid)).await;
    let items = kitchen.house.get(&format!("/api/orders/{id}/items")).await.expect(200);
    let restaurant = &kitchen.restaurant;
    let track = kitchen.house.get(&format!("/api/orders/{id}/track")).await.expect(200);
    assert_eq!(
        track,
        json!({
            "order": placed, "items": items,
            "restaurant": { "id": restaurant.id.as_str(), "name": restaurant.name, "currencyCode": "USD",
                            "defaultLanguage": "en" },
            "table": { "tableNumber": "5" }, "hasBeenRated": false,
        })
    );
    let receipt = kitchen.house.get(&format!("/api/orders/{id}/receipt")).await.expect(200);
    assert_eq!(
        receipt,
        json!({
            "order": placed, "items": items,
            "restaurant": { "id": restaurant.id.as_str(), "name": restaurant.name, "address": null, "city": null,
                            "country": null, "phone": null, "currencyCode": "USD", "defaultLanguage": "en" },
            "table": { "tableNumber": "5" },
        })
    );
    for page in ["track", "receipt"] {
        let reply = kitchen.house.get(&format!("/api/orders/unknown/{page}")).await;
        reply.refused(404, message("Order not found"));
    }
    assert_eq!(kitchen.house.get("/api/orders/unknown/items").await.expect(200), json!([]));
}

#[tokio::test]
async fn the_demo_restaurant_takes_orders_and_stores_nothing() {
    let kitchen = Kitchen::open().await;
    let before = kitchen.house.dump().await;
    let body = with(kitchen.two_soups(), json!({ "restaurantId": "demo", "paymentMethod": "online" }));
    let order = kitchen.house.post("/api/orders", body).await.expect(200);
    let now = "2025-01-31T09:05:07.000Z";
    assert_eq!(
        order,
        json!({
            "id": "demo-order-1738314307000", "restaurantId": "demo", "tableId": null, "customerNote": "no salt",
            "paymentMethod": "online", "paymentStatus": "completed", "stripePaymentIntentId": null,
            "subtotal": "25.00", "tax": "2.50", "tip": "3.00", "total": "30.50", "status": "new",
            "createdAt": now, "updatedAt": now,
        })
    );
    let track = kitchen.house.get("/api/orders/demo-order-1738314307000/track").await.expect(200);
    assert_eq!(track["order"]["total"], "32.50");
    assert_eq!(track["order"]["paymentMethod"], "cash");
    assert_eq!(track["items"][0]["name"], "Demo Menu Item");
    assert_eq!(
        track["restaurant"],
        json!({ "id": "demo", "name": "Demo Restaurant", "currencyCode": "USD", "defaultLanguage": "en" })
    );
    assert_eq!(
        (&track["table"], &track["hasBeenRated"]),
        (&json!({ "tableNumber": "Table 1" }), &json!(false))
    );
    let receipt = kitchen.house.get("/api/orders/demo-order-1738314307000/receipt").await.expect(200);
    assert_eq!(receipt["table"], json!({ "tableNumber": "1" }));
    assert_eq!(receipt["order"], track["order"]);
    House::nothing_changed(&before, &kitchen.house.dump().await);
}

#[tokio::test]
async fn c14_new_columns_appear_in_no_answer() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let track = kitchen.house.get(&format!("/api/orders/{id}/track")).await;
    let items = kitchen.house.get(&format!("/api/orders/{id}/items")).await;
    for text in [track.text(), items.text()] {
        assert!(!text.contains("position") && !text.contains("cancellation"), "{text}");
    }
    assert!(track.expect(200)["order"].get("tableNumber").is_none());
}
