//! Connecting and disconnecting.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use waiterix_ports::notifier::MAX_CONNECTIONS_PER_SESSION;
use waiterix_ports::{Connection, ConnectionId, Delivery, ErrorKind, Role};

use super::{NotifierFixture, chef, chefs, customer, delivered, session};
use crate::race::{at_once, refused};

async fn is_unknown(fixture: &NotifierFixture, id: &ConnectionId) -> bool {
    matches!(fixture.port().send(id, "are you there").await, Ok(false))
}

/// **R1**
pub async fn r1_a_connection_hears_from_the_answer_on(fixture: NotifierFixture) {
    assert_eq!(fixture.publish(&chefs("r"), "before").await, Delivery::default());
    let mut peer = fixture.connected("c", "r", chef("anna")).await;
    assert_eq!(fixture.publish(&chefs("r"), "after").await, delivered(1));
    peer.heard("after").await;
    let mut guest = fixture.connected("g", "r", customer("s")).await;
    assert_eq!(fixture.publish(&session("r", "s"), "for the guest").await, delivered(1));
    guest.heard("for the guest").await;
    peer.heard_nothing(&fixture).await;
}

/// **R2**
pub async fn r2_parameters_outside_their_limits_are_invalid(fixture: NotifierFixture) {
    let long = "x".repeat(129);
    let cases: [(&str, Role); 9] = [
        ("", chef("anna")),
        (&long, chef("anna")),
        ("r\n", chef("anna")),
        ("r\u{0}", customer("s")),
        ("", customer("s")),
        ("r", customer("")),
        ("r", customer(&long)),
        ("r", customer("s\r\nX: y")),
        ("r", customer("s\u{85}")),
    ];
    for (restaurant, role) in cases {
        let peer = fixture.peer("c", restaurant, role.clone()).await;
        refused(
            fixture.port().connect(&peer.connection).await,
            ErrorKind::Invalid,
            &format!("{restaurant:?} {role:?}"),
        );
        assert!(is_unknown(&fixture, &peer.connection.id).await, "registered all the same");
    }
    assert_eq!(fixture.publish(&chefs("r"), "x").await, Delivery::default());
    assert_eq!(fixture.publish(&session("r", "s"), "x").await, Delivery::default());
}

/// **R2**
pub async fn r2_parameters_at_their_limits_are_fine(fixture: NotifierFixture) {
    for (number, text) in
        ["x".repeat(128), "ä".repeat(128), "'; DROP TABLE x; -- #:*%_".to_owned(), " ".to_owned()]
            .iter()
            .enumerate()
    {
        let mut chef = fixture.connected(&format!("c{number}"), text, chef("anna")).await;
        let mut guest = fixture.connected(&format!("g{number}"), text, customer(text)).await;
        assert_eq!(fixture.publish(&chefs(text), "to the chef").await, delivered(1));
        assert_eq!(fixture.publish(&session(text, text), "to the guest").await, delivered(1));
        chef.heard("to the chef").await;
        guest.heard("to the guest").await;
    }
}

/// **R2**
pub async fn r2_an_outlet_of_another_transport_is_unsupported(fixture: NotifierFixture) {
    let mut peer = fixture.peer("c", "r", chef("anna")).await;
    peer.connection.outlet = fixture.lines.foreign();
    refused(
        fixture.port().connect(&peer.connection).await,
        ErrorKind::Unsupported,
        "another transport's outlet",
    );
    assert!(is_unknown(&fixture, &peer.connection.id).await);
    assert_eq!(fixture.publish(&chefs("r"), "x").await, Delivery::default());
}

/// **R3**
pub async fn r3_an_id_in_use_conflicts_and_the_old_connection_stays(fixture: NotifierFixture) {
    let mut first = fixture.connected("c", "r", customer("s")).await;
    let others = [
        ("r", chef("mallory")),
        ("r2", customer("s")),
        ("r", customer("s2")),
        ("r", Role::Customer { session: None }),
    ];
    for (restaurant, role) in others {
        // The very same line, so that only what is said about it differs.
        let connection = Connection { restaurant: restaurant.into(), role, ..first.connection.clone() };
        refused(
            fixture.port().connect(&connection).await,
            ErrorKind::Conflict,
            &format!("{restaurant} {:?}", connection.role),
        );
    }
    for audience in [chefs("r"), session("r2", "s"), session("r", "s2")] {
        assert_eq!(fixture.publish(&audience, "for the other").await, Delivery::default());
    }
    assert_eq!(fixture.publish(&session("r", "s"), "for the first").await, delivered(1));
    first.heard("for the first").await;
}

