//! The menu as a CSV file over HTTP.

use serde_json::{Value, json};

use crate::common::{House, Owner, Reply, message};

const EXPORT: &str = "/api/menu-items/export";
const PREVIEW: &str = "/api/menu-items/import/preview";
const CONFIRM: &str = "/api/menu-items/import/confirm";

async fn preview(house: &House, owner: &Owner, csv: &str) -> Reply {
    house.post_as(owner, PREVIEW, json!({ "csvData": csv })).await
}

#[tokio::test]
async fn d41_an_empty_menu_is_a_header_and_the_routes_win_over_the_id_pattern() {
    let house = House::new();
    let (ada, _) = house.owner("Ada Café").await;
    let reply = house.get_as(&ada, EXPORT).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (
            200,
            "name,description,price,category,isVegan,isVegetarian,isHalal,isKosher,spiceLevel,allergens,available,imageUrl"
        )
    );
    assert_eq!(reply.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(reply.headers["content-disposition"], "attachment; filename=\"menu-items-ada-caf--s.csv\"");
}

#[tokio::test]
async fn only_somebody_with_a_restaurant_exports_and_imports() {
    let house = House::new();
    let bob = house.user("bob").await;
    house.get(EXPORT).await.refused(401, message("Unauthorized"));
    house.get_as(&bob, EXPORT).await.refused(404, message("Restaurant not found"));
    for path in [PREVIEW, CONFIRM] {
        house.post(path, json!({})).await.refused(401, message("Unauthorized"));
        house.post_as(&bob, path, json!({})).await.refused(404, message("Restaurant not found"));
    }
}

#[tokio::test]
async fn a_preview_stores_nothing_and_says_what_would_come() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let before = house.dump().await;
    let csv = "name,description,price,category,allergens,spiceLevel\nSoup,,1.555,Starters,nuts; milk,\n,,1,M,,\nTea,hot,x,D,,9";
    assert_eq!(
        preview(&house, &ada, csv).await.expect(200),
        json!({
            "items": [{
                "name": "Soup", "description": "", "price": "1.56", "category": "Starters", "isVegan": false,
                "isVegetarian": false, "isHalal": false, "isKosher": false, "spiceLevel": null,
                "allergens": ["nuts", "milk"], "available": true, "imageUrl": null
            }],
            "errors": ["Row 3: Name is required", "Row 4: Valid price is required"],
            "totalRows": 3, "validRows": 1
        })
    );
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn d39_what_is_no_csv_is_refused() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    for body in [json!({}), json!({ "csvData": "" }), json!({ "csvData": 7 }), json!({ "csvData": ["a"] })] {
        house.post_as(&ada, PREVIEW, body).await.refused(400, message("CSV data required"));
    }
    for csv in ["name\nSoup", "name,price\nSoup", "name,price\n\"Soup,1", "name,price\nSoup,1,2"] {
        let refused = preview(&house, &ada, csv).await.expect(400);
        assert_eq!(refused["message"], "CSV parsing error");
        assert!(refused["errors"].as_array().unwrap().iter().all(Value::is_string), "{refused}");
    }
    let rows = format!("name,price,category{}", "\nSoup,1,M".repeat(2_001));
    preview(&house, &ada, &rows).await.refused(400, message("CSV file too large"));
    preview(&house, &ada, &"x".repeat(2 * 1024 * 1024 + 1)).await.refused(400, message("CSV file too large"));
}

