//! Closing, sweeping and checking.

#![allow(clippy::unwrap_used, reason = "a failed case is a panic")]

use tokio::time::timeout;
use waiterix_ports::{ChefSelector, CloseReason, Delivery, Frame, Role};

use super::{NotifierFixture, PATIENCE, Peer, chef, chefs, customer, delivered, session};

fn proven(user: &str, digest: Option<&str>) -> Role {
    Role::Chef { user: user.into(), session_digest: digest.map(str::to_owned) }
}

async fn close(fixture: &NotifierFixture, restaurant: &str, who: &ChefSelector) -> u32 {
    fixture.port().close_chefs(&restaurant.into(), who, CloseReason::Policy).await.unwrap()
}

async fn assert_closed(fixture: &NotifierFixture, peer: &mut Peer) {
    let frame = timeout(PATIENCE, peer.ears.next()).await.unwrap();
    if fixture.lines.tells_reasons() {
        assert_eq!(frame, Some(Frame::Close(CloseReason::Policy)));
    } else {
        assert!(matches!(frame, Some(Frame::Close(_))), "{frame:?}");
    }
    assert!(!fixture.port().send(&peer.connection.id, "x").await.unwrap(), "closed and not forgotten");
    assert_eq!(peer.ears.arrived(), []);
}

/// **R40**
pub async fn r40_exactly_the_selected_chefs_are_closed(fixture: NotifierFixture) {
    let mut selected = Vec::new();
    for number in 0..3 {
        selected.push(fixture.connected(&format!("s{number}"), "r", chef("anna")).await);
    }
    selected.push(fixture.connected("s3", "r", proven("anna", None)).await);
    let others = [
        ("r", chef("anna2")),
        ("r", chef("Anna")),
        ("r2", chef("anna")),
        ("r", customer("anna")),
        ("r", Role::Customer { session: None }),
    ];
    let mut staying = Vec::new();
    for (number, (restaurant, role)) in others.into_iter().enumerate() {
        staying.push(fixture.connected(&format!("o{number}"), restaurant, role).await);
    }
    assert_eq!(close(&fixture, "r", &ChefSelector::User("anna".into())).await, 4);
    for peer in &mut selected {
        assert_closed(&fixture, peer).await;
    }
    for peer in &mut staying {
        peer.heard_nothing(&fixture).await;
    }
    assert_eq!(fixture.publish(&chefs("r"), "x").await, delivered(2));
    assert_eq!(close(&fixture, "r", &ChefSelector::User("anna".into())).await, 0, "they are gone already");
}

/// **R40**: a chef hears nothing after signing out (R24 of the old system).
pub async fn r40_a_session_digest_selects_its_connections(fixture: NotifierFixture) {
    let mut out = fixture.connected("c1", "r", proven("anna", Some("d1"))).await;
    let mut staying = Vec::new();
    for (number, role) in
        [proven("anna", Some("d2")), proven("anna", None), proven("d1", Some("d11")), customer("d1")]
            .into_iter()
            .enumerate()
    {
        staying.push(fixture.connected(&format!("o{number}"), "r", role).await);
    }
    assert_eq!(close(&fixture, "r", &ChefSelector::SessionDigest("d1".to_owned())).await, 1);
    assert_closed(&fixture, &mut out).await;
    for peer in &mut staying {
        peer.heard_nothing(&fixture).await;
    }
}

/// **R40**
pub async fn r40_nobody_selected_is_zero(fixture: NotifierFixture) {
    let mut peer = fixture.connected("c", "r", proven("anna", None)).await;
    for who in [
        ChefSelector::User("nobody".into()),
        ChefSelector::User("".into()),
        ChefSelector::SessionDigest(String::new()),
    ] {
        assert_eq!(close(&fixture, "r", &who).await, 0, "{who:?}");
        assert_eq!(close(&fixture, "unknown", &who).await, 0, "{who:?}");
    }
    peer.heard_nothing(&fixture).await;
}

/// A connection of this age in seconds, registered.
async fn aged(fixture: &NotifierFixture, id: &str, role: Role, age_s: i64) -> Peer {
    let mut peer = fixture.peer(id, "r", role).await;
    peer.connection.connected_at = fixture.now().plus_seconds(-age_s);
    fixture.port().connect(&peer.connection).await.unwrap();
    peer
}

/// **R50**
pub async fn r50_old_and_gone_connections_are_forgotten_and_others_stay(fixture: NotifierFixture) {
    let mut old = Vec::new();
    let mut live = Vec::new();
    for (number, role) in
        [chef("anna"), customer("s"), Role::Customer { session: None }].into_iter().enumerate()
    {
        old.push(aged(&fixture, &format!("old{number}"), role.clone(), 5000).await);
        live.push(aged(&fixture, &format!("live{number}"), role.clone(), 1800).await);
        let Peer { connection, ears } = aged(&fixture, &format!("gone{number}"), role, 1800).await;
        drop(connection);
        ears.hang_up().await;
    }
    let made_before = fixture.now().plus_seconds(-3600);
    assert_eq!(fixture.port().sweep(made_before).await.unwrap(), 6);
    assert_eq!(fixture.port().sweep(made_before).await.unwrap(), 0, "they are forgotten");
    for peer in &mut old {
        assert!(!fixture.port().send(&peer.connection.id, "x").await.unwrap(), "{:?}", peer.connection.id);
    }
    assert_eq!(fixture.publish(&chefs("r"), "for chefs").await, delivered(1));
    assert_eq!(fixture.publish(&session("r", "s"), "for the guest").await, delivered(1));
    live[0].heard("for chefs").await;
    live[1].heard("for the guest").await;
    live[2].heard_nothing(&fixture).await;
}

/// **R50**: a clean-up that reads one page only leaves the rest for ever (R3 of the old system).
pub async fn r50_every_page_is_walked(fixture: NotifierFixture) {
    let mut peers = Vec::new();
    for number in 0..150 {
        peers.push(aged(&fixture, &format!("old{number}"), customer(&format!("s{number}")), 5000).await);
    }
    let mut live = aged(&fixture, "live", chef("anna"), 1800).await;
    assert_eq!(fixture.port().sweep(fixture.now().plus_seconds(-3600)).await.unwrap(), 150);
    for number in 0..150 {
        assert_eq!(
            fixture.publish(&session("r", &format!("s{number}")), "x").await,
            Delivery::default(),
            "s{number}"
        );
    }
    live.heard_nothing(&fixture).await;
}

/// **R90**
pub async fn r90_a_working_notifier_is_proven_and_silent(fixture: NotifierFixture) {
    fixture.port().check().await.unwrap();
    let mut peer = fixture.connected("c", "r", chef("anna")).await;
    fixture.port().check().await.unwrap();
    fixture.port().check().await.unwrap();
    peer.heard_nothing(&fixture).await;
    assert_eq!(fixture.publish(&chefs("r"), "x").await, delivered(1));
    peer.heard("x").await;
}
