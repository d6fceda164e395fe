//! Placing orders over HTTP.

#![allow(clippy::needless_pass_by_value, reason = "bodies are written where they are used")]

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use waiterix_domain::order::{OrderRules, PlaceOrder, PlacedLine, place};
use waiterix_domain::schema::{MenuItem, Restaurant, RestaurantTable, SubscriptionStatus};
use waiterix_domain::{Amount, Row};
use waiterix_ports::{ErrorKind, Store as _};

use crate::common::{House, error, message};
use crate::kitchen::{Kitchen, id_of, orders, with};

const DAY: Duration = Duration::from_secs(86_400);

/// The items member with other values in its one line.
fn line(changes: Value) -> Value {
    json!({ "items": [with(json!({ "id": "soup", "name": "Soup", "price": "12.50", "quantity": 2 }), changes)] })
}

/// That a body is refused with 400, leaves no trace, and says so.
async fn refused(kitchen: &Kitchen, body: Value) -> Value {
    let before = kitchen.house.dump().await;
    let reply = kitchen.house.post("/api/orders", body).await;
    House::nothing_changed(&before, &kitchen.house.dump().await);
    reply.expect(400)
}

#[tokio::test]
async fn an_order_answers_every_field_of_its_shape_and_no_more() {
    let kitchen = Kitchen::open().await;
    let order = kitchen.order().await;
    let id = id_of(&order);
    assert!(waiterix_domain::id::is_uuid(&id));
    assert_eq!(
        order,
        json!({
            "id": id, "restaurantId": kitchen.restaurant.id.as_str(), "tableId": "table-5",
            "customerNote": "no salt", "paymentMethod": "cash", "paymentStatus": "pending",
            "paymentGateway": null, "stripePaymentIntentId": null, "paystackReference": null,
            "telrTransactionRef": null, "adyenPspReference": null,
            "subtotal": "25.00", "tax": "2.50", "tip": "3.00", "total": "30.50",
            "status": "new", "allergies": "nuts",
            "createdAt": "2025-01-31T09:05:07.000Z", "updatedAt": "2025-01-31T09:05:07.000Z",
        })
    );
    let items = kitchen.house.get(&format!("/api/orders/{id}/items")).await.expect(200);
    assert_eq!(
        items,
        json!([{
            "id": items[0]["id"], "orderId": id, "menuItemId": "soup", "name": "Soup", "price": "12.50",
            "quantity": 2, "customerNote": "hot", "allergies": null,
        }])
    );
}

#[tokio::test]
async fn d43_prices_come_from_the_menu() {
    let kitchen = Kitchen::open().await;
    let text = message("Order total does not match current prices");
    let cheap = with(kitchen.two_soups(), json!({ "total": "0.01" }));
    assert_eq!(refused(&kitchen, cheap).await, text);
    let invented = with(
        kitchen.two_soups(),
        json!({ "items": [{ "id": "soup", "name": "Soup", "price": "0.01", "quantity": 2 }],
                "subtotal": "0.02", "tax": "0.00", "tip": "0.00", "total": "0.02" }),
    );
    assert_eq!(refused(&kitchen, invented).await, text);
    let misnamed = with(kitchen.two_soups(), line(json!({ "name": "Caviar", "price": 0.01 })));
    let order = kitchen.house.post("/api/orders", misnamed).await.expect(200);
    let items = kitchen.house.get(&format!("/api/orders/{}/items", id_of(&order))).await.expect(200);
    assert_eq!((&items[0]["name"], &items[0]["price"]), (&json!("Soup"), &json!("12.50")));
}

#[tokio::test]
async fn d43_a_difference_by_rounding_is_accepted_and_the_servers_figures_are_stored() {
    let kitchen = Kitchen::open().await;
    let body = with(kitchen.two_soups(), json!({ "tax": "2.51", "total": "30.52" }));
    let order = kitchen.house.post("/api/orders", body).await.expect(200);
    assert_eq!((&order["tax"], &order["total"]), (&json!("2.50"), &json!("30.50")));
    let too_far = with(kitchen.two_soups(), json!({ "tax": "2.52" }));
    refused(&kitchen, too_far).await;
}

#[tokio::test]
async fn d57_the_web_tax_rate_is_configuration() {
    let house = House::with(|settings| settings.web_tax_rate = "0.0775".parse().unwrap());
    let kitchen = Kitchen::in_house(house).await;
    refused(&kitchen, kitchen.two_soups()).await;
    let body = with(kitchen.two_soups(), json!({ "tax": "1.94", "total": "29.94" }));
    assert_eq!(kitchen.house.post("/api/orders", body).await.expect(200)["tax"], "1.94");
}

#[tokio::test]
async fn d44_dishes_that_are_unknown_foreign_or_sold_out_are_refused_by_name() {
    let kitchen = Kitchen::open().await;
    let (_, other) = kitchen.house.owner("bob").await;
    let foreign = MenuItem { restaurant_id: other.id, ..kitchen.dish("foreign", "Their soup", "12.50") };
    kitchen.house.insert([foreign]).await;
    for (id, sent_name, named) in
        [("nothing", "Dragon", "Dragon"), ("foreign", "Their soup", "Their soup"), ("cake", "Pie", "Cake")]
    {
        let body = with(kitchen.two_soups(), line(json!({ "id": id, "name": sent_name })));
        assert_eq!(refused(&kitchen, body).await, message(&format!("{named} is not available")));
    }
}