#[tokio::test]
async fn an_exported_menu_is_imported_as_it_was() {
    let house = House::new();
    let (ada, restaurant) = house.owner("ada").await;
    let items = [
        json!({ "name": "=cmd|'/C calc'!A0", "description": "a, \"b\"\nc", "price": "1", "category": "-M" }),
        json!({ "name": "'=x", "description": "", "price": "99999999.99", "category": "D", "isVegan": true,
            "spiceLevel": "5", "allergens": ["nuts", "milk"], "available": false, "imageUrl": "tea.jpg" }),
    ];
    for mut item in items {
        item["restaurantId"] = json!(restaurant.id.as_str());
        house.post_as(&ada, "/api/menu-items", item).await.expect(200);
    }
    let file = house.get_as(&ada, EXPORT).await;
    assert!(file.text().contains("\r\n'=cmd|'/C calc'!A0,"), "{}", file.text());
    let seen = preview(&house, &ada, file.text()).await.expect(200);
    assert_eq!((&seen["errors"], &seen["validRows"]), (&json!([]), &json!(2)));

    let (bob, bobs) = house.owner("bob").await;
    let imported = house.post_as(&bob, CONFIRM, json!({ "items": seen["items"] })).await.expect(200);
    assert_eq!((&imported["success"], &imported["count"]), (&json!(true), &json!(2)));
    assert!(imported.get("errors").is_none());
    let bare = |menu: &Value| -> Vec<Value> {
        let mut items = menu.as_array().unwrap().clone();
        for item in &mut items {
            let members = item.as_object_mut().unwrap();
            for name in ["id", "restaurantId", "createdAt"] {
                members.remove(name);
            }
            // A missing list and an empty one are the same in a file.
            if members["allergens"].is_null() {
                members["allergens"] = json!([]);
            }
        }
        items
    };
    let menu = async |id: &str| house.get(&format!("/api/menu-items?restaurantId={id}")).await.expect(200);
    let (theirs, mine) = (menu(bobs.id.as_str()).await, menu(restaurant.id.as_str()).await);
    assert_eq!(bare(&theirs), bare(&mine));
    assert_eq!(imported["items"], theirs);
}

#[tokio::test]
async fn d40_a_partial_import_names_what_it_left_out() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let good = |name: &str| json!({ "name": name, "description": "", "price": "5", "category": "M" });
    let body = json!({ "items": [
        good("Soup"),
        { "name": "Pie", "description": "", "price": "abc", "category": "M" },
        { "description": "", "category": "M" },
        { "name": "Ale", "description": "", "price": -1, "category": "M" },
        { "name": "Bun", "description": "", "price": "1", "category": "" },
        { "name": "Nut", "description": "", "price": "1", "category": "M", "isVegan": "yes" },
        { "name": "Web", "description": "", "price": "1", "category": "M", "imageUrl": "http://a" },
        7,
        good("Tea"),
    ] });
    let imported = house.post_as(&ada, CONFIRM, body).await.expect(200);
    assert_eq!((&imported["success"], &imported["count"]), (&json!(true), &json!(2)));
    assert_eq!(
        imported["errors"],
        json!([
            "Item 2 (Pie): Invalid price: abc",
            "Item 3 (unknown): Invalid price: undefined",
            "Item 4 (Ale): Invalid price: -1",
            "Item 5 (Bun): category: must have 1 to 200 characters",
            "Item 6 (Nut): isVegan: Expected true or false",
            "Item 7 (Web): Invalid image",
            "Item 8 (unknown): Expected an object",
        ])
    );
    let nothing = house.post_as(&ada, CONFIRM, json!({ "items": [] })).await.expect(200);
    assert_eq!(nothing, json!({ "success": true, "count": 0, "items": [] }));
}

#[tokio::test]
async fn d40_what_is_no_list_or_too_long_is_refused_and_changes_nothing() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let before = house.dump().await;
    for body in [json!({}), json!({ "items": null }), json!({ "items": {} }), json!({ "items": "x" })] {
        house.post_as(&ada, CONFIRM, body).await.refused(400, message("Items array required"));
    }
    let item = json!({ "name": "Soup", "description": "", "price": "5", "category": "M" });
    assert_eq!(house.post_as(&ada, CONFIRM, json!({ "items": vec![item; 2_001] })).await.status, 400);
    House::nothing_changed(&before, &house.dump().await);
}
