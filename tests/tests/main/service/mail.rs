//! What arrives by mail.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use waiterix_contract::eventually;
use waiterix_tests::stage::{SUPPORT, Stage};

use crate::service::kitchen::{Kitchen, OWNER, id_of};

pub(crate) async fn a_receipt_goes_to_the_guest_and_says_what_was_paid(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let id = id_of(&kitchen.order().await);
    let path = format!("/api/orders/{id}/email-receipt");
    let bad = kitchen.guest.send(Method::POST, &path, Some(&json!({ "email": "guest" }))).await;
    assert_eq!(bad.status(), 400);
    let answer = kitchen.guest.post(&path, &json!({ "email": "guest@example.org" })).await;
    assert_eq!(answer["success"], true);
    let arrived = async || stage.letters_to("guest@example.org").await.len() == 1;
    eventually(Duration::from_secs(10), "the receipt arrives", arrived).await;
    let letter = stage.letters_to("guest@example.org").await.remove(0);
    assert_eq!(letter.subject, format!("Order Receipt #{} - Casa", id[..8].to_uppercase()));
    for said in ["Soup", "$10.00", "$1.00", "$11.00", "Cash"] {
        assert!(letter.text.contains(said) && letter.html.contains(said), "{said} in {letter:?}");
    }
    assert!(!letter.text.contains("nuts"), "allergies stay in the restaurant");
}

pub(crate) async fn support_is_asked_in_the_owners_name(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let body = json!({ "subject": "Printer", "message": "The printer\nis <b>on fire</b>." });
    kitchen.owner.post("/api/contact-support", &body).await;
    let arrived = async || stage.letters_to(SUPPORT).await.len() == 1;
    eventually(Duration::from_secs(10), "the request arrives", arrived).await;
    let letter = stage.letters_to(SUPPORT).await.remove(0);
    assert_eq!(letter.subject, "[Waiterix Support] Printer - Casa");
    if stage.shows_reply_to() {
        assert_eq!(letter.reply_to.as_deref(), Some(OWNER), "M12");
    }
    assert!(letter.text.contains("is <b>on fire</b>.") && !letter.html.contains("<b>on fire</b>"), "M1");
}
