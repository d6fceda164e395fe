//! What guests may see without signing in.

use std::time::Duration;

use serde_json::{Value, json};
use waiterix_app::limits::Allowance;
use waiterix_domain::schema::{
    ChefAnswer, ExtendedDetails, Faq, MenuItem, PendingQuestion, QuestionStatus, Restaurant,
    RestaurantKnowledge,
};
use waiterix_domain::{Amount, Secret, Timestamp};

use crate::common::{self, House, error, message};

const SESSION: &str = "customer-1738314307000-k3j5h7f9a";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[tokio::test]
async fn d12_the_public_restaurant_holds_no_secrets_and_no_accounts() {
    let house = House::with(|settings| settings.ai_waiter_available = true);
    let cyd = house.user("cyd").await;
    let restaurant = Restaurant {
        name: "Zur Sonne".to_owned(),
        city: Some("Ulm".to_owned()),
        admin_password: Some(Secret::new("$2b$10$hash")),
        security_question_1: Some("Pet?".to_owned()),
        security_answer_1: Some(Secret::new("$2b$10$hash")),
        stripe_account_id: Some("acct_1".to_owned()),
        stripe_onboarding_complete: true,
        paystack_subaccount_code: Some("ACCT_secret".to_owned()),
        paystack_account_number: Some(Secret::new("0123456789")),
        telr_api_key: Some(Secret::new("key")),
        ..common::restaurant_of(&cyd.user, house.app.clock.now())
    };
    house.insert([restaurant]).await;
    let reply = house.get("/api/public/restaurant/cyd-restaurant").await;
    assert_eq!(reply.headers["cache-control"], "no-store");
    let want = concat!(
        r#"{"id":"cyd-restaurant","name":"Zur Sonne","description":null,"address":null,"city":"Ulm","state":null,"#,
        r#""country":null,"phone":null,"hours":null,"coverImageUrl":null,"defaultLanguage":"en","#,
        r#""currencyCode":"USD","aiWaiterEnabled":true,"stripeOnboardingComplete":true,"#,
        r#""paystackOnboardingComplete":false,"paystackSubaccountCode":"connected"}"#
    );
    assert_eq!((reply.status.as_u16(), reply.text()), (200, want));
}

#[tokio::test]
async fn the_assistant_is_offered_only_where_it_is_there() {
    let house = House::new();
    house.owner("ada").await;
    let restaurant = house.get("/api/public/restaurant/ada-restaurant").await.expect(200);
    assert_eq!(restaurant["aiWaiterEnabled"], false);
    assert_eq!(restaurant["paystackSubaccountCode"], Value::Null);
}

#[tokio::test]
async fn unknown_restaurants_are_404() {
    let house = House::new();
    for path in ["/api/public/restaurant/none", "/api/public/restaurant/%00", "/api/public/ai/knowledge/none"]
    {
        house.get(path).await.refused(404, message("Restaurant not found"));
    }
}

#[tokio::test]
async fn m23_the_demo_restaurant_has_the_whole_public_shape() {
    let house = House::with(|settings| settings.ai_waiter_available = true);
    let demo = house.get("/api/public/restaurant/demo").await.expect(200);
    assert_eq!(demo.as_object().unwrap().len(), 16);
    for (field, value) in [
        ("id", json!("demo")),
        ("name", json!("The Gourmet Kitchen")),
        ("phone", json!("(555) 123-4567")),
        ("coverImageUrl", json!(null)),
        ("currencyCode", json!("USD")),
        ("defaultLanguage", json!("en")),
        ("aiWaiterEnabled", json!(false)),
        ("stripeOnboardingComplete", json!(false)),
        ("paystackSubaccountCode", json!(null)),
    ] {
        assert_eq!(demo[field], value, "{field}");
    }
}

fn dish(id: &str) -> MenuItem {
    MenuItem {
        id: id.into(),
        restaurant_id: "ada-restaurant".into(),
        name: "Soup".to_owned(),
        description: String::new(),
        price: Amount::parse("4.5").unwrap(),
        category: "Starters".to_owned(),
        image_url: None,
        spice_level: None,
        is_vegan: true,
        is_vegetarian: false,
        is_halal: false,
        is_kosher: false,
        allergens: None,
        available: false,
        created_at: at("2025-01-01T00:00:00Z"),
    }
}

