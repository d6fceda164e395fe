//! The functions as the platform runs them, behind an API Gateway, on the adapters of AWS.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;
use url::Url;
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_contract::eventually;
use waiterix_tests::client::{Client, http_client};
use waiterix_tests::cloud::{Cloud, SITE};
use waiterix_tests::gateway::{Gateway, Payload};
use waiterix_tests::kitchen::Kitchen;
use waiterix_tests::lambda_runtime::{Fault, Function, TRACE};
use waiterix_tests::socket::{Heard, Socket};
use waiterix_tests::suppression::SuppressionList;

const PATIENCE: Duration = Duration::from_secs(20);
/// The smallest PNG that is one.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";

#[tokio::test]
async fn g130_an_order_becomes_a_row_and_an_event_on_a_real_socket_through_both_kinds_of_api() {
    let Some(cloud) = Cloud::prepare().await else { return };
    for (payload, email) in [(Payload::Http, "ada@example.org"), (Payload::Rest, "bob@example.org")] {
        let gateway = Gateway::start_with(&cloud, payload, &[]).await;
        let kitchen = Kitchen::open(&cloud, &gateway.base, email).await;
        let mut chef = kitchen.chef(&gateway).await;
        let order = kitchen.order(&gateway.base).await;
        let event = chef.event().await;
        assert_eq!(
            (&event["type"], &event["data"]["orderId"]),
            (&json!("new-order"), &order["id"]),
            "{payload:?}"
        );

        // A guest follows the order, and hears its status and nothing else.
        let id = order["id"].as_str().unwrap();
        let path = format!("/ws?restaurantId={}&customerSessionId=tracking-{id}", kitchen.restaurant);
        let mut guest = Socket::open(&gateway.ws, &path, &[]).await.unwrap();
        kitchen.owner.put(&format!("/api/orders/{id}/status"), &json!({ "status": "preparing" })).await;
        let heard =
            json!({ "type": "order-status-changed", "data": { "orderId": id, "status": "preparing" } });
        assert_eq!(guest.event().await, heard);

        // Another process knows the order: it is in PostgreSQL.
        let another = Gateway::start_with(&cloud, payload, &[]).await;
        let view = Client::new(&another.base).get(&format!("/api/orders/{id}/track")).await;
        assert_eq!(view["order"]["status"], "preparing");
    }
}

#[tokio::test]
async fn r1_a_chef_without_proof_is_refused_before_registration() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let gateway = Gateway::start(&cloud).await;
    let kitchen = Kitchen::open(&cloud, &gateway.base, "ada@example.org").await;
    let other = Kitchen::open(&cloud, &gateway.base, "bob@example.org").await;
    let chef = kitchen.chef_path();
    let open = async |path: &str, headers: &[(&'static str, &str)]| {
        Socket::open(&gateway.ws, path, headers).await.map(|_| ()).unwrap_err()
    };
    assert_eq!(open(&chef, &[]).await, 401);
    assert_eq!(open(&chef, &[("cookie", "connect.sid=s%3Aforged.signature")]).await, 401);
    assert_eq!(open(&format!("{chef}&ticket=made-up"), &[]).await, 401);
    assert_eq!(open(&chef, &[("cookie", other.owner.cookie())]).await, 403);
    let foreign = [("cookie", kitchen.owner.cookie()), ("origin", "https://evil.example")];
    assert_eq!(open(&chef, &foreign).await, 403);
    assert_eq!(open("/ws?role=chef", &[("cookie", kitchen.owner.cookie())]).await, 400);
    assert_eq!((cloud.connections().await, gateway.open_sockets()), (0, 0), "nothing was registered");

    let ticket = kitchen.owner.post("/api/realtime/ticket", &json!({})).await;
    let path = format!("{chef}&ticket={}", ticket["ticket"].as_str().unwrap());
    let _chef = Socket::open(&gateway.ws, &path, &[]).await.unwrap();
    assert_eq!(open(&path, &[]).await, 401, "a ticket opens one connection");
    assert_eq!(cloud.connections().await, 1);
}

