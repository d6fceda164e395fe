//! Ratings over HTTP.

#![allow(clippy::needless_pass_by_value, reason = "bodies are written where they are used")]

use std::time::Duration;

use serde_json::{Value, json};
use waiterix_domain::{ChangeSet, CommitId, Table};
use waiterix_ports::Store as _;

use crate::common::{House, message};
use crate::kitchen::{Kitchen, id_of};

/// Members of a rating of an order.
fn of(kitchen: &Kitchen, order: &Value, members: Value) -> Value {
    let mut body = json!({ "orderId": order["id"], "restaurantId": kitchen.restaurant.id.as_str() });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn soup(number: i64) -> Value {
    json!({ "menuItemId": "soup", "itemRating": number })
}

fn service() -> Value {
    let numbers = json!({ "foodQuality": 5, "serviceSpeed": 4, "cleanliness": 3, "staffFriendliness": 1 });
    json!({ "serviceRatings": numbers, "comment": "lovely", "menuItemId": null, "itemRating": null })
}

#[tokio::test]
async fn m14_service_and_dishes_may_be_rated_in_parallel() {
    let kitchen = Kitchen::open().await;
    let order = kitchen.order_that_is("completed").await;
    let (one, two) = tokio::join!(
        kitchen.house.post("/api/ratings", of(&kitchen, &order, service())),
        kitchen.house.post("/api/ratings", of(&kitchen, &order, soup(4)))
    );
    let (whole, dish) = (one.expect(200), two.expect(200));
    assert_eq!(
        whole,
        json!({
            "id": whole["id"], "orderId": order["id"], "restaurantId": kitchen.restaurant.id.as_str(),
            "menuItemId": null, "itemRating": null,
            "serviceRatings": { "foodQuality": 5, "serviceSpeed": 4, "cleanliness": 3, "staffFriendliness": 1 },
            "comment": "lovely", "createdAt": "2025-01-31T09:05:07.000Z",
        })
    );
    assert_eq!((&dish["menuItemId"], &dish["itemRating"]), (&json!("soup"), &json!(4)));
    assert_eq!((&dish["serviceRatings"], &dish["comment"]), (&json!(null), &json!(null)));
    let track = kitchen.house.get(&format!("/api/orders/{}/track", id_of(&order))).await.expect(200);
    assert_eq!(track["hasBeenRated"], true);
}

#[tokio::test]
async fn s12_d61_of_many_equal_ratings_at_once_exactly_one_is_stored() {
    let kitchen = Kitchen::open().await;
    let order = kitchen.order_that_is("completed").await;
    for (rating, text) in
        [(service(), "Service has already been rated"), (soup(4), "This item has already been rated")]
    {
        let body = of(&kitchen, &order, rating);
        let (house, racing) = kitchen.racing();
        let posts = (0..6).map(|_| house.post("/api/ratings", body.clone()));
        let replies = futures_util::future::join_all(posts).await;
        let (stored, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status.is_success());
        assert_eq!((stored.len(), refused.len()), (1, 5));
        for reply in refused {
            reply.refused(400, message(text));
        }
        assert_eq!(racing.conflicts(), 5, "all of them had read before the first one wrote");
    }
}

#[tokio::test]
async fn d61_bad_ratings_are_400_and_leave_nothing() {
    let kitchen = Kitchen::open().await;
    let order = kitchen.order_that_is("completed").await;
    for (members, path) in [
        (soup(0), json!(["itemRating"])),
        (soup(6), json!(["itemRating"])),
        (soup(99), json!(["itemRating"])),
        (json!({ "itemRating": 4.5 }), json!(["itemRating"])),
        (json!({ "itemRating": "5" }), json!(["itemRating"])),
        (json!({ "serviceRatings": { "foodQuality": 6 } }), json!(["serviceRatings", "foodQuality"])),
        (json!({ "serviceRatings": { "cleanliness": "5" } }), json!(["serviceRatings", "cleanliness"])),
        (json!({ "serviceRatings": 5 }), json!(["serviceRatings"])),
        (json!({ "serviceRatings": {} }), json!(["itemRating"])),
        (json!({ "comment": "only words" }), json!(["itemRating"])),
        (json!({ "menuItemId": "tea", "itemRating": 5 }), json!(["menuItemId"])),
        (json!({ "restaurantId": "elsewhere", "itemRating": 5 }), json!(["restaurantId"])),
        (json!({ "restaurantId": null, "itemRating": 5 }), json!(["restaurantId"])),
        (json!({ "orderId": 5, "itemRating": 5 }), json!(["orderId"])),
        (json!({ "itemRating": 5, "comment": "x".repeat(2_001) }), json!(["comment"])),
    ] {
        let before = kitchen.house.dump().await;
        let body = of(&kitchen, &order, members);
        let refusal = kitchen.house.post("/api/ratings", body.clone()).await.expect(400);
        assert_eq!(
            (&refusal["message"], &refusal["errors"][0]["path"]),
            (&json!("Invalid rating"), &path),
            "{body}"
        );
        House::nothing_changed(&before, &kitchen.house.dump().await);
    }
}

#[tokio::test]
async fn d61_an_unknown_order_is_404_and_an_open_one_cannot_be_rated_yet() {
    let kitchen = Kitchen::open().await;
    for id in ["unknown", "demo-order-1"] {
        let body = of(&kitchen, &json!({ "id": id }), soup(5));
        kitchen.house.post("/api/ratings", body).await.refused(404, message("Order not found"));
    }
    for status in ["new", "preparing", "ready"] {
        let order = kitchen.order_that_is(status).await;
        let reply = kitchen.house.post("/api/ratings", of(&kitchen, &order, soup(5))).await;
        reply.refused(400, message("Order is not completed yet"));
    }
}

#[tokio::test]
async fn a_dish_that_left_the_menu_is_rated_without_its_id() {
    let kitchen = Kitchen::open().await;
    let order = kitchen.order_that_is("completed").await;
    let gone = ChangeSet::new(CommitId::new("gone")).delete(Table::MenuItems, "soup");
    kitchen.house.store.commit(&gone).await.unwrap();
    let nameless = || of(&kitchen, &order, json!({ "menuItemId": null, "itemRating": 3 }));
    kitchen.house.post("/api/ratings", nameless()).await.expect(200);
    let again = kitchen.house.post("/api/ratings", nameless()).await;
    again.refused(400, message("This item has already been rated"));
}

#[tokio::test]
async fn d62_an_orders_ratings_are_public_and_a_restaurants_are_its_owners() {
    let kitchen = Kitchen::open().await;
    let order = kitchen.order_that_is("completed").await;
    let of_order = |id: &str| format!("/api/orders/{id}/ratings");
    let none = json!({ "ratings": [], "hasBeenRated": false });
    assert_eq!(kitchen.house.get(&of_order(&id_of(&order))).await.expect(200), none);
    assert_eq!(kitchen.house.get(&of_order("unknown")).await.expect(200), none);
    let first = kitchen.house.post("/api/ratings", of(&kitchen, &order, soup(4))).await.expect(200);
    kitchen.house.clock.advance(Duration::from_secs(1));
    let second = kitchen.house.post("/api/ratings", of(&kitchen, &order, service())).await.expect(200);
    let rated = kitchen.house.get(&of_order(&id_of(&order))).await.expect(200);
    assert_eq!(rated, json!({ "ratings": [first, second], "hasBeenRated": true }));

    let path = format!("/api/restaurants/{}/ratings", kitchen.restaurant.id);
    let list = kitchen.house.get_as(&kitchen.owner, &path).await.expect(200);
    assert_eq!(list, json!([second, first]), "newest first");
    let (bob, _) = kitchen.house.owner("bob").await;
    kitchen.house.get_as(&bob, &path).await.refused(403, message("Forbidden"));
    let unknown = kitchen.house.get_as(&bob, "/api/restaurants/unknown/ratings").await;
    unknown.refused(403, message("Forbidden"));
    kitchen.house.get(&path).await.refused(401, message("Unauthorized"));
}
