//! Tables over HTTP.

use axum::http::Method;
use serde_json::{Value, json};
use waiterix_domain::schema::Restaurant;

use crate::common::{House, Owner, message};

struct Room {
    house: House,
    ada: Owner,
    restaurant: Restaurant,
    path: String,
}

impl Room {
    async fn open() -> Self {
        let house = House::new();
        let (ada, restaurant) = house.owner("ada").await;
        let path = format!("/api/restaurant/{}/tables", restaurant.id);
        Self { house, ada, restaurant, path }
    }

    async fn add(&self, label: &str) -> Value {
        self.house.post_as(&self.ada, &self.path, json!({ "tableNumber": label })).await.expect(200)
    }

    fn path_of(&self, table: &Value) -> String {
        format!("{}/{}", self.path, table["id"].as_str().unwrap())
    }
}

#[tokio::test]
async fn d30_tables_come_in_natural_order_for_owner_and_guests() {
    let room = Room::open().await;
    for label in ["10", "VIP", "2", " 1 "] {
        room.add(label).await;
    }
    let owners = room.house.get_as(&room.ada, &room.path).await.expect(200);
    let labels = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|t| t["tableNumber"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(labels(&owners), ["1", "2", "10", "VIP"]);
    let first = &owners[0];
    assert_eq!(
        first,
        &json!({ "id": first["id"], "restaurantId": room.restaurant.id.as_str(), "tableNumber": "1",
            "qrCodeUrl": null, "createdAt": first["createdAt"] })
    );
    let public = format!("/api/public/restaurant/{}/tables", room.restaurant.id);
    let guests = room.house.get(&public).await.expect(200);
    assert_eq!(labels(&guests), labels(&owners));
    assert_eq!(
        guests[0],
        json!({ "id": first["id"], "tableNumber": "1", "restaurantId": room.restaurant.id.as_str() })
    );
}

#[tokio::test]
async fn guests_of_an_unknown_restaurant_get_404_and_of_the_demo_an_empty_list() {
    let room = Room::open().await;
    let tables = async |id: &str| room.house.get(&format!("/api/public/restaurant/{id}/tables")).await;
    tables("unknown").await.refused(404, message("Restaurant not found"));
    assert_eq!(tables("demo").await.expect(200), json!([]));
    assert_eq!(tables(room.restaurant.id.as_str()).await.expect(200), json!([]));
}

#[tokio::test]
async fn d28_bad_labels_and_duplicates_are_refused_and_change_nothing() {
    let room = Room::open().await;
    room.add("VIP").await;
    let before = room.house.dump().await;
    for body in [
        json!({}),
        json!({ "tableNumber": 5 }),
        json!({ "tableNumber": null }),
        json!({ "tableNumber": "" }),
        json!({ "tableNumber": "   " }),
        json!({ "tableNumber": "x".repeat(51) }),
        json!({ "tableNumber": "a\u{0}" }),
    ] {
        let refused = room.house.post_as(&room.ada, &room.path, body).await.expect(400);
        assert_eq!(refused["message"], "Invalid table data");
        assert_eq!(refused["errors"][0]["path"], json!(["tableNumber"]));
    }
    for label in ["VIP", "vip", " ViP "] {
        let body = json!({ "tableNumber": label });
        room.house
            .post_as(&room.ada, &room.path, body)
            .await
            .refused(409, message("Table number already exists"));
    }
    House::nothing_changed(&before, &room.house.dump().await);
}

#[tokio::test]
async fn s17_two_tables_added_at_once_with_one_label_are_one() {
    let room = Room::open().await;
    let add = || room.house.post_as(&room.ada, &room.path, json!({ "tableNumber": "9" }));
    let (one, two) = tokio::join!(add(), add());
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn d29_renaming_checks_the_table_then_the_label() {
    let room = Room::open().await;
    let (one, two) = (room.add("1").await, room.add("2").await);
    let rename = async |path: &str, body: Value| room.house.put_as(&room.ada, path, body).await;
    let path = room.path_of(&one);
    let renamed = rename(&path, json!({ "tableNumber": " Terrace " })).await.expect(200);
    assert_eq!((&renamed["id"], &renamed["tableNumber"]), (&one["id"], &json!("Terrace")));
    let before = room.house.dump().await;
    for empty in [
        json!({}),
        json!({ "tableNumber": " " }),
        json!({ "tableNumber": 7 }),
        json!({ "tableNumber": null }),
    ] {
        rename(&path, empty).await.refused(400, message("Table number is required and cannot be empty"));
    }
    rename(&path, json!({ "tableNumber": "2" })).await.refused(409, message("Table number already exists"));
    assert_eq!(
        rename(&path, json!({ "tableNumber": "x".repeat(51) })).await.expect(400)["message"],
        "Invalid table data"
    );
    let unknown = format!("{}/unknown", room.path);
    rename(&unknown, json!({})).await.refused(404, message("Table not found"));
    House::nothing_changed(&before, &room.house.dump().await);
    rename(&room.path_of(&two), json!({ "tableNumber": "2" })).await.expect(200);
}

#[tokio::test]
async fn a_table_is_removed_once() {
    let room = Room::open().await;
    let path = room.path_of(&room.add("1").await);
    assert_eq!(
        room.house.delete_as(&room.ada, &path).await.expect(200),
        message("Table deleted successfully")
    );
    room.house.delete_as(&room.ada, &path).await.refused(404, message("Table not found"));
}

#[tokio::test]
async fn foreign_restaurants_and_their_tables_are_out_of_reach() {
    let room = Room::open().await;
    let table = room.add("1").await;
    let (bob, bobs) = room.house.owner("bob").await;
    let before = room.house.dump().await;
    let body = || Some(json!({ "tableNumber": "9" }));
    for (method, path) in [
        (Method::GET, room.path.clone()),
        (Method::POST, room.path.clone()),
        (Method::PUT, room.path_of(&table)),
        (Method::DELETE, room.path_of(&table)),
    ] {
        room.house.call(method.clone(), &path, Some(&bob), body()).await.refused(403, message("Forbidden"));
        room.house.call(method, &path, None, body()).await.refused(401, message("Unauthorized"));
    }
    let mine = format!("/api/restaurant/{}/tables/{}", bobs.id, table["id"].as_str().unwrap());
    room.house
        .put_as(&bob, &mine, json!({ "tableNumber": "9" }))
        .await
        .refused(404, message("Table not found"));
    room.house.delete_as(&bob, &mine).await.refused(404, message("Table not found"));
    House::nothing_changed(&before, &room.house.dump().await);
}
