//! Signing in and out, and leaving.

use reqwest::Method;
use serde_json::json;
use waiterix_tests::stage::Stage;

use crate::service::kitchen::{Kitchen, OWNER};

pub(crate) async fn a_mailed_code_signs_in_once_and_the_cookie_is_safe(stage: &Stage) {
    let guest = stage.guest();
    assert_eq!(guest.send(Method::GET, "/api/auth/user", None).await.status(), 401);
    guest.post("/api/auth/code", &json!({ "email": OWNER })).await;
    let owner = stage.user(OWNER).await;
    let user = owner.get("/api/auth/user").await;
    assert_eq!(user["email"], OWNER);
    // Of the two codes only the newer one worked, and it works no more.
    for letter in stage.letters_to(OWNER).await {
        let code = waiterix_tests::client::code_in(&letter.text).unwrap();
        let body = json!({ "email": OWNER, "code": code });
        assert_eq!(guest.send(Method::POST, "/api/auth/code/verify", Some(&body)).await.status(), 401);
    }
    let again = stage.user(OWNER).await;
    assert_eq!(again.get("/api/auth/user").await["id"], user["id"]);
    let set = again.cookie_as_set();
    for part in ["connect.sid=s%3A", "HttpOnly", "Secure", "Path=/", "Expires="] {
        assert!(set.contains(part), "{part} in the cookie");
    }
}

pub(crate) async fn signing_out_ends_this_session_and_no_other(stage: &Stage) {
    let (here, there) = (stage.user(OWNER).await, stage.user(OWNER).await);
    here.post("/api/logout", &json!({})).await;
    assert_eq!(here.send(Method::GET, "/api/auth/user", None).await.status(), 401);
    assert_eq!(there.get("/api/auth/user").await["email"], OWNER);
}

pub(crate) async fn the_account_is_shown_accepts_terms_and_goes_with_everything(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let elsewhere = stage.user(OWNER).await;
    let order = kitchen.order().await;
    assert_eq!(kitchen.owner.get("/api/auth/user").await["acceptedTerms"], false);
    kitchen.owner.post("/api/auth/accept-terms", &json!({})).await;
    assert_eq!(kitchen.owner.get("/api/auth/user").await["acceptedTerms"], true);
    let gone = kitchen.owner.send(Method::DELETE, "/api/auth/delete-account", None).await;
    assert_eq!(gone.status(), 200);
    for client in [&kitchen.owner, &elsewhere] {
        let status = client.send(Method::GET, "/api/auth/user", None).await.status();
        assert_eq!(status, 401, "N18: every session of the account has ended");
    }
    let track = format!("/api/orders/{}/track", order["id"].as_str().unwrap());
    let public = format!("/api/public/restaurant/{}", kitchen.restaurant);
    for path in [track, public] {
        assert_eq!(kitchen.guest.send(Method::GET, &path, None).await.status(), 404, "{path}");
    }
}
