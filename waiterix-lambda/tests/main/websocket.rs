//! Events of a WebSocket API: who may connect, what is answered.

use std::time::Duration;

use serde_json::{Value, json, to_value};
use waiterix_domain::Timestamp;
use waiterix_lambda::websocket::WebSocket;
use waiterix_lambda::{Function as _, Time};
use waiterix_ports::{ConnectionId, ErrorKind, Outlet, Role};

use crate::house::{House, SITE, answered, body, event};

/// A handshake with these parameters and headers.
fn handshake(parameters: &[(&str, &str)], headers: &[(&str, &str)]) -> Value {
    let mut event = event("websocket_connect");
    let single: Value = parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    event["queryStringParameters"] = single;
    event["multiValueQueryStringParameters"] = Value::Null;
    for (name, value) in headers {
        event["headers"][*name] = json!(value);
        event["multiValueHeaders"][*name] = json!([value]);
    }
    event
}

async fn status(house: &House, event: Value) -> u64 {
    let reply = answered(&WebSocket::new(house.app.clone()), event).await.unwrap();
    reply["statusCode"].as_u64().unwrap()
}

#[tokio::test]
async fn a_guest_is_registered_as_the_recorded_event_says() {
    let house = House::new();
    let reply = answered(&WebSocket::new(house.app.clone()), event("websocket_connect")).await.unwrap();
    assert_eq!(reply, json!({ "statusCode": 200 }));
    let book = house.desk.book();
    let [connection] = book.connections.as_slice() else { panic!("{book:?}") };
    assert_eq!(connection.id.as_str(), "FXmPLczPliACF6Q=");
    assert_eq!(connection.restaurant.as_str(), "r1");
    assert_eq!(connection.role, Role::Customer { session: Some("tracking-o1".to_owned()) });
    assert_eq!(connection.connected_at, Timestamp::from_millis(1_738_314_307_123).unwrap());
    let Outlet::Gateway { endpoint } = &connection.outlet else { panic!("{connection:?}") };
    assert_eq!(endpoint, "https://xyz987wvut.execute-api.eu-central-1.amazonaws.com/production");
    assert!(book.sent.is_empty(), "nothing is sent before the gateway knows the connection (fact 11)");
}

#[tokio::test]
async fn fact18_an_event_without_a_time_is_one_of_now() {
    let house = House::new();
    let mut event = event("websocket_connect");
    let context = event["requestContext"].as_object_mut().unwrap();
    for missing in ["connectedAt", "requestTimeEpoch", "eventType", "identity"] {
        context.remove(missing);
    }
    event["headers"] = Value::Null;
    assert_eq!(status(&house, event).await, 200);
    assert_eq!(house.desk.book().connections[0].connected_at, house.app.clock.now());
}

#[tokio::test]
async fn r1_r19_a_chef_without_proof_is_refused_before_registration() {
    let house = House::new();
    let (cookie, own) = house.owner("ada@example.org").await;
    let (_, other) = house.owner("bob@example.org").await;
    let chef = |restaurant: &str| handshake(&[("restaurantId", restaurant), ("role", "chef")], &[]);
    let with_cookie = |restaurant: &str, cookie: &str, origin: &str| {
        handshake(
            &[("restaurantId", restaurant), ("role", "chef")],
            &[("Cookie", cookie), ("Origin", origin)],
        )
    };
    let with_ticket =
        |ticket: &str| handshake(&[("restaurantId", &own), ("role", "chef"), ("ticket", ticket)], &[]);
    for (expected, event) in [
        (401, chef(&own)),
        (401, with_cookie(&own, "connect.sid=s%3Aforged.signature", SITE)),
        (401, with_ticket("made-up")),
        (403, with_cookie(&other, &cookie, SITE)),
        (403, with_cookie("no-such-restaurant", &cookie, SITE)),
        (403, with_cookie(&own, &cookie, "https://evil.example")),
        (400, handshake(&[("role", "chef")], &[])),
        (400, handshake(&[("restaurantId", &own), ("role", "admin")], &[])),
        (400, handshake(&[("restaurantId", &"r".repeat(129))], &[])),
    ] {
        assert_eq!(status(&house, event.clone()).await, expected, "{event}");
    }
    assert!(house.desk.book().connections.is_empty(), "{:?}", house.desk.book().connections);
    assert_eq!(status(&house, with_cookie(&own, &cookie, SITE)).await, 200);
    let book = house.desk.book();
    assert!(
        matches!(&book.connections[..], [only] if matches!(only.role, Role::Chef { session_digest: Some(_), .. })),
        "{book:?}"
    );
}

