//! The owner's restaurant over HTTP.

use serde_json::{Value, json};
use waiterix_domain::schema::Restaurant;
use waiterix_domain::{ChangeSet, CommitId, Secret, Table};
use waiterix_ports::Store as _;

use crate::common::{House, error, message};
use crate::pictures;

/// Every field of an owner's view.
const FIELDS: [&str; 38] = [
    "id",
    "userId",
    "name",
    "description",
    "address",
    "city",
    "state",
    "country",
    "phone",
    "hours",
    "coverImageUrl",
    "defaultLanguage",
    "currencyCode",
    "createdAt",
    "securityQuestion1",
    "securityQuestion2",
    "aiWaiterEnabled",
    "autoPrintOrders",
    "stripeAccountId",
    "stripeOnboardingComplete",
    "stripeCustomerId",
    "stripeUsageItemId",
    "paystackSubaccountCode",
    "paystackBankCode",
    "paystackAccountNumber",
    "paystackAccountName",
    "paystackOnboardingComplete",
    "telrMerchantId",
    "telrOnboardingComplete",
    "adyenMerchantAccount",
    "adyenOnboardingComplete",
    "subscriptionStatus",
    "subscriptionId",
    "trialEndsAt",
    "currentPeriodEnd",
    "aiUsageCount",
    "currentMonthUsage",
    "lastUsageReportedAt",
];

#[track_caller]
fn is_owners_view(view: &Value) {
    let mut found: Vec<&str> = view.as_object().unwrap().keys().map(String::as_str).collect();
    let mut want = FIELDS.to_vec();
    found.sort_unstable();
    want.sort_unstable();
    assert_eq!(found, want);
}

#[tokio::test]
async fn d25_without_a_restaurant_the_answer_is_null() {
    let house = House::new();
    house.get("/api/restaurant").await.refused(401, message("Unauthorized"));
    let ada = house.user("ada").await;
    let reply = house.get_as(&ada, "/api/restaurant").await;
    assert_eq!((reply.text(), reply.headers["cache-control"].to_str().unwrap()), ("null", "no-store"));
}

#[tokio::test]
async fn d17_d20_d22_a_restaurant_opens_with_its_trial_and_three_tables_and_only_named_fields() {
    let house = House::new();
    let ada = house.user("ada").await;
    let body = json!({
        "name": "Bella Vista", "description": "", "city": "Sofia", "country": "Bulgaria", "hours": "9-5",
        "adminPasscode": "123456", "securityQuestion1": "Pet?", "securityAnswer1": " ReX ",
        "securityQuestion2": "Town?", "securityAnswer2": "Rome",
        "id": "mine", "userId": "somebody", "adminPassword": "plain", "subscriptionStatus": "active",
        "subscriptionId": "sub_1", "aiUsageCount": 7, "stripeAccountId": "acct_1", "trialEndsAt": "2099-01-01"
    });
    let view = house.post_as(&ada, "/api/restaurant", body).await.expect(200);
    is_owners_view(&view);
    for (field, want) in [
        ("name", json!("Bella Vista")),
        ("userId", json!("ada")),
        ("description", json!("")),
        ("address", Value::Null),
        ("currencyCode", json!("BGN")),
        ("defaultLanguage", json!("en")),
        ("aiWaiterEnabled", json!(true)),
        ("autoPrintOrders", json!(false)),
        ("subscriptionStatus", json!("trialing")),
        ("subscriptionId", json!("local")),
        ("stripeAccountId", Value::Null),
        ("aiUsageCount", json!(0)),
        ("trialEndsAt", json!("2025-03-02T23:59:59.999Z")),
        ("securityQuestion1", json!("Pet?")),
    ] {
        assert_eq!(view[field], want, "{field}");
    }
    assert_eq!(house.get_as(&ada, "/api/restaurant").await.expect(200), view);
    let id = view["id"].as_str().unwrap();
    let tables = house.get_as(&ada, &format!("/api/restaurant/{id}/tables")).await.expect(200);
    let labels: Vec<_> =
        tables.as_array().unwrap().iter().map(|table| table["tableNumber"].clone()).collect();
    assert_eq!(labels, ["1", "2", "3"]);
    let stored = house.app.reads().restaurant(&id.into()).await.unwrap().unwrap();
    for (hash, secret) in [
        (&stored.admin_password, "123456"),
        (&stored.security_answer_1, "rex"),
        (&stored.security_answer_2, "rome"),
    ] {
        let hash = hash.as_ref().unwrap();
        assert!(hash.reveal().starts_with("$2b$10$"), "bcrypt of cost 10");
        assert!(house.app.matches(&Secret::new(secret), hash).await.unwrap());
    }
    assert_eq!(stored.subscription_id, None, "the placeholder is only shown");
}

