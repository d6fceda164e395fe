//! Receipts by mail over HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use waiterix_app::Ports;
use waiterix_ports::{Error, ErrorKind, Mail, MailKind, Mailer, Outcome, Result};

use crate::common::{self, message};
use crate::kitchen::{Kitchen, id_of};

const HOUR: Duration = Duration::from_secs(3_600);

async fn send(kitchen: &Kitchen, order: &str, email: Value) -> common::Reply {
    kitchen.house.post(&format!("/api/orders/{order}/email-receipt"), json!({ "email": email })).await
}

#[tokio::test]
async fn a_receipt_is_mailed_to_the_given_address() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let answer = send(&kitchen, &id, json!("Guest@Example.org")).await.expect(200);
    assert_eq!(answer, json!({ "success": true, "message": "Receipt sent to Guest@Example.org" }));
    let sent = kitchen.house.mailer.sent();
    assert_eq!(sent.len(), 1);
    let mail = &sent[0];
    let number = id[..8].to_uppercase();
    assert_eq!((mail.kind, mail.to.as_str()), (MailKind::Receipt, "Guest@Example.org"));
    assert_eq!(mail.subject, format!("Order Receipt #{number} - ada's"));
    for said in
        [&*number, "Table 5", "Soup x2", "$25.00", "$2.50", "$3.00", "$30.50", "January 31, 2025 at 9:05 AM"]
    {
        assert!(mail.html.contains(said) && mail.text.contains(said), "{said}");
    }
    for unsaid in ["no salt", "nuts", "hot"] {
        assert!(!mail.text.contains(unsaid), "notes and allergies stay in the restaurant");
    }
    assert!(mail.id.as_str().starts_with(&format!("receipt/{id}/")) && mail.id.as_str().ends_with("/1"));
    assert!(!mail.id.as_str().contains('@'));
}

#[tokio::test]
async fn the_address_is_looked_at_first_then_the_order() {
    let kitchen = Kitchen::open().await;
    for missing in [json!(null), json!(""), json!(5)] {
        send(&kitchen, "unknown", missing).await.refused(400, message("Email address is required"));
    }
    for bad in ["guest", "guest@example", "gu est@example.org", "a@b@c.d", "a@b.c\r\nBcc: d@e.f", "<a@b.c>"] {
        send(&kitchen, "unknown", json!(bad)).await.refused(400, message("Invalid email address"));
    }
    send(&kitchen, "unknown", json!("a@b.c")).await.refused(404, message("Order not found"));
    assert_eq!(kitchen.house.mailer.sent().len(), 0);
}

#[tokio::test]
async fn d97_m5_an_order_sends_three_receipts_an_hour_and_five_in_all() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let refusal = || message("Too many requests");
    for place in 0..3 {
        send(&kitchen, &id, json!(format!("guest{place}@example.org"))).await.expect(200);
    }
    for _ in 0..4 {
        send(&kitchen, &id, json!("guest@example.org")).await.refused(429, refusal());
    }
    let other = id_of(&kitchen.order().await);
    send(&kitchen, &other, json!("guest@example.org")).await.expect(200);

    kitchen.house.clock.advance(HOUR + Duration::from_secs(1));
    for _ in 0..2 {
        send(&kitchen, &id, json!("guest@example.org")).await.expect(200);
    }
    send(&kitchen, &id, json!("guest@example.org")).await.refused(429, refusal());
    kitchen.house.clock.advance(24 * HOUR);
    send(&kitchen, &id, json!("guest@example.org")).await.refused(429, refusal());
    let mails = kitchen.house.mailer.sent();
    assert_eq!(mails.iter().filter(|mail| mail.id.as_str().contains(&id)).count(), 5);
}

#[tokio::test]
async fn m5_one_address_is_not_flooded_from_many_orders() {
    let kitchen = Kitchen::open().await;
    let mut refused = 0;
    for _ in 0..31 {
        let id = id_of(&kitchen.order().await);
        // Two spellings of one mailbox count together.
        let reply = send(&kitchen, &id, json!("guest@EXAMPLE.org")).await;
        refused += usize::from(reply.status.as_u16() == 429);
    }
    assert_eq!((refused, kitchen.house.mailer.sent().len()), (1, 30));
    let id = id_of(&kitchen.order().await);
    send(&kitchen, &id, json!("guest@example.org")).await.refused(429, message("Too many requests"));
    send(&kitchen, &id, json!("other@example.org")).await.expect(200);
}

#[tokio::test]
async fn demo_receipts_are_not_sent() {
    let kitchen = Kitchen::open().await;
    let answer = send(&kitchen, "demo-order-1", json!("guest@example.org")).await.expect(200);
    assert_eq!(
        (&answer["success"], &answer["message"]),
        (&json!(true), &json!("Receipt sent to guest@example.org"))
    );
    assert!(answer["dev_note"].is_string());
    assert_eq!(kitchen.house.mailer.sent().len(), 0);
    send(&kitchen, "demo-order-1", json!("guest")).await.refused(400, message("Invalid email address"));
}

#[tokio::test]
async fn d56_the_amounts_are_in_the_restaurants_currency() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let euro =
        waiterix_domain::schema::Restaurant { currency_code: "EUR".to_owned(), ..kitchen.restaurant.clone() };
    let change = waiterix_domain::ChangeSet::new(waiterix_domain::CommitId::new("euro"));
    let change = change.update(kitchen.restaurant.clone(), euro);
    waiterix_ports::Store::commit(&*kitchen.house.store, &change).await.unwrap();
    send(&kitchen, &id, json!("guest@example.org")).await.expect(200);
    let mail = kitchen.house.mailer.sent().remove(0);
    assert!(mail.text.contains("€30.50") && !mail.text.contains('$') && !mail.html.contains('$'));
}

/// A mailer with one answer.
#[derive(Debug)]
struct Answering(Option<Outcome>);

#[async_trait]
impl Mailer for Answering {
    async fn send(&self, _: &Mail) -> Result<Outcome> {
        self.0.clone().ok_or_else(|| Error::new(ErrorKind::Denied, "mailer.send"))
    }
    async fn set_suppressed(&self, _: &str, _: bool) -> Result<()> {
        Ok(())
    }
    async fn is_suppressed(&self, _: &str) -> Result<bool> {
        Ok(false)
    }
    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn m7_d99_only_a_mail_that_was_certainly_taken_is_a_success() {
    let kitchen = Kitchen::open().await;
    let taken = |message_id: &str| message_id.to_owned();
    for (outcome, status) in [
        (Some(Outcome::Accepted { message_id: taken("1") }), 200),
        (Some(Outcome::Duplicate { message_id: taken("1") }), 200),
        (Some(Outcome::Suppressed), 500),
        (Some(Outcome::Rejected { reason: "quota of a secret account".to_owned() }), 500),
        (Some(Outcome::RetryLater { after: None }), 500),
        (Some(Outcome::Unknown), 500),
        (None, 500),
    ] {
        let id = id_of(&kitchen.order().await);
        let shown = format!("{outcome:?}");
        let mailer = Arc::new(Answering(outcome));
        let house = kitchen.with_ports(Ports { mailer, ..kitchen.house.app.ports.clone() });
        let body = json!({ "email": "guest@example.org" });
        let reply = house.post(&format!("/api/orders/{id}/email-receipt"), body).await;
        assert_eq!(reply.status.as_u16(), status, "{shown}");
        if status == 500 {
            reply.refused(500, message("Failed to send receipt email"));
        }
    }
}
