//! What is in the table, and how it is read.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, BillingMode, ProjectionType};
use axum::http::Method;
use waiterix_adapters_aws::apigateway::{ApiGatewayNotifier, ConnectionsTable};
use waiterix_backends::{Backend, given};
use waiterix_contract::race::at_once;
use waiterix_ports::{
    ChefSelector, Clock as _, CloseReason, ConnectionId, Delivery, ErrorKind, Notifier as _, Role,
};

use crate::apigateway::connections::{Item, World, chef, chefs, guest, message, sdk, session, texts};
use crate::apigateway::middle::Middle;

fn delivered(count: u32) -> Delivery {
    Delivery { targeted: count, delivered: count, ..Delivery::default() }
}

fn shown(item: &Item) -> BTreeSet<String> {
    item.iter().map(|(name, value)| format!("{name}={value:?}")).collect()
}

fn names(item: &Item) -> Vec<&str> {
    let mut names: Vec<&str> = item.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// The members of all rooms.
async fn members(world: &World) -> Vec<String> {
    let scan = world.table.client.scan().table_name(&world.table.name).consistent_read(true).send().await;
    let rooms = scan.unwrap().items.unwrap_or_default();
    let mut members: Vec<String> = rooms
        .into_iter()
        .filter_map(|mut item| item.remove("members"))
        .flat_map(|members| members.as_ss().unwrap().clone())
        .collect();
    members.sort();
    members
}

async fn drop_item(world: &World, id: &str) {
    let key = AttributeValue::S(id.to_owned());
    let delete = world.table.client.delete_item().table_name(&world.table.name).key("connectionId", key);
    delete.send().await.unwrap();
}

#[tokio::test]
async fn g048_items_have_the_layout_of_the_old_service_with_an_expiry() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let _lines = (world.connected("kitchen", chef()).await, world.connected("phone", guest("s")).await);
    let _silent = world.connected("silent", Role::Customer { session: None }).await;
    let items = world.table.connections().await;
    let common = ["connectedAt", "connectionId", "endpoint", "restaurantId", "role"];
    let mut expected: Vec<&str> = common.into_iter().chain(["sessionDigest", "ttl", "userId"]).collect();
    expected.sort_unstable();
    assert_eq!(names(&items["kitchen"]), expected);
    let mut expected: Vec<&str> = common.into_iter().chain(["customerSessionId", "ttl"]).collect();
    expected.sort_unstable();
    assert_eq!(names(&items["phone"]), expected);
    let made = world.clock.now().plus_seconds(-1800);
    assert_eq!(items["phone"]["connectedAt"].as_s().unwrap(), &made.to_string());
    let ttl: i64 = items["silent"]["ttl"].as_n().unwrap().parse().unwrap();
    assert!((7200..10_800).contains(&(ttl - made.as_seconds())), "two hours and a margin");
    let mut old = world.old_item("phone", "customer", Some("s"), made);
    old.insert("ttl".to_owned(), items["phone"]["ttl"].clone());
    assert_eq!(shown(&items["phone"]), shown(&old), "nothing but the expiry is new");
}

#[tokio::test]
async fn g069_g070_g071_g072_the_table_is_made_as_it_is_used() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let definition = ConnectionsTable::new(&sdk(&server).await, &world.settings);
    definition.create().await.expect("making it again is harmless");
    definition.enable_expiry().await.unwrap();
    definition.enable_expiry().await.expect("repeating it is harmless");
    let client = &world.table.client;
    let table = client.describe_table().table_name(&world.table.name).send().await.unwrap().table.unwrap();
    assert_eq!(table.key_schema()[0].attribute_name(), "connectionId");
    assert_eq!(table.key_schema().len(), 1);
    let billing = table.billing_mode_summary().unwrap().billing_mode();
    assert_eq!(billing, Some(&BillingMode::PayPerRequest));
    let index = &table.global_secondary_indexes()[0];
    assert_eq!(index.index_name(), Some("restaurantId-index"));
    assert_eq!(index.key_schema()[0].attribute_name(), "restaurantId");
    let projection = index.projection().and_then(|projection| projection.projection_type());
    assert_eq!(projection, Some(&ProjectionType::All));
    let expiry = client.describe_time_to_live().table_name(&world.table.name).send().await.unwrap();
    let expiry = expiry.time_to_live_description.unwrap();
    let _line = world.connected("c", chef()).await;
    let item = &world.table.connections().await["c"];
    assert!(item.contains_key(expiry.attribute_name().unwrap()), "what expires is what is written");
}