#[tokio::test]
async fn d19_d81_d82_bad_restaurants_are_refused_with_every_fault_and_change_nothing() {
    let house = House::new();
    let ada = house.user("ada").await;
    let before = house.dump().await;
    for (body, paths) in [
        (json!({}), json!([["name"]])),
        (json!({ "name": null }), json!([["name"]])),
        (json!({ "name": 7, "city": false }), json!([["name"], ["city"]])),
        (json!({ "name": "" }), json!([["name"]])),
        (json!({ "name": "a".repeat(201) }), json!([["name"]])),
        (
            json!({ "name": "x", "phone": "\u{0}", "adminPasscode": "1234" }),
            json!([["phone"], ["adminPasscode"]]),
        ),
        (json!({ "name": "x", "securityQuestion1": "Pet?" }), json!([["securityAnswer1"]])),
        (
            json!({ "name": "x", "securityQuestion1": "Pet?", "securityAnswer1": "a" }),
            json!([["securityAnswer1"]]),
        ),
        (json!({ "name": "x", "currencyCode": "gold" }), json!([["currencyCode"]])),
    ] {
        let refused = house.post_as(&ada, "/api/restaurant", body).await.expect(400);
        assert_eq!(refused["message"], "Invalid restaurant data");
        let found: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|e| e["path"].clone()).collect();
        assert_eq!(Value::from(found), paths);
    }
    let body = json!({ "name": "x", "coverImageUrl": "javascript:alert(1)" });
    house.post_as(&ada, "/api/restaurant", body).await.refused(400, message("Invalid image"));
    House::nothing_changed(&before, &house.dump().await);
    house.post("/api/restaurant", json!({ "name": "x" })).await.refused(401, message("Unauthorized"));
}

#[tokio::test]
async fn d23_two_restaurants_opened_at_once_are_one_and_a_clear_refusal() {
    let house = House::new();
    let ada = house.user("ada").await;
    let open = || house.post_as(&ada, "/api/restaurant", json!({ "name": "Bella Vista" }));
    let (one, two) = tokio::join!(open(), open());
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    open().await.refused(400, message("Restaurant already exists"));
    let rows = house.dump().await;
    assert_eq!(rows.iter().filter(|row| row.table() == Table::Restaurants).count(), 1);
    assert_eq!(rows.iter().filter(|row| row.table() == Table::RestaurantTables).count(), 3);
}

/// Replaces the restaurant in the store.
async fn store(house: &House, before: &Restaurant, after: Restaurant) {
    let changes = ChangeSet::new(CommitId::new(house.app.fresh_id())).update(before.clone(), after);
    house.store.commit(&changes).await.unwrap();
}

#[tokio::test]
async fn d12_d13_secrets_never_leave_the_server() {
    let house = House::new();
    let (ada, restaurant) = house.owner("ada").await;
    let secret = |text: &str| Some(Secret::new(text));
    let after = Restaurant {
        admin_password: secret("hash-0"),
        security_answer_1: secret("hash-1"),
        security_answer_2: secret("hash-2"),
        telr_api_key: secret("telr-key"),
        paystack_account_number: secret("0123456789"),
        subscription_id: Some("sub_1".to_owned()),
        ..restaurant.clone()
    };
    store(&house, &restaurant, after).await;
    let path = format!("/api/restaurant/{}", restaurant.id);
    for reply in [
        house.get_as(&ada, "/api/restaurant").await,
        house.put_as(&ada, &path, json!({ "phone": "1" })).await,
        house.put_as(&ada, &format!("{path}/cover-image"), json!({ "coverImageUrl": "a.jpg" })).await,
        house.put_as(&ada, "/api/admin/settings/ai-waiter", json!({ "enabled": true })).await,
        house.put_as(&ada, "/api/admin/settings/auto-print", json!({ "enabled": true })).await,
    ] {
        let view = reply.expect(200);
        is_owners_view(&view);
        assert_eq!(
            (&view["paystackAccountNumber"], &view["subscriptionId"]),
            (&json!("0123456789"), &json!("sub_1"))
        );
        for hidden in ["hash-0", "hash-1", "hash-2", "telr-key"] {
            assert!(!reply.text().contains(hidden), "{hidden}");
        }
    }
}

