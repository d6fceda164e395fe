//! What processes say to each other.

use serde::{Deserialize, Serialize};
use waiterix_domain::id::{RestaurantId, UserId};
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{ChefSelector, CloseReason, ConnectionId, Delivery, Message};

/// Something every other process is asked to do with its own sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Call {
    /// Let an audience hear an event.
    Publish { restaurant: String, session: Option<String>, id: String, json: String },
    /// Tell one connection.
    Send { id: String, text: String },
    /// Forget a connection.
    Disconnect { id: String },
    /// Close chef connections.
    CloseChefs { restaurant: String, who: Who, reason: Reason },
    /// Forget connections that are gone or were made before an instant, in microseconds since 1970.
    Sweep { made_before: i64 },
    /// Say whether an id is taken, and how many connections of a session there are.
    Claim { id: String, seat: Option<Room> },
    /// A process has begun to listen; it may have missed something.
    Hello,
}

/// A customer session of a restaurant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Room {
    pub(super) restaurant: String,
    pub(super) session: String,
}

/// Which chef connections are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Who {
    User(String),
    SessionDigest(String),
}

/// Why connections are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    GoingAway,
    Policy,
    TooBig,
    ServerError,
}

/// What became of a call at one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// Of [`Call::Publish`].
    Delivery { targeted: u32, delivered: u32, gone: u32, failed: u32 },
    /// Of [`Call::Send`]: whether it was delivered.
    Sent(bool),
    /// Of [`Call::CloseChefs`] and [`Call::Sweep`]: how many.
    Count(u32),
    /// Of [`Call::Claim`].
    Seats { taken: bool, count: u32 },
    /// Of the others.
    Done,
    /// The sockets of the process could not be asked.
    Failed,
}

impl Call {
    pub(super) fn publish(audience: &Audience, message: &Message) -> Self {
        let (restaurant, session) = match audience {
            Audience::Chefs(restaurant) => (restaurant, None),
            Audience::Customer { restaurant, session } => (restaurant, Some(session.clone())),
        };
        Self::Publish {
            restaurant: restaurant.as_str().to_owned(),
            session,
            id: message.id.clone(),
            json: (*message.json).to_owned(),
        }
    }

    pub(super) fn send(id: &ConnectionId, text: &str) -> Self {
        Self::Send { id: id.as_str().to_owned(), text: text.to_owned() }
    }

    pub(super) fn disconnect(id: &ConnectionId) -> Self {
        Self::Disconnect { id: id.as_str().to_owned() }
    }

    pub(super) fn close_chefs(restaurant: &RestaurantId, who: &ChefSelector, reason: CloseReason) -> Self {
        Self::CloseChefs {
            restaurant: restaurant.as_str().to_owned(),
            who: match who {
                ChefSelector::User(user) => Who::User(user.as_str().to_owned()),
                ChefSelector::SessionDigest(digest) => Who::SessionDigest(digest.clone()),
            },
            reason: match reason {
                CloseReason::GoingAway => Reason::GoingAway,
                CloseReason::Policy => Reason::Policy,
                CloseReason::TooBig => Reason::TooBig,
                CloseReason::ServerError => Reason::ServerError,
            },
        }
    }

    pub(super) const fn sweep(made_before: Timestamp) -> Self {
        Self::Sweep { made_before: made_before.as_micros() }
    }

    pub(super) fn claim(id: &ConnectionId, seat: Option<Room>) -> Self {
        Self::Claim { id: id.as_str().to_owned(), seat }
    }
}

impl Who {
    pub(super) fn selector(self) -> ChefSelector {
        match self {
            Self::User(user) => ChefSelector::User(UserId::new(user)),
            Self::SessionDigest(digest) => ChefSelector::SessionDigest(digest),
        }
    }
}

impl From<Reason> for CloseReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::GoingAway => Self::GoingAway,
            Reason::Policy => Self::Policy,
            Reason::TooBig => Self::TooBig,
            Reason::ServerError => Self::ServerError,
        }
    }
}

impl From<Delivery> for Answer {
    fn from(delivery: Delivery) -> Self {
        let Delivery { targeted, delivered, gone, failed } = delivery;
        Self::Delivery { targeted, delivered, gone, failed }
    }
}

/// The audience a call names.
pub(super) fn audience(restaurant: String, session: Option<String>) -> Audience {
    let restaurant = RestaurantId::new(restaurant);
    match session {
        None => Audience::Chefs(restaurant),
        Some(session) => Audience::Customer { restaurant, session },
    }
}
