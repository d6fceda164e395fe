//! Publishing, and telling one connection.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use tokio::time::timeout;
use waiterix_domain::Audience;
use waiterix_ports::notifier::MAX_MESSAGE_BYTES;
use waiterix_ports::{ConnectionId, Delivery, ErrorKind, Role};

use super::{NotifierFixture, PATIENCE, Peer, chef, chefs, customer, delivered, session};
use crate::race::refused;

const SIMILAR: [&str; 6] = ["r", "R", "r1", "r:", "r*", "chef"];

/// **R20**: of restaurants, roles and sessions with similar names exactly the right ones hear (R5, R6 and R17 of the
/// old system).
pub async fn r20_every_connection_of_the_audience_and_no_other_hears(fixture: NotifierFixture) {
    let mut peers: Vec<Peer> = Vec::new();
    for restaurant in SIMILAR {
        let roles = [
            chef("anna"),
            chef("bert"),
            customer("r"),
            customer("tracking-1"),
            customer("tracking-12"),
            customer("r:tracking-1"),
            Role::Customer { session: None },
        ];
        for role in roles {
            let id = format!("c{}", peers.len());
            peers.push(fixture.connected(&id, restaurant, role).await);
        }
    }
    let mut audiences: Vec<Audience> = SIMILAR.into_iter().map(chefs).collect();
    audiences.extend([
        session("r", "tracking-1"),
        session("r1", "tracking-1"),
        session("r", "r"),
        session("r:", "tracking-1"),
    ]);
    audiences.extend([
        session("r", "tracking"),
        session("r", ""),
        session("r", "undefined"),
        chefs(""),
        chefs("r11"),
    ]);
    for (number, audience) in audiences.iter().enumerate() {
        let text = format!("event {number}");
        let hearing = |peer: &Peer| peer.connection.role.hears(&peer.connection.restaurant, audience);
        let expected = peers.iter().filter(|peer| hearing(peer)).count();
        assert_eq!(fixture.publish(audience, &text).await, delivered(expected as u32), "{audience:?}");
        for peer in &mut peers {
            if peer.connection.role.hears(&peer.connection.restaurant, audience) {
                peer.heard(&text).await;
            } else {
                assert_eq!(peer.ears.arrived(), [], "{:?} heard {audience:?}", peer.connection);
            }
        }
    }
    for peer in &mut peers {
        peer.heard_nothing(&fixture).await;
    }
}

/// **R20**
pub async fn r20_many_connections_hear_once_each(fixture: NotifierFixture) {
    let mut peers = Vec::new();
    for number in 0..150 {
        peers.push(fixture.connected(&format!("c{number}"), "r", chef("anna")).await);
    }
    assert_eq!(fixture.publish(&chefs("r"), "for all").await, delivered(150));
    for peer in &mut peers {
        peer.heard("for all").await;
    }
}

/// **R21**
pub async fn r21_no_receivers_is_a_success(fixture: NotifierFixture) {
    assert_eq!(fixture.publish(&chefs("r"), "x").await, Delivery::default());
    let _peer = fixture.connected("c", "r", chef("anna")).await;
    assert_eq!(fixture.publish(&session("r", "s"), "x").await, Delivery::default());
    assert_eq!(fixture.publish(&chefs("r2"), "x").await, Delivery::default());
}

/// **R22**
pub async fn r22_a_gone_connection_is_counted_forgotten_and_keeps_nobody_from_hearing(
    fixture: NotifierFixture,
) {
    let mut staying = Vec::new();
    let mut leaving = Vec::new();
    for number in 0..6 {
        let peer = fixture.connected(&format!("c{number}"), "r", chef("anna")).await;
        if number % 2 == 0 { staying.push(peer) } else { leaving.push(peer) }
    }
    for peer in leaving {
        // The notifier is not told: it finds out when it sends.
        drop(peer.connection);
        peer.ears.hang_up().await;
    }
    let delivery = fixture.publish(&chefs("r"), "first").await;
    assert_eq!(delivery, Delivery { targeted: 6, delivered: 3, gone: 3, failed: 0 });
    assert_eq!(fixture.publish(&chefs("r"), "second").await, delivered(3), "the gone are forgotten");
    for peer in &mut staying {
        assert_eq!(&*peer.hears().await, "first");
        peer.heard("second").await;
    }
}

/// **R23**
pub async fn r23_bytes_arrive_unchanged(fixture: NotifierFixture) {
    let mut peer = fixture.connected("c", "r", customer("s")).await;
    let texts = [
        r#"{"type":"pong"}"#,
        "{ \"a\" :  1.50 }\n",
        "ünïcode 😀 \u{feff}\u{2028}\u{0}\"\\",
        "",
        " ",
        "not json <script>",
    ];
    for text in texts {
        assert_eq!(fixture.publish(&session("r", "s"), text).await, delivered(1));
        peer.heard(text).await;
    }
}