#[tokio::test]
async fn pings_are_answered_goodbyes_are_heard_and_logging_out_closes() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let gateway = Gateway::start(&cloud).await;
    let kitchen = Kitchen::open(&cloud, &gateway.base, "ada@example.org").await;
    let path = format!("/ws?restaurantId={}&customerSessionId=somebody", kitchen.restaurant);
    let mut guest = Socket::open(&gateway.ws, &path, &[]).await.unwrap();
    for nonsense in ["{", "7", "\"ping\"", "{\"type\":\"shout\"}"] {
        guest.say(nonsense).await;
    }
    assert_eq!(guest.everything().await, Vec::<Value>::new(), "a ping is answered, nonsense is not");
    drop(guest);
    eventually(PATIENCE, "who left is forgotten", async || cloud.connections().await == 0).await;

    let mut chef = kitchen.chef(&gateway).await;
    kitchen.owner.post("/api/logout", &json!({})).await;
    assert!(matches!(chef.next().await, Heard::Closed(_)));
    eventually(PATIENCE, "who logged out is forgotten", async || cloud.connections().await == 0).await;
}

#[tokio::test]
async fn pictures_go_to_the_bucket_and_come_back_through_the_api_whatever_their_size() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let gateway = Gateway::start_with(&cloud, Payload::Rest, &[]).await;
    let kitchen = Kitchen::open(&cloud, &gateway.base, "ada@example.org").await;
    // Larger than what the platform takes as an answer.
    let large: Vec<u8> = PNG.iter().copied().chain(std::iter::repeat_n(7, 6 * 1024 * 1024)).collect();
    for picture in [PNG.to_vec(), large] {
        let asked = json!({ "contentType": "image/png", "size": picture.len() });
        let upload = kitchen.owner.post("/api/objects/upload", &asked).await;
        let url = upload["uploadURL"].as_str().unwrap();
        let client = http_client().build().unwrap();
        let put = client.put(url).header("content-type", "image/png").header("if-none-match", "*");
        let sent = put.body(picture.clone()).send().await.unwrap();
        assert_eq!(sent.status(), 200, "{}", sent.text().await.unwrap());
        let path = format!("/api/menu-items/{}/image", kitchen.dish["id"].as_str().unwrap());
        kitchen.owner.put(&path, &json!({ "imageUrl": url })).await;
        let menu = Client::new(&gateway.base)
            .get(&format!("/api/menu-items?restaurantId={}", kitchen.restaurant))
            .await;
        let shown = menu[0]["imageUrl"].as_str().unwrap();
        // The client follows a redirect, as a browser does for a picture.
        let served = Client::new(&gateway.base).send(Method::GET, shown, None).await;
        assert_eq!(served.status(), 200);
        assert_eq!(served.headers()["content-type"], "image/png");
        assert!(served.bytes().await.unwrap() == picture, "{} bytes", picture.len());
    }
}

#[tokio::test]
async fn without_redis_guests_order_and_owners_and_chefs_get_503_but_are_not_logged_out() {
    let Some(mut cloud) = Cloud::prepare().await else { return };
    let gateway = Gateway::start(&cloud).await;
    let kitchen = Kitchen::open(&cloud, &gateway.base, "ada@example.org").await;
    cloud.redis().kill();
    kitchen.order(&gateway.base).await;
    let response = kitchen.owner.send(Method::GET, "/api/orders", None).await;
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("set-cookie"), "a cookie must survive an outage");
    let headers = [("cookie", kitchen.owner.cookie()), ("origin", SITE)];
    let refused = Socket::open(&gateway.ws, &kitchen.chef_path(), &headers).await.map(|_| ()).unwrap_err();
    assert_eq!(refused, 503);
}

#[tokio::test]
async fn an_order_goes_through_while_nobody_can_be_told_of_it() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let nowhere = ("WEBSOCKET_CONNECTIONS_TABLE", "no-such-table".to_owned());
    let gateway = Gateway::start_with(&cloud, Payload::Http, &[nowhere]).await;
    let kitchen = Kitchen::open(&cloud, &gateway.base, "ada@example.org").await;
    let order = kitchen.order(&gateway.base).await;
    let view =
        Client::new(&gateway.base).get(&format!("/api/orders/{}/track", order["id"].as_str().unwrap())).await;
    assert_eq!(view["order"], order);
    let path = format!("/ws?restaurantId={}", kitchen.restaurant);
    assert_eq!(Socket::open(&gateway.ws, &path, &[]).await.map(|_| ()).unwrap_err(), 500);
}

