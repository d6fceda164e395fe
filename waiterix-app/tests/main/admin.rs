//! The admin page over HTTP.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use waiterix_domain::schema::Restaurant;
use waiterix_domain::{ChangeSet, CommitId, Secret};
use waiterix_ports::Store as _;

use crate::common::{House, Owner, Reply, message};

struct Office {
    house: House,
    ada: Owner,
    restaurant: Restaurant,
}

impl Office {
    async fn open() -> Self {
        let house = House::new();
        let (ada, restaurant) = house.owner("ada").await;
        Self { house, ada, restaurant }
    }

    async fn locked() -> Self {
        let office = Self::open().await;
        office.set("123456", None).await.expect(200);
        office
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.house.post_as(&self.ada, &format!("/api/admin/{path}"), body).await
    }

    async fn set(&self, password: &str, current: Option<&str>) -> Reply {
        self.post("password/set", json!({ "password": password, "currentPassword": current })).await
    }

    async fn verify(&self, password: &str) -> Reply {
        self.post("password/verify", json!({ "password": password })).await
    }

    async fn is(&self, password: &str) -> bool {
        self.verify(password).await.expect(200)["valid"].as_bool().unwrap()
    }

    async fn ask(&self) -> Reply {
        let body =
            json!({ "question1": "Pet?", "answer1": " ReX ", "question2": "Town?", "answer2": "Rome" });
        self.post("security-questions/set", body).await
    }

    async fn reset(&self, one: &str, two: &str, password: &str) -> Reply {
        self.post("password/reset", json!({ "answer1": one, "answer2": two, "newPassword": password })).await
    }
}

#[tokio::test]
async fn everything_needs_a_signed_in_owner_with_a_restaurant() {
    let house = House::new();
    let bob = house.user("bob").await;
    let password = json!({ "password": "123456" });
    let reset = json!({ "answer1": "ab", "answer2": "cd", "newPassword": "123456" });
    let questions = json!({ "question1": "a?", "answer1": "ab", "question2": "b?", "answer2": "cd" });
    for (method, path, body) in [
        (Method::POST, "password/check", json!({})),
        (Method::POST, "password/verify", password.clone()),
        (Method::POST, "password/set", password),
        (Method::POST, "password/reset", reset),
        (Method::POST, "security-questions/set", questions),
        (Method::GET, "security-questions", json!({})),
        (Method::PUT, "settings/ai-waiter", json!({ "enabled": true })),
        (Method::PUT, "settings/auto-print", json!({ "enabled": true })),
    ] {
        let path = format!("/api/admin/{path}");
        house
            .call(method.clone(), &path, None, Some(body.clone()))
            .await
            .refused(401, message("Unauthorized"));
        house.call(method, &path, Some(&bob), Some(body)).await.refused(404, message("Restaurant not found"));
    }
}

#[tokio::test]
async fn a_passcode_is_set_checked_and_verified() {
    let office = Office::open().await;
    assert_eq!(office.post("password/check", json!({})).await.expect(200), json!({ "hasPassword": false }));
    assert_eq!(office.verify("123456").await.expect(200), json!({ "valid": false }));
    assert_eq!(office.set("123456", None).await.expect(200), json!({ "success": true }));
    assert_eq!(office.post("password/check", json!({})).await.expect(200), json!({ "hasPassword": true }));
    assert!(office.is("123456").await);
    assert!(!office.is("654321").await);
}

#[tokio::test]
async fn d82_bad_passcodes_are_refused_and_change_nothing() {
    let office = Office::locked().await;
    let before = office.house.dump().await;
    for body in [
        json!({}),
        json!({ "password": 123_456 }),
        json!({ "password": "12345" }),
        json!({ "password": null }),
    ] {
        office
            .post("password/set", body)
            .await
            .refused(400, message("Password must be at least 6 characters"));
    }
    assert_eq!(office.set(&"x".repeat(73), Some("123456")).await.status, 400);
    for body in [json!({}), json!({ "password": 123_456 }), json!({ "password": "" })] {
        office.post("password/verify", body).await.refused(400, message("Password is required"));
    }
    assert_eq!(office.verify(&"x".repeat(73)).await.status, 400);
    House::nothing_changed(&before, &office.house.dump().await);
    let bob = office.house.user("bob").await;
    let short = office.house.post_as(&bob, "/api/admin/password/set", json!({ "password": "1" })).await;
    short.refused(400, message("Password must be at least 6 characters"));
}

#[tokio::test]
async fn d78_replacing_a_passcode_needs_the_present_one() {
    let office = Office::locked().await;
    let before = office.house.dump().await;
    for wrong in [None, Some(""), Some("654321")] {
        office.set("abcdef", wrong).await.refused(401, message("Current password is incorrect"));
    }
    House::nothing_changed(&before, &office.house.dump().await);
    office.set("abcdef", Some("123456")).await.expect(200);
    assert!(office.is("abcdef").await && !office.is("123456").await);
}

