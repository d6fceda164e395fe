//! Support requests of owners.

use std::time::Duration;

use serde_json::{Value, json};
use waiterix_domain::schema::User;
use waiterix_ports::Mailer as _;

use crate::common::{self, House, message};

const PATH: &str = "/api/contact-support";

fn request(subject: &str) -> Value {
    json!({ "subject": subject, "message": "The printer\nis <b>on fire</b>." })
}

#[tokio::test]
async fn a_request_is_mailed_to_support_with_the_owner_to_answer_to() {
    let house = House::with(|settings| settings.support_email = "help@waiterix.example".to_owned());
    let (ada, _) = house.owner("ada").await;
    let reply = house.post_as(&ada, PATH, request("Printer")).await;
    let want = json!({ "message": "Support request received successfully", "restaurantName": "ada's" });
    reply.refused(200, want);
    let mails = house.mailer.sent();
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!(
        (mail.to.as_str(), mail.reply_to.as_deref()),
        ("help@waiterix.example", Some("ada@example.org"))
    );
    assert_eq!(mail.subject, "[Waiterix Support] Printer - ada's");
    for part in ["ada-restaurant", "ada@example.org", "Printer", "on fire"] {
        assert!(mail.text.contains(part) && mail.html.contains(part), "{part}");
    }
    assert!(!mail.html.contains("<b>on fire</b>"), "D98: values are escaped");
}

#[tokio::test]
async fn refusals_come_in_the_order_of_the_contract_and_send_nothing() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let cyd = house.user("cyd").await;
    let nameless = User { id: "eve".into(), email: None, ..ada.user.clone() };
    house.insert([nameless.clone()]).await;
    house.insert([common::restaurant_of(&nameless, house.app.clock.now())]).await;
    let eve = house.sign_in(nameless).await;
    house.post(PATH, request("x")).await.refused(401, message("Unauthorized"));
    house.post_as(&cyd, PATH, json!({})).await.refused(404, message("Restaurant not found"));
    let no_address = message("User not found or email not available");
    house.post_as(&eve, PATH, json!({})).await.refused(404, no_address);
    for body in [json!({}), json!({ "subject": "", "message": "m" }), json!({ "subject": "s", "message": 5 })]
    {
        let reply = house.post_as(&ada, PATH, body).await;
        reply.refused(400, message("Subject and message are required"));
    }
    for (subject, text) in [(201, 1), (1, 5001)] {
        let body = json!({ "subject": "s".repeat(subject), "message": "m".repeat(text) });
        assert_eq!(house.post_as(&ada, PATH, body).await.expect(400)["errors"].as_array().unwrap().len(), 1);
    }
    let long = json!({ "subject": "s".repeat(200), "message": "m".repeat(5000) });
    assert_eq!(house.mailer.sent().len(), 0);
    house.post_as(&ada, PATH, long).await.expect(200);
}

#[tokio::test]
async fn m6_the_same_request_within_the_hour_is_one_mail() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    for _ in 0..2 {
        house.post_as(&ada, PATH, request("Printer")).await.expect(200);
    }
    assert_eq!(house.mailer.sent().len(), 1);
    house.post_as(&ada, PATH, request("Another printer")).await.expect(200);
    house.clock.advance(Duration::from_secs(3600));
    house.post_as(&ada, PATH, request("Printer")).await.expect(200);
    assert_eq!(house.mailer.sent().len(), 3);
}

#[tokio::test]
async fn d97_five_requests_an_hour_and_no_more_for_each_user() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let (bob, _) = house.owner("bob").await;
    for number in 0..5 {
        house.post_as(&ada, PATH, request(&number.to_string())).await.expect(200);
    }
    house.post_as(&ada, PATH, request("5")).await.refused(429, message("Too many requests"));
    house.post_as(&bob, PATH, request("5")).await.expect(200);
    house.clock.advance(Duration::from_secs(3601));
    house.post_as(&ada, PATH, request("5")).await.expect(200);
}

#[tokio::test]
async fn d99_a_refusal_that_the_provider_reports_is_a_500() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    house.mailer.set_suppressed(&house.app.settings.support_email, true).await.unwrap();
    let reply = house.post_as(&ada, PATH, request("Printer")).await;
    reply.refused(500, message("Failed to submit support request"));
}

#[tokio::test]
async fn a_request_that_is_known_with_other_content_is_a_500_and_is_not_sent() {
    let earlier = House::with(|settings| settings.support_email = "old@waiterix.example".to_owned());
    let (ada, _) = earlier.owner("ada").await;
    earlier.post_as(&ada, PATH, request("Printer")).await.expect(200);
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    house.mailer.send(&earlier.mailer.sent()[0]).await.unwrap();
    let reply = house.post_as(&ada, PATH, request("Printer")).await;
    reply.refused(500, message("Failed to submit support request"));
    assert_eq!(house.mailer.sent().len(), 1);
}

#[tokio::test]
async fn m2_a_subject_cannot_smuggle_headers() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    house.post_as(&ada, PATH, request("a\r\nBcc: x@example.org")).await.expect(200);
    assert!(!house.mailer.sent()[0].subject.chars().any(char::is_control));
}