#[tokio::test]
async fn d18_only_the_allowed_fields_can_be_changed() {
    let house = House::new();
    let (ada, restaurant) = house.owner("ada").await;
    house.user("eve").await;
    let path = format!("/api/restaurant/{}", restaurant.id);
    let before = house.dump().await;
    let unwritable = json!({
        "subscriptionStatus": "active", "adminPassword": "plain", "userId": "eve", "securityAnswer1": "x",
        "createdAt": "2020-01-01", "trialEndsAt": "tomorrow", "id": "other", "stripeOnboardingComplete": true
    });
    for body in [unwritable, json!({})] {
        house.put_as(&ada, &path, body).await.expect(200);
        House::nothing_changed(&before, &house.dump().await);
    }
    let body = json!({
        "name": "Mare", "description": "", "address": "1 Hill", "city": "Sofia", "country": "Bulgaria", "phone": "1",
        "hours": "9-5", "coverImageUrl": "sea.jpg", "defaultLanguage": "it", "state": "CA",
        "autoPrintOrders": true, "aiWaiterEnabled": false
    });
    let view = house.put_as(&ada, &path, body.clone()).await.expect(200);
    for (field, want) in body.as_object().unwrap() {
        assert_eq!(&view[field], want, "{field}");
    }
    assert_eq!(view["currencyCode"], "BGN");
    assert_eq!(house.put_as(&ada, &path, body).await.expect(200), view, "the same form again");
    house
        .put_as(&ada, &path, json!({ "city": "Varna" }))
        .await
        .refused(400, message("City cannot be changed once set"));
    house
        .put_as(&ada, &path, json!({ "country": "Chile" }))
        .await
        .refused(400, message("Country cannot be changed once set"));
    assert_eq!(
        house.put_as(&ada, &path, json!({ "currencyCode": "EUR" })).await.expect(200)["currencyCode"],
        "EUR"
    );
}

