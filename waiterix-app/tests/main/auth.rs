//! Signing in and out, and leaving.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;
use waiterix_domain::schema::Table;
use waiterix_domain::{ChangeSet, CommitId};
use waiterix_ports::Store as _;

use crate::common::{House, message};

/// The newest code in the mailbox of an address.
fn code_for(house: &House, address: &str) -> String {
    let mails = house.mailer.sent();
    let mail = mails.iter().rev().find(|mail| mail.to == address).expect("a mail");
    mail.text
        .split(|c: char| !c.is_ascii_digit())
        .find(|word| word.len() == 6)
        .expect("six digits in the mail")
        .to_owned()
}

#[tokio::test]
async fn a_code_from_the_mail_signs_in_once_and_the_cookie_works() {
    let house = House::new();
    house.post("/api/auth/code", json!({ "email": "ada@example.org" })).await.expect(200);
    let code = code_for(&house, "ada@example.org");
    let body = json!({ "email": "ada@example.org", "code": code });
    let reply = house.post("/api/auth/code/verify", body.clone()).await;
    let user = reply.expect(200)["user"].clone();
    assert_eq!(user["email"], "ada@example.org");
    let set = reply.headers["set-cookie"].to_str().unwrap().to_owned();
    for part in ["connect.sid=s%3A", "HttpOnly", "Secure", "Path=/", "Expires=Fri, 07 Feb 2025 09:05:07 GMT"]
    {
        assert!(set.contains(part), "{part} in {set}");
    }
    let request = Request::get("/api/auth/user").header("cookie", set.split(';').next().unwrap());
    assert_eq!(house.send(request.body(Body::empty()).unwrap()).await.expect(200), user);
    house.post("/api/auth/code/verify", body).await.refused(401, message("Invalid code"));
}

#[tokio::test]
async fn a_code_can_be_guessed_five_times_only_and_then_not_even_rightly() {
    let house = House::new();
    house.post("/api/auth/code", json!({ "email": "ada@example.org" })).await.expect(200);
    let code = code_for(&house, "ada@example.org");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        let body = json!({ "email": "ada@example.org", "code": wrong });
        house.post("/api/auth/code/verify", body).await.refused(401, message("Invalid code"));
    }
    let body = json!({ "email": "ada@example.org", "code": code });
    house.post("/api/auth/code/verify", body).await.refused(429, message("Too many attempts"));
    assert_eq!(house.dump().await, []);
}

#[tokio::test]
async fn two_who_redeem_one_code_at_once_get_one_session() {
    let house = House::new();
    house.post("/api/auth/code", json!({ "email": "ada@example.org" })).await.expect(200);
    let body = json!({ "email": "ada@example.org", "code": code_for(&house, "ada@example.org") });
    let (one, two) = tokio::join!(
        house.post("/api/auth/code/verify", body.clone()),
        house.post("/api/auth/code/verify", body.clone())
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn d4_n15_login_gives_a_fresh_session_id_and_ends_the_old_one() {
    let house = House::new();
    let before = house.user("ada").await;
    house.post("/api/auth/code", json!({ "email": "ada@example.org" })).await.expect(200);
    let body = json!({ "email": "ada@example.org", "code": code_for(&house, "ada@example.org") });
    let reply = house.post_as(&before, "/api/auth/code/verify", body).await;
    assert_eq!(reply.expect(200)["user"]["id"], "ada", "the verified address means the existing user");
    assert!(!reply.headers["set-cookie"].to_str().unwrap().starts_with(&before.cookie));
    house.get_as(&before, "/api/auth/user").await.refused(401, message("Unauthorized"));
}

#[tokio::test]
async fn strangers_are_unauthorized_in_the_words_the_client_matches() {
    let house = House::new();
    house.get("/api/auth/user").await.refused(401, message("Unauthorized"));
    let forged = Request::get("/api/auth/user").header("cookie", "connect.sid=s%3Aabc.def");
    house.send(forged.body(Body::empty()).unwrap()).await.refused(401, message("Unauthorized"));
}

#[tokio::test]
async fn a_session_ends_seven_days_after_login_however_much_it_is_used() {
    let house = House::new();
    let ada = house.user("ada").await;
    for _ in 0..6 {
        house.clock.advance(std::time::Duration::from_secs(86_400));
        house.get_as(&ada, "/api/auth/user").await.expect(200);
    }
    house.clock.advance(std::time::Duration::from_secs(86_400));
    house.get_as(&ada, "/api/auth/user").await.refused(401, message("Unauthorized"));
}

#[tokio::test]
async fn d9_logout_ends_the_session_and_always_succeeds() {
    let house = House::new();
    let ada = house.user("ada").await;
    let reply = house.post_as(&ada, "/api/logout", json!({})).await;
    assert_eq!(reply.expect(200), message("Logged out"));
    let set = reply.headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("connect.sid=;") && set.contains("Expires=Thu, 01 Jan 1970"), "{set}");
    house.get_as(&ada, "/api/auth/user").await.refused(401, message("Unauthorized"));
    house.post_as(&ada, "/api/logout", json!({})).await.expect(200);
}

#[tokio::test]
async fn accepting_the_terms_moves_the_times_on_every_call() {
    let house = House::new();
    let ada = house.user("ada").await;
    let first = house.post_as(&ada, "/api/auth/accept-terms", json!({})).await.expect(200);
    assert_eq!(first["acceptedTerms"], true);
    house.clock.advance(std::time::Duration::from_secs(60));
    let second = house.post_as(&ada, "/api/auth/accept-terms", json!({})).await.expect(200);
    assert_ne!(first["acceptedTermsAt"], second["acceptedTermsAt"]);
    assert_eq!(second["acceptedTermsAt"], second["updatedAt"]);
}

#[tokio::test]
async fn d10_d32_n18_deleting_the_account_takes_everything_with_it_and_ends_every_session() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let elsewhere = house.sign_in(ada.user.clone()).await;
    let reply = house.delete_as(&ada, "/api/auth/delete-account").await;
    assert_eq!(reply.expect(200), message("Account permanently deleted"));
    assert!(reply.headers["set-cookie"].to_str().unwrap().starts_with("connect.sid=;"));
    assert_eq!(house.dump().await, []);
    for owner in [&ada, &elsewhere] {
        house.get_as(owner, "/api/auth/user").await.refused(401, message("Unauthorized"));
    }
    assert_eq!(house.app.ports.sessions.sessions_of(&ada.user.id).await.unwrap(), []);
}