#[tokio::test]
async fn r1_a_ticket_opens_one_connection() {
    let house = House::new();
    let (cookie, own) = house.owner("ada@example.org").await;
    let reply = house.call("POST", "/api/realtime/ticket", Some(&cookie), None).await;
    let ticket = body(&reply)["ticket"].as_str().unwrap().to_owned();
    let event = handshake(&[("restaurantId", &own), ("role", "chef"), ("ticket", &ticket)], &[]);
    assert_eq!(status(&house, event.clone()).await, 200);
    assert_eq!(status(&house, event).await, 401);
    assert_eq!(house.desk.book().connections.len(), 1);
}

#[tokio::test]
async fn what_the_notifier_refuses_is_a_refusal_and_an_outage_is_not_the_clients_fault() {
    for (kind, expected) in [
        (ErrorKind::Throttled, 429),
        (ErrorKind::Invalid, 400),
        (ErrorKind::Unavailable, 500),
        (ErrorKind::Unsupported, 500),
    ] {
        let house = House::new();
        house.desk.book().down = Some(kind);
        assert_eq!(status(&house, event("websocket_connect")).await, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn one_address_cannot_flood_the_door() {
    let house = House::with(|_| {}, |settings| settings.rate_limits.connections.burst = 2);
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(status(&house, event("websocket_connect")).await);
    }
    assert_eq!(answers, [200, 200, 429]);
    let mut neighbour = event("websocket_connect");
    neighbour["requestContext"]["identity"]["sourceIp"] = json!("192.0.2.8");
    assert_eq!(status(&house, neighbour).await, 200);
}

#[tokio::test]
async fn a_ping_is_answered_and_r26_everything_else_is_ignored() {
    let house = House::new();
    assert_eq!(status(&house, event("websocket_message")).await, 200);
    let pong = (ConnectionId::new("FXmPLczPliACF6Q="), r#"{"type":"pong"}"#.to_owned());
    assert_eq!(house.desk.book().sent, std::slice::from_ref(&pong));
    for said in [json!("{"), json!("pong"), json!(r#"{"type":"subscribe"}"#), json!("[]"), json!(null)] {
        let mut event = event("websocket_message");
        event["body"] = said;
        assert_eq!(status(&house, event).await, 200);
    }
    // Bytes, of which some are a ping and some are none.
    for (bytes, is_base64) in [("/w==", true), ("eyJ0eXBlIjoicGluZyJ9", true), ("!", true)] {
        let mut event = event("websocket_message");
        event["body"] = json!(bytes);
        event["isBase64Encoded"] = json!(is_base64);
        assert_eq!(status(&house, event).await, 200);
    }
    assert_eq!(house.desk.book().sent, [pong.clone(), pong]);
    house.desk.book().down = Some(ErrorKind::Unavailable);
    assert_eq!(status(&house, event("websocket_message")).await, 200);
}

#[tokio::test]
async fn a_goodbye_may_come_twice_and_is_no_success_while_nobody_can_be_told() {
    let house = House::new();
    assert_eq!(status(&house, event("websocket_disconnect")).await, 200);
    assert_eq!(status(&house, event("websocket_disconnect")).await, 200);
    let id = ConnectionId::new("FXmPLczPliACF6Q=");
    assert_eq!(house.desk.book().left, [id.clone(), id]);
    house.desk.book().down = Some(ErrorKind::Unavailable);
    assert_eq!(status(&house, event("websocket_disconnect")).await, 500);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_registered_in_time_is_refused_in_time() {
    let house = House::new();
    house.desk.book().mute = true;
    let begun = tokio::time::Instant::now();
    let limit = Duration::from_secs(3);
    let socket = WebSocket::new(house.app.clone());
    let reply = socket.answer(event("websocket_connect"), Time::of(limit)).await.unwrap();
    assert_eq!(to_value(reply).unwrap(), json!({ "statusCode": 503 }));
    assert!(begun.elapsed() < limit);
}

#[tokio::test]
async fn an_event_of_another_trigger_is_a_failure() {
    let house = House::new();
    let socket = WebSocket::new(house.app.clone());
    for name in ["scheduled", "http_get", "sns_bounce"] {
        assert_eq!(answered(&socket, event(name)).await.unwrap_err().kind, "UnknownEvent", "{name}");
    }
}