#[tokio::test]
async fn d112_knowledge_holds_dishes_with_details_the_house_and_reduced_faqs() {
    let house = House::new();
    house.owner("ada").await;
    let then = at("2025-01-01T00:00:00Z");
    house.insert([dish("m1"), dish("m2")]).await;
    let details = ExtendedDetails {
        id: "d1".into(),
        menu_item_id: "m2".into(),
        preparation_method: Some("slowly".to_owned()),
        ingredient_sources: None,
        pairing_suggestions: None,
        chef_notes: None,
        cooking_time: None,
        special_techniques: None,
        created_at: then,
        updated_at: then,
    };
    house.insert([details]).await;
    let known = RestaurantKnowledge {
        id: "k1".into(),
        restaurant_id: "ada-restaurant".into(),
        story: Some("Long".to_owned()),
        philosophy: None,
        sourcing_practices: None,
        special_techniques: None,
        awards: None,
        sustainability_practices: None,
        created_at: then,
        updated_at: then,
    };
    house.insert([known]).await;
    let faq = Faq {
        id: "f1".into(),
        restaurant_id: "ada-restaurant".into(),
        question: "Q?".to_owned(),
        answer: "A.".to_owned(),
        keywords: Some(vec!["word".to_owned()]),
        related_menu_item_ids: None,
        usage_count: 0,
        created_at: then,
        updated_at: then,
    };
    house.insert([faq]).await;
    let item = |id: &str, details: Value| {
        json!({
            "id": id, "restaurantId": "ada-restaurant", "name": "Soup", "description": "", "price": "4.50",
            "category": "Starters", "imageUrl": null, "spiceLevel": null, "isVegan": true, "isVegetarian": false,
            "isHalal": false, "isKosher": false, "allergens": null, "available": false,
            "createdAt": "2025-01-01T00:00:00.000Z", "extendedDetails": details,
        })
    };
    let details = json!({
        "id": "d1", "menuItemId": "m2", "preparationMethod": "slowly", "ingredientSources": null,
        "pairingSuggestions": null, "chefNotes": null, "cookingTime": null, "specialTechniques": null,
        "createdAt": "2025-01-01T00:00:00.000Z", "updatedAt": "2025-01-01T00:00:00.000Z",
    });
    let want = json!({
        "restaurant": { "name": "ada's", "description": null, "hours": null, "address": null, "city": null,
            "phone": null, "state": null },
        "menuItems": [item("m1", Value::Null), item("m2", details)],
        "restaurantKnowledge": { "id": "k1", "restaurantId": "ada-restaurant", "story": "Long", "philosophy": null,
            "sourcingPractices": null, "specialTechniques": null, "awards": null, "sustainabilityPractices": null,
            "createdAt": "2025-01-01T00:00:00.000Z", "updatedAt": "2025-01-01T00:00:00.000Z" },
        "faqKnowledge": [{ "id": "f1", "question": "Q?", "answer": "A.", "keywords": ["word"] }],
    });
    assert_eq!(house.get("/api/public/ai/knowledge/ada-restaurant").await.expect(200), want);
}

#[tokio::test]
async fn demo_knowledge_has_fewer_members() {
    let house = House::new();
    let demo = house.get("/api/public/ai/knowledge/demo").await.expect(200);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut members = keys(&demo["restaurant"]);
    members.sort_unstable();
    assert_eq!(members, ["address", "description", "hours", "name", "phone"]);
    assert_eq!(demo["menuItems"].as_array().unwrap().len(), 5);
    assert!(!keys(&demo["menuItems"][0]).contains(&"extendedDetails".to_owned()));
    assert_eq!((&demo["restaurantKnowledge"], &demo["faqKnowledge"]), (&Value::Null, &json!([])));
}

async fn answered(house: &House, id: &str, restaurant: &str, session: &str, when: &str) {
    let question = PendingQuestion {
        id: id.into(),
        restaurant_id: restaurant.into(),
        customer_session_id: session.to_owned(),
        question: format!("{id}?"),
        menu_item_context: None,
        language: "en".to_owned(),
        status: QuestionStatus::Answered,
        table_number: None,
        created_at: at(when),
        table_id: None,
    };
    house.insert([question]).await;
    let answer = ChefAnswer {
        id: format!("a-{id}").into(),
        pending_question_id: id.into(),
        restaurant_id: restaurant.into(),
        answer: format!("{id}!"),
        answered_by: "ada".into(),
        created_at: at(when),
    };
    house.insert([answer]).await;
}

