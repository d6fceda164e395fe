//! What becomes of mails, and of the addresses they went to.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use waiterix_lambda::mail_events::MailEvents;
use waiterix_ports::{Error, ErrorKind, Mail, Mailer, Outcome, Result};

use crate::house::{House, answered, event};

async fn suppressed(house: &House, address: &str) -> bool {
    house.app.ports.mailer.is_suppressed(address).await.unwrap()
}

#[tokio::test]
async fn bounces_and_complaints_suppress_their_addresses_by_every_way_they_come() {
    for (name, address) in [
        ("sns_bounce", "gone@example.org"),
        ("sns_notification_bounce", "old@example.org"),
        ("sns_complaint", "annoyed@example.org"),
        ("eventbridge_bounce", "bus@example.org"),
        ("sqs_bounces", "one@example.org"),
        ("sqs_bounces", "two@example.org"),
        ("sqs_bounces", "four@example.org"),
    ] {
        let house = House::new();
        let report = answered(&MailEvents::new(house.app.clone()), event(name)).await.unwrap();
        assert_eq!(report, json!({ "batchItemFailures": [] }), "{name}");
        assert!(suppressed(&house, address).await, "{name} {address}");
        assert!(!suppressed(&house, "ada@example.org").await);
        answered(&MailEvents::new(house.app.clone()), event(name)).await.unwrap();
        assert!(suppressed(&house, address).await, "hearing it twice is harmless");
    }
}

#[tokio::test]
async fn a_full_mailbox_and_a_delivery_suppress_nobody() {
    let house = House::new();
    let function = MailEvents::new(house.app.clone());
    for name in ["sns_bounce_transient", "sns_delivery"] {
        answered(&function, event(name)).await.unwrap();
    }
    for address in ["full@example.org", "ada@example.org"] {
        assert!(!suppressed(&house, address).await, "{address}");
    }
}

/// A mailer whose provider does not take one address.
#[derive(Debug)]
struct Half {
    refused: &'static str,
    kind: ErrorKind,
    taken: Mutex<Vec<String>>,
}

#[async_trait]
impl Mailer for Half {
    async fn send(&self, _: &Mail) -> Result<Outcome> {
        Ok(Outcome::Unknown)
    }

    async fn set_suppressed(&self, address: &str, _: bool) -> Result<()> {
        if address == self.refused {
            return Err(Error::new(self.kind, "half.set_suppressed"));
        }
        self.taken.lock().unwrap().push(address.to_owned());
        Ok(())
    }

    async fn is_suppressed(&self, _: &str) -> Result<bool> {
        Ok(false)
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

fn house_with(refused: &'static str, kind: ErrorKind) -> (House, Arc<Half>) {
    let half = Arc::new(Half { refused, kind, taken: Mutex::default() });
    let mailer = half.clone();
    (House::with(|ports| ports.mailer = mailer, |_| {}), half)
}

#[tokio::test]
async fn of_a_batch_exactly_what_failed_is_delivered_again() {
    let (house, half) = house_with("two@example.org", ErrorKind::Unavailable);
    let report = answered(&MailEvents::new(house.app.clone()), event("sqs_bounces")).await.unwrap();
    let second = json!({ "itemIdentifier": "059f36b4-xmpl-4ff7-8f4e-000000000002" });
    assert_eq!(report, json!({ "batchItemFailures": [second] }));
    assert_eq!(*half.taken.lock().unwrap(), ["one@example.org", "four@example.org"]);
}

#[tokio::test]
async fn what_a_topic_brings_and_cannot_be_done_fails_the_invocation_without_naming_anybody() {
    let (house, _) = house_with("gone@example.org", ErrorKind::Unavailable);
    let failure = answered(&MailEvents::new(house.app.clone()), event("sns_bounce")).await.unwrap_err();
    assert_eq!(failure.kind, "NotSuppressed");
    assert!(!failure.to_string().contains('@'), "{failure}");
}

#[tokio::test]
async fn an_address_the_provider_calls_malformed_is_not_tried_for_ever() {
    let (house, _) = house_with("gone@example.org", ErrorKind::Invalid);
    let report = answered(&MailEvents::new(house.app.clone()), event("sns_bounce")).await.unwrap();
    assert_eq!(report, json!({ "batchItemFailures": [] }));
}

#[tokio::test]
async fn an_event_of_another_trigger_is_a_failure() {
    let house = House::new();
    let function = MailEvents::new(house.app.clone());
    for event in [event("scheduled"), event("http_get"), event("websocket_message"), Value::Null] {
        assert_eq!(answered(&function, event).await.unwrap_err().kind, "UnknownEvent");
    }
}
