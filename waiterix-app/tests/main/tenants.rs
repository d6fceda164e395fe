//! Who may call what, for every route: strangers, owners of another restaurant, and users without one.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};
use waiterix_app::http;
use waiterix_domain::Amount;
use waiterix_domain::schema::{
    AssistanceRequest, AssistanceStatus, Faq, MenuItem, Order, OrderStatus, PaymentMethod, PaymentStatus,
    PendingQuestion, QuestionStatus, RequestType, RestaurantTable,
};
use waiterix_ports::Clock as _;

use crate::common::{House, Owner, message};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Anyone.
    Public,
    /// Anyone signed in.
    SignedIn,
    /// The caller's own restaurant is found by the server; without one it is 404.
    OwnRestaurant,
    /// The restaurant is named and must be the caller's; anything else is 403.
    OwnerOfId,
    /// A row is named; an unknown one is 404, somebody else's 403.
    OwnerViaRow,
    /// A row is named and looked up within the caller's restaurant: anything else is 404.
    WithinOwn,
}

use Who::{OwnRestaurant, OwnerOfId, OwnerViaRow, Public, SignedIn, WithinOwn};

/// Every route of the contract: method, path with the ids of Ada's rows, who may call it, and a body that is fine.
fn routes() -> Vec<(Who, Method, &'static str, &'static str, Value)> {
    let none = || json!({});
    let item = || json!({ "restaurantId": "ada-restaurant", "name": "Tea", "description": "", "price": "2.00", "category": "Drinks" });
    vec![
        (Public, Method::POST, "/api/auth/verify", "", none()),
        (SignedIn, Method::GET, "/api/auth/user", "", none()),
        (SignedIn, Method::POST, "/api/auth/accept-terms", "", none()),
        (Public, Method::POST, "/api/logout", "", none()),
        (SignedIn, Method::DELETE, "/api/auth/delete-account", "", none()),
        (Public, Method::GET, "/api/config", "", none()),
        (OwnRestaurant, Method::POST, "/api/contact-support", "", json!({ "subject": "a", "message": "b" })),
        (SignedIn, Method::GET, "/api/restaurant", "", none()),
        (SignedIn, Method::POST, "/api/restaurant", "", json!({ "name": "Casa" })),
        (OwnerOfId, Method::PUT, "/api/restaurant/{id}", "ada-restaurant", json!({ "name": "Casa" })),
        (OwnerOfId, Method::DELETE, "/api/restaurant/{id}", "ada-restaurant", none()),
        (
            OwnerOfId,
            Method::PUT,
            "/api/restaurant/{id}/cover-image",
            "ada-restaurant",
            json!({ "coverImageUrl": "soup.jpg" }),
        ),
        (OwnerOfId, Method::GET, "/api/restaurant/{restaurantId}/tables", "ada-restaurant", none()),
        (
            OwnerOfId,
            Method::POST,
            "/api/restaurant/{restaurantId}/tables",
            "ada-restaurant",
            json!({ "tableNumber": "9" }),
        ),
        (
            OwnerOfId,
            Method::PUT,
            "/api/restaurant/{restaurantId}/tables/{tableId}",
            "ada-restaurant/ada-table",
            json!({ "tableNumber": "9" }),
        ),
        (
            OwnerOfId,
            Method::DELETE,
            "/api/restaurant/{restaurantId}/tables/{tableId}",
            "ada-restaurant/ada-table",
            none(),
        ),
        (Public, Method::GET, "/api/public/restaurant/{restaurantId}/tables", "ada-restaurant", none()),
        (Public, Method::GET, "/api/menu-items", "", none()),
        (OwnerOfId, Method::POST, "/api/menu-items", "", item()),
        (OwnerViaRow, Method::PUT, "/api/menu-items/{id}", "ada-item", json!({ "name": "Tea" })),
        (OwnerViaRow, Method::DELETE, "/api/menu-items/{id}", "ada-item", none()),
        (
            OwnerViaRow,
            Method::PUT,
            "/api/menu-items/{id}/image",
            "ada-item",
            json!({ "imageUrl": "tea.jpg" }),
        ),
        (OwnerViaRow, Method::GET, "/api/menu-items/{menuItemId}/extended-details", "ada-item", none()),
        (
            OwnerViaRow,
            Method::PUT,
            "/api/menu-items/{menuItemId}/extended-details",
            "ada-item",
            json!({ "chefNotes": "a" }),
        ),
        (OwnRestaurant, Method::GET, "/api/menu-items/export", "", none()),
        (
            OwnRestaurant,
            Method::POST,
            "/api/menu-items/import/preview",
            "",
            json!({ "csvData": "name,description,price,category\nTea,,2,Drinks" }),
        ),
        (OwnRestaurant, Method::POST, "/api/menu-items/import/confirm", "", json!({ "items": [] })),
        (OwnRestaurant, Method::GET, "/api/orders", "", none()),
        (Public, Method::POST, "/api/orders", "", none()),
        (Public, Method::GET, "/api/orders/{id}/items", "ada-order", none()),
        (OwnerViaRow, Method::PUT, "/api/orders/{id}/status", "ada-order", json!({ "status": "preparing" })),
        (OwnerViaRow, Method::POST, "/api/orders/{id}/cancel", "ada-order", none()),
        (Public, Method::GET, "/api/orders/{id}/track", "ada-order", none()),
        (Public, Method::GET, "/api/orders/{id}/receipt", "ada-order", none()),
        (Public, Method::POST, "/api/orders/{id}/email-receipt", "ada-order", none()),
        (Public, Method::POST, "/api/ratings", "", none()),
        (Public, Method::GET, "/api/orders/{id}/ratings", "ada-order", none()),
        (OwnerOfId, Method::GET, "/api/restaurants/{id}/ratings", "ada-restaurant", none()),
        (Public, Method::POST, "/api/assistance-requests", "", none()),
        (OwnRestaurant, Method::GET, "/api/assistance-requests", "", none()),
        (
            OwnerViaRow,
            Method::PATCH,
            "/api/assistance-requests/{id}/status",
            "ada-call",
            json!({ "status": "resolved" }),
        ),
        (Public, Method::GET, "/api/public/restaurant/{id}", "ada-restaurant", none()),
        (Public, Method::GET, "/api/public/ai/knowledge/{id}", "ada-restaurant", none()),
        (
            Public,
            Method::GET,
            "/api/public/chef-answers/{customerSessionId}",
            "customer-1738314307000-abcdefghi",
            none(),
        ),
        (SignedIn, Method::POST, "/api/objects/upload", "", none()),
        (Public, Method::GET, "/api/objects/{*path}", "public/uploads/x", none()),
        (Public, Method::POST, "/api/pending-questions", "", none()),
        (OwnRestaurant, Method::GET, "/api/chef/questions", "", none()),
        (OwnerViaRow, Method::DELETE, "/api/chef/questions/{id}", "ada-question", none()),
        (
            OwnerViaRow,
            Method::POST,
            "/api/chef/answer",
            "",
            json!({ "questionId": "ada-question", "textAnswer": "Yes." }),
        ),
        (OwnRestaurant, Method::GET, "/api/faqs", "", none()),
        (
            WithinOwn,
            Method::PUT,
            "/api/faqs/{id}",
            "ada-faq",
            json!({ "question": "a", "answer": "b", "keywords": [] }),
        ),
        (WithinOwn, Method::DELETE, "/api/faqs/{id}", "ada-faq", none()),
        (OwnRestaurant, Method::POST, "/api/admin/password/check", "", none()),
        (OwnRestaurant, Method::POST, "/api/admin/password/verify", "", json!({ "password": "123456" })),
        (OwnRestaurant, Method::POST, "/api/admin/password/set", "", json!({ "password": "123456" })),
        (
            OwnRestaurant,
            Method::POST,
            "/api/admin/password/reset",
            "",
            json!({ "answer1": "aa", "answer2": "bb", "newPassword": "123456" }),
        ),
        (
            OwnRestaurant,
            Method::POST,
            "/api/admin/security-questions/set",
            "",
            json!({ "question1": "a", "answer1": "aa", "question2": "b", "answer2": "bb" }),
        ),
        (OwnRestaurant, Method::GET, "/api/admin/security-questions", "", none()),
        (OwnRestaurant, Method::PUT, "/api/admin/settings/ai-waiter", "", json!({ "enabled": true })),
        (OwnRestaurant, Method::PUT, "/api/admin/settings/auto-print", "", json!({ "enabled": true })),
        (Public, Method::POST, "/api/analytics/table-scan", "", none()),
        (Public, Method::POST, "/api/analytics/ai-call", "", none()),
        (OwnRestaurant, Method::GET, "/api/analytics/stats", "", none()),
        (
            OwnRestaurant,
            Method::GET,
            "/api/reports/financial?startDate=2025-01-01&endDate=2025-01-31",
            "",
            none(),
        ),
    ]
}

