use serde_json::json;

use super::*;

// The example of Svix's documentation.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const AT: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn verifier() -> WebhookVerifier {
    WebhookVerifier::new(&Secret::new(SECRET)).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000).unwrap()
}

fn headers<'a>(id: &'a str, time: &'a str, signature: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("host", "api.example.org"),
        ("svix-id", id),
        ("Svix-Timestamp", time),
        ("svix-signature", signature),
    ]
}

/// A signature made without the code that checks it.
fn sign(key: &[u8], id: &str, time: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn key() -> Vec<u8> {
    STANDARD.decode(SECRET.strip_prefix(PREFIX).unwrap()).unwrap()
}

/// What comes of an event that Resend sends now.
fn event(body: &Value) -> Event {
    let body = body.to_string();
    let (time, signature) = (AT.to_string(), sign(&key(), "msg_1", AT, body.as_bytes()));
    let headers = headers("msg_1", &time, &signature);
    verifier().verify(&headers, body.as_bytes(), at(AT)).unwrap()
}

fn address() -> String {
    "guest@example.org".to_owned()
}

#[test]
fn the_example_of_the_documentation_is_signed_right() {
    let time = AT.to_string();
    let headers = headers(ID, &time, SIGNATURE);
    // It passes the signature, and is no event.
    assert_eq!(verifier().verify(&headers, BODY, at(AT)), Err(NO_EVENT));
}

#[test]
fn m10_what_was_changed_or_signed_by_others_is_not_believed() {
    let verifier = verifier();
    let time = AT.to_string();
    let body = br#"{"type":"email.complained","data":{"to":["guest@example.org"]}}"#;
    let right = sign(&key(), ID, AT, body);
    assert!(verifier.verify(&headers(ID, &time, &right), body, at(AT)).is_ok());

    let other_body = br#"{"type":"email.complained","data":{"to":["owner@example.org"]}}"#;
    let later = (AT + 1).to_string();
    let by_another = sign(b"another secret", ID, AT, body);
    let (cut, encoded) = (&right[..right.len() - 4], right.strip_prefix("v1,").unwrap());
    let other_version = format!("v2,{encoded}");
    for (id, time, signature, body) in [
        (ID, &time, right.as_str(), other_body.as_slice()),
        ("msg_2", &time, &right, body),
        (ID, &later, &right, body),
        (ID, &time, &by_another, body),
        (ID, &time, cut, body),
        (ID, &time, encoded, body),
        (ID, &time, &other_version, body),
        (ID, &time, "v1,", body),
        (ID, &time, "", body),
    ] {
        let answer = verifier.verify(&headers(id, time, signature), body, at(AT));
        assert_eq!(answer, Err(BAD_SIGNATURE), "{id} {time} {signature}");
    }
}

#[test]
fn one_right_signature_among_several_is_enough() {
    let body = br#"{"type":"email.sent"}"#;
    let (right, wrong) = (sign(&key(), ID, AT, body), sign(b"old", ID, AT, body));
    let verify =
        |signatures: String| verifier().verify(&headers(ID, &AT.to_string(), &signatures), body, at(AT));
    assert_eq!(verify(format!("{wrong} {right}")), Ok(Event::Other));
    assert_eq!(verify(format!("v1a,xyz {right} {wrong}")), Ok(Event::Other));
    assert_eq!(verify(format!("{wrong} {wrong}")), Err(BAD_SIGNATURE));
    // Nobody makes the service compute signatures for ever.
    let many = vec![wrong.as_str(); MAX_SIGNATURES].join(" ");
    assert_eq!(verify(format!("{many} {right}")), Err(BAD_SIGNATURE));
}

#[test]
fn what_was_signed_long_ago_is_not_believed() {
    let body = br#"{"type":"email.sent"}"#;
    let (time, signature) = (AT.to_string(), sign(&key(), ID, AT, body));
    let headers = headers(ID, &time, &signature);
    for (now, answer) in [
        (AT - TOLERANCE_SECONDS, Ok(Event::Other)),
        (AT + TOLERANCE_SECONDS, Ok(Event::Other)),
        (AT - TOLERANCE_SECONDS - 1, Err(NOT_OF_NOW)),
        (AT + TOLERANCE_SECONDS + 1, Err(NOT_OF_NOW)),
    ] {
        assert_eq!(verifier().verify(&headers, body, at(now)), answer, "{}", now - AT);
    }
}

#[test]
fn a_signature_needs_its_three_headers_once_each() {
    let body = br#"{"type":"email.sent"}"#;
    let (time, signature) = (AT.to_string(), sign(&key(), ID, AT, body));
    let all = headers(ID, &time, &signature);
    assert_eq!(verifier().verify(&all, body, at(AT)), Ok(Event::Other));
    for place in 1..all.len() {
        let mut headers = all.clone();
        headers.push(all[place]);
        assert_eq!(verifier().verify(&headers, body, at(AT)), Err(BAD_HEADER), "{} twice", all[place].0);
        headers.retain(|header| *header != all[place]);
        assert_eq!(verifier().verify(&headers, body, at(AT)), Err(BAD_HEADER), "no {}", all[place].0);
    }
    for time in ["", "now", "1614265330.5", "99999999999999999999"] {
        let headers = headers(ID, time, SIGNATURE);
        assert_eq!(verifier().verify(&headers, BODY, at(AT)), Err(BAD_HEADER), "{time}");
    }
    for time in [i64::MIN, i64::MAX, 0] {
        let time = time.to_string();
        let headers = headers(ID, &time, SIGNATURE);
        assert_eq!(verifier().verify(&headers, BODY, at(AT)), Err(NOT_OF_NOW), "{time}");
    }
}

#[test]
fn m10_permanent_bounces_and_complaints_are_to_be_suppressed() {
    let complaint = br#"{"type":"email.complained","data":{"to":["guest@example.org"]}}"#;
    let (time, signature) = (AT.to_string(), sign(&key(), ID, AT, complaint));
    let told = verifier().to_suppress(&headers(ID, &time, &signature), complaint, at(AT));
    assert_eq!(told, Ok(Some(address())), "as the service asks");

    // As in Resend's documentation, shortened.
    let bounced = |kind: &str| {
        event(&json!({
            "type": "email.bounced",
            "created_at": "2026-11-22T23:41:12.126Z",
            "data": {
                "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
                "from": "Waiterix <mail@waiterix.example>",
                "to": ["guest@example.org"],
                "subject": "Order Receipt",
                "bounce": { "message": "no such mailbox", "subType": "General", "type": kind },
                "tags": { "kind": "receipt" }
            }
        }))
    };
    for (kind, permanent) in [
        ("Permanent", true),
        ("permanent", true),
        ("Transient", false),
        ("Temporary", false),
        ("Undetermined", false),
    ] {
        let found = bounced(kind);
        assert_eq!(found, Event::Bounced { address: address(), permanent }, "{kind}");
        assert_eq!(found.to_suppress(), permanent.then_some("guest@example.org"), "{kind}");
    }
    let about = |kind: &str| event(&json!({ "type": kind, "data": { "to": ["guest@example.org"] } }));
    assert_eq!(about("email.bounced"), Event::Bounced { address: address(), permanent: true });
    assert_eq!(about("email.suppressed"), Event::Bounced { address: address(), permanent: true });
    assert_eq!(about("email.complained"), Event::Complained { address: address() });
    assert_eq!(about("email.complained").to_suppress(), Some("guest@example.org"));
    assert_eq!((about("email.delivered"), about("email.delivered").to_suppress()), (Event::Delivered, None));
}

#[test]
fn nobody_is_suppressed_by_what_is_not_understood() {
    for body in [
        json!({ "type": "email.opened", "data": { "to": ["guest@example.org"] } }),
        json!({ "type": "email.received", "data": { "to": ["guest@example.org"] } }),
        json!({ "type": "suppression.added", "data": { "email": "guest@example.org" } }),
        json!({ "type": "email.complained", "data": { "to": ["guest@example.org", "other@example.org"] } }),
        json!({ "type": "email.complained", "data": { "to": [] } }),
        json!({ "type": "email.complained", "data": { "to": "guest@example.org" } }),
        json!({ "type": "email.complained", "data": { "to": ["nobody"] } }),
        json!({ "type": "email.complained", "data": { "to": [7] } }),
        json!({ "type": "email.complained", "data": null }),
        json!({ "type": "email.bounced" }),
        json!({ "type": "" }),
    ] {
        let found = event(&body);
        assert_eq!((&found, found.to_suppress()), (&Event::Other, None), "{body}");
    }
}

#[test]
fn a_body_that_is_no_event_is_a_fault() {
    for body in ["", "null", "[]", "{}", "{\"type\": 7}", "\u{fffd}"] {
        let (time, signature) = (AT.to_string(), sign(&key(), ID, AT, body.as_bytes()));
        let headers = headers(ID, &time, &signature);
        assert_eq!(verifier().verify(&headers, body.as_bytes(), at(AT)), Err(NO_EVENT), "{body}");
    }
}

#[test]
fn a_malformed_secret_is_none() {
    for secret in [
        "",
        "whsec_",
        "whsec_***",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa",
    ] {
        assert!(WebhookVerifier::new(&Secret::new(secret)).is_none(), "{secret}");
    }
}

#[test]
fn m13_neither_secret_nor_address_is_shown() {
    let event = Event::Bounced { address: address(), permanent: true };
    let shown = format!("{:?} {event:?} {:?}", verifier(), Event::Complained { address: address() });
    assert_eq!(shown, "WebhookVerifier(…) Bounced(permanent) Complained");
}