#[tokio::test]
async fn logs_name_requests_as_the_gateway_does_and_hold_no_event_at_any_level() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let gateway = Gateway::start_with(&cloud, Payload::Rest, &[("LOG_LEVEL", "trace".to_owned())]).await;
    let kitchen = Kitchen::open(&cloud, &gateway.base, "private.person@example.org").await;
    let ticket = kitchen.owner.post("/api/realtime/ticket", &json!({})).await;
    let ticket = ticket["ticket"].as_str().unwrap();
    let path = format!("{}&ticket={ticket}", kitchen.chef_path());
    let mut chef = Socket::open(&gateway.ws, &path, &[]).await.unwrap();
    chef.say("a private message").await;
    chef.everything().await;
    let cookie = kitchen.owner.cookie().split_once('=').unwrap().1;
    let response = kitchen.owner.send(Method::GET, "/api/auth/user", None).await;
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let (api, websocket) = (gateway.api().log(), gateway.websocket().log());
    assert!(api.contains(&format!("\"id\":\"{id}\"")), "the request {id} is in the log");
    for log in [&api, &websocket] {
        assert!(log.lines().count() > 20, "{log}");
        for secret in [ticket, cookie, "a private message"] {
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
            assert!(lines.is_empty(), "{secret} is in {lines:?}");
        }
    }
}

/// The labels of a line of numbers and their values, by name; what else is in it is numbers.
fn labels(line: &Value) -> Vec<(&str, &str)> {
    let members = line.as_object().unwrap().iter().filter(|(name, _)| *name != "_aws");
    let mut labels: Vec<_> =
        members.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    labels.sort_unstable();
    labels
}

#[tokio::test]
async fn g165_g173_functions_log_the_trace_of_the_platform_and_write_numbers_without_anything_personal() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let gateway = Gateway::start_with(&cloud, Payload::Http, &[("LOG_LEVEL", "info".to_owned())]).await;
    let kitchen = Kitchen::open(&cloud, &gateway.base, "private.person@example.org").await;
    let mut chef = kitchen.chef(&gateway).await;
    let order = kitchen.order(&gateway.base).await;
    chef.event().await;
    let own =
        [("x-amzn-trace-id", "Root=1-11111111-222222222222222222222222"), ("x-request-id", "of-a-client")];
    let http = http_client().build().unwrap();
    let asked =
        own.into_iter().fold(http.get(gateway.base.join(UNKNOWN).unwrap()), |asked, (name, value)| {
            asked.header(name, value)
        });
    assert_eq!(asked.send().await.unwrap().status(), 404);

    let answered = |log: &str| -> Vec<Value> {
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        lines.filter(|line| line["fields"]["message"] == "answered").collect()
    };
    // The log is read by another thread.
    let written = || std::future::ready(gateway.api().log().contains("\"id\":\"of-a-client\""));
    eventually(PATIENCE, "the last request is in the log", written).await;
    for line in answered(&gateway.api().log()) {
        assert_eq!(line["span"]["name"], "request", "{line}");
        assert_eq!(line["span"]["trace"], TRACE, "the platform knows best: {line}");
    }

    let has =
        |numbers: &[Value], expected: &[(&str, &str)]| numbers.iter().any(|line| labels(line) == expected);
    let told = || {
        let numbers = gateway.api().numbers();
        let route = [("Method", "GET"), ("Route", "/api/public/restaurant/{id}"), ("Status", "4xx")];
        std::future::ready(has(&numbers, &route))
    };
    eventually(PATIENCE, "the last request is counted", told).await;
    let numbers = gateway.api().numbers();
    for (operation, port) in [
        ("store.commit", "store"),
        ("session.load", "session"),
        ("mailer.send", "mailer"),
        ("notifier.publish", "notifier"),
    ] {
        let expected = [("Operation", operation), ("Outcome", "ok"), ("Port", port)];
        assert!(has(&numbers, &expected), "{operation} in {numbers:?}");
    }
    assert!(has(&numbers, &[("Method", "POST"), ("Route", "/api/orders"), ("Status", "2xx")]), "{numbers:?}");
    let of_sockets = gateway.websocket().numbers();
    assert!(has(&of_sockets, &[("Operation", "notifier.connect"), ("Outcome", "ok"), ("Port", "notifier")]));
    let id = order["id"].as_str().unwrap();
    for line in numbers.iter().chain(&of_sockets) {
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Waiterix", "{line}");
        let text = line.to_string();
        for personal in
            ["private.person", id, &kitchen.restaurant, kitchen.owner.cookie(), "of-a-client", TRACE]
        {
            assert!(!text.contains(personal), "{personal} in {line}");
        }
    }
}