fn seen(id: &str, when: &str) -> Value {
    json!({ "questionId": id, "question": format!("{id}?"), "answer": format!("{id}!"), "answeredAt": when })
}

#[tokio::test]
async fn a_guest_finds_the_answers_of_the_session_and_only_those_not_seen() {
    let house = House::new();
    house.owner("ada").await;
    house.owner("bob").await;
    answered(&house, "q1", "ada-restaurant", SESSION, "2025-01-31T10:00:00.000400Z").await;
    answered(&house, "q2", "bob-restaurant", SESSION, "2025-01-31T11:00:00.000400Z").await;
    answered(&house, "q3", "ada-restaurant", "another-session-entirely", "2025-01-31T12:00:00Z").await;
    let get = |query: &str| {
        let path = format!("/api/public/chef-answers/{SESSION}{query}");
        let house = &house;
        async move { house.get(&path).await.expect(200) }
    };
    let (one, two) = (seen("q1", "2025-01-31T10:00:00.000Z"), seen("q2", "2025-01-31T11:00:00.000Z"));
    assert_eq!(get("").await, json!({ "answers": [two, one] }));
    assert_eq!(get("?since=2025-01-31T10:00:00.000Z").await, json!({ "answers": [two] }));
    assert_eq!(get("?since=2025-01-31T11:00:00.000Z").await, json!({ "answers": [] }));
    assert_eq!(get("?since=lately").await, json!({ "answers": [] }));
    assert_eq!(get("?since=").await, json!({ "answers": [two, one] }));
    assert_eq!(get("?restaurantId=ada-restaurant").await, json!({ "answers": [one] }));
    assert_eq!(get("?restaurantId=none").await, json!({ "answers": [] }));
}

#[tokio::test]
async fn d69_an_answer_given_now_is_found_once() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let body = json!({ "restaurantId": "ada-restaurant", "customerSessionId": SESSION, "question": "Soup?" });
    let id = house.post("/api/pending-questions", body).await.expect(201)["id"].clone();
    let path = format!("/api/public/chef-answers/{SESSION}");
    assert_eq!(house.get(&path).await.expect(200), json!({ "answers": [] }));
    house.clock.advance(Duration::from_secs(60));
    house
        .post_as(&ada, "/api/chef/answer", json!({ "questionId": id, "textAnswer": "Yes" }))
        .await
        .expect(200);
    let answers = house.get(&path).await.expect(200)["answers"].clone();
    let want = json!([{ "questionId": id, "question": "Soup?", "answer": "Yes", "answeredAt": "2025-01-31T09:06:07.000Z" }]);
    assert_eq!(answers, want);
}

#[tokio::test]
async fn d72_c16_short_session_ids_are_refused_and_tries_limited() {
    let house = House::with(|settings| {
        settings.rate_limits.public_writes = Allowance { burst: 3, per_minute: 1 };
    });
    let path = |length: usize| format!("/api/public/chef-answers/{}", "s".repeat(length));
    house.get(&path(15)).await.refused(400, message("Invalid customer session id"));
    house.get(&path(16)).await.refused(200, json!({ "answers": [] }));
    house.get(&path(400)).await.refused(200, json!({ "answers": [] }));
    house.get(&path(16)).await.refused(429, error("Too many requests"));
}

#[tokio::test]
async fn every_picture_of_the_demo_menu_is_there() {
    let house = House::new();
    let menu = house.get("/api/menu-items?restaurantId=demo").await.expect(200);
    for item in menu.as_array().unwrap() {
        let picture = house.get(item["imageUrl"].as_str().unwrap()).await;
        assert_eq!(
            (picture.status.as_u16(), &picture.headers["content-type"]),
            (200, &"image/png".parse().unwrap())
        );
        assert!(picture.bytes.len() > 1_000);
    }
    assert_eq!(house.get("/assets/stock_images/soup.jpg").await.status.as_u16(), 404);
}