#[tokio::test]
async fn g072_without_the_table_or_its_index_the_error_says_what_to_do() {
    for backend in [Backend::Aws, Backend::Dynalite] {
        let Some(server) = given(backend) else { return };
        let world = World::at(&server).await;
        let open = |table: &str, index: &str| {
            let mut settings = world.settings.clone();
            (settings.table, settings.index) = (table.to_owned(), index.to_owned());
            settings
        };
        let config = sdk(&server).await;
        let no_index = open(&world.settings.table, "another-index");
        let no_index = ApiGatewayNotifier::open(&config, no_index, world.clock.clone());
        let no_table = open("waiterix-no-such-table", "restaurantId-index");
        let no_table = ApiGatewayNotifier::open(&config, no_table, world.clock.clone());
        let (connection, _line) = world.made("c", chef(), 0);
        let errors = [
            (no_index.publish(&chefs(), &message("x")).await.unwrap_err(), "WEBSOCKET_CONNECTIONS_INDEX"),
            (no_index.check().await.unwrap_err(), "WEBSOCKET_CONNECTIONS_INDEX"),
            (no_table.connect(&connection).await.unwrap_err(), "WEBSOCKET_CONNECTIONS_TABLE"),
            (no_table.publish(&chefs(), &message("x")).await.unwrap_err(), "WEBSOCKET_CONNECTIONS_TABLE"),
            (no_table.check().await.unwrap_err(), "WEBSOCKET_CONNECTIONS_TABLE"),
        ];
        for (error, variable) in errors {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(error.to_string().contains(variable), "{error}");
        }
    }
}

#[tokio::test]
async fn items_of_the_old_service_are_heard_until_they_cannot_live_any_more() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let now = world.clock.now();
    let mut kitchen = world.gateway.line("kitchen");
    world.table.put(world.old_item("kitchen", "chef", None, now.plus_seconds(-1800))).await;
    let mut phone = world.gateway.line("phone");
    world.table.put(world.old_item("phone", "customer", Some("s"), now.plus_seconds(-1800))).await;
    world.table.put(world.old_item("nobody", "customer", None, now.plus_seconds(-1800))).await;
    world.table.put(world.old_item("dead", "chef", None, now.plus_seconds(-3 * 3600))).await;
    world.table.put(world.old_item("odd", "waiter", Some("s"), now.plus_seconds(-1800))).await;
    assert_eq!(world.notifier.publish(&chefs(), &message("a")).await.unwrap(), delivered(1));
    assert_eq!(world.notifier.publish(&session("s"), &message("b")).await.unwrap(), delivered(1));
    assert_eq!((texts(&mut kitchen), texts(&mut phone)), (vec!["a".to_owned()], vec!["b".to_owned()]));
    let mut gone = world.old_item("gone", "chef", None, now);
    let written_otherwise = now.plus_seconds(-1800).to_string().replace(".000Z", "+00:00");
    gone.insert("connectedAt".to_owned(), AttributeValue::S(written_otherwise));
    world.table.put(gone).await;
    let expected = Delivery { targeted: 2, delivered: 1, gone: 1, failed: 0 };
    assert_eq!(world.notifier.publish(&chefs(), &message("c")).await.unwrap(), expected);
    let (_nobody, _odd) = (world.gateway.line("nobody"), world.gateway.line("odd"));
    assert_eq!(world.notifier.sweep(now.plus_seconds(-2 * 3600)).await.unwrap(), 1, "the dead one");
    world.notifier.disconnect(&ConnectionId::new("phone")).await.unwrap();
    assert_eq!(world.table.connections().await.len(), 3);
}

#[tokio::test]
async fn r4_expired_items_are_ignored_as_long_as_they_are_there() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let (_kitchen, _phone) =
        (world.connected("kitchen", chef()).await, world.connected("phone", guest("s")).await);
    world.clock.advance(Duration::from_secs(3 * 3600));
    assert_eq!(world.table.connections().await.len(), 2, "nothing deletes them here");
    for audience in [chefs(), session("s")] {
        assert_eq!(world.notifier.publish(&audience, &message("x")).await.unwrap(), Delivery::default());
    }
    assert!(!world.notifier.send(&ConnectionId::new("kitchen"), "x").await.unwrap());
    let who = ChefSelector::User("anna".into());
    assert_eq!(world.notifier.close_chefs(&"r".into(), &who, CloseReason::Policy).await.unwrap(), 0);
    assert_eq!(world.gateway.total(), 0, "nothing was posted");
    let mut line = world.connected("kitchen", guest("s2")).await;
    assert_eq!(world.notifier.publish(&session("s2"), &message("y")).await.unwrap(), delivered(1));
    assert_eq!(texts(&mut line), ["y"], "an expired id is free");
}

