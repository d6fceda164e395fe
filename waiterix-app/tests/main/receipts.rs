//! Receipts by mail over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use waiterix_adapters_local::memory::{MemoryMailer, MemorySessionStore};
use waiterix_app::Ports;
use waiterix_domain::receipt::MAX_MAILS_PER_ORDER;
use waiterix_domain::schema::Restaurant;
use waiterix_ports::{Error, ErrorKind, Mail, MailKind, Mailer, Outcome, Result};

use crate::common::{self, House, message};
use crate::kitchen::{Kitchen, id_of};

const HOUR: Duration = Duration::from_secs(3_600);

async fn send(house: &House, order: &str, email: Value) -> common::Reply {
    house.post(&format!("/api/orders/{order}/email-receipt"), json!({ "email": email })).await
}

/// The same kitchen after its sessions moved to a store without the old one's counters; the mailer remembers what was sent.
fn with_counters_begun_anew(kitchen: &Kitchen) -> House {
    let sessions = Arc::new(MemorySessionStore::new(kitchen.house.clock.clone()));
    kitchen.with_ports(Ports { sessions, ..kitchen.house.app.ports.clone() })
}

/// The numbers of the receipts that were sent, in this order.
fn numbers(kitchen: &Kitchen) -> Vec<String> {
    let sent = kitchen.house.mailer.sent().into_iter();
    sent.map(|mail| mail.id.as_str().rsplit_once('/').unwrap().1.to_owned()).collect()
}

/// Makes every restaurant's receipts look otherwise.
async fn pay_in_euro(kitchen: &Kitchen) {
    let euro = Restaurant { currency_code: "EUR".to_owned(), ..kitchen.restaurant.clone() };
    kitchen.commit(|changes| changes.update(kitchen.restaurant.clone(), euro)).await;
}

#[tokio::test]
async fn a_receipt_is_mailed_to_the_given_address() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let answer = send(&kitchen.house, &id, json!("Guest@Example.org")).await.expect(200);
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
        send(&kitchen.house, "unknown", missing).await.refused(400, message("Email address is required"));
    }
    for bad in ["guest", "guest@example", "gu est@example.org", "a@b@c.d", "a@b.c\r\nBcc: d@e.f", "<a@b.c>"] {
        send(&kitchen.house, "unknown", json!(bad)).await.refused(400, message("Invalid email address"));
    }
    send(&kitchen.house, "unknown", json!("a@b.c")).await.refused(404, message("Order not found"));
    assert_eq!(kitchen.house.mailer.sent().len(), 0);
}

#[tokio::test]
async fn d97_m5_an_order_sends_three_receipts_an_hour_and_five_in_all() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let refusal = || message("Too many requests");
    for place in 0..3 {
        send(&kitchen.house, &id, json!(format!("guest{place}@example.org"))).await.expect(200);
    }
    for _ in 0..4 {
        send(&kitchen.house, &id, json!("guest@example.org")).await.refused(429, refusal());
    }
    let other = id_of(&kitchen.order().await);
    send(&kitchen.house, &other, json!("guest@example.org")).await.expect(200);

    kitchen.house.clock.advance(HOUR + Duration::from_secs(1));
    for _ in 0..2 {
        send(&kitchen.house, &id, json!("guest@example.org")).await.expect(200);
    }
    send(&kitchen.house, &id, json!("guest@example.org")).await.refused(429, refusal());
    kitchen.house.clock.advance(24 * HOUR);
    send(&kitchen.house, &id, json!("guest@example.org")).await.refused(429, refusal());
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
        let reply = send(&kitchen.house, &id, json!("guest@EXAMPLE.org")).await;
        refused += usize::from(reply.status.as_u16() == 429);
    }
    assert_eq!((refused, kitchen.house.mailer.sent().len()), (1, 30));
    let id = id_of(&kitchen.order().await);
    send(&kitchen.house, &id, json!("guest@example.org")).await.refused(429, message("Too many requests"));
    send(&kitchen.house, &id, json!("other@example.org")).await.expect(200);
}

#[tokio::test]
async fn demo_receipts_are_not_sent() {
    let kitchen = Kitchen::open().await;
    let answer = send(&kitchen.house, "demo-order-1", json!("guest@example.org")).await.expect(200);
    assert_eq!(
        (&answer["success"], &answer["message"]),
        (&json!(true), &json!("Receipt sent to guest@example.org"))
    );
    assert!(answer["dev_note"].is_string());
    assert_eq!(kitchen.house.mailer.sent().len(), 0);
    send(&kitchen.house, "demo-order-1", json!("guest")).await.refused(400, message("Invalid email address"));
}

#[tokio::test]
async fn d56_the_amounts_are_in_the_restaurants_currency() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    pay_in_euro(&kitchen).await;
    send(&kitchen.house, &id, json!("guest@example.org")).await.expect(200);
    let mail = kitchen.house.mailer.sent().remove(0);
    assert!(mail.text.contains("€30.50") && !mail.text.contains('$') && !mail.html.contains('$'));
}

#[tokio::test]
async fn a_receipt_whose_number_was_used_before_the_counter_began_anew_is_sent_under_the_next_one() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    send(&kitchen.house, &id, json!("guest@example.org")).await.expect(200);
    let anew = with_counters_begun_anew(&kitchen);
    send(&anew, &id, json!("guest@example.org")).await.expect(200);
    assert_eq!(numbers(&kitchen), ["1", "2"], "the guest has two mails");
    send(&anew, &id, json!("guest@example.org")).await.expect(200);
    assert_eq!(numbers(&kitchen), ["1", "2", "3"], "and from here on it is as ever");
    // Another recipient's mails have other names, so there is nothing to leave out.
    let anew = with_counters_begun_anew(&kitchen);
    send(&anew, &id, json!("other@example.org")).await.expect(200);
    assert_eq!(numbers(&kitchen), ["1", "2", "3", "1"]);
}