/// A path whose answer, 404, takes a question to the database.
const UNKNOWN: &str = "/api/public/restaurant/nobody";

/// A request to an HTTP API as its event.
fn request(path: &str) -> Value {
    json!({
        "version": "2.0", "rawPath": path, "headers": { "host": "api.example.org", "origin": SITE },
        "requestContext": { "stage": "$default", "http": { "method": "GET", "sourceIp": "192.0.2.7" } },
    })
}

fn status(answer: &Result<Value, Fault>) -> &Value {
    &answer.as_ref().expect("an answer")["statusCode"]
}

/// A proxy in front of the database, and the variable that leads through it.
async fn through_a_proxy(cloud: &Cloud) -> (Proxy, (&'static str, String)) {
    let (name, url) = cloud.variables().into_iter().find(|(name, _)| *name == "DATABASE_URL").unwrap();
    let url = Url::parse(&url).unwrap();
    let proxy = Proxy::to(&url).await.unwrap();
    let through = proxy.url(&url).to_string();
    (proxy, (name, through))
}

#[tokio::test]
async fn a_request_that_hangs_is_answered_with_503_before_the_platform_ends_the_function() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let (proxy, database) = through_a_proxy(&cloud).await;
    let gateway = Gateway::start_with(&cloud, Payload::Http, &[database]).await;
    let asked = request(UNKNOWN);
    let first = gateway.api().invoke(&asked).await;
    assert_eq!(status(&first), 404, "{first:?}");
    proxy.set(Mode::Hold);
    let begun = Instant::now();
    let limit = Duration::from_secs(6);
    let answer = gateway.api().invoke_within(limit, &asked).await;
    assert_eq!(status(&answer), 503, "{answer:?}");
    assert!(begun.elapsed() < limit);
    let answer = answer.unwrap();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({ "message": "The request took too long" }));
    assert_eq!(answer["headers"]["access-control-allow-origin"], SITE);
    proxy.set(Mode::Pass);
    proxy.cut();
    let after = gateway.api().invoke(&asked).await;
    assert_eq!(status(&after), 404, "the same process goes on: {after:?}");
}

/// A server that takes connections and never says anything, and its URL.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// The clients of these services try three times and wait for each answer for seconds; the time of a call may be shorter.
#[tokio::test]
async fn g146_mail_objects_and_connections_that_hang_are_given_up_before_the_platform_ends_the_function() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let (_mail, mail) = silent().await;
    let (_objects, objects) = silent().await;
    let more = [("AWS_ENDPOINT_URL_SESV2", mail), ("AWS_ENDPOINT_URL_S3", objects)];
    let gateway = Gateway::start_with(&cloud, Payload::Http, &more).await;
    let mut code = request("/api/auth/code");
    code["requestContext"]["http"]["method"] = json!("POST");
    code["headers"]["content-type"] = json!("application/json");
    code["body"] = json!(json!({ "email": "ada@example.org" }).to_string());
    let picture = request("/api/objects/public/uploads/4f9c7c1e-0000-4000-8000-000000000001");
    let limit = Duration::from_secs(5);
    for asked in [code, picture] {
        let begun = Instant::now();
        let answer = gateway.api().invoke_within(limit, &asked).await;
        assert_eq!(status(&answer), 503, "{answer:?}");
        assert!(begun.elapsed() > Duration::from_secs(4), "it was waited for");
        assert!(begun.elapsed() < limit);
    }
    assert_eq!(status(&gateway.api().invoke(&request(UNKNOWN)).await), 404, "the same process goes on");
}

