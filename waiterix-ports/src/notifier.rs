//! Realtime connections and events.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;
use waiterix_domain::id::{RestaurantId, UserId};
use waiterix_domain::{Audience, Timestamp};

use crate::Result;

/// The id of a connection, given by the transport.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(String);

impl ConnectionId {
    /// Wraps an id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The restaurant's owner, proven before the connection is registered.
    Chef {
        /// The user.
        user: UserId,
        /// A digest of the session that proved it, if a session did.
        session_digest: Option<String>,
    },
    /// A guest. Without a session id the connection is kept alive but hears nothing.
    Customer {
        /// The client-made session id.
        session: Option<String>,
    },
}

impl Role {
    /// Whether an audience includes a connection of this role to this restaurant.
    #[must_use]
    pub fn hears(&self, own_restaurant: &RestaurantId, audience: &Audience) -> bool {
        own_restaurant == audience.restaurant()
            && match (self, audience) {
                (Self::Chef { .. }, Audience::Chefs(_)) => true,
                (Self::Customer { session: Some(own) }, Audience::Customer { session, .. }) => own == session,
                _ => false,
            }
    }
}

/// What is sent down a connection the process holds itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(Arc<str>),
    /// Close with a code and a reason.
    Close(CloseReason),
}

/// Why the server closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The server stops: 1001.
    GoingAway,
    /// Not or no longer allowed: 1008.
    Policy,
    /// A message is too big: 1009.
    TooBig,
    /// A fault of the server: 1011.
    ServerError,
}

impl CloseReason {
    /// The WebSocket close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::ServerError => 1011,
        }
    }
}

/// How a connection is reached.
#[derive(Debug, Clone)]
pub enum Outlet {
    /// A socket of this process: frames put here are written to it. A closed channel is a gone connection; a full
    /// one belongs to a peer that does not read and counts as failed.
    Socket(mpsc::Sender<Frame>),
    /// A connection held by a gateway, reached through its callback URL.
    Gateway {
        /// The base of the callback URL.
        endpoint: String,
    },
}

/// A connection to register.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its id; unique within the transport.
    pub id: ConnectionId,
    /// The restaurant it belongs to.
    pub restaurant: RestaurantId,
    /// Who is at the other end.
    pub role: Role,
    /// When it was made.
    pub connected_at: Timestamp,
    /// How it is reached.
    pub outlet: Outlet,
}

/// An event ready to be sent: the same bytes on every transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names the event, so that a repeat can be dropped.
    pub id: String,
    /// The JSON text.
    pub json: Arc<str>,
}

/// What became of a published event. `targeted = delivered + gone + failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Connections the audience named.
    pub targeted: u32,
    /// Connections that took it.
    pub delivered: u32,
    /// Connections that turned out to be gone; they are forgotten.
    pub gone: u32,
    /// Connections that could not be reached now.
    pub failed: u32,
}

/// Which chef connections of a restaurant are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChefSelector {
    /// All those of a user.
    User(UserId),
    /// Those proven by one session.
    SessionDigest(String),
}

/// Realtime connections and events.
///
/// Parameters from outside are limited: a restaurant id to 128 characters, a customer session id to 128, both
/// without control characters; a message to 128 KiB.
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync + 'static {
    /// Registers a connection.
    ///
    /// - **R1** From the answer on it hears exactly the audiences it belongs to.
    /// - **R2** A parameter outside its limits is `Invalid`; an outlet the transport cannot reach is `Unsupported`; in
    ///   both cases nothing is registered.
    /// - **R3** An id in use is `Conflict`, unless it is the same connection again.
    /// - **R4** More than 32 connections of one customer session are `Throttled`.
    ///
    /// # Errors
    /// `Invalid`, `Unsupported`, `Conflict`, `Throttled`, `Unavailable`, `Timeout`.
    async fn connect(&self, connection: &Connection) -> Result<()>;

    /// Forgets a connection; an unknown one is fine.
    ///
    /// - **R10** After the answer it hears nothing; repeating it is harmless.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn disconnect(&self, id: &ConnectionId) -> Result<()>;

    /// Sends an event to an audience.
    ///
    /// - **R20** Every connection of the audience gets it once, and no other connection gets anything: not another
    ///   role, session or restaurant, nor one whose id merely starts alike.
    /// - **R21** No receivers is a success with all counts zero; the counts add up.
    /// - **R22** A connection that is gone is counted, forgotten, and does not keep others from hearing.
    /// - **R23** The bytes arrive unchanged, Unicode included; events arrive in the order published, one after the
    ///   other, on every socket of this process.
    /// - **R24** A message above 128 KiB is `Invalid` and nobody gets a part of it.
    /// - **R25** A connection that does not read is counted as failed and never blocks the others.
    /// - **R26** A customer without session id hears nothing.
    ///
    /// # Errors
    /// `Invalid`, `Unavailable`, `Timeout`.
    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery>;

    /// Sends text to one connection, e.g. the answer to a ping; answers whether it was delivered.
    ///
    /// - **R30** An unknown or gone connection is `false`.
    ///
    /// # Errors
    /// `Invalid`, `Unavailable`, `Timeout`.
    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool>;

    /// Closes chef connections whose permission has ended; answers how many.
    ///
    /// - **R40** Exactly the selected ones get the close frame and are forgotten.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        reason: CloseReason,
    ) -> Result<u32>;

    /// Forgets connections that are gone or were made before an instant; answers how many.
    ///
    /// - **R50** Live connections made later stay; the walk covers every page.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`.
    async fn sweep(&self, made_before: Timestamp) -> Result<u32>;

    /// Proves that the transport answers.
    ///
    /// - **R90** Succeeds on a working notifier and sends nothing.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`, `Denied`.
    async fn check(&self) -> Result<()>;
}

/// The largest message in bytes.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;
/// The most connections of one customer session.
pub const MAX_CONNECTIONS_PER_SESSION: usize = 32;
/// The longest restaurant id or customer session id in characters.
pub const MAX_PARAMETER_CHARS: usize = 128;

/// What is wrong with the parameters of a connection; adapters call this first.
#[must_use]
pub fn fault_of(connection: &Connection) -> Option<&'static str> {
    let bad = |text: &str| {
        text.is_empty() || text.chars().count() > MAX_PARAMETER_CHARS || text.chars().any(char::is_control)
    };
    if bad(connection.restaurant.as_str()) {
        return Some("restaurant id");
    }
    match &connection.role {
        Role::Customer { session: Some(session) } if bad(session) => Some("customer session id"),
        _ if bad(connection.id.as_str()) => Some("connection id"),
        _ => None,
    }
}