#[tokio::test]
async fn r2_r3_every_page_of_the_index_is_followed_even_an_empty_one() {
    for backend in [Backend::Aws, Backend::Dynalite] {
        let Some(server) = given(backend) else { return };
        let middle = Middle::before(&server).await;
        let world = World::through(&server, &middle.url, |_| {}).await;
        let mut lines = Vec::new();
        for number in 0..6 {
            lines.push(world.connected(&format!("chef{number}"), chef()).await);
            world.connected(&format!("guest{number}"), guest("s")).await;
        }
        middle.page_by(1);
        middle.take_counts();
        assert_eq!(world.notifier.publish(&chefs(), &message("x")).await.unwrap(), delivered(6));
        assert!(middle.take_counts()["Query"] >= 12, "half of the pages were empty");
        for line in &mut lines {
            assert_eq!(texts(line), ["x"]);
        }
        middle.page_by(5);
        let who = ChefSelector::User("anna".into());
        assert_eq!(world.notifier.close_chefs(&"r".into(), &who, CloseReason::Policy).await.unwrap(), 6);
    }
}

/// The index of the real service lags behind its table; that of an emulator does not, so somebody in between hides
/// what the index would not show yet.
#[tokio::test]
async fn r1_who_the_index_does_not_show_yet_hears_and_is_closed() {
    let Some(server) = given(Backend::Aws) else { return };
    let middle = Middle::before(&server).await;
    let world = World::through(&server, &middle.url, |_| {}).await;
    let mut shown = world.connected("shown", chef()).await;
    middle.hide("new");
    middle.hide("phone");
    let (connection, mut new) = world.made("new", chef(), 0);
    world.notifier.connect(&connection).await.unwrap();
    let mut phone = world.connected("phone", guest("s")).await;
    assert_eq!(world.notifier.publish(&chefs(), &message("x")).await.unwrap(), delivered(2));
    assert_eq!(world.notifier.publish(&session("s"), &message("y")).await.unwrap(), delivered(1));
    assert_eq!((texts(&mut shown), texts(&mut new)), (vec!["x".to_owned()], vec!["x".to_owned()]));
    assert_eq!(texts(&mut phone), ["y"]);
    let who = ChefSelector::SessionDigest("digest".to_owned());
    assert_eq!(world.notifier.close_chefs(&"r".into(), &who, CloseReason::Policy).await.unwrap(), 2);
    assert_eq!(world.table.connections().await.len(), 1);
    assert_eq!(members(&world).await, ["phone"]);
}

/// Two processes, one session, forty connections at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_at_most_32_connections_of_a_session_however_they_race() {
    for backend in [Backend::Aws, Backend::Dynalite] {
        let Some(server) = given(backend) else { return };
        let world = World::at(&server).await;
        let other =
            ApiGatewayNotifier::open(&sdk(&server).await, world.settings.clone(), world.clock.clone());
        let processes = [world.notifier.clone(), std::sync::Arc::new(other)];
        let made: Vec<_> =
            (0..40).map(|number| world.made(&format!("c{number}"), guest("s"), 1800)).collect();
        let answers = at_once(made.len(), |number| {
            let (process, connection) = (processes[number % 2].clone(), made[number].0.clone());
            async move { process.connect(&connection).await }
        })
        .await;
        let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert_eq!(refused.len(), 8, "{refused:?}");
        assert!(refused.iter().all(|error| error.kind() == ErrorKind::Throttled), "{refused:?}");
        assert_eq!(world.table.connections().await.len(), 32, "who was refused left nothing behind");
        assert_eq!(members(&world).await.len(), 32);
        assert_eq!(world.notifier.publish(&session("s"), &message("x")).await.unwrap(), delivered(32));
    }
}

#[tokio::test]
async fn r4_places_of_connections_that_vanished_are_given_away() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let mut lines = Vec::new();
    for number in 0..32 {
        lines.push(world.connected(&format!("c{number}"), guest("s")).await);
    }
    let (more, _more) = world.made("more", guest("s"), 1800);
    assert_eq!(world.notifier.connect(&more).await.unwrap_err().kind(), ErrorKind::Throttled);
    // Expiry, or somebody by hand, deletes items and knows nothing of rooms.
    drop_item(&world, "c0").await;
    world.notifier.connect(&more).await.unwrap();
    // The gateway lost connections and could not say goodbye.
    for number in 1..4 {
        world.gateway.end(&format!("c{number}"));
    }
    for number in 0..3 {
        lines.push(world.connected(&format!("again{number}"), guest("s")).await);
    }
    assert_eq!(world.table.connections().await.len(), 32);
    let (last, _last) = world.made("last", guest("s"), 1800);
    assert_eq!(world.notifier.connect(&last).await.unwrap_err().kind(), ErrorKind::Throttled);
    world.clock.advance(Duration::from_secs(3 * 3600));
    let (late, mut late_line) = world.made("late", guest("s"), 0);
    world.notifier.connect(&late).await.unwrap();
    assert_eq!(world.notifier.publish(&session("s"), &message("x")).await.unwrap(), delivered(1));
    assert_eq!(texts(&mut late_line), ["x"]);
    assert_eq!(members(&world).await, ["late"], "the expired ones went out together");
}

