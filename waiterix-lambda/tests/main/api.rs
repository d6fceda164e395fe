//! Events of REST APIs and HTTP APIs, and what comes back.

use std::time::Duration;

use serde_json::{Value, json, to_value};
use waiterix_lambda::api::Api;
use waiterix_lambda::{Function as _, Time};
use waiterix_ports::{BlobStore as _, ErrorKind, PutBlob};

use crate::house::{House, SITE, answered, body, event};

/// The answer to a request that no route takes: it tells of everything that was read.
fn golden(id: &str) -> Value {
    let body = json!({
        "error": "Not Found",
        "message": "Route GET /api/nowhere/caf%C3%A9?QUERY not found",
        "timestamp": "2025-01-01T00:00:00.000Z",
    });
    json!({
        "statusCode": 404,
        "headers": {
            "access-control-allow-credentials": "true",
            "access-control-allow-origin": SITE,
            "access-control-expose-headers": "etag,content-disposition,x-request-id",
            "cache-control": "no-store",
            "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
            "content-type": "application/json; charset=utf-8",
            "cross-origin-opener-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), payment=()",
            "referrer-policy": "strict-origin-when-cross-origin",
            "strict-transport-security": "max-age=31536000; includeSubDomains",
            "vary": "origin",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "x-request-id": id,
        },
        "body": body.to_string(),
        "isBase64Encoded": false,
    })
}