#[tokio::test]
async fn d19_bad_changes_are_refused_and_change_nothing() {
    let house = House::new();
    let (ada, restaurant) = house.owner("ada").await;
    let path = format!("/api/restaurant/{}", restaurant.id);
    let before = house.dump().await;
    for body in [
        json!({ "name": null }),
        json!({ "name": " " }),
        json!({ "defaultLanguage": null }),
        json!({ "hours": 7 }),
        json!({ "autoPrintOrders": "yes" }),
        json!({ "aiWaiterEnabled": null }),
        json!({ "description": "a\u{0}" }),
    ] {
        let refused = house.put_as(&ada, &path, body.clone()).await.expect(400);
        assert_eq!(refused["errors"].as_array().unwrap().len(), 1, "{body}");
    }
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn a_foreign_restaurant_and_an_unknown_one_cannot_be_told_apart() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let (_, foreign) = house.owner("bob").await;
    let before = house.dump().await;
    for id in [foreign.id.as_str(), "00000000-0000-4000-8000-000000000000", "no-uuid", "demo"] {
        let path = format!("/api/restaurant/{id}");
        house.put_as(&ada, &path, json!({ "name": "Mine" })).await.refused(403, message("Forbidden"));
        house.delete_as(&ada, &path).await.refused(403, message("Forbidden"));
        let cover = format!("{path}/cover-image");
        house
            .put_as(&ada, &cover, json!({ "coverImageUrl": "a.jpg" }))
            .await
            .refused(403, message("Forbidden"));
        house.put_as(&ada, &cover, json!({})).await.refused(400, error("coverImageUrl is required"));
    }
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn d26_d37_a_cover_image_is_an_own_upload_a_stock_name_or_https() {
    let house = House::new();
    let (ada, restaurant) = house.owner("ada").await;
    let (bob, _) = house.owner("bob").await;
    let path = format!("/api/restaurant/{}/cover-image", restaurant.id);
    let cover = async |url: &str| house.put_as(&ada, &path, json!({ "coverImageUrl": url })).await;
    let (url, key) = pictures::uploaded(&house, &ada).await;
    let canonical = format!("/api/objects/{key}");
    assert_eq!(cover(&url).await.expect(200)["coverImageUrl"], canonical.as_str());
    let (foreign, foreign_key) = pictures::uploaded(&house, &bob).await;
    let (_, never_uploaded) = pictures::granted(&house, &ada).await;
    for bad in [
        foreign.as_str(),
        &format!("/api/objects/{foreign_key}"),
        &format!("/api/objects/{never_uploaded}"),
        "http://example.org/a.jpg",
        "javascript:alert(1)",
        "/etc/passwd",
        "whatever",
    ] {
        cover(bad).await.refused(400, message("Invalid image"));
    }
    for bad in [
        json!({}),
        json!({ "coverImageUrl": "" }),
        json!({ "coverImageUrl": 7 }),
        json!({ "coverImageUrl": null }),
    ] {
        house.put_as(&ada, &path, bad).await.refused(400, error("coverImageUrl is required"));
    }
    assert!(pictures::exists(&house, &key).await);
    for good in ["https://example.org/a.jpg", "sea.jpg"] {
        assert_eq!(cover(good).await.expect(200)["coverImageUrl"], good);
    }
    assert!(!pictures::exists(&house, &key).await, "B13: the replaced object is deleted");
    assert!(pictures::exists(&house, &foreign_key).await);
}

#[tokio::test]
async fn b12_the_row_holds_the_canonical_path_and_the_answer_the_cdn_url() {
    let house = House::with(|settings| {
        settings.cdn_domain = Some("cdn.example.org".to_owned());
        settings.locations.cdn_domains.push("cdn.example.org".to_owned());
    });
    let (ada, restaurant) = house.owner("ada").await;
    let path = format!("/api/restaurant/{}/cover-image", restaurant.id);
    let (url, key) = pictures::uploaded(&house, &ada).await;
    let cdn = format!("https://cdn.example.org/{key}");
    for sent in [url.as_str(), cdn.as_str()] {
        let view = house.put_as(&ada, &path, json!({ "coverImageUrl": sent })).await.expect(200);
        assert_eq!(view["coverImageUrl"], cdn.as_str());
        let stored = house.app.reads().restaurant(&restaurant.id).await.unwrap().unwrap();
        assert_eq!(stored.cover_image_url, Some(format!("/api/objects/{key}")));
    }
    assert!(pictures::exists(&house, &key).await);
}

#[tokio::test]
async fn d27_deleting_takes_everything_along_but_the_account() {
    let house = House::new();
    let ada = house.user("ada").await;
    let (bob, _) = house.owner("bob").await;
    let (url, key) = pictures::uploaded(&house, &ada).await;
    let body = json!({ "name": "Bella Vista", "coverImageUrl": url });
    let id = house.post_as(&ada, "/api/restaurant", body).await.expect(200)["id"].clone();
    let path = format!("/api/restaurant/{}", id.as_str().unwrap());
    let item =
        json!({ "restaurantId": id, "name": "Soup", "description": "", "price": "5", "category": "S" });
    house.post_as(&ada, "/api/menu-items", item).await.expect(200);
    house.delete_as(&bob, &path).await.refused(403, message("Forbidden"));
    assert_eq!(house.delete_as(&ada, &path).await.expect(200), message("Restaurant deleted successfully"));
    assert!(!pictures::exists(&house, &key).await);
    let tables: Vec<_> = house.dump().await.iter().map(waiterix_domain::Row::table).collect();
    assert!(!tables.contains(&Table::MenuItems) && !tables.contains(&Table::RestaurantTables));
    assert_eq!(house.get_as(&ada, "/api/restaurant").await.text(), "null");
    house.delete_as(&ada, &path).await.refused(403, message("Forbidden"));
}
