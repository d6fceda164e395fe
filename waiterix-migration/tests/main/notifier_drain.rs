//! Clients of the old sockets are sent to the new transport, at a rate that it can take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use waiterix_adapters_local::memory::MemoryNotifier;
use waiterix_contract::notifier::NotifierFixture;
use waiterix_domain::Audience;
use waiterix_migration::{DrainableNotifier, Drained, DualNotifier};
use waiterix_ports::{CloseReason, ConnectionId, Frame, Message, Notifier as _, Outlet};

use crate::line::{NoSockets, chef, gateway};

fn event(name: &str) -> Message {
    Message { id: name.to_owned(), json: format!("{{\"id\":\"{name}\"}}").into() }
}

struct Both {
    old: Arc<DrainableNotifier>,
    new: Arc<NoSockets>,
    dual: DualNotifier,
}

fn both() -> Both {
    let old = Arc::new(DrainableNotifier::new(Arc::new(MemoryNotifier::new())));
    let new = Arc::new(NoSockets::default());
    Both { dual: DualNotifier::new(old.clone(), new.clone()), old, new }
}

/// What a client reads until its socket is closed.
fn heard(line: &mut mpsc::Receiver<Frame>) -> Vec<Frame> {
    std::iter::from_fn(|| line.try_recv().ok()).collect()
}

#[tokio::test]
async fn sockets_are_closed_no_faster_than_the_other_transport_takes_them() {
    let both = both();
    let mut clients = Vec::new();
    for number in 0..60 {
        let (sender, receiver) = mpsc::channel(8);
        both.dual.connect(&chef(&format!("c{number}"), Outlet::Socket(sender))).await.unwrap();
        clients.push(receiver);
    }
    assert_eq!(both.old.open(), 60);
    let begun = Instant::now();
    assert_eq!(both.old.drain(200).await.unwrap(), Drained { closed: 60, deaf: 0 });
    assert!(begun.elapsed() >= Duration::from_millis(300), "200 a second: {:?}", begun.elapsed());
    assert_eq!(both.old.open(), 0);
    for client in &mut clients {
        assert_eq!(heard(client), [Frame::Close(CloseReason::GoingAway)]);
    }
}

#[tokio::test]
async fn at_the_hand_over_a_client_hears_every_event_once() {
    let both = Arc::new(both());
    let (sender, mut old_line) = mpsc::channel(64);
    both.dual.connect(&chef("old", Outlet::Socket(sender))).await.unwrap();
    both.dual.publish(&Audience::Chefs("r".into()), &event("before")).await.unwrap();
    both.old.drain(500).await.unwrap();
    // The client connects elsewhere as soon as it hears that it is closed.
    both.dual.connect(&chef("new", gateway())).await.unwrap();
    let delivery = both.dual.publish(&Audience::Chefs("r".into()), &event("after")).await.unwrap();
    assert_eq!((delivery.targeted, delivery.delivered), (1, 1), "the old connection is no target any more");
    assert_eq!(heard(&mut old_line).len(), 2, "the first event and the closing");
    assert_eq!(both.new.heard(), 1);
}

#[tokio::test]
async fn whoever_does_not_read_holds_up_nobody() {
    let both = both();
    let (deaf, _unread) = mpsc::channel(1);
    deaf.try_send(Frame::Text("full".into())).unwrap();
    let (reads, mut line) = mpsc::channel(8);
    let (gone, ended) = mpsc::channel(8);
    both.dual.connect(&chef("deaf", Outlet::Socket(deaf))).await.unwrap();
    both.dual.connect(&chef("reads", Outlet::Socket(reads))).await.unwrap();
    both.dual.connect(&chef("gone", Outlet::Socket(gone))).await.unwrap();
    drop(ended);
    both.dual.disconnect(&ConnectionId::new("gone")).await.unwrap();
    assert_eq!(both.old.drain(500).await.unwrap(), Drained { closed: 1, deaf: 1 });
    assert_eq!(heard(&mut line), [Frame::Close(CloseReason::GoingAway)]);
}

#[tokio::test]
async fn what_connects_while_it_is_drained_stays_and_hears_everything() {
    let both = Arc::new(both());
    let (sender, mut first) = mpsc::channel(8);
    both.dual.connect(&chef("first", Outlet::Socket(sender))).await.unwrap();
    let mut draining = std::pin::pin!(both.old.drain(10));
    let begun = tokio::time::timeout(Duration::ZERO, &mut draining).await;
    assert!(begun.is_err(), "it has begun, and closes 10 a second");
    let (sender, mut second) = mpsc::channel(8);
    both.dual.connect(&chef("second", Outlet::Socket(sender))).await.unwrap();
    assert_eq!(draining.await.unwrap(), Drained { closed: 1, deaf: 0 });
    assert_eq!(both.old.open(), 1);
    both.dual.publish(&Audience::Chefs("r".into()), &event("after")).await.unwrap();
    assert_eq!(heard(&mut first), [Frame::Close(CloseReason::GoingAway)]);
    assert_eq!(heard(&mut second), [Frame::Text(event("after").json)]);
}

#[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
async fn fresh() -> NotifierFixture {
    NotifierFixture::sockets(Arc::new(DrainableNotifier::new(Arc::new(MemoryNotifier::new()))))
}

waiterix_contract::notifier_contract!("a transport that can be drained", fresh);
