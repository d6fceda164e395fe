//! The cases of [`Notifier`].
//!
//! A fixture brings the far ends of connections along ([`Lines`], [`Ears`]), so that the cases are the same for
//! sockets of this process ([`NotifierFixture::sockets`]) and for a gateway, whose lines are a fake callback server.

pub mod connect;
mod line;
pub mod publish;
pub mod upkeep;

use std::sync::Arc;

use tokio::time::timeout;
use waiterix_domain::Audience;
use waiterix_domain::id::RestaurantId;
use waiterix_ports::{Connection, ConnectionId, Delivery, Frame, Message, Notifier, Result, Role};

use line::PATIENCE;
pub use line::{Ears, Lines, NotifierFixture};

fn chef(user: &str) -> Role {
    Role::Chef { user: user.into(), session_digest: Some(format!("digest of {user}")) }
}

fn customer(session: &str) -> Role {
    Role::Customer { session: Some(session.to_owned()) }
}

fn chefs(restaurant: &str) -> Audience {
    Audience::Chefs(restaurant.into())
}

fn session(restaurant: &str, session: &str) -> Audience {
    Audience::Customer { restaurant: restaurant.into(), session: session.to_owned() }
}

fn message(text: &str) -> Message {
    Message { id: format!("id of {text:.60}"), json: Arc::from(text) }
}

/// A registered connection and its far end.
struct Peer {
    connection: Connection,
    ears: Box<dyn Ears>,
}

impl Peer {
    /// The next text, which must come.
    #[allow(clippy::panic, clippy::expect_used, reason = "a failed case is a panic")]
    async fn hears(&mut self) -> Arc<str> {
        match timeout(PATIENCE, self.ears.next()).await.expect("a frame that should arrive does not") {
            Some(Frame::Text(text)) => text,
            other => panic!("heard {other:?} instead of a text"),
        }
    }

    /// Whether it heard exactly this text.
    async fn heard(&mut self, text: &str) {
        assert_eq!(&*self.hears().await, text, "{:?}", self.connection.id);
        assert_eq!(self.ears.arrived(), [], "{:?} heard more than once", self.connection.id);
    }

    /// Proves that nothing came: what is sent next is what arrives next.
    #[allow(clippy::unwrap_used, reason = "a failed case is a panic")]
    async fn heard_nothing(&mut self, fixture: &NotifierFixture) {
        assert!(
            fixture.fixture.port.send(&self.connection.id, "marker").await.unwrap(),
            "it is still connected"
        );
        self.heard("marker").await;
    }
}

impl NotifierFixture {
    fn port(&self) -> &dyn Notifier {
        &*self.fixture.port
    }

    /// A connection that was made half an hour ago, not registered yet.
    async fn peer(&self, id: &str, restaurant: &str, role: Role) -> Peer {
        let id = ConnectionId::new(id);
        let (outlet, ears) = self.lines.open(&id).await;
        // Old enough that a gateway does not take "gone" for "not there yet".
        let connected_at = self.now().plus_seconds(-1800);
        let restaurant = RestaurantId::from(restaurant);
        Peer { connection: Connection { id, restaurant, role, connected_at, outlet }, ears }
    }

    /// A registered connection.
    #[allow(clippy::unwrap_used, reason = "a failed case is a panic")]
    async fn connected(&self, id: &str, restaurant: &str, role: Role) -> Peer {
        let peer = self.peer(id, restaurant, role).await;
        self.port().connect(&peer.connection).await.unwrap();
        peer
    }

    #[allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed case is a panic")]
    async fn publish(&self, audience: &Audience, text: &str) -> Delivery {
        let delivery = self.try_publish(audience, text).await.unwrap();
        assert_eq!(delivery.targeted, delivery.delivered + delivery.gone + delivery.failed, "{delivery:?}");
        delivery
    }

    #[allow(clippy::expect_used, reason = "a failed case is a panic")]
    async fn try_publish(&self, audience: &Audience, text: &str) -> Result<Delivery> {
        let message = message(text);
        timeout(PATIENCE, self.port().publish(audience, &message)).await.expect("publishing blocks")
    }
}

fn delivered(count: u32) -> Delivery {
    Delivery { targeted: count, delivered: count, ..Delivery::default() }
}

crate::cases! {
    ($)
    /// Expands to one test per clause of [`waiterix_ports::Notifier`]; takes the path of an
    /// `async fn() -> NotifierFixture`.
    notifier_contract, notifier, dyn Notifier, NotifierFixture;
    connect::r1_a_connection_hears_from_the_answer_on,
    connect::r2_parameters_outside_their_limits_are_invalid,
    connect::r2_parameters_at_their_limits_are_fine,
    connect::r2_an_outlet_of_another_transport_is_unsupported,
    connect::r3_an_id_in_use_conflicts_and_the_old_connection_stays,
    connect::r3_the_same_connection_again_is_fine_and_hears_once,
    connect::r3_of_several_connections_with_one_id_exactly_one_is_registered,
    connect::r4_more_than_32_connections_of_a_session_are_throttled,
    connect::r10_a_disconnected_connection_hears_nothing,
    connect::r10_disconnecting_is_harmless_when_repeated,
    publish::r20_every_connection_of_the_audience_and_no_other_hears,
    publish::r20_many_connections_hear_once_each,
    publish::r21_no_receivers_is_a_success,
    publish::r22_a_gone_connection_is_counted_forgotten_and_keeps_nobody_from_hearing,
    publish::r23_bytes_arrive_unchanged,
    publish::r23_events_arrive_in_the_order_published,
    publish::r24_a_message_at_the_limit_is_fine_and_above_it_invalid,
    publish::r25_a_peer_that_does_not_read_fails_and_blocks_nobody,
    publish::r26_a_customer_without_session_hears_nothing,
    publish::r30_one_connection_is_told,
    publish::r30_unknown_and_gone_connections_are_false,
    upkeep::r40_exactly_the_selected_chefs_are_closed,
    upkeep::r40_a_session_digest_selects_its_connections,
    upkeep::r40_nobody_selected_is_zero,
    upkeep::r50_old_and_gone_connections_are_forgotten_and_others_stay,
    upkeep::r50_every_page_is_walked,
    upkeep::r90_a_working_notifier_is_proven_and_silent,
}
