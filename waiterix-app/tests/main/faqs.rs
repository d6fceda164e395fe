//! What was learnt from chefs.

use serde_json::{Value, json};
use waiterix_domain::Timestamp;
use waiterix_domain::schema::Faq;

use crate::common::{House, error, message};

fn faq(id: &str, restaurant: &str, at_ms: i64) -> Faq {
    let at = Timestamp::from_millis(at_ms).unwrap();
    Faq {
        id: id.into(),
        restaurant_id: restaurant.into(),
        question: "Q?".to_owned(),
        answer: "A.".to_owned(),
        keywords: None,
        related_menu_item_ids: None,
        usage_count: 3,
        created_at: at,
        updated_at: at,
    }
}

fn content() -> Value {
    json!({ "question": "New?", "answer": "Yes.", "keywords": ["one", "two"] })
}

#[tokio::test]
async fn d77_faqs_are_listed_newest_first_and_only_the_own_ones() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    house.owner("bob").await;
    let rows = [
        faq("f1", "ada-restaurant", 1),
        faq("f2", "ada-restaurant", 3),
        faq("f3", "ada-restaurant", 2),
        faq("f4", "bob-restaurant", 9),
    ];
    house.insert(rows).await;
    let list = house.get_as(&ada, "/api/faqs").await.expect(200);
    let ids: Vec<&str> = list.as_array().unwrap().iter().map(|faq| faq["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["f2", "f3", "f1"]);
    let want = json!({
        "id": "f2", "restaurantId": "ada-restaurant", "question": "Q?", "answer": "A.", "keywords": null,
        "relatedMenuItemIds": null, "usageCount": 3, "createdAt": "1970-01-01T00:00:00.003Z",
        "updatedAt": "1970-01-01T00:00:00.003Z",
    });
    assert_eq!(list[0], want);
}

#[tokio::test]
async fn an_edit_replaces_the_content_and_touches_the_time() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    house.insert([faq("f1", "ada-restaurant", 1)]).await;
    let edited = house.put_as(&ada, "/api/faqs/f1", content()).await.expect(200);
    let want = json!({
        "id": "f1", "restaurantId": "ada-restaurant", "question": "New?", "answer": "Yes.",
        "keywords": ["one", "two"], "relatedMenuItemIds": null, "usageCount": 3,
        "createdAt": "1970-01-01T00:00:00.001Z", "updatedAt": "2025-01-31T09:05:07.000Z",
    });
    assert_eq!(edited, want);
    assert_eq!(house.get_as(&ada, "/api/faqs").await.expect(200), json!([want]));
}

#[tokio::test]
async fn malformed_edits_are_400_before_the_restaurant_is_looked_for() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let cyd = house.user("cyd").await;
    house.insert([faq("f1", "ada-restaurant", 1)]).await;
    let before = house.dump().await;
    for (field, value) in [
        ("question", json!("")),
        ("question", json!("q".repeat(1001))),
        ("question", json!(null)),
        ("answer", json!("")),
        ("answer", json!("a".repeat(5001))),
        ("answer", json!(1)),
        ("keywords", json!(null)),
        ("keywords", json!("one")),
        ("keywords", json!(["one", 2])),
        ("keywords", json!(vec!["k"; 21])),
    ] {
        let mut body = content();
        body[field] = value.clone();
        for who in [&ada, &cyd] {
            let reply = house.put_as(who, "/api/faqs/f1", body.clone()).await.expect(400);
            let details = reply["details"].as_array().unwrap();
            assert_eq!((&reply["error"], details.len()), (&json!("Validation failed"), 1), "{field} {value}");
            assert_eq!(details[0]["path"], json!([field]));
        }
    }
    let missing = house.put_as(&ada, "/api/faqs/f1", json!({})).await.expect(400);
    assert_eq!(missing["details"].as_array().unwrap().len(), 3);
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn foreign_and_unknown_faqs_read_the_same() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    house.owner("bob").await;
    let cyd = house.user("cyd").await;
    house.insert([faq("f4", "bob-restaurant", 9)]).await;
    let before = house.dump().await;
    let refusal = error("FAQ not found or access denied");
    for path in ["/api/faqs/f4", "/api/faqs/none", "/api/faqs/%00"] {
        house.put_as(&ada, path, content()).await.refused(404, refusal.clone());
        house.delete_as(&ada, path).await.refused(404, refusal.clone());
        house.put_as(&cyd, path, content()).await.refused(404, error("Restaurant not found"));
        house.delete_as(&cyd, path).await.refused(404, error("Restaurant not found"));
    }
    house.get_as(&cyd, "/api/faqs").await.refused(404, error("Restaurant not found"));
    house.get("/api/faqs").await.refused(401, message("Unauthorized"));
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn a_deleted_faq_is_gone() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    house.insert([faq("f1", "ada-restaurant", 1)]).await;
    house.delete_as(&ada, "/api/faqs/f1").await.refused(200, json!({ "success": true }));
    assert_eq!(house.get_as(&ada, "/api/faqs").await.expect(200), json!([]));
    house.delete_as(&ada, "/api/faqs/f1").await.refused(404, error("FAQ not found or access denied"));
}
