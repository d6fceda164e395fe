//! Dishes over HTTP.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use waiterix_domain::schema::Restaurant;

use crate::common::{House, Owner, Reply, error, message};
use crate::pictures;

struct Kitchen {
    house: House,
    ada: Owner,
    restaurant: Restaurant,
}

impl Kitchen {
    async fn open() -> Self {
        let house = House::new();
        let (ada, restaurant) = house.owner("ada").await;
        Self { house, ada, restaurant }
    }

    fn soup(&self) -> Value {
        json!({
            "restaurantId": self.restaurant.id.as_str(), "name": "Soup", "description": "", "price": "12.345",
            "category": "Starters"
        })
    }

    /// Adds a dish: a soup with other fields.
    async fn add(&self, fields: Value) -> Reply {
        let mut body = self.soup();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.house.post_as(&self.ada, "/api/menu-items", body).await
    }

    async fn menu(&self) -> Value {
        self.house.get(&format!("/api/menu-items?restaurantId={}", self.restaurant.id)).await.expect(200)
    }
}

fn path_of(item: &Value) -> String {
    format!("/api/menu-items/{}", item["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_dish_has_all_fields_and_its_defaults() {
    let kitchen = Kitchen::open().await;
    let item = kitchen.add(json!({ "createdAt": "2000-01-01", "id": "mine" })).await.expect(200);
    assert_eq!(
        item,
        json!({
            "id": item["id"], "restaurantId": "ada-restaurant", "name": "Soup", "description": "", "price": "12.35",
            "category": "Starters", "imageUrl": null, "spiceLevel": null, "isVegan": false, "isVegetarian": false,
            "isHalal": false, "isKosher": false, "allergens": null, "available": true,
            "createdAt": "2025-01-31T09:05:07.000Z"
        })
    );
    assert!(waiterix_domain::id::is_uuid(item["id"].as_str().unwrap()));
    let full = json!({
        "spiceLevel": "3", "isVegan": true, "isVegetarian": true, "isHalal": true, "isKosher": true,
        "available": false, "allergens": ["nuts", "milk"], "imageUrl": "soup.jpg", "price": 14
    });
    let item = kitchen.add(full).await.expect(200);
    assert_eq!((&item["price"], &item["allergens"]), (&json!("14.00"), &json!(["nuts", "milk"])));
    assert_eq!((&item["available"], &item["imageUrl"]), (&json!(false), &json!("soup.jpg")));
}

#[tokio::test]
async fn d33_bad_dishes_are_refused_with_every_fault_and_change_nothing() {
    let kitchen = Kitchen::open().await;
    let before = kitchen.house.dump().await;
    for (fields, path) in [
        (json!({ "name": " " }), "name"),
        (json!({ "name": null }), "name"),
        (json!({ "name": "x".repeat(201) }), "name"),
        (json!({ "category": "" }), "category"),
        (json!({ "description": null }), "description"),
        (json!({ "price": "-1" }), "price"),
        (json!({ "price": -0.5 }), "price"),
        (json!({ "price": "100000000" }), "price"),
        (json!({ "price": "five" }), "price"),
        (json!({ "price": null }), "price"),
        (json!({ "price": [] }), "price"),
        (json!({ "spiceLevel": "6" }), "spiceLevel"),
        (json!({ "spiceLevel": 3 }), "spiceLevel"),
        (json!({ "isVegan": "yes" }), "isVegan"),
        (json!({ "isHalal": null }), "isHalal"),
        (json!({ "allergens": null }), "allergens"),
        (json!({ "allergens": [1] }), "allergens"),
        (json!({ "allergens": vec!["x"; 51] }), "allergens"),
    ] {
        let refused = kitchen.add(fields.clone()).await.expect(400);
        assert_eq!(refused["message"], "Invalid menu item data", "{fields}");
        assert_eq!(refused["errors"].as_array().unwrap().len(), 1, "{fields}: {refused}");
        assert_eq!(refused["errors"][0]["path"], json!([path]), "{fields}");
    }
    let all = kitchen.add(json!({ "name": "", "price": "x", "category": "" })).await.expect(400);
    assert_eq!(all["errors"].as_array().unwrap().len(), 3);
    kitchen.add(json!({ "imageUrl": "http://example.org/a" })).await.refused(400, message("Invalid image"));
    House::nothing_changed(&before, &kitchen.house.dump().await);
}

#[tokio::test]
async fn adding_checks_the_owner_before_the_body() {
    let kitchen = Kitchen::open().await;
    let (bob, _) = kitchen.house.owner("bob").await;
    for body in [json!({}), json!({ "restaurantId": 7 }), json!({ "restaurantId": "ada-restaurant" })] {
        kitchen.house.post_as(&bob, "/api/menu-items", body).await.refused(403, message("Forbidden"));
    }
    kitchen.house.post("/api/menu-items", kitchen.soup()).await.refused(401, message("Unauthorized"));
}

#[tokio::test]
async fn d35_the_menu_is_ordered_by_creation_and_changes_do_not_move_a_dish() {
    let kitchen = Kitchen::open().await;
    let mut items = Vec::new();
    for name in ["C", "A", "B"] {
        items.push(kitchen.add(json!({ "name": name })).await.expect(200));
        kitchen.house.clock.advance(Duration::from_millis(1));
    }
    let body = json!({ "available": false });
    kitchen.house.put_as(&kitchen.ada, &path_of(&items[0]), body).await.expect(200);
    let names: Vec<_> = kitchen.menu().await.as_array().unwrap().iter().map(|i| i["name"].clone()).collect();
    assert_eq!(names, ["C", "A", "B"]);
}

#[tokio::test]
async fn menus_are_public_and_an_unknown_one_is_empty() {
    let house = House::new();
    for path in ["/api/menu-items", "/api/menu-items?restaurantId="] {
        house.get(path).await.refused(400, message("Restaurant ID required"));
    }
    assert_eq!(house.get("/api/menu-items?restaurantId=unknown").await.expect(200), json!([]));
    let demo = house.get("/api/menu-items?restaurantId=demo").await.expect(200);
    assert_eq!(demo.as_array().unwrap().len(), 5);
    assert_eq!((&demo[0]["id"], &demo[0]["price"]), (&json!("demo-1"), &json!("24.99")));
    assert_eq!(demo[3]["spiceLevel"], "3");
}

#[tokio::test]
async fn d34_d36_changes_follow_the_rules_of_new_dishes_and_a_dish_cannot_be_moved() {
    let kitchen = Kitchen::open().await;
    let (_, bobs) = kitchen.house.owner("bob").await;
    let item = kitchen.add(json!({})).await.expect(200);
    let path = path_of(&item);
    let put = async |body: Value| kitchen.house.put_as(&kitchen.ada, &path, body).await;
    for same in [json!({}), json!({ "restaurantId": bobs.id.as_str(), "id": "x", "createdAt": "2000-01-01" })]
    {
        assert_eq!(put(same).await.expect(200), item);
    }
    let before = kitchen.house.dump().await;
    for bad in [
        json!({ "price": "-1" }),
        json!({ "name": "" }),
        json!({ "name": null }),
        json!({ "price": null }),
        json!({ "spiceLevel": "9" }),
        json!({ "available": "no" }),
        json!({ "allergens": "nuts" }),
    ] {
        assert_eq!(put(bad).await.expect(400)["message"], "Invalid menu item data");
    }
    House::nothing_changed(&before, &kitchen.house.dump().await);
    let changed = put(json!({ "price": 14, "spiceLevel": null, "allergens": [], "available": false }))
        .await
        .expect(200);
    assert_eq!((&changed["price"], &changed["allergens"]), (&json!("14.00"), &json!([])));
    assert_eq!(kitchen.menu().await, json!([changed]));
}

#[tokio::test]
async fn a_row_is_looked_up_before_its_owner_is_compared() {
    let kitchen = Kitchen::open().await;
    let (bob, _) = kitchen.house.owner("bob").await;
    let item = kitchen.add(json!({})).await.expect(200);
    let before = kitchen.house.dump().await;
    for method in [Method::PUT, Method::DELETE] {
        let call =
            async |path: &str| kitchen.house.call(method.clone(), path, Some(&bob), Some(json!({}))).await;
        call("/api/menu-items/unknown").await.refused(404, message("Menu item not found"));
        call(&path_of(&item)).await.refused(403, message("Forbidden"));
    }
    let picture = format!("{}/image", path_of(&item));
    let put = async |path: &str, body: Value| kitchen.house.put_as(&bob, path, body).await;
    put(&picture, json!({})).await.refused(400, error("imageUrl is required"));
    put(&picture, json!({ "imageUrl": "a.jpg" })).await.refused(403, message("Forbidden"));
    put("/api/menu-items/unknown/image", json!({ "imageUrl": "a.jpg" }))
        .await
        .refused(404, message("Menu item not found"));
    let details = format!("{}/extended-details", path_of(&item));
    put(&details, json!({})).await.refused(403, message("Forbidden"));
    put("/api/menu-items/unknown/extended-details", json!({}))
        .await
        .refused(404, error("Menu item not found"));
    kitchen.house.get_as(&bob, &details).await.refused(403, message("Forbidden"));
    House::nothing_changed(&before, &kitchen.house.dump().await);
}

#[tokio::test]
async fn d37_d38_b13_pictures_come_and_go_with_their_dishes() {
    let kitchen = Kitchen::open().await;
    let house = &kitchen.house;
    let (url, key) = pictures::uploaded(house, &kitchen.ada).await;
    let canonical = format!("/api/objects/{key}");
    let item = kitchen.add(json!({ "imageUrl": url })).await.expect(200);
    assert_eq!(item["imageUrl"], canonical.as_str());
    assert!(pictures::grants(house).await[0].attached_at.is_some());
    let twin = kitchen.add(json!({ "imageUrl": canonical })).await.expect(200);
    assert_eq!(house.delete_as(&kitchen.ada, &path_of(&item)).await.expect(200), json!({ "success": true }));
    assert!(pictures::exists(house, &key).await, "another dish still shows it");

    let (next, next_key) = pictures::uploaded(house, &kitchen.ada).await;
    let path = format!("{}/image", path_of(&twin));
    let changed = house.put_as(&kitchen.ada, &path, json!({ "imageUrl": next })).await.expect(200);
    assert_eq!(changed["imageUrl"], format!("/api/objects/{next_key}"));
    assert!(!pictures::exists(house, &key).await);
    house.delete_as(&kitchen.ada, &path_of(&twin)).await.expect(200);
    assert!(!pictures::exists(house, &next_key).await);
    house.delete_as(&kitchen.ada, &path_of(&twin)).await.refused(404, message("Menu item not found"));
}

#[tokio::test]
async fn b8_somebody_elses_upload_is_refused_and_stays_theirs() {
    let kitchen = Kitchen::open().await;
    let (bob, _) = kitchen.house.owner("bob").await;
    let (url, key) = pictures::uploaded(&kitchen.house, &bob).await;
    let item = kitchen.add(json!({})).await.expect(200);
    let before = kitchen.house.dump().await;
    for value in [url, format!("/api/objects/{key}"), format!("/objects/{key}")] {
        let body = json!({ "imageUrl": value });
        let picture = format!("{}/image", path_of(&item));
        kitchen
            .house
            .put_as(&kitchen.ada, &picture, body.clone())
            .await
            .refused(400, message("Invalid image"));
        kitchen
            .house
            .put_as(&kitchen.ada, &path_of(&item), body.clone())
            .await
            .refused(400, message("Invalid image"));
        kitchen.add(body).await.refused(400, message("Invalid image"));
    }
    House::nothing_changed(&before, &kitchen.house.dump().await);
    assert!(pictures::exists(&kitchen.house, &key).await);
}

#[tokio::test]
async fn d42_details_are_written_by_name_and_stay_with_their_dish() {
    let kitchen = Kitchen::open().await;
    let item = kitchen.add(json!({})).await.expect(200);
    let path = format!("{}/extended-details", path_of(&item));
    let none = kitchen.house.get_as(&kitchen.ada, &path).await.expect(200);
    let menu_item = json!({ "id": item["id"], "name": "Soup", "description": "" });
    assert_eq!(none, json!({ "success": true, "data": null, "menuItem": menu_item }));
    let put = async |body: Value| kitchen.house.put_as(&kitchen.ada, &path, body).await;
    let body = json!({ "chefNotes": "slow", "cookingTime": "1 h", "menuItemId": "other", "id": "other" });
    let first = put(body).await.expect(200);
    let data = &first["data"];
    assert_eq!(
        first,
        json!({ "success": true, "data": {
            "id": data["id"], "menuItemId": item["id"], "preparationMethod": null, "ingredientSources": null,
            "pairingSuggestions": null, "chefNotes": "slow", "cookingTime": "1 h", "specialTechniques": null,
            "createdAt": "2025-01-31T09:05:07.000Z", "updatedAt": "2025-01-31T09:05:07.000Z"
        } })
    );
    kitchen.house.clock.advance(Duration::from_secs(1));
    let second = put(json!({ "cookingTime": null })).await.expect(200);
    assert_eq!((&second["data"]["id"], &second["data"]["chefNotes"]), (&data["id"], &json!("slow")));
    assert_eq!(second["data"]["updatedAt"], "2025-01-31T09:05:08.000Z");
    let before = kitchen.house.dump().await;
    for bad in [json!({ "chefNotes": "x".repeat(5_001) }), json!({ "chefNotes": 7 })] {
        assert_eq!(put(bad).await.expect(400)["errors"][0]["path"], json!(["chefNotes"]));
    }
    House::nothing_changed(&before, &kitchen.house.dump().await);
    assert_eq!(kitchen.house.get_as(&kitchen.ada, &path).await.expect(200)["data"], second["data"]);
}

#[tokio::test]
async fn s11_details_written_twice_at_once_are_one_row() {
    let kitchen = Kitchen::open().await;
    let item = kitchen.add(json!({})).await.expect(200);
    let path = format!("{}/extended-details", path_of(&item));
    let (one, two) = tokio::join!(
        kitchen.house.put_as(&kitchen.ada, &path, json!({ "chefNotes": "slow" })),
        kitchen.house.put_as(&kitchen.ada, &path, json!({ "cookingTime": "1 h" }))
    );
    assert_eq!(one.expect(200)["data"]["id"], two.expect(200)["data"]["id"]);
    let data = kitchen.house.get_as(&kitchen.ada, &path).await.expect(200)["data"].clone();
    assert_eq!((&data["chefNotes"], &data["cookingTime"]), (&json!("slow"), &json!("1 h")));
}
