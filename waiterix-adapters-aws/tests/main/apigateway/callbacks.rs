//! Gateways on a bad day: gone connections that are not gone, refusals, silence, outages, addresses that are not ours.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use tokio::time::{Instant, timeout};
use url::Url;
use waiterix_adapters_aws::apigateway::{AllowedHost, ApiGatewayNotifier, Endpoint};
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given};
use waiterix_contract::{KeptLog, eventually};
use waiterix_ports::{
    ChefSelector, Clock as _, CloseReason, ConnectionId, Delivery, ErrorKind, Notifier as _,
};

use crate::apigateway::callback::{CallbackServer, Fault};
use crate::apigateway::connections::{World, chef, chefs, guest, message, sdk, texts};

const POST: &Method = &Method::POST;

fn delivered(count: u32) -> Delivery {
    Delivery { targeted: count, delivered: count, ..Delivery::default() }
}

fn failed(count: u32) -> Delivery {
    Delivery { targeted: count, failed: count, ..Delivery::default() }
}

impl World {
    async fn tells_chefs(&self, text: &str) -> Delivery {
        self.notifier.publish(&chefs(), &message(text)).await.unwrap()
    }
}

#[tokio::test]
async fn r14_an_item_with_a_foreign_endpoint_fails_and_nothing_is_sent_there() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let foreign = CallbackServer::start().await;
    let mut overheard = foreign.line("victim");
    let mut item = world.old_item("victim", "chef", None, world.clock.now().plus_seconds(-1800));
    item.insert("endpoint".to_owned(), AttributeValue::S(foreign.endpoint()));
    world.table.put(item).await;
    let mut honest = world.connected("honest", chef()).await;
    let expected = Delivery { targeted: 2, delivered: 1, gone: 0, failed: 1 };
    assert_eq!(world.tells_chefs("secret").await, expected);
    assert!(!world.notifier.send(&ConnectionId::new("victim"), "secret").await.unwrap());
    world.notifier.sweep(world.clock.now().plus_seconds(-7200)).await.unwrap();
    assert_eq!((foreign.total(), texts(&mut overheard)), (0, Vec::new()), "not even a question was sent");
    assert_eq!(texts(&mut honest), ["secret"]);
    assert_eq!(
        world.table.connections().await.len(),
        2,
        "it may be somebody's whose hosts are not listed here"
    );
}

#[tokio::test]
async fn r14_with_an_override_every_callback_goes_there() {
    let Some(server) = given(Backend::Aws) else { return };
    let gateway = CallbackServer::start().await;
    let forced = Endpoint::parse(&gateway.endpoint()).unwrap();
    let world = World::with(&server, |settings| {
        settings.endpoint = Some(forced);
        settings.allowed_hosts = Vec::new();
    })
    .await;
    // As with a custom domain whose base path is missing in the event.
    let mut line = gateway.line("c");
    let _elsewhere = world.connected("c", chef()).await;
    assert_eq!(world.tells_chefs("x").await, delivered(1));
    assert_eq!(texts(&mut line), ["x"]);
    assert_eq!(world.gateway.total(), 0);
    world.notifier.check().await.expect("the gateway is asked and answers");
    assert_eq!(gateway.count(&Method::GET, "AAAAAAAAAAAAAAA="), 1);
    gateway.spoil("AAAAAAAAAAAAAAA=", Fault::Status(403, 1));
    assert_eq!(world.notifier.check().await.unwrap_err().kind(), ErrorKind::Denied);
    gateway.spoil("AAAAAAAAAAAAAAA=", Fault::Status(400, 1));
    world.notifier.check().await.expect("an id it finds fault with is an answer too");
    drop(gateway);
    eventually(Duration::from_secs(10), "the outage is noticed", async || {
        world.notifier.check().await.is_err_and(|error| error.kind() == ErrorKind::Unavailable)
    })
    .await;
}

#[tokio::test]
async fn r11_gone_while_young_is_looked_at_a_second_time_and_not_forgotten() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let (connection, mut line) = world.made("new", chef(), 1);
    world.notifier.connect(&connection).await.unwrap();
    world.gateway.spoil("new", Fault::Status(410, 1));
    assert_eq!(world.tells_chefs("x").await, delivered(1));
    assert_eq!((texts(&mut line), world.gateway.count(POST, "new")), (vec!["x".to_owned()], 2));

    world.gateway.spoil("new", Fault::Status(410, 99));
    assert_eq!(world.tells_chefs("y").await, failed(1));
    assert_eq!(world.gateway.count(POST, "new"), 4, "one second look, not more");
    assert_eq!(world.notifier.sweep(world.clock.now().plus_seconds(-7200)).await.unwrap(), 0);
    assert_eq!(world.table.connections().await.len(), 1, "it is still registered");

    world.clock.advance(Duration::from_secs(30));
    let gone = Delivery { targeted: 1, gone: 1, ..Delivery::default() };
    assert_eq!(world.tells_chefs("z").await, gone, "after the grace period gone is gone");
    assert_eq!(world.gateway.count(POST, "new"), 5);
    assert_eq!(world.table.connections().await.len(), 0);
}