/// Reads the query out of the answer, so that its spelling does not matter.
fn without_query(reply: &mut Value) -> Vec<(String, String)> {
    let text = reply["body"].as_str().unwrap().to_owned();
    let (_, rest) = text.split_once('?').unwrap();
    let (query, _) = rest.split_once(' ').unwrap();
    reply["body"] = json!(text.replace(query, "QUERY"));
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn expected_query() -> Vec<(String, String)> {
    [("a", "1"), ("a", "2"), ("name", "café & more")].map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec()
}

#[tokio::test]
async fn g018_a_recorded_request_of_a_rest_api_gets_its_golden_answer() {
    let house = House::new();
    let mut reply = answered(&Api::new(house.app.clone()), event("rest_get")).await.unwrap();
    assert_eq!(without_query(&mut reply), expected_query());
    let mut expected = golden("77375676-xmpl-4b79-853a-f982474efe18");
    let headers = expected.as_object_mut().unwrap().remove("headers").unwrap();
    let listed = headers.as_object().unwrap().iter().map(|(name, value)| (name.clone(), json!([value])));
    expected["multiValueHeaders"] = Value::Object(listed.collect());
    expected["body"] =
        json!(expected["body"].as_str().unwrap().replace("2025-01-01T00:00:00.000Z", &timestamp(&reply)));
    assert_eq!(reply, expected);
}

#[tokio::test]
async fn g018_a_recorded_request_of_an_http_api_gets_its_golden_answer() {
    let house = House::new();
    let mut reply = answered(&Api::new(house.app.clone()), event("http_get")).await.unwrap();
    assert_eq!(without_query(&mut reply), expected_query());
    let mut expected = golden("JKJaXmPLvHcESHA=");
    expected["body"] =
        json!(expected["body"].as_str().unwrap().replace("2025-01-01T00:00:00.000Z", &timestamp(&reply)));
    assert_eq!(reply, expected);
}

fn timestamp(reply: &Value) -> String {
    body(reply)["timestamp"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn bodies_arrive_as_text_and_in_base64() {
    for name in ["rest_post", "http_post"] {
        let house = House::new();
        let reply = answered(&Api::new(house.app.clone()), event(name)).await.unwrap();
        assert_eq!(reply["statusCode"], 200, "{name}: {reply}");
        let mails = house.mailer.sent();
        assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["ada@example.org"]);
    }
}

#[tokio::test]
async fn a_request_from_another_site_is_refused_in_a_function_too() {
    let house = House::new();
    let mut event = event("http_post");
    event["headers"]["origin"] = json!("https://evil.example");
    let reply = answered(&Api::new(house.app.clone()), event).await.unwrap();
    assert_eq!(reply["statusCode"], 403);
    assert!(house.mailer.sent().is_empty());
}

#[tokio::test]
async fn pictures_come_back_in_base64_whatever_their_bytes() {
    let house = House::new();
    let bytes: Vec<u8> = (0..=255).collect();
    let mut picture = PutBlob::new(bytes.clone());
    picture.content_type = Some("image/png".to_owned());
    house.blobs.put("public/uploads/x", picture).await.unwrap();
    let reply = house.call("GET", "/api/objects/public/uploads/x", None, None).await;
    assert_eq!((&reply["statusCode"], &reply["isBase64Encoded"]), (&json!(200), &json!(true)));
    use base64::Engine as _;
    let read = base64::engine::general_purpose::STANDARD.decode(reply["body"].as_str().unwrap()).unwrap();
    assert_eq!(read, bytes);
}

#[tokio::test]
async fn a_session_cookie_is_set_and_taken_back() {
    let house = House::new();
    let (cookie, restaurant) = house.owner("ada@example.org").await;
    let reply = house.call("GET", "/api/restaurant", Some(&cookie), None).await;
    assert_eq!((&reply["statusCode"], &body(&reply)["id"]), (&json!(200), &json!(restaurant)));
    assert_eq!(house.call("GET", "/api/restaurant", None, None).await["statusCode"], 401);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_answered_before_the_platform_ends_the_process() {
    let house = House::new();
    let (cookie, restaurant) = house.owner("ada@example.org").await;
    house.desk.book().mute = true;
    let request = json!({ "restaurantId": restaurant, "customerMessage": "Water, please", "requestType": "call_waiter" });
    let event = json!({
        "headers": { "host": "api.example.org", "origin": SITE, "content-type": "application/json" }, "cookies": [cookie],
        "rawPath": "/api/assistance-requests", "body": request.to_string(),
        "requestContext": { "requestId": "12345678", "http": { "method": "POST" } },
    });
    let begun = tokio::time::Instant::now();
    let limit = Duration::from_secs(3);
    let reply = Api::new(house.app.clone()).answer(event, Time::of(limit)).await.unwrap();
    let took = begun.elapsed();
    let reply = to_value(reply).unwrap();
    assert_eq!(reply["statusCode"], 503, "{reply}");
    assert_eq!(body(&reply), json!({ "message": "The request took too long" }));
    assert!(took < limit, "{took:?}");
    // The browser can read it, and support can find it.
    assert_eq!(reply["headers"]["access-control-allow-origin"], SITE);
    assert_eq!(reply["headers"]["x-request-id"], "12345678");
}

#[tokio::test]
async fn an_outage_of_the_notifier_fails_no_order_of_the_kitchen() {
    let house = House::new();
    let (_, restaurant) = house.owner("ada@example.org").await;
    house.desk.book().down = Some(ErrorKind::Unavailable);
    let request = json!({ "restaurantId": restaurant, "customerMessage": "Water, please", "requestType": "call_waiter" });
    let reply = house.call("POST", "/api/assistance-requests", None, Some(request)).await;
    assert!(reply["statusCode"].as_u64().unwrap() < 300, "{reply}");
}

#[tokio::test]
async fn an_event_of_another_trigger_is_a_failure_and_a_malformed_request_is_not() {
    let house = House::new();
    let api = Api::new(house.app.clone());
    for name in ["scheduled", "websocket_connect", "sns_bounce"] {
        assert_eq!(answered(&api, event(name)).await.unwrap_err().kind, "UnknownEvent", "{name}");
    }
    let reply = answered(&api, json!({ "httpMethod": "GET", "path": "" })).await.unwrap();
    assert_eq!((&reply["statusCode"], &body(&reply)["message"]), (&json!(400), &json!("Malformed URL")));
}
