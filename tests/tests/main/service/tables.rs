//! Tables and their codes.

use reqwest::Method;
use serde_json::{Value, json};
use waiterix_tests::stage::Stage;

use crate::service::kitchen::{Kitchen, id_of};

pub(crate) async fn tables_are_named_listed_scanned_and_removed(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let path = format!("/api/restaurant/{}/tables", kitchen.restaurant);
    // A new restaurant has some already.
    for table in kitchen.owner.get(&path).await.as_array().unwrap() {
        let gone = kitchen.owner.send(Method::DELETE, &format!("{path}/{}", id_of(table)), None).await;
        assert_eq!(gone.status(), 200);
    }
    let mut tables = Vec::new();
    for label in ["10", "VIP", "2", " 1 "] {
        tables.push(kitchen.owner.post(&path, &json!({ "tableNumber": label })).await);
    }
    let twice = kitchen.owner.send(Method::POST, &path, Some(&json!({ "tableNumber": "vip" }))).await;
    assert_eq!(twice.status().as_u16() / 100, 4, "D28: one table of a name");
    let public = format!("/api/public/restaurant/{}/tables", kitchen.restaurant);
    let labels = async || -> Vec<Value> {
        let listed = kitchen.guest.get(&public).await;
        listed.as_array().unwrap().iter().map(|table| table["tableNumber"].clone()).collect()
    };
    assert_eq!(labels().await, ["1", "2", "10", "VIP"], "D30");

    let scan = json!({ "restaurantId": kitchen.restaurant, "tableId": tables[1]["id"] });
    for _ in 0..2 {
        kitchen.guest.post("/api/analytics/table-scan", &scan).await;
    }
    let stats = kitchen.owner.get("/api/analytics/stats").await;
    assert_eq!(stats["tableScans"]["scansByTable"][0], json!({ "tableNumber": "VIP", "count": 2 }));

    let mut order = kitchen.soup(1, ["10.00", "1.00", "11.00"]);
    order["tableId"] = tables[1]["id"].clone();
    kitchen.guest.post("/api/orders", &order).await;
    let gone = kitchen.owner.send(Method::DELETE, &format!("{path}/{}", id_of(&tables[1])), None).await;
    assert_eq!(gone.status(), 200);
    assert_eq!(labels().await, ["1", "2", "10"]);
    assert_eq!(kitchen.owner.get("/api/orders").await[0]["tableNumber"], "VIP", "D31: the label is kept");
}