/// **R23**
pub async fn r23_events_arrive_in_the_order_published(fixture: NotifierFixture) {
    let mut peers = Vec::new();
    for number in 0..3 {
        peers.push(fixture.connected(&format!("c{number}"), "r", chef("anna")).await);
    }
    for number in 0..50 {
        assert_eq!(fixture.publish(&chefs("r"), &number.to_string()).await, delivered(3));
    }
    for peer in &mut peers {
        for number in 0..50 {
            assert_eq!(&*peer.hears().await, number.to_string());
        }
        assert_eq!(peer.ears.arrived(), []);
    }
}

/// **R24**
pub async fn r24_a_message_at_the_limit_is_fine_and_above_it_invalid(fixture: NotifierFixture) {
    let mut peer = fixture.connected("c", "r", chef("anna")).await;
    let largest = "x".repeat(MAX_MESSAGE_BYTES);
    assert_eq!(fixture.publish(&chefs("r"), &largest).await, delivered(1));
    assert!(*peer.hears().await == *largest);
    // One character less, but in bytes it is more.
    let larger = format!("ä{}", "x".repeat(MAX_MESSAGE_BYTES - 1));
    refused(fixture.try_publish(&chefs("r"), &larger).await, ErrorKind::Invalid, "one byte more");
    refused(fixture.try_publish(&chefs("nobody"), &larger).await, ErrorKind::Invalid, "to nobody");
    refused(fixture.port().send(&peer.connection.id, &larger).await, ErrorKind::Invalid, "to one");
    peer.heard_nothing(&fixture).await;
}

/// **R25**
pub async fn r25_a_peer_that_does_not_read_fails_and_blocks_nobody(fixture: NotifierFixture) {
    let mut deaf = fixture.connected("deaf", "r", chef("anna")).await;
    let mut reader = fixture.connected("reader", "r", chef("bert")).await;
    deaf.ears.stop_reading().await;
    let mut failed = None;
    for number in 0..10_000 {
        let text = number.to_string();
        let delivery = fixture.publish(&chefs("r"), &text).await;
        reader.heard(&text).await;
        assert_eq!(delivery.targeted, 2, "it is not forgotten");
        if delivery.delivered == 1 {
            failed = Some(delivery);
            break;
        }
    }
    assert_eq!(failed, Some(Delivery { targeted: 2, delivered: 1, gone: 0, failed: 1 }));
    let told = timeout(PATIENCE, fixture.port().send(&deaf.connection.id, "x")).await.unwrap();
    assert!(!told.unwrap(), "telling it alone does not block either");
}

/// **R26**: there is no room named "undefined" (R16 of the old system).
pub async fn r26_a_customer_without_session_hears_nothing(fixture: NotifierFixture) {
    let mut peer = fixture.connected("c", "r", Role::Customer { session: None }).await;
    for audience in
        [chefs("r"), session("r", ""), session("r", "undefined"), session("r", "null"), session("r", "None")]
    {
        assert_eq!(fixture.publish(&audience, "x").await, Delivery::default(), "{audience:?}");
    }
    peer.heard_nothing(&fixture).await;
}

/// **R30**
pub async fn r30_one_connection_is_told(fixture: NotifierFixture) {
    let mut peers = Vec::new();
    for (number, role) in
        [chef("anna"), customer("s"), Role::Customer { session: None }].into_iter().enumerate()
    {
        peers.push(fixture.connected(&format!("c{number}"), "r", role).await);
    }
    for place in 0..peers.len() {
        let id = peers[place].connection.id.clone();
        assert!(fixture.port().send(&id, r#"{"type":"pong"}"#).await.unwrap());
        peers[place].heard(r#"{"type":"pong"}"#).await;
        for peer in &mut peers {
            assert_eq!(peer.ears.arrived(), [], "{:?}", peer.connection.id);
        }
    }
}

/// **R30**
pub async fn r30_unknown_and_gone_connections_are_false(fixture: NotifierFixture) {
    for id in ["unknown", "", "c\u{0}"] {
        assert!(!fixture.port().send(&ConnectionId::new(id), "x").await.unwrap(), "{id:?}");
    }
    let Peer { connection, ears } = fixture.connected("c", "r", chef("anna")).await;
    let id = connection.id.clone();
    drop(connection);
    ears.hang_up().await;
    assert!(!fixture.port().send(&id, "x").await.unwrap(), "gone");
    assert!(!fixture.port().send(&id, "x").await.unwrap(), "gone and forgotten");
    let mut left = fixture.connected("d", "r", chef("anna")).await;
    fixture.port().disconnect(&left.connection.id).await.unwrap();
    assert!(!fixture.port().send(&left.connection.id, "x").await.unwrap(), "disconnected");
    assert_eq!(left.ears.arrived(), []);
}
