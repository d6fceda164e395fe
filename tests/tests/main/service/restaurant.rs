//! The restaurant itself, and who may reach what.

use reqwest::Method;
use serde_json::json;
use waiterix_tests::stage::Stage;

use crate::service::kitchen::{Kitchen, id_of, restaurant_of};

pub(crate) async fn a_restaurant_is_opened_changed_and_shown_without_secrets(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let path = format!("/api/restaurant/{}", kitchen.restaurant);
    let changed = json!({ "name": "Zur Sonne", "city": "Ulm", "country": "Germany", "currencyCode": "EUR" });
    let view = kitchen.owner.put(&path, &changed).await;
    assert_eq!((&view["name"], &view["currencyCode"]), (&json!("Zur Sonne"), &json!("EUR")));
    assert_eq!(kitchen.owner.get("/api/restaurant").await["city"], "Ulm");
    let public = kitchen.guest.get(&format!("/api/public/restaurant/{}", kitchen.restaurant)).await;
    assert_eq!((&public["name"], public.get("userId")), (&json!("Zur Sonne"), None));
    let second =
        kitchen.owner.send(Method::POST, "/api/restaurant", Some(&json!({ "name": "Second" }))).await;
    assert_eq!(second.status().as_u16() / 100, 4, "one restaurant per owner");
    let knowledge = kitchen.guest.get(&format!("/api/public/ai/knowledge/{}", kitchen.restaurant)).await;
    assert!(knowledge.to_string().contains("Soup"), "{knowledge}");
    assert_eq!(kitchen.guest.send(Method::GET, "/api/public/restaurant/none", None).await.status(), 404);
}

pub(crate) async fn nobody_reaches_what_is_anothers(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let order = id_of(&kitchen.order().await);
    let other = stage.user("other@example.org").await;
    restaurant_of(&other, "Elsewhere").await;
    let dish = id_of(&kitchen.dish);
    for (method, path, body) in [
        (Method::PUT, format!("/api/orders/{order}/status"), json!({ "status": "preparing" })),
        (Method::POST, format!("/api/orders/{order}/cancel"), json!({})),
        (Method::PUT, format!("/api/menu-items/{dish}"), json!({ "price": "0.01" })),
        (Method::DELETE, format!("/api/menu-items/{dish}"), json!({})),
        (Method::PUT, format!("/api/restaurant/{}", kitchen.restaurant), json!({ "name": "Mine" })),
        (
            Method::POST,
            format!("/api/restaurant/{}/tables", kitchen.restaurant),
            json!({ "tableNumber": "1" }),
        ),
    ] {
        for who in [&other, &kitchen.guest] {
            let status = who.send(method.clone(), &path, Some(&body)).await.status().as_u16();
            assert!([401, 403, 404].contains(&status), "{path}: {status}");
        }
    }
    assert_eq!(other.get("/api/orders").await, json!([]));
    let untouched = kitchen.guest.get(&format!("/api/menu-items?restaurantId={}", kitchen.restaurant)).await;
    assert_eq!(untouched[0], kitchen.dish);
}