#[tokio::test]
async fn d44_d45_d46_d60_bad_orders_are_400_with_their_fields_and_leave_nothing() {
    let kitchen = Kitchen::open().await;
    let long = "x".repeat(1_001);
    for (changes, fields) in [
        (json!({ "items": [] }), vec!["items"]),
        (json!({ "items": null }), vec!["items"]),
        (json!({ "items": "soup" }), vec!["items"]),
        (json!({ "items": [7] }), vec!["items.0", "items.0.id", "items.0.quantity"]),
        (line(json!({ "id": null })), vec!["items.0.id"]),
        (line(json!({ "quantity": -1, "price": "-5" })), vec!["items.0.quantity"]),
        (line(json!({ "quantity": 0 })), vec!["items.0.quantity"]),
        (line(json!({ "quantity": 100 })), vec!["items.0.quantity"]),
        (line(json!({ "quantity": 1.5 })), vec!["items.0.quantity"]),
        (line(json!({ "quantity": "2" })), vec!["items.0.quantity"]),
        (line(json!({ "customerNote": long })), vec!["items.0.customerNote"]),
        (line(json!({ "allergies": "a\u{0}b" })), vec!["items.0.allergies"]),
        (json!({ "paymentMethod": "card" }), vec!["paymentMethod"]),
        (json!({ "paymentMethod": null }), vec!["paymentMethod"]),
        (json!({ "subtotal": 25.0 }), vec!["subtotal"]),
        (json!({ "total": "1e3" }), vec!["total"]),
        (json!({ "tip": "-0.01" }), vec!["tip"]),
        (json!({ "tax": "-2.50" }), vec!["tax"]),
        (json!({ "customerNote": long, "allergies": 5 }), vec!["allergies", "customerNote"]),
    ] {
        let shown = changes.to_string();
        let body = refused(&kitchen, with(kitchen.two_soups(), changes)).await;
        assert_eq!(body["message"], "Invalid order data", "{shown}");
        let found: Vec<String> = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| {
                let path: Vec<_> =
                    fault["path"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
                path.join(".")
            })
            .collect();
        assert_eq!(found, fields, "{shown}");
    }
}

#[tokio::test]
async fn the_restaurant_then_its_subscription_are_looked_at_before_the_body() {
    let kitchen = Kitchen::open().await;
    for body in [json!({}), json!({ "restaurantId": "nowhere" }), json!({ "restaurantId": 5, "items": 7 })] {
        kitchen.house.post("/api/orders", body).await.refused(404, error("Restaurant not found"));
    }
    let lapsed =
        Restaurant { subscription_status: SubscriptionStatus::PastDue, ..kitchen.restaurant.clone() };
    kitchen.commit(|set| set.update(kitchen.restaurant.clone(), lapsed)).await;
    let body = json!({ "restaurantId": kitchen.restaurant.id.as_str(), "items": 7 });
    let refusal = json!({
        "error": "subscription_required",
        "message": "This restaurant is not currently accepting orders. Please contact the restaurant directly.",
    });
    let reply = kitchen.house.post("/api/orders", body).await;
    assert!(!reply.text().contains('\n'), "the client's pattern does not cross line breaks");
    reply.refused(403, refusal);
}

#[tokio::test]
async fn d59_a_table_is_found_by_id_or_label_within_the_restaurant_and_else_there_is_none() {
    let kitchen = Kitchen::open().await;
    let (_, other) = kitchen.house.owner("bob").await;
    let theirs = RestaurantTable {
        id: "their-table".into(),
        restaurant_id: other.id,
        table_number: "77".to_owned(),
        qr_code_url: None,
        created_at: kitchen.restaurant.created_at,
    };
    kitchen.house.insert([theirs]).await;
    for (table, id) in [
        (json!("table-5"), json!("table-5")),
        (json!("5"), json!("table-5")),
        (json!(5), json!("table-5")),
        (json!("VIP-1"), json!("table-vip")),
        (json!("their-table"), json!(null)),
        (json!("77"), json!(null)),
        (json!(null), json!(null)),
        (json!(["5"]), json!(null)),
    ] {
        let body = with(kitchen.two_soups(), json!({ "tableId": table }));
        assert_eq!(kitchen.house.post("/api/orders", body).await.expect(200)["tableId"], id, "{table}");
    }
}

#[tokio::test]
async fn d47_a_payment_intent_from_outside_pays_nothing_and_finds_nobodys_order() {
    let kitchen = Kitchen::open().await;
    let body =
        with(kitchen.two_soups(), json!({ "paymentMethod": "online", "stripePaymentIntentId": "pi_1" }));
    let first = kitchen.house.post("/api/orders", body.clone()).await.expect(200);
    assert_eq!((&first["paymentStatus"], &first["stripePaymentIntentId"]), (&json!("pending"), &json!(null)));
    let second = kitchen.house.post("/api/orders", body).await.expect(200);
    assert_ne!(first["id"], second["id"]);
}

