//! Connections of two transports at once.

use std::sync::Arc;

use tokio::sync::mpsc;
use waiterix_adapters_local::memory::MemoryNotifier;
use waiterix_contract::race::refused;
use waiterix_domain::{Audience, Timestamp};
use waiterix_migration::DualNotifier;
use waiterix_ports::{
    ChefSelector, CloseReason, ConnectionId, Delivery, ErrorKind, Frame, Message, Notifier as _, Outlet,
    Retry,
};

use crate::line::{NoSockets, chef, gateway};
use crate::pair::Wire;

struct Both {
    sockets: Arc<MemoryNotifier>,
    gateway: Arc<NoSockets>,
    gateway_wire: Wire,
    dual: DualNotifier,
}

fn both() -> Both {
    let (sockets, gateway) = (Arc::new(MemoryNotifier::new()), Arc::new(NoSockets::default()));
    let gateway_wire = Wire::default();
    let behind = gateway_wire.to::<dyn waiterix_ports::Notifier>(gateway.clone());
    Both { dual: DualNotifier::new(sockets.clone(), behind), sockets, gateway, gateway_wire }
}

fn event() -> Message {
    Message { id: "event".to_owned(), json: "{}".into() }
}

fn chefs() -> Audience {
    Audience::Chefs("r".into())
}

/// Two connections of each transport, and the far ends of the sockets.
async fn connected(both: &Both) -> Vec<mpsc::Receiver<Frame>> {
    let mut ends = Vec::new();
    for number in 0..2 {
        let (sender, receiver) = mpsc::channel(64);
        both.dual.connect(&chef(&format!("s{number}"), Outlet::Socket(sender))).await.unwrap();
        both.dual.connect(&chef(&format!("g{number}"), gateway())).await.unwrap();
        ends.push(receiver);
    }
    ends
}

#[tokio::test]
async fn everybody_hears_once_whatever_the_transport_and_counts_add_up() {
    let both = both();
    let mut ends = connected(&both).await;
    let delivery = both.dual.publish(&chefs(), &event()).await.unwrap();
    assert_eq!(delivery, Delivery { targeted: 4, delivered: 4, gone: 0, failed: 0 });
    for end in &mut ends {
        assert!(end.try_recv().is_ok() && end.try_recv().is_err(), "once");
    }
    assert_eq!(both.gateway.heard(), 2);
    assert_eq!(both.sockets.published().len(), 1);
}

#[tokio::test]
async fn a_connection_that_registers_again_is_not_in_both() {
    let both = both();
    let (sender, mut end) = mpsc::channel(64);
    for _ in 0..3 {
        both.dual.connect(&chef("s", Outlet::Socket(sender.clone()))).await.unwrap();
    }
    assert_eq!(both.dual.publish(&chefs(), &event()).await.unwrap().targeted, 1);
    assert!(end.try_recv().is_ok() && end.try_recv().is_err());
}

#[tokio::test]
async fn closings_clean_ups_and_answers_reach_both() {
    let both = both();
    let _ends = connected(&both).await;
    for id in ["s0", "g1"] {
        assert!(both.dual.send(&ConnectionId::new(id), "pong").await.unwrap(), "{id}");
    }
    both.dual.disconnect(&ConnectionId::new("g1")).await.unwrap();
    both.dual.disconnect(&ConnectionId::new("s1")).await.unwrap();
    let anna = ChefSelector::User("anna".into());
    assert_eq!(both.dual.close_chefs(&"r".into(), &anna, CloseReason::Policy).await.unwrap(), 2);
    let _ends = connected(&both).await;
    assert_eq!(both.dual.sweep(Timestamp::EPOCH.plus_seconds(1)).await.unwrap(), 4);
}

#[tokio::test]
async fn when_one_transport_fails_the_other_one_is_heard_and_nothing_is_repeated() {
    let both = both();
    let mut ends = connected(&both).await;
    both.gateway_wire.cut();
    let error = both.dual.publish(&chefs(), &event()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry_advice(), Retry::Ambiguous, "the sockets have heard it");
    assert!(error.to_string().contains("done_by_other_transport=2"), "{error}");
    assert!(ends.iter_mut().all(|end| end.try_recv().is_ok()));
    let anna = ChefSelector::User("anna".into());
    let closed = both.dual.close_chefs(&"r".into(), &anna, CloseReason::Policy).await;
    refused(closed, ErrorKind::Unavailable, "a closing that half of them did not hear of");
    assert!(
        ends.iter_mut().all(|end| matches!(end.try_recv(), Ok(Frame::Close(_)))),
        "the others are closed"
    );
    let answer = both.dual.send(&ConnectionId::new("g0"), "pong").await;
    refused(answer, ErrorKind::Unavailable, "not 'not there'");
}

#[tokio::test]
async fn a_connection_that_its_transport_cannot_take_now_is_not_put_into_the_other() {
    let both = both();
    both.gateway_wire.cut();
    let answer = both.dual.connect(&chef("g", gateway())).await;
    refused(answer, ErrorKind::Unavailable, "its transport is down");
    both.gateway_wire.mend();
    assert_eq!(both.dual.publish(&chefs(), &event()).await.unwrap(), Delivery::default());
}
