//! Dishes.

use reqwest::Method;
use serde_json::json;
use waiterix_tests::stage::Stage;

use crate::service::kitchen::{Kitchen, id_of};

pub(crate) async fn dishes_are_added_changed_described_and_removed(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let menu = format!("/api/menu-items?restaurantId={}", kitchen.restaurant);
    let body = json!({
        "restaurantId": kitchen.restaurant, "name": "Döner \u{1F959}", "description": "mit Soße", "price": "12.345",
        "category": "Grill", "allergens": ["gluten", "milk"], "isHalal": true, "spiceLevel": "3",
    });
    let doner = kitchen.owner.post("/api/menu-items", &body).await;
    assert_eq!((&doner["price"], &doner["allergens"]), (&json!("12.35"), &json!(["gluten", "milk"])));
    let listed = kitchen.guest.get(&menu).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(listed.as_array().unwrap().contains(&doner), "{listed}");

    let path = format!("/api/menu-items/{}", id_of(&doner));
    let changed = kitchen.owner.put(&path, &json!({ "price": "13.00", "available": false })).await;
    assert_eq!((&changed["price"], &changed["name"]), (&json!("13.00"), &doner["name"]));
    let details = format!("{path}/extended-details");
    let told = json!({ "chefNotes": "from the spit", "cookingTime": "20 min" });
    let response = kitchen.owner.send(Method::PUT, &details, Some(&told)).await;
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    assert_eq!(kitchen.owner.get(&details).await["data"]["chefNotes"], "from the spit");

    assert_eq!(kitchen.owner.send(Method::DELETE, &path, None).await.status(), 200);
    assert_eq!(kitchen.guest.get(&menu).await.as_array().unwrap().len(), 1);
    assert_eq!(kitchen.owner.send(Method::DELETE, &path, None).await.status(), 404);
}

pub(crate) async fn the_menu_goes_in_and_out_as_csv(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let csv = "name,description,price,category,allergens\n\"Pho, big\",,9.5,Soups,nuts; milk\n,,1,M,";
    let preview = kitchen.owner.post("/api/menu-items/import/preview", &json!({ "csvData": csv })).await;
    assert_eq!((&preview["validRows"], &preview["errors"]), (&json!(1), &json!(["Row 3: Name is required"])));
    let confirmed =
        kitchen.owner.post("/api/menu-items/import/confirm", &json!({ "items": preview["items"] })).await;
    assert_eq!(confirmed["count"], 1);
    let exported = kitchen.owner.get_text("/api/menu-items/export").await;
    assert!(exported.contains("\"Pho, big\",,9.50,Soups"), "{exported}");
    assert_eq!(exported.lines().count(), 3);
}