async fn post_with_key(house: &House, key: &str, body: &Value) -> Value {
    let request = Request::post("/api/orders")
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()));
    house.send(request.unwrap()).await.expect(200)
}

#[tokio::test]
async fn d48_a_repeated_key_answers_the_first_order_for_24_hours() {
    let kitchen = Kitchen::open().await;
    let body = kitchen.two_soups();
    let first = post_with_key(&kitchen.house, "key-1", &body).await;
    assert_eq!(post_with_key(&kitchen.house, "key-1", &body).await, first);
    assert_ne!(post_with_key(&kitchen.house, "key-2", &body).await["id"], first["id"]);
    kitchen.house.clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(post_with_key(&kitchen.house, "key-1", &body).await, first);
    kitchen.house.clock.advance(Duration::from_secs(1));
    let renewed = post_with_key(&kitchen.house, "key-1", &body).await;
    assert_ne!(renewed["id"], first["id"]);
    assert_eq!(post_with_key(&kitchen.house, "key-1", &body).await, renewed);
    assert_eq!(orders(&kitchen.house.dump().await).len(), 3);
}

#[tokio::test]
async fn d48_many_requests_with_one_key_at_once_make_one_order() {
    let kitchen = Kitchen::open().await;
    let (house, racing) = kitchen.racing();
    let body = kitchen.two_soups();
    let requests = (0..8).map(|_| post_with_key(&house, "key-1", &body));
    let answers = futures_util::future::join_all(requests).await;
    assert!(answers.iter().all(|answer| answer == &answers[0]));
    assert_eq!(orders(&kitchen.house.dump().await).len(), 1);
    assert_eq!(racing.conflicts(), 7, "all of them had read before the first one wrote");
}

#[tokio::test]
async fn d44_a_dish_that_sells_out_while_orders_are_placed_is_in_none_of_them() {
    let kitchen = Kitchen::open().await;
    let (house, racing) = kitchen.racing();
    let soup = kitchen.dish("soup", "Soup", "12.50");
    let sold_out = MenuItem { available: false, ..soup.clone() };
    let body = kitchen.two_soups();
    let guests = (0..4).map(|_| house.post("/api/orders", body.clone()));
    let (replies, ()) = tokio::join!(
        futures_util::future::join_all(guests),
        kitchen.commit(|set| set.update(soup, sold_out)),
    );
    for reply in replies {
        reply.refused(400, message("Soup is not available"));
    }
    assert_eq!(racing.conflicts(), 4);
    assert_eq!(orders(&kitchen.house.dump().await).len(), 0);
}

#[tokio::test]
async fn d48_a_key_counts_per_restaurant_and_is_not_stored_as_sent() {
    let kitchen = Kitchen::open().await;
    post_with_key(&kitchen.house, "guest-secret-key", &kitchen.two_soups()).await;
    let (_, other) = kitchen.house.owner("bob").await;
    let soup = MenuItem { restaurant_id: other.id.clone(), ..kitchen.dish("their-soup", "Soup", "12.50") };
    kitchen.house.insert([soup]).await;
    let theirs = with(kitchen.two_soups(), line(json!({ "id": "their-soup" })));
    let theirs = with(theirs, json!({ "restaurantId": other.id.as_str() }));
    let order = post_with_key(&kitchen.house, "guest-secret-key", &theirs).await;
    assert_eq!(order["restaurantId"], other.id.as_str());
    assert!(!format!("{:?}", kitchen.house.dump().await).contains("guest-secret-key"));
}

#[tokio::test]
async fn a_price_change_between_reading_and_committing_is_not_lost() {
    let kitchen = Kitchen::open().await;
    let soup = kitchen.dish("soup", "Soup", "12.50");
    let facts = kitchen
        .house
        .app
        .reads()
        .order_facts(&kitchen.restaurant.id, None, vec!["soup".into()], None)
        .await
        .unwrap()
        .unwrap();
    let command = PlaceOrder {
        restaurant: kitchen.restaurant.id.clone(),
        table: None,
        lines: vec![PlacedLine { item: "soup".to_owned(), quantity: Some(2), ..PlacedLine::default() }],
        subtotal: "25.00".to_owned(),
        tax: "2.50".to_owned(),
        tip: None,
        total: "27.50".to_owned(),
        payment_method: "cash".to_owned(),
        customer_note: None,
        allergies: None,
        idempotency: None,
        faults: Vec::new(),
    };
    let rules = OrderRules::default();
    let decision = kitchen.house.app.with_env(|env| place(&facts, &command, &rules, env)).unwrap();
    let dearer = MenuItem { price: Amount::parse("13.00").unwrap(), ..soup.clone() };
    kitchen.commit(|set| set.update(soup, dearer)).await;
    let conflict = kitchen.house.store.commit(&decision.changes).await.unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict);
    let rows = kitchen.house.dump().await;
    assert!(!rows.iter().any(|row| matches!(row, Row::Order(_) | Row::OrderItem(_))));
}