#[tokio::test]
async fn g146_an_order_is_answered_in_seconds_while_the_table_of_connections_hangs() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let kitchen = {
        let gateway = Gateway::start(&cloud).await;
        Kitchen::open(&cloud, &gateway.base, "ada@example.org").await
    };
    let (_table, table) = silent().await;
    let gateway = Gateway::start_with(&cloud, Payload::Http, &[("AWS_ENDPOINT_URL_DYNAMODB", table)]).await;
    let begun = Instant::now();
    let order = kitchen.order(&gateway.base).await;
    assert!(order["id"].is_string(), "{order}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_function_that_was_frozen_while_its_connections_died_answers_the_next_request() {
    let Some(mut cloud) = Cloud::prepare().await else { return };
    let (database, url) = through_a_proxy(&cloud).await;
    let redis = cloud.redis().url().clone();
    let sessions = Proxy::to(&redis).await.unwrap();
    let port = ("REDIS_PORT", sessions.url(&redis).port().unwrap().to_string());
    let gateway = Gateway::start_with(&cloud, Payload::Http, &[url, port]).await;
    let kitchen = Kitchen::open(&cloud, &gateway.base, "ada@example.org").await;
    assert!(database.accepted() > 0 && sessions.accepted() > 0, "both are reached through the proxies");
    for _ in 0..2 {
        gateway.api().freeze();
        database.cut();
        sessions.cut();
        gateway.api().thaw();
        let user = kitchen.owner.get("/api/auth/user").await;
        assert_eq!(user["email"], "ada@example.org");
    }
}

#[tokio::test]
async fn the_platform_of_these_tests_ends_a_function_whose_time_is_over_and_starts_it_anew() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let gateway = Gateway::start(&cloud).await;
    assert_eq!(status(&gateway.api().invoke(&request("/health")).await), 200);
    gateway.api().freeze();
    let answer = gateway.api().invoke_within(Duration::from_millis(300), &request("/health")).await;
    assert_eq!(answer, Err(Fault::TimedOut));
    assert_eq!(status(&gateway.api().invoke(&request("/health")).await), 200);
}

#[tokio::test]
async fn fact19_a_process_that_may_take_several_requests_does_not_let_one_hold_up_another() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let (proxy, database) = through_a_proxy(&cloud).await;
    let several = ("AWS_LAMBDA_MAX_CONCURRENCY", "2".to_owned());
    let gateway = Gateway::start_with(&cloud, Payload::Http, &[database, several]).await;
    let slow = request(UNKNOWN);
    proxy.set(Mode::Hold);
    let (slow, quick) = tokio::join!(gateway.api().invoke_within(Duration::from_secs(6), &slow), async {
        let answer = gateway.api().invoke(&request("/health")).await;
        (answer, Instant::now())
    });
    assert_eq!(status(&quick.0), 200);
    assert_eq!(status(&slow), 503);
    assert!(
        quick.1.elapsed() > Duration::from_secs(2),
        "the quick one was answered long before the slow one"
    );
}

#[tokio::test]
async fn the_scheduled_function_tidies_up_and_says_which_part_could_not() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let gateway = Gateway::start(&cloud).await;
    let kitchen = Kitchen::open(&cloud, &gateway.base, "ada@example.org").await;
    let _chef = kitchen.chef(&gateway).await;
    let relay = Function::start("relay", gateway.variables()).await;
    let scheduled = json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} });
    let report = relay.invoke(&scheduled).await.unwrap();
    assert_eq!(report["removed"]["connections"], 0, "who is there stays: {report}");
    assert_eq!(cloud.connections().await, 1);
    let mut variables = gateway.variables().to_vec();
    variables.retain(|(name, _)| name != "WEBSOCKET_CONNECTIONS_TABLE");
    variables.push(("WEBSOCKET_CONNECTIONS_TABLE".to_owned(), "no-such-table".to_owned()));
    let relay = Function::start("relay", &variables).await;
    let answer = relay.invoke(&scheduled).await;
    let Err(Fault::Failed { kind, message }) = answer else { panic!("{answer:?}") };
    assert_eq!(kind, "UpkeepFailed");
    let report: Value = serde_json::from_str(&message).unwrap();
    let failed: Vec<_> =
        report["failed"].as_array().unwrap().iter().map(|part| part["part"].clone()).collect();
    assert_eq!(failed, ["connections"], "{report}");
}