/// The path of a route with other ids in the places of its parameters.
fn filled(path: &str, ids: &str) -> String {
    let mut ids = ids.splitn(path.matches('{').count().max(1), '/');
    path.split('/')
        .map(|piece| if piece.starts_with('{') { ids.next().unwrap() } else { piece })
        .collect::<Vec<_>>()
        .join("/")
}

/// A house in which Ada owns a row of everything and Bob owns a restaurant of his own.
async fn furnished() -> (House, Owner, Owner) {
    let house = House::new();
    let (ada, restaurant) = house.owner("ada").await;
    let (bob, _) = house.owner("bob").await;
    let (now, id) = (house.clock.now(), restaurant.id);
    let table = RestaurantTable {
        id: "ada-table".into(),
        restaurant_id: id.clone(),
        table_number: "1".into(),
        qr_code_url: None,
        created_at: now,
    };
    house.insert([table]).await;
    house
        .insert([MenuItem {
            id: "ada-item".into(),
            restaurant_id: id.clone(),
            name: "Soup".into(),
            description: String::new(),
            price: Amount::parse("5.00").unwrap(),
            category: "Soups".into(),
            image_url: None,
            spice_level: None,
            is_vegan: false,
            is_vegetarian: false,
            is_halal: false,
            is_kosher: false,
            allergens: None,
            available: true,
            created_at: now,
        }])
        .await;
    house
        .insert([Order {
            id: "ada-order".into(),
            restaurant_id: id.clone(),
            table_id: None,
            customer_note: None,
            payment_method: PaymentMethod::Cash,
            payment_status: PaymentStatus::Pending,
            payment_gateway: None,
            stripe_payment_intent_id: None,
            paystack_reference: None,
            telr_transaction_ref: None,
            adyen_psp_reference: None,
            subtotal: Amount::ZERO,
            tax: Amount::ZERO,
            tip: Amount::ZERO,
            total: Amount::ZERO,
            status: OrderStatus::New,
            allergies: None,
            created_at: now,
            updated_at: now,
            table_number: None,
            cancellation_reason: None,
        }])
        .await;
    house
        .insert([AssistanceRequest {
            id: "ada-call".into(),
            restaurant_id: id.clone(),
            table_id: None,
            order_id: None,
            customer_message: None,
            request_type: RequestType::CallWaiter,
            status: AssistanceStatus::Pending,
            created_at: now,
            updated_at: now,
        }])
        .await;
    house
        .insert([PendingQuestion {
            id: "ada-question".into(),
            restaurant_id: id.clone(),
            customer_session_id: "customer-session-1".into(),
            question: "Is it hot?".into(),
            menu_item_context: None,
            language: "en".into(),
            status: QuestionStatus::Pending,
            table_number: None,
            created_at: now,
            table_id: None,
        }])
        .await;
    house
        .insert([Faq {
            id: "ada-faq".into(),
            restaurant_id: id,
            question: "a".into(),
            answer: "b".into(),
            keywords: None,
            related_menu_item_ids: None,
            usage_count: 0,
            created_at: now,
            updated_at: now,
        }])
        .await;
    (house, ada, bob)
}