#[tokio::test]
async fn r11_a_second_look_that_the_deadline_does_not_allow_is_left_out() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::with(&server, |settings| settings.deadline = Duration::from_millis(900)).await;
    let (connection, _line) = world.made("new", chef(), 0);
    world.notifier.connect(&connection).await.unwrap();
    world.gateway.spoil("new", Fault::Status(410, 99));
    assert_eq!(world.tells_chefs("x").await, failed(1));
    assert_eq!(world.gateway.count(POST, "new"), 1);
    assert_eq!(world.table.connections().await.len(), 1);
}

#[tokio::test]
async fn r13_refusals_for_the_moment_are_repeated_and_others_are_not() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    for (id, status, times, attempts, is_delivered) in [
        ("throttled", 429, 2, 3, true),
        ("broken", 500, 2, 3, true),
        ("unavailable", 503, 1, 2, true),
        ("busy", 429, 99, 5, false),
        ("down", 502, 99, 5, false),
        ("denied", 403, 99, 1, false),
        ("refused", 400, 99, 1, false),
        ("large", 413, 99, 1, false),
    ] {
        let mut line = world.connected(id, chef()).await;
        world.gateway.spoil(id, Fault::Status(status, times));
        let expected = if is_delivered { delivered(1) } else { failed(1) };
        assert_eq!(world.tells_chefs("x").await, expected, "{id}");
        assert_eq!(world.gateway.count(POST, id), attempts, "{id}");
        assert_eq!(texts(&mut line).len(), usize::from(is_delivered), "{id}");
        world.notifier.disconnect(&ConnectionId::new(id)).await.unwrap();
    }
}

#[tokio::test]
async fn what_becomes_of_one_text_is_told_apart() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let _lines = (world.connected("busy", chef()).await, world.connected("denied", chef()).await);
    world.gateway.spoil("busy", Fault::Status(429, 99));
    assert!(!world.notifier.send(&ConnectionId::new("busy"), "x").await.unwrap());
    world.gateway.spoil("denied", Fault::Status(403, 99));
    let error = world.notifier.send(&ConnectionId::new("denied"), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let text = error.to_string();
    assert!(!text.contains("127.0.0.1") && !text.contains("stage"), "{text}");
}

/// One phone that the gateway cannot reach must not keep a whole kitchen from hearing, even if it takes every place.
#[tokio::test]
async fn r25_silent_connections_block_nobody_and_hear_nothing_twice() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::with(&server, |settings| settings.parallel_posts = 4).await;
    let mut lines = Vec::new();
    for number in 0..40 {
        let line = world.connected(&format!("c{number}"), chef()).await;
        if number < 3 {
            world.gateway.spoil(&format!("c{number}"), Fault::Silence);
        } else {
            lines.push(line);
        }
    }
    let notifier = world.notifier.clone();
    let publishing = tokio::spawn(async move { notifier.publish(&chefs(), &message("x")).await.unwrap() });
    for line in &mut lines {
        timeout(Duration::from_secs(10), line.recv()).await.expect("the others hear").unwrap();
    }
    assert!(!publishing.is_finished(), "they heard before the silent ones were given up");
    let delivery = publishing.await.unwrap();
    assert_eq!(delivery, Delivery { targeted: 40, delivered: 37, gone: 0, failed: 3 });
    for number in 0..3 {
        assert_eq!(
            world.gateway.count(POST, &format!("c{number}")),
            1,
            "what may have arrived is not sent again"
        );
    }
}

#[tokio::test]
async fn r13_publishing_ends_at_its_deadline_and_its_counts_add_up() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::with(&server, |settings| {
        settings.parallel_posts = 2;
        settings.deadline = Duration::from_millis(700);
    })
    .await;
    let mut lines = Vec::new();
    for number in 0..40 {
        lines.push(world.connected(&format!("c{number}"), chef()).await);
        world.gateway.spoil(&format!("c{number}"), Fault::Silence);
    }
    let begun = Instant::now();
    assert_eq!(world.tells_chefs("x").await, failed(40));
    assert!(begun.elapsed() < Duration::from_millis(1500), "took {:?}", begun.elapsed());
}