/// **R3**
pub async fn r3_the_same_connection_again_is_fine_and_hears_once(fixture: NotifierFixture) {
    let mut peer = fixture.connected("c", "r", chef("anna")).await;
    fixture.port().connect(&peer.connection).await.unwrap();
    assert_eq!(fixture.publish(&chefs("r"), "once").await, delivered(1));
    peer.heard("once").await;
    fixture.port().disconnect(&peer.connection.id).await.unwrap();
    assert_eq!(fixture.publish(&chefs("r"), "never").await, Delivery::default());
    assert_eq!(peer.ears.arrived(), []);
}

/// **R3**
pub async fn r3_of_several_connections_with_one_id_exactly_one_is_registered(fixture: NotifierFixture) {
    let mut connections = Vec::new();
    for number in 0..6 {
        let peer = fixture.peer("c", &format!("r{number}"), chef("anna")).await;
        connections.push(peer.connection);
    }
    let port = fixture.fixture.port.clone();
    let answers = at_once(6, |number| {
        let (port, connection) = (port.clone(), connections[number].clone());
        async move { port.connect(&connection).await }
    })
    .await;
    let winners: Vec<_> = (0..6).filter(|number| answers[*number].is_ok()).collect();
    assert_eq!(winners.len(), 1, "exactly one is registered");
    for answer in answers.into_iter().filter(Result::is_err) {
        refused(answer, ErrorKind::Conflict, "an id in use");
    }
    for number in 0..6 {
        let targeted = fixture.publish(&chefs(&format!("r{number}")), "x").await.targeted;
        assert_eq!(targeted, u32::from(number == winners[0]), "r{number}");
    }
}

/// **R4**
pub async fn r4_more_than_32_connections_of_a_session_are_throttled(fixture: NotifierFixture) {
    let mut peers = Vec::new();
    for number in 0..MAX_CONNECTIONS_PER_SESSION {
        peers.push(fixture.connected(&format!("c{number}"), "r", customer("s")).await);
    }
    let more = fixture.peer("more", "r", customer("s")).await;
    refused(
        fixture.port().connect(&more.connection).await,
        ErrorKind::Throttled,
        "connection 33 of a session",
    );
    assert!(is_unknown(&fixture, &more.connection.id).await);
    fixture.port().connect(&peers[0].connection).await.unwrap();
    assert_eq!(fixture.publish(&session("r", "s"), "x").await, delivered(32));
    // Other sessions, other restaurants, chefs and guests without session are not counted.
    let others = [
        ("r", customer("s2")),
        ("r2", customer("s")),
        ("r", chef("s")),
        ("r", Role::Customer { session: None }),
    ];
    for (number, (restaurant, role)) in others.into_iter().enumerate() {
        peers.push(fixture.connected(&format!("other{number}"), restaurant, role).await);
    }
    for number in 0..MAX_CONNECTIONS_PER_SESSION + 1 {
        peers.push(fixture.connected(&format!("chef{number}"), "r", chef("anna")).await);
    }
    fixture.port().disconnect(&peers[7].connection.id).await.unwrap();
    fixture.port().connect(&more.connection).await.unwrap();
    assert_eq!(fixture.publish(&session("r", "s"), "y").await, delivered(32));
}

/// **R10**
pub async fn r10_a_disconnected_connection_hears_nothing(fixture: NotifierFixture) {
    let mut leaving = fixture.connected("c", "r", chef("anna")).await;
    let mut staying = fixture.connected("c2", "r", chef("anna")).await;
    fixture.port().disconnect(&leaving.connection.id).await.unwrap();
    assert_eq!(fixture.publish(&chefs("r"), "x").await, delivered(1));
    assert!(is_unknown(&fixture, &leaving.connection.id).await);
    assert_eq!(leaving.ears.arrived(), []);
    staying.heard("x").await;
    // The id is free again, for another one.
    let mut again = fixture.connected("c", "r", customer("s")).await;
    assert_eq!(fixture.publish(&session("r", "s"), "y").await, delivered(1));
    again.heard("y").await;
}

/// **R10**
pub async fn r10_disconnecting_is_harmless_when_repeated(fixture: NotifierFixture) {
    let mut staying = fixture.connected("c", "r", chef("anna")).await;
    for id in ["unknown", "", "C", "c%", "c\u{0}", &"x".repeat(10_000)] {
        fixture.port().disconnect(&ConnectionId::new(id)).await.unwrap();
        fixture.port().disconnect(&ConnectionId::new(id)).await.unwrap();
    }
    assert_eq!(fixture.publish(&chefs("r"), "x").await, delivered(1));
    staying.heard("x").await;
}
