//! DynamoDB on a bad day.

use std::time::Duration;

use tokio::time::Instant;
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::{Backend, given};
use waiterix_contract::eventually;
use waiterix_ports::{
    ChefSelector, Clock as _, CloseReason, Connection, ConnectionId, Delivery, ErrorKind, Notifier as _,
    Result, Retry,
};

use crate::apigateway::connections::{World, chef, chefs, message};
use crate::apigateway::middle::Middle;

fn delivered(count: u32) -> Delivery {
    Delivery { targeted: count, delivered: count, ..Delivery::default() }
}

/// The longest that anything may take: the deadline of a call, and what a busy machine adds.
const BOUND: Duration = Duration::from_secs(15);

/// Every operation of the port, with how long it took.
async fn all(world: &World, connection: &Connection) -> Vec<(&'static str, Result<()>, Duration)> {
    let notifier = &world.notifier;
    let (who, id) = (ChefSelector::User("anna".into()), ConnectionId::new("known"));
    let before = world.clock.now().plus_seconds(-7200);
    let message = message("x");
    let mut answers = Vec::new();
    let mut begun = Instant::now();
    let mut note = |name, answer: Result<()>| {
        answers.push((name, answer, begun.elapsed()));
        begun = Instant::now();
    };
    note("publish", notifier.publish(&chefs(), &message).await.map(|_| ()));
    note("connect", notifier.connect(connection).await);
    note("send", notifier.send(&id, "x").await.map(|_| ()));
    let closed = notifier.close_chefs(&"r".into(), &who, CloseReason::Policy).await;
    note("close_chefs", closed.map(|_| ()));
    note("sweep", notifier.sweep(before).await.map(|_| ()));
    note("disconnect", notifier.disconnect(&id).await);
    note("check", notifier.check().await);
    answers
}

#[tokio::test]
async fn a_database_that_is_down_is_unavailable_and_works_again_afterwards() {
    let Some(server) = given(Backend::Aws) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    let world = World::through(&server, &proxy.url(&server), |_| {}).await;
    let _known = world.connected("known", chef()).await;
    let (connection, _line) = world.made("new", chef(), 1800);
    proxy.set(Mode::Refuse);
    proxy.cut();
    for (name, answer, took) in all(&world, &connection).await {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{name}: {error}");
        assert!(took < BOUND, "{name} took {took:?}");
    }
    proxy.set(Mode::Pass);
    eventually(BOUND, "it works again", async || world.notifier.check().await.is_ok()).await;
    world.notifier.connect(&connection).await.unwrap();
    let delivery = world.notifier.publish(&chefs(), &message("x")).await.unwrap();
    assert_eq!(delivery, delivered(2));
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_a_timeout_in_bounded_time() {
    let Some(server) = given(Backend::Aws) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    let deadline = Duration::from_millis(500);
    let world = World::through(&server, &proxy.url(&server), |settings| settings.deadline = deadline).await;
    let _known = world.connected("known", chef()).await;
    let (connection, _line) = world.made("new", chef(), 1800);
    proxy.set(Mode::Hold);
    let begun = Instant::now();
    let error = world.notifier.publish(&chefs(), &message("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Timeout, Retry::Safe), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "publishing took {:?}", begun.elapsed());
    let begun = Instant::now();
    let error = world.notifier.connect(&connection).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Timeout, Retry::Ambiguous), "{error}");
    assert!(begun.elapsed() < BOUND, "connecting took {:?}", begun.elapsed());
}

/// The table did it and the answer was lost: the client asks again, and finds its own item.
#[tokio::test]
async fn r3_a_registration_whose_answer_was_lost_is_made_once() {
    let Some(server) = given(Backend::Aws) else { return };
    let proxy = Proxy::to(&server).await.unwrap();
    let world = World::through(&server, &proxy.url(&server), |_| {}).await;
    let (connection, _line) = world.made("c", chef(), 1800);
    for lost in ["PutItem", "UpdateItem"] {
        proxy.cut_on(lost);
        world.notifier.connect(&connection).await.unwrap();
        assert!(proxy.has_cut(), "{lost}");
        assert_eq!(world.notifier.publish(&chefs(), &message("x")).await.unwrap(), delivered(1));
        proxy.cut_on("DeleteItem");
        world.notifier.disconnect(&connection.id).await.unwrap();
        assert!(proxy.has_cut());
        assert_eq!(world.table.connections().await.len(), 0);
    }
}

#[tokio::test]
async fn throttling_by_the_table_is_ridden_out_or_said() {
    let Some(server) = given(Backend::Aws) else { return };
    let middle = Middle::before(&server).await;
    let world = World::through(&server, &middle.url, |_| {}).await;
    let _line = world.connected("c", chef()).await;
    middle.refuse("Query", "ProvisionedThroughputExceededException", 1);
    assert_eq!(world.notifier.publish(&chefs(), &message("x")).await.unwrap(), delivered(1));
    middle.refuse("Query", "ProvisionedThroughputExceededException", 99);
    let error = world.notifier.publish(&chefs(), &message("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Throttled, Retry::Safe), "{error}");
    middle.refuse("PutItem", "AccessDeniedException", 99);
    let (connection, _line) = world.made("d", chef(), 1800);
    assert_eq!(world.notifier.connect(&connection).await.unwrap_err().kind(), ErrorKind::Denied);
}

/// Whoever has been told must not be told again by somebody who repeats what failed.
#[tokio::test]
async fn an_audience_that_could_not_be_read_to_its_end_is_no_success() {
    let Some(server) = given(Backend::Aws) else { return };
    let middle = Middle::before(&server).await;
    let world = World::through(&server, &middle.url, |_| {}).await;
    let (mut first, mut second) = (world.connected("a", chef()).await, world.connected("b", chef()).await);
    // Both are shown by the index, but what only the room knows cannot be read.
    middle.hide("b");
    middle.refuse("BatchGetItem", "ProvisionedThroughputExceededException", 99);
    let error = world.notifier.publish(&chefs(), &message("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Throttled, Retry::Ambiguous), "{error}");
    assert!(error.to_string().contains("delivered=1"), "{error}");
    assert!(first.try_recv().is_ok() && second.try_recv().is_err());
}
