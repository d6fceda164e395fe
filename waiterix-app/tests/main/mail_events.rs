//! What the provider of mail tells of bounces and complaints.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use waiterix_app::{App, Ports, http};
use waiterix_domain::Timestamp;
use waiterix_ports::mailer::{MailEvents, NotBelieved};
use waiterix_ports::{Clock as _, Mailer as _};

use crate::common::{House, Reply, message};
use crate::down::Down;

const PATH: &str = "/api/webhooks/resend";
const GUEST: &str = "guest@example.org";

/// Believes whoever names the length of the body and the time, and suppresses whom the body names.
#[derive(Debug)]
struct Believer;

impl MailEvents for Believer {
    fn to_suppress(
        &self,
        headers: &[(&str, &str)],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<String>, NotBelieved> {
        if !headers.contains(&("x-proof", &proof_of(body, now))) {
            return Err(NotBelieved { fault: "no proof" });
        }
        Ok(std::str::from_utf8(body).ok().filter(|text| !text.is_empty()).map(str::to_owned))
    }
}

fn proof_of(body: &[u8], now: Timestamp) -> String {
    format!("{} at {}", body.len(), now.as_millis())
}

fn hearing(replace: impl FnOnce(&mut Ports)) -> House {
    let mut house = House::new();
    let mut ports = house.app.ports.clone();
    replace(&mut ports);
    let app = App::new(ports, house.app.clock.clone(), house.app.random.clone(), house.app.settings.clone());
    house.app = Arc::new(app.with_mail_events(Arc::new(Believer)));
    house.router = http::service(house.app.clone());
    house
}

async fn tell(house: &House, body: &str, proof: &str) -> Reply {
    let request = Request::post(PATH).header("content-type", "application/json").header("x-proof", proof);
    house.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn tell_truly(house: &House, body: &str) -> Reply {
    tell(house, body, &proof_of(body.as_bytes(), house.clock.now())).await
}

/// That the provider need not tell it again.
fn heard(reply: &Reply) {
    assert_eq!((reply.status.as_u16(), reply.bytes.len()), (204, 0), "{}", reply.text());
}

#[tokio::test]
async fn m10_who_bounced_or_complained_gets_no_mail_any_more() {
    let house = hearing(|_| {});
    heard(&tell_truly(&house, "").await);
    assert!(!house.mailer.is_suppressed(GUEST).await.unwrap());
    // The body reaches the reader as it came, although it is said to be JSON and is none.
    for _ in 0..2 {
        heard(&tell_truly(&house, GUEST).await);
        assert!(house.mailer.is_suppressed(GUEST).await.unwrap());
    }
}

#[tokio::test]
async fn m10_what_is_not_the_providers_changes_nothing() {
    let house = hearing(|_| {});
    tell(&house, GUEST, "").await.refused(401, message("Unauthorized"));
    let old = proof_of(GUEST.as_bytes(), house.clock.now());
    house.clock.advance(std::time::Duration::from_secs(600));
    tell(&house, GUEST, &old).await.refused(401, message("Unauthorized"));
    let long = "x".repeat(256 * 1024 + 1);
    tell_truly(&house, &long).await.expect(413);
    assert!(!house.mailer.is_suppressed(GUEST).await.unwrap());
    let other_site =
        Request::post(PATH).header("origin", "https://evil.example").body(Body::empty()).unwrap();
    house.send(other_site).await.expect(403);
}

#[tokio::test]
async fn an_event_that_could_not_be_heard_is_told_again() {
    let house = hearing(|ports| ports.mailer = Arc::new(Down::Refusing));
    tell_truly(&house, GUEST).await.refused(503, json!({ "message": "Service temporarily unavailable" }));
}

#[tokio::test]
async fn an_address_that_no_list_takes_is_not_told_for_ever() {
    let house = hearing(|_| {});
    heard(&tell_truly(&house, "nobody").await);
}

#[tokio::test]
async fn nobody_hears_events_where_no_provider_sends_any() {
    let house = House::new();
    tell(&house, GUEST, "").await.refused(404, message("Not Found"));
    assert_eq!(house.get(PATH).await.expect(404)["error"], "Not Found");
    assert!(!http::document().paths.paths.contains_key(PATH), "it is not for clients");
}