#[tokio::test]
async fn addresses_that_bounce_come_onto_the_suppression_list_of_ses() {
    let Some(cloud) = Cloud::prepare().await else { return };
    let (list, url) = SuppressionList::start().await;
    let mut variables = cloud.variables();
    variables.push(("AWS_ENDPOINT_URL_SESV2", url));
    let function = Function::start("mail-events", &variables).await;
    let bounce = |address: &str| {
        let said = json!({ "eventType": "Bounce", "bounce": {
            "bounceType": "Permanent", "bouncedRecipients": [{ "emailAddress": address }] } });
        json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "MessageId": "1", "Message": said.to_string() } }] })
    };
    function.invoke(&bounce("gone@example.org")).await.unwrap();
    assert_eq!(*list.addresses.lock().unwrap(), ["gone@example.org"]);
    let traces = list.traces.lock().unwrap().clone();
    assert!(
        traces.len() == 1 && traces[0].starts_with(&format!("Root={TRACE}")),
        "the trace goes on: {traces:?}"
    );
    list.is_closed.store(true, Ordering::SeqCst);
    let answer = function.invoke(&bounce("later@example.org")).await;
    let Err(Fault::Failed { kind, message }) = answer else { panic!("{answer:?}") };
    assert_eq!(kind, "NotSuppressed");
    assert!(!message.contains("later@example.org"), "{message}");
}

#[tokio::test]
async fn starting_asks_nobody_and_what_needs_nobody_is_answered() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let port = server.local_addr().unwrap().port();
    let variables = [
        ("DATABASE_URL", format!("postgres://somebody:secret@127.0.0.1:{port}/waiterix")),
        ("REDIS_HOST", "127.0.0.1".to_owned()),
        ("REDIS_PORT", port.to_string()),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_S3_BUCKET", "pictures".to_owned()),
        ("SES_FROM_EMAIL", "waiterix@example.org".to_owned()),
        ("SUPPORT_EMAIL", "support@example.org".to_owned()),
        ("FRONTEND_URL", SITE.to_owned()),
        ("SESSION_SECRET", "the secret of this very test".to_owned()),
    ];
    for name in ["websocket", "relay", "mail-events"] {
        Function::start(name, &variables).await;
    }
    let api = Function::start("api", &variables).await;
    assert_eq!(status(&api.invoke(&request("/health")).await), 200);
    let asked = server.accept().map(|_| ()).unwrap_err();
    assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock, "somebody was asked");
}

#[tokio::test]
async fn a_function_that_is_not_configured_says_everything_that_it_misses_and_does_not_start() {
    const ALL: [&str; 6] = [
        "AWS_S3_BUCKET",
        "DATABASE_URL",
        "FRONTEND_URL",
        "SES_FROM_EMAIL",
        "SESSION_SECRET",
        "SUPPORT_EMAIL",
    ];
    for (name, misses) in [
        ("api", &ALL as &[&str]),
        ("websocket", &["DATABASE_URL", "FRONTEND_URL", "SESSION_SECRET"]),
        ("relay", &["AWS_S3_BUCKET", "DATABASE_URL"]),
        ("mail-events", &["SES_FROM_EMAIL"]),
    ] {
        let secret = ("SESSION_SECRET", "hunter2".to_owned());
        let (status, log) = Function::start_in_vain(name, &[secret]).await;
        assert!(!status.success(), "{name}");
        for variable in ALL {
            assert_eq!(log.contains(variable), misses.contains(&variable), "{name}: {variable} in {log}");
        }
        assert!(log.contains("AWS_REGION") && log.contains("REDIS_HOST"), "{name}: {log}");
        assert!(!log.contains("hunter2"), "{log}");
    }
    let (status, log) = Function::start_in_vain("api", &[("WAITERIX_BLOBS", "local".to_owned())]).await;
    assert!(!status.success() && log.contains("local"), "{log}");
}