#[tokio::test]
async fn a_session_of_a_user_who_is_gone_is_no_session() {
    let house = House::new();
    let ada = house.user("ada").await;
    let gone = ChangeSet::new(CommitId::new("gone")).delete(Table::Users, &ada.user.id);
    house.store.commit(&gone).await.unwrap();
    house.get_as(&ada, "/api/auth/user").await.refused(401, message("Unauthorized"));
}

#[tokio::test]
async fn d7_a_foreign_page_cannot_write_with_the_visitors_cookie() {
    let house = House::new();
    let ada = house.user("ada").await;
    let before = house.dump().await;
    let request = Request::post("/api/auth/accept-terms")
        .header("cookie", &ada.cookie)
        .header("origin", "https://evil.example");
    house.send(request.body(Body::empty()).unwrap()).await.refused(403, message("Forbidden"));
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn d105_malformed_and_oversize_bodies_are_named_as_such() {
    let house = House::new();
    let post = |body: String| {
        Request::post("/api/auth/code")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap()
    };
    let malformed = json!({ "error": "Bad Request", "message": "Malformed JSON body" });
    for body in ["{", "\"text\"", "7", "{\"a\":}"] {
        house.send(post(body.to_owned())).await.refused(400, malformed.clone());
    }
    let large = format!("{{\"email\":\"{}\"}}", "x".repeat(10 * 1024 * 1024));
    let too_large = json!({ "error": "Payload Too Large", "message": "Request body too large" });
    house.send(post(large)).await.refused(413, too_large);
}

#[tokio::test]
async fn d11_unknown_routes_and_methods_are_404_with_the_route_in_words() {
    let house = House::new();
    for (method, path) in [
        (Method::GET, "/api/nothing?x=1"),
        (Method::POST, "/api/config"),
        (Method::GET, "/api/debug/stripe-config"),
    ] {
        let reply = house.call(method.clone(), path, None, None).await;
        let body = reply.expect(404);
        assert_eq!(body["error"], "Not Found");
        assert_eq!(body["message"], format!("Route {method} {path} not found"));
        assert_eq!(body["timestamp"], "2025-01-31T09:05:07.000Z");
    }
}

#[tokio::test]
async fn nobodys_mailbox_is_filled_with_codes() {
    let house = House::new();
    for _ in 0..20 {
        house.post("/api/auth/code", json!({ "email": "ada@example.org" })).await.expect(200);
    }
    let reply = house.post("/api/auth/code", json!({ "email": "Ada@Example.org" })).await;
    reply.refused(429, message("Too many attempts"));
    assert_eq!(house.mailer.sent().len(), 20);
    house.post("/api/auth/code", json!({ "email": "bob@example.org" })).await.expect(200);
}