#[tokio::test]
async fn d80_after_five_wrong_attempts_even_the_right_one_waits_a_quarter_of_an_hour() {
    let office = Office::locked().await;
    office.ask().await.expect(200);
    for _ in 0..20 {
        assert!(office.is("123456").await, "right ones are not counted");
    }
    assert!(!office.is("wrong-1").await);
    office.house.clock.advance(Duration::from_secs(60));
    assert!(!office.is("wrong-2").await);
    office.set("abcdef", Some("wrong-3")).await.refused(401, message("Current password is incorrect"));
    office.reset("wrong", "wrong", "abcdef").await.refused(401, message("Security answers are incorrect"));
    assert!(!office.is("wrong-5").await);
    let too_many = message("Too many attempts");
    office.verify("123456").await.refused(429, too_many.clone());
    office.set("abcdef", Some("123456")).await.refused(429, too_many.clone());
    office.reset("rex", "rome", "abcdef").await.refused(429, too_many.clone());
    let (bob, _) = office.house.owner("bob").await;
    let other =
        office.house.post_as(&bob, "/api/admin/password/verify", json!({ "password": "123456" })).await;
    other.expect(200);
    office.house.clock.advance(Duration::from_secs(14 * 60));
    assert!(office.is("123456").await, "the first wrong attempt is fifteen minutes old");
    assert!(!office.is("wrong-6").await);
    office.verify("123456").await.refused(429, too_many);
}

#[tokio::test]
async fn d80_many_attempts_at_the_same_time_are_at_most_five_wrong_ones() {
    let office = Office::locked().await;
    let replies = futures_util::future::join_all((0..12).map(|_| office.verify("wrong!"))).await;
    let answered = replies.iter().filter(|reply| reply.status == 200).count();
    let refused = replies.iter().filter(|reply| reply.status == 429).count();
    assert_eq!((answered, refused), (5, 7));
}

#[tokio::test]
async fn a_forgotten_passcode_is_reset_with_both_answers() {
    let office = Office::locked().await;
    office.reset("rex", "rome", "abcdef").await.refused(400, message("Security questions not set up"));
    office.ask().await.expect(200);
    let before = office.house.dump().await;
    for body in [
        json!({}),
        json!({ "answer1": "rex", "answer2": "rome" }),
        json!({ "answer1": "rex", "answer2": "", "newPassword": "abcdef" }),
        json!({ "answer1": 7, "answer2": "rome", "newPassword": "abcdef" }),
    ] {
        office.post("password/reset", body).await.refused(400, message("All fields are required"));
    }
    office
        .reset("rex", "rome", "abcde")
        .await
        .refused(400, message("New password must be at least 6 characters"));
    assert_eq!(office.reset(&"x".repeat(73), "rome", "abcdef").await.status, 400);
    for (one, two) in [("rex", "paris"), ("max", "rome"), ("rome", "rex")] {
        office.reset(one, two, "abcdef").await.refused(401, message("Security answers are incorrect"));
    }
    House::nothing_changed(&before, &office.house.dump().await);
    assert_eq!(office.reset("REX ", "  rOmE", "abcdef").await.expect(200), json!({ "success": true }));
    assert!(office.is("abcdef").await);
}

#[tokio::test]
async fn d81_security_questions_are_set_once_and_as_two_pairs() {
    let office = Office::open().await;
    let view = async || office.house.get_as(&office.ada, "/api/admin/security-questions").await.expect(200);
    let none = json!({ "questions": { "question1": null, "question2": null }, "hasQuestions": false });
    assert_eq!(view().await, none);
    let required = message("All security questions and answers are required");
    for body in [
        json!({}),
        json!({ "question1": "Pet?", "answer1": "rex", "question2": "Town?" }),
        json!({ "question1": "Pet?", "answer1": "rex", "question2": "", "answer2": "rome" }),
        json!({ "question1": 7, "answer1": "rex", "question2": "Town?", "answer2": "rome" }),
    ] {
        office.post("security-questions/set", body).await.refused(400, required.clone());
    }
    let short = json!({ "question1": "Pet?", "answer1": " a ", "question2": "Town?", "answer2": "rome" });
    office
        .post("security-questions/set", short)
        .await
        .refused(400, message("Answers must be at least 2 characters"));
    assert_eq!(view().await, none);
    assert_eq!(office.ask().await.expect(200), json!({ "success": true }));
    assert_eq!(
        view().await,
        json!({ "questions": { "question1": "Pet?", "question2": "Town?" }, "hasQuestions": true })
    );
    office
        .ask()
        .await
        .refused(403, message("Security questions have already been set and cannot be changed"));
}

#[tokio::test]
async fn hashes_of_the_old_system_still_verify_and_broken_ones_match_nothing() {
    let office = Office::open().await;
    let mut stored = office.restaurant.clone();
    let password = "correctbatteryhorsestapler";
    for (hash, valid) in [
        // Made by the bcrypt implementations of Node.js and Python.
        ("$2a$04$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk5bektyVVa5xnIi", true),
        ("$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie", true),
        ("not a hash", false),
        ("", false),
    ] {
        let before = stored.clone();
        stored.admin_password = Some(Secret::new(hash));
        let changes =
            ChangeSet::new(CommitId::new(office.house.app.fresh_id())).update(before, stored.clone());
        office.house.store.commit(&changes).await.unwrap();
        assert_eq!(office.is(password).await, valid, "{hash}");
    }
}

#[tokio::test]
async fn d83_switches_take_booleans_only() {
    let office = Office::open().await;
    for (path, field) in [("ai-waiter", "aiWaiterEnabled"), ("auto-print", "autoPrintOrders")] {
        let path = format!("/api/admin/settings/{path}");
        let put = async |body: Value| office.house.put_as(&office.ada, &path, body).await;
        for on in [true, false] {
            assert_eq!(put(json!({ "enabled": on })).await.expect(200)[field], on);
        }
        let before = office.house.dump().await;
        for bad in
            [json!({}), json!({ "enabled": "no" }), json!({ "enabled": null }), json!({ "enabled": 1 })]
        {
            put(bad).await.refused(400, message("enabled must be a boolean"));
        }
        House::nothing_changed(&before, &office.house.dump().await);
    }
}