#[tokio::test]
async fn a_receipt_whose_number_was_used_is_sent_although_it_says_something_else_by_now() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    send(&kitchen.house, &id, json!("guest@example.org")).await.expect(200);
    pay_in_euro(&kitchen).await;
    send(&with_counters_begun_anew(&kitchen), &id, json!("guest@example.org")).await.expect(200);
    assert_eq!(numbers(&kitchen), ["1", "2"]);
    let sent = kitchen.house.mailer.sent();
    assert!(sent[0].text.contains("$30.50") && sent[1].text.contains("€30.50"));
}

#[tokio::test]
async fn d97_m5_five_receipts_in_all_stay_five_although_the_counter_began_anew() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    for _ in 0..3 {
        send(&kitchen.house, &id, json!("guest@example.org")).await.expect(200);
    }
    let anew = with_counters_begun_anew(&kitchen);
    for _ in 0..2 {
        send(&anew, &id, json!("guest@example.org")).await.expect(200);
    }
    send(&anew, &id, json!("guest@example.org")).await.refused(429, message("Too many requests"));
    let anew = with_counters_begun_anew(&kitchen);
    send(&anew, &id, json!("guest@example.org")).await.refused(429, message("Too many requests"));
    assert_eq!(numbers(&kitchen), ["1", "2", "3", "4", "5"]);
}

/// A mailer that lets everybody else go first: of requests that are sent together, all have drawn their numbers before the
/// first mail is sent.
#[derive(Debug)]
struct Racing(Arc<MemoryMailer>);

#[async_trait]
impl Mailer for Racing {
    async fn send(&self, mail: &Mail) -> Result<Outcome> {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        self.0.send(mail).await
    }
    async fn set_suppressed(&self, address: &str, suppressed: bool) -> Result<()> {
        self.0.set_suppressed(address, suppressed).await
    }
    async fn is_suppressed(&self, address: &str) -> Result<bool> {
        self.0.is_suppressed(address).await
    }
    async fn check(&self) -> Result<()> {
        self.0.check().await
    }
}

#[tokio::test]
async fn two_requests_at_once_are_two_mails_whichever_counters_they_draw_their_numbers_from() {
    let kitchen = Kitchen::open().await;
    let id = id_of(&kitchen.order().await);
    let mailer = Arc::new(Racing(kitchen.house.mailer.clone()));
    let house =
        |house: House| kitchen.with_ports(Ports { mailer: mailer.clone(), ..house.app.ports.clone() });
    let guest = || json!("guest@example.org");
    // One draws before the sessions move, the other one afterwards: both have number 1.
    let before = house(with_counters_begun_anew(&kitchen));
    let after = house(with_counters_begun_anew(&kitchen));
    let (one, other) = tokio::join!(send(&before, &id, guest()), send(&after, &id, guest()));
    one.expect(200);
    other.expect(200);
    assert_eq!(numbers(&kitchen), ["1", "2"]);
    // Both draw from one counter, and both numbers are used.
    let anew = house(with_counters_begun_anew(&kitchen));
    let (one, other) = tokio::join!(send(&anew, &id, guest()), send(&anew, &id, guest()));
    one.expect(200);
    other.expect(200);
    assert_eq!(numbers(&kitchen), ["1", "2", "3", "4"]);
}

/// A mailer with one answer, which counts how often it is asked.
#[derive(Debug)]
struct Answering(Option<Outcome>, AtomicU64);

#[async_trait]
impl Mailer for Answering {
    async fn send(&self, _: &Mail) -> Result<Outcome> {
        self.1.fetch_add(1, Ordering::SeqCst);
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
    // Another number is drawn only where it is certain that nothing was sent under this one for this request.
    for (outcome, status, asked) in [
        (Some(Outcome::Accepted { message_id: taken("1") }), 200, 1),
        (Some(Outcome::Duplicate { message_id: taken("1") }), 429, MAX_MAILS_PER_ORDER),
        (Some(Outcome::Conflict), 429, MAX_MAILS_PER_ORDER),
        (Some(Outcome::Suppressed), 500, 1),
        (Some(Outcome::Rejected { reason: "quota of a secret account".to_owned() }), 500, 1),
        (Some(Outcome::RetryLater { after: None }), 500, 1),
        (Some(Outcome::Unknown), 500, 1),
        (None, 500, 1),
    ] {
        let id = id_of(&kitchen.order().await);
        let shown = format!("{outcome:?}");
        let mailer = Arc::new(Answering(outcome, AtomicU64::new(0)));
        let house = kitchen.with_ports(Ports { mailer: mailer.clone(), ..kitchen.house.app.ports.clone() });
        let reply = send(&house, &id, json!("guest@example.org")).await;
        assert_eq!(reply.status.as_u16(), status, "{shown}");
        assert_eq!(mailer.1.load(Ordering::SeqCst), asked, "{shown}");
        match status {
            429 => reply.refused(429, message("Too many requests")),
            500 => reply.refused(500, message("Failed to send receipt email")),
            _ => {}
        }
    }
}