#[tokio::test]
async fn a_crowded_kitchen_hears_and_its_room_stays_small() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let mut lines = Vec::new();
    for number in 0..100 {
        // The last third came just now.
        let (connection, line) =
            world.made(&format!("c{number}"), chef(), if number < 66 { 1800 } else { 0 });
        world.notifier.connect(&connection).await.unwrap();
        lines.push(line);
    }
    assert_eq!(world.notifier.publish(&chefs(), &message("x")).await.unwrap(), delivered(100));
    assert!(lines.iter_mut().all(|line| texts(line) == ["x"]));
    let members = members(&world).await;
    assert!((34..=64).contains(&members.len()), "{} members", members.len());
}

#[tokio::test]
async fn r10_who_leaves_or_is_gone_leaves_its_room_too() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let _left = world.connected("left", chef()).await;
    let _gone = world.connected("gone", chef()).await;
    let _lost = world.connected("lost", guest("s")).await;
    world.notifier.disconnect(&ConnectionId::new("left")).await.unwrap();
    assert_eq!(members(&world).await, ["gone", "lost"]);
    world.gateway.end("gone");
    assert_eq!(world.notifier.publish(&chefs(), &message("x")).await.unwrap().gone, 1);
    assert_eq!(members(&world).await, ["lost"]);
    drop_item(&world, "lost").await;
    assert_eq!(world.notifier.publish(&session("s"), &message("x")).await.unwrap(), Delivery::default());
    assert_eq!(members(&world).await, Vec::<String>::new());
}

#[tokio::test]
async fn no_connection_can_take_the_key_of_a_room() {
    let Some(server) = given(Backend::Aws) else { return };
    let world = World::at(&server).await;
    let _line = world.connected("c", chef()).await;
    let (mut connection, _line2) = world.made("room#chefs#r", chef(), 0);
    assert_eq!(world.notifier.connect(&connection).await.unwrap_err().kind(), ErrorKind::Invalid);
    world.notifier.disconnect(&connection.id).await.unwrap();
    assert!(!world.notifier.send(&connection.id, "x").await.unwrap());
    assert_eq!(members(&world).await, ["c"]);
    connection.id = ConnectionId::new("room");
    world.notifier.connect(&connection).await.unwrap();
}

/// R25 of the old system: clean-up by lifetime, over all pages, in batches whose rest is sent again.
#[tokio::test]
async fn g053_a_sweep_walks_all_pages_and_finishes_its_batches() {
    for backend in [Backend::Aws, Backend::Dynalite] {
        let Some(server) = given(backend) else { return };
        let middle = Middle::before(&server).await;
        let world = World::through(&server, &middle.url, |_| {}).await;
        let now = world.clock.now();
        for number in 0..60 {
            let age_s = if number % 2 == 0 { 5 * 3600 } else { 90 * 60 };
            let at = now.plus_seconds(-age_s);
            world.table.put(world.old_item(&format!("old{number}"), "customer", Some("s"), at)).await;
        }
        let _live = world.connected("live", chef()).await;
        let _line = world.gateway.line("old1");
        middle.page_by(40);
        middle.batch_by(10);
        // Thirty are too old; of the others the gateway knows only one.
        assert_eq!(world.notifier.sweep(now.plus_seconds(-2 * 3600)).await.unwrap(), 59);
        let counts = middle.take_counts();
        assert!(counts["Scan"] >= 2 && counts["BatchWriteItem"] >= 6, "{counts:?}");
        let left: BTreeSet<String> = world.table.connections().await.into_keys().collect();
        assert_eq!(left, BTreeSet::from(["live".to_owned(), "old1".to_owned()]));
        assert_eq!(world.gateway.count(&Method::GET, "old0"), 0, "who is too old is not asked after");
        world.clock.advance(Duration::from_secs(4 * 3600));
        assert_eq!(world.notifier.sweep(now).await.unwrap(), 2);
        let scan = world.table.client.scan().table_name(&world.table.name).consistent_read(true).send().await;
        assert_eq!(scan.unwrap().count(), 0, "empty rooms are taken down, and are not counted");
    }
}