#[tokio::test]
async fn r13_a_gateway_that_is_down_is_a_failure_per_connection_and_quick() {
    let Some(server) = given(Backend::Aws) else { return };
    let gateway = CallbackServer::start().await;
    let at_gateway = Url::parse(&gateway.endpoint()).unwrap();
    let proxy = Proxy::to(&at_gateway).await.unwrap();
    let address = proxy.address().to_string();
    let mut world =
        World::with(&server, |settings| settings.allowed_hosts = vec![AllowedHost::parse(&address).unwrap()])
            .await;
    // Everything goes through the proxy from here on.
    world.gateway = gateway.into();
    let mut lines = Vec::new();
    for number in 0..5 {
        let (mut connection, line) = world.made(&format!("c{number}"), chef(), 1800);
        connection.outlet = waiterix_ports::Outlet::Gateway { endpoint: format!("http://{address}/stage") };
        world.notifier.connect(&connection).await.unwrap();
        lines.push(line);
    }
    assert_eq!(world.tells_chefs("works").await, delivered(5));

    proxy.set(Mode::Refuse);
    proxy.cut();
    let begun = Instant::now();
    assert_eq!(world.tells_chefs("lost").await, failed(5));
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
    let error = world.notifier.send(&ConnectionId::new("c0"), "lost").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(world.table.connections().await.len(), 5, "nobody is forgotten because of an outage");

    proxy.set(Mode::Pass);
    eventually(Duration::from_secs(10), "it works again", async || {
        world.tells_chefs("again").await == delivered(5)
    })
    .await;

    proxy.set(Mode::Hold);
    let begun = Instant::now();
    assert_eq!(world.tells_chefs("held").await, failed(5));
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
    let error = world.notifier.send(&ConnectionId::new("c0"), "held").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

/// The gateway did it, and its answer was lost: sending again would be heard twice.
#[tokio::test]
async fn r20_an_answer_that_was_cut_off_is_a_failure_and_nobody_hears_twice() {
    let Some(server) = given(Backend::Aws) else { return };
    let gateway = CallbackServer::start().await;
    let proxy = Proxy::to(&Url::parse(&gateway.endpoint()).unwrap()).await.unwrap();
    let forced = Endpoint::parse(&format!("http://{}/stage", proxy.address())).unwrap();
    let mut world = World::with(&server, |settings| settings.endpoint = Some(forced)).await;
    world.gateway = gateway.into();
    let (mut cut, mut other) = (world.connected("cut", chef()).await, world.connected("other", chef()).await);
    proxy.cut_on("/@connections/cut");
    let expected = Delivery { targeted: 2, delivered: 1, gone: 0, failed: 1 };
    assert_eq!(world.tells_chefs("once").await, expected);
    assert!(proxy.has_cut());
    assert_eq!((texts(&mut cut), texts(&mut other)), (vec!["once".to_owned()], vec!["once".to_owned()]));
    assert_eq!(world.gateway.count(POST, "cut"), 1);
    assert_eq!(world.tells_chefs("again").await, delivered(2));
}

/// Signing out must end listening even on a bad day of the gateway.
#[tokio::test]
async fn r40_a_chef_who_cannot_be_closed_hears_nothing_all_the_same() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let mut open = world.connected("open", chef()).await;
    let mut closed = world.connected("closed", chef()).await;
    let _guest = world.connected("guest", guest("s")).await;
    world.gateway.spoil("open", Fault::Status(500, 99));
    let who = ChefSelector::User("anna".into());
    let error = world.notifier.close_chefs(&"r".into(), &who, CloseReason::Policy).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("closed=1"), "{error}");
    assert_eq!(texts(&mut closed), ["closed"]);
    assert_eq!(world.tells_chefs("secret").await, Delivery::default());
    assert_eq!(texts(&mut open), Vec::<String>::new());
    assert_eq!(world.table.connections().await.len(), 1);
}

#[tokio::test]
async fn nothing_is_asked_of_any_server_when_a_notifier_is_opened() {
    let Some(server) = given(Backend::Aws) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    let settings = World::at(&server).await.settings.clone();
    let clock = std::sync::Arc::new(waiterix_contract::ManualClock::default());
    let notifier = ApiGatewayNotifier::open(&sdk(&proxy.url(&server)).await, settings, clock);
    assert_eq!(proxy.accepted(), 0);
    assert!(format!("{notifier:?}").contains("waiterix-connections"));
    assert!(notifier.check().await.is_err(), "its table is deleted");
    assert!(proxy.accepted() > 0);
}

#[tokio::test]
async fn neither_connection_ids_nor_what_is_told_are_logged() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let (log, id) = (KeptLog::begin(tracing::Level::INFO), "CONNECTION-ID");
    let _line = world.connected(id, guest("TRACKING-1")).await;
    for status in [403, 429, 500, 410] {
        world.gateway.spoil(id, Fault::Status(status, 99));
        let told = message(r#"{"secret":"PAYLOAD"}"#);
        let audience = crate::apigateway::connections::session("TRACKING-1");
        assert_eq!(world.notifier.publish(&audience, &told).await.unwrap().delivered, 0, "{status}");
    }
    assert_eq!(log.text().matches("not delivered").count(), 3, "failures are seen: {}", log.text());
    log.assert_never_says(&[id, "TRACKING-1", "PAYLOAD", "not a secret"]);
}