#[test]
fn the_document_holds_exactly_the_routes_of_the_contract_and_the_few_new_ones() {
    let document = serde_json::to_value(http::document()).unwrap();
    let mut found = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            if operations.get(method).is_some() {
                found.insert(format!("{} {}", method.to_uppercase(), normal(path)));
            }
        }
    }
    let routes = routes();
    assert_eq!(routes.len(), 65);
    let wanted: BTreeSet<String> = routes
        .iter()
        .map(|(_, method, path, _, _)| format!("{method} {}", normal(path.split('?').next().unwrap())))
        .collect();
    assert_eq!(wanted.len(), 65);
    let missing: Vec<_> = wanted.difference(&found).collect();
    assert_eq!(missing, Vec::<&String>::new());
    let new: Vec<_> = found.difference(&wanted).map(String::as_str).collect();
    assert_eq!(
        new,
        [
            "GET /",
            "GET /health",
            "GET /ws",
            "POST /api/auth/code",
            "POST /api/auth/code/verify",
            "POST /api/realtime/ticket",
            "PUT /api/objects/{}"
        ]
    );
}

/// A path without the names of its parameters.
fn normal(path: &str) -> String {
    path.split('/')
        .map(|piece| if piece.starts_with('{') { "{}" } else { piece })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn strangers_get_401_from_every_route_that_is_not_public_and_change_nothing() {
    let (house, _, _) = furnished().await;
    let before = house.dump().await;
    for (who, method, path, ids, body) in routes() {
        let reply = house.call(method.clone(), &filled(path, ids), None, Some(body)).await;
        if who == Public {
            assert_ne!(reply.status.as_u16(), 403, "{method} {path}");
            let login = path == "/api/auth/verify";
            assert!(reply.status.as_u16() != 401 || login, "{method} {path}: {}", reply.text());
        } else {
            assert_eq!(
                (reply.status.as_u16(), reply.json()),
                (401, message("Unauthorized")),
                "{method} {path}"
            );
        }
    }
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn an_owner_reaches_nothing_of_another_restaurant_and_changes_nothing() {
    let (house, _, bob) = furnished().await;
    let before = house.dump().await;
    for (who, method, path, ids, body) in routes() {
        let refused = match who {
            OwnerOfId | OwnerViaRow => 403,
            WithinOwn => 404,
            Public | SignedIn | OwnRestaurant => continue,
        };
        let reply = house.call(method.clone(), &filled(path, ids), Some(&bob), Some(body)).await;
        assert_eq!(reply.status.as_u16(), refused, "{method} {path}: {}", reply.text());
        if refused == 403 {
            let said = reply.json();
            let words = said.get("message").or(said.get("error")).unwrap();
            assert_eq!(words, "Forbidden", "{method} {path}");
        }
    }
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn unknown_ids_are_403_where_the_restaurant_is_named_and_404_where_a_row_is() {
    let (house, ada, _) = furnished().await;
    let before = house.dump().await;
    for (who, method, path, ids, body) in routes() {
        let refused = match who {
            OwnerOfId => 403,
            OwnerViaRow | WithinOwn => 404,
            Public | SignedIn | OwnRestaurant => continue,
        };
        let unknown = ids.replace("ada-", "no-");
        let body: Value = serde_json::from_str(&body.to_string().replace("ada-", "no-")).unwrap();
        let reply = house.call(method.clone(), &filled(path, &unknown), Some(&ada), Some(body)).await;
        assert_eq!(reply.status.as_u16(), refused, "{method} {path}: {}", reply.text());
    }
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn users_without_a_restaurant_get_404_where_their_own_is_meant() {
    let house = House::new();
    let cyd = house.user("cyd").await;
    let before = house.dump().await;
    for (who, method, path, ids, body) in routes() {
        if who != OwnRestaurant && who != WithinOwn {
            continue;
        }
        let reply = house.call(method.clone(), &filled(path, ids), Some(&cyd), Some(body)).await;
        assert_eq!(reply.status.as_u16(), 404, "{method} {path}: {}", reply.text());
        let said = reply.json();
        assert_eq!(
            said.get("message").or(said.get("error")).unwrap(),
            "Restaurant not found",
            "{method} {path}"
        );
    }
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn the_owner_reaches_everything() {
    for (who, method, path, ids, body) in routes() {
        if who == Public {
            continue;
        }
        let (house, ada, _) = furnished().await;
        let reply = house.call(method.clone(), &filled(path, ids), Some(&ada), Some(body)).await;
        let fine = reply.status.is_success();
        // Already one restaurant, no questions stored, no support mail without settings: refusals of another kind.
        let known =
            matches!(path, "/api/restaurant" | "/api/admin/password/reset") && reply.status.as_u16() == 400;
        assert!(fine || known, "{method} {path}: {} {}", reply.status, reply.text());
    }
}
