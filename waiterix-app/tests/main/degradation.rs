//! What still works when something behind a port is down.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use waiterix_app::{App, Ports, http};
use waiterix_domain::Amount;
use waiterix_domain::schema::MenuItem;
use waiterix_ports::Clock as _;

use crate::common::{self, House, message};
use crate::down::Down;

/// A house with a restaurant and one dish, some of whose ports are replaced.
async fn with_ports(replace: impl FnOnce(&mut Ports)) -> (House, common::Owner) {
    let mut house = House::new();
    let (ada, restaurant) = house.owner("ada").await;
    let dish = MenuItem {
        id: "soup".into(),
        restaurant_id: restaurant.id,
        name: "Soup".to_owned(),
        description: String::new(),
        price: Amount::parse("10.00").unwrap(),
        category: "Soups".to_owned(),
        image_url: None,
        spice_level: None,
        is_vegan: false,
        is_vegetarian: false,
        is_halal: false,
        is_kosher: false,
        allergens: None,
        available: true,
        created_at: house.clock.now(),
    };
    house.insert([dish]).await;
    let mut ports = house.app.ports.clone();
    replace(&mut ports);
    let app = App::new(ports, house.app.clock.clone(), house.app.random.clone(), house.app.settings.clone());
    house.app = Arc::new(app);
    house.router = http::service(house.app.clone());
    (house, ada)
}

fn order() -> serde_json::Value {
    json!({
        "restaurantId": "ada-restaurant", "paymentMethod": "cash",
        "items": [{ "id": "soup", "name": "Soup", "price": "10.00", "quantity": 1 }],
        "subtotal": "10.00", "tax": "1.00", "total": "11.00",
    })
}

#[tokio::test]
async fn r10_a_notifier_that_is_down_never_fails_an_order_or_a_status_change() {
    let (house, ada) = with_ports(|ports| ports.notifier = Arc::new(Down::Refusing)).await;
    let placed = house.post("/api/orders", order()).await.expect(200);
    let path = format!("/api/orders/{}/status", placed["id"].as_str().unwrap());
    let changed = house.put_as(&ada, &path, json!({ "status": "preparing" })).await.expect(200);
    assert_eq!(changed["status"], "preparing");
    house.post("/api/assistance-requests", json!({ "restaurantId": "ada-restaurant" })).await.expect(200);
}

#[tokio::test]
async fn n9_a_session_store_that_is_down_is_503_and_no_logout() {
    let (house, ada) = with_ports(|ports| ports.sessions = Arc::new(Down::Refusing)).await;
    let reply = house.get_as(&ada, "/api/auth/user").await;
    assert!(!reply.headers.contains_key("set-cookie"), "the cookie stays");
    reply.refused(503, message("Service temporarily unavailable"));
    let placed = house.post("/api/orders", order()).await;
    placed.expect(200);
    house.post_as(&ada, "/api/logout", json!({})).await.expect(200);
}

#[tokio::test]
async fn a_mailer_that_is_down_fails_the_mail_and_nothing_else() {
    let (house, _) = with_ports(|ports| ports.mailer = Arc::new(Down::Refusing)).await;
    let placed = house.post("/api/orders", order()).await.expect(200);
    let path = format!("/api/orders/{}/email-receipt", placed["id"].as_str().unwrap());
    let reply = house.post(&path, json!({ "email": "guest@example.org" })).await;
    reply.refused(500, message("Failed to send receipt email"));
    let reply = house.post("/api/auth/code", json!({ "email": "ada@example.org" })).await;
    reply.refused(500, message("Failed to send code"));
}

#[tokio::test]
async fn deleting_an_account_succeeds_though_its_sessions_cannot_be_revoked_and_they_are_worth_nothing() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let mut ports = house.app.ports.clone();
    ports.notifier = Arc::new(Down::Refusing);
    let app = App::new(ports, house.app.clock.clone(), house.app.random.clone(), house.app.settings.clone());
    let mut house = house;
    house.app = Arc::new(app);
    house.router = http::service(house.app.clone());
    house.delete_as(&ada, "/api/auth/delete-account").await.expect(200);
    house.get_as(&ada, "/api/auth/user").await.refused(401, message("Unauthorized"));
}

/// The clock of the runtime stands still and jumps to the next deadline, so nobody waits.
#[tokio::test(start_paused = true)]
async fn d109_a_request_that_takes_too_long_is_given_up_with_503() {
    let (house, ada) = with_ports(|ports| ports.sessions = Arc::new(Down::Silent)).await;
    let reply = house.get_as(&ada, "/api/auth/user").await;
    reply.refused(503, message("The request took too long"));
}

/// A guest whose order seems to have failed orders again, so the order is answered while the screens are waited for no longer.
#[tokio::test(start_paused = true)]
async fn g146_a_notifier_that_does_not_answer_never_fails_an_order_or_a_status_change() {
    let (house, ada) = with_ports(|ports| ports.notifier = Arc::new(Down::Silent)).await;
    let patience = Duration::from_secs(5);
    let begun = Instant::now();
    let placed = house.post("/api/orders", order()).await.expect(200);
    assert_eq!(begun.elapsed(), patience);
    let path = format!("/api/orders/{}/status", placed["id"].as_str().unwrap());
    let begun = Instant::now();
    let changed = house.put_as(&ada, &path, json!({ "status": "preparing" })).await.expect(200);
    assert_eq!((&changed["status"], begun.elapsed()), (&json!("preparing"), patience));
}

#[tokio::test(start_paused = true)]
async fn g146_a_notifier_that_does_not_answer_hinders_neither_leaving_nor_deleting_an_account() {
    let (house, ada) = with_ports(|ports| ports.notifier = Arc::new(Down::Silent)).await;
    let reply = house.post_as(&ada, "/api/logout", json!({})).await;
    assert!(reply.headers.contains_key("set-cookie"), "the cookie goes");
    reply.expect(200);
    house.get_as(&ada, "/api/auth/user").await.refused(401, message("Unauthorized"));

    let (house, ada) = with_ports(|ports| ports.notifier = Arc::new(Down::Silent)).await;
    house.delete_as(&ada, "/api/auth/delete-account").await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn g146_a_mailer_that_does_not_answer_fails_no_order() {
    let (house, _) = with_ports(|ports| ports.mailer = Arc::new(Down::Silent)).await;
    let begun = Instant::now();
    house.post("/api/orders", order()).await.expect(200);
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody is waited for");
}
