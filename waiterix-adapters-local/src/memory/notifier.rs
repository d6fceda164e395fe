//! Realtime events in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::notifier::{MAX_CONNECTIONS_PER_SESSION, MAX_MESSAGE_BYTES, fault_of};
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Error, ErrorKind, Frame, Message,
    Notifier, Outlet, Result, Role,
};

/// A [`Notifier`] that goes through all its connections for everything and remembers what was published; for tests.
#[derive(Default)]
pub struct MemoryNotifier(Mutex<State>);

#[derive(Default)]
struct State {
    connections: BTreeMap<ConnectionId, Registered>,
    published: Vec<(Audience, Message)>,
}

struct Registered {
    connection: Connection,
    frames: Sender<Frame>,
}

impl fmt::Debug for MemoryNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MemoryNotifier")
            .field("connections", &state.connections.len())
            .finish_non_exhaustive()
    }
}

impl MemoryNotifier {
    /// A notifier without connections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every event that was published, in that order, whether anyone heard it or not.
    #[must_use]
    pub fn published(&self) -> Vec<(Audience, Message)> {
        self.state().published.clone()
    }

    /// A panic elsewhere while the lock was held leaves the map whole, so the poison is of no interest.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    fn is(&self, connection: &Connection, frames: &Sender<Frame>) -> bool {
        let own = &self.connection;
        own.restaurant == connection.restaurant
            && own.role == connection.role
            && own.connected_at == connection.connected_at
            && self.frames.same_channel(frames)
    }

    fn is_selected(&self, restaurant: &RestaurantId, who: &ChefSelector) -> bool {
        let Role::Chef { user, session_digest } = &self.connection.role else { return false };
        self.connection.restaurant == *restaurant
            && match who {
                ChefSelector::User(wanted) => user == wanted,
                ChefSelector::SessionDigest(wanted) => session_digest.as_ref() == Some(wanted),
            }
    }
}

impl State {
    /// How many connections the customer session of a connection has.
    fn crowd(&self, connection: &Connection) -> usize {
        let Role::Customer { session: Some(_) } = &connection.role else { return 0 };
        let alike = |other: &&Registered| {
            other.connection.restaurant == connection.restaurant && other.connection.role == connection.role
        };
        self.connections.values().filter(alike).count()
    }
}

fn check_size(text: &str, operation: &'static str) -> Result<()> {
    if text.len() > MAX_MESSAGE_BYTES {
        return Err(Error::new(ErrorKind::Invalid, operation).with("fault", "message is larger than 128 KiB"));
    }
    Ok(())
}

#[async_trait]
impl Notifier for MemoryNotifier {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        let error = |kind| Error::new(kind, "notifier.connect");
        if let Some(fault) = fault_of(connection) {
            return Err(error(ErrorKind::Invalid).with("fault", fault));
        }
        let Outlet::Socket(frames) = &connection.outlet else { return Err(error(ErrorKind::Unsupported)) };
        let mut state = self.state();
        if let Some(registered) = state.connections.get(&connection.id) {
            return if registered.is(connection, frames) { Ok(()) } else { Err(error(ErrorKind::Conflict)) };
        }
        if state.crowd(connection) >= MAX_CONNECTIONS_PER_SESSION {
            return Err(error(ErrorKind::Throttled));
        }
        let registered = Registered { connection: connection.clone(), frames: frames.clone() };
        state.connections.insert(connection.id.clone(), registered);
        Ok(())
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        self.state().connections.remove(id);
        Ok(())
    }

    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        check_size(&message.json, "notifier.publish")?;
        let mut delivery = Delivery::default();
        let mut state = self.state();
        state.published.push((audience.clone(), message.clone()));
        state.connections.retain(|_, Registered { connection, frames }| {
            if !connection.role.hears(&connection.restaurant, audience) {
                return true;
            }
            delivery.targeted += 1;
            match frames.try_send(Frame::Text(message.json.clone())) {
                Ok(()) => delivery.delivered += 1,
                Err(TrySendError::Full(_)) => delivery.failed += 1,
                Err(TrySendError::Closed(_)) => {
                    delivery.gone += 1;
                    return false;
                }
            }
            true
        });
        Ok(delivery)
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        check_size(text, "notifier.send")?;
        let mut state = self.state();
        let Some(registered) = state.connections.get(id) else { return Ok(false) };
        let sent = registered.frames.try_send(Frame::Text(text.into()));
        if matches!(sent, Err(TrySendError::Closed(_))) {
            state.connections.remove(id);
        }
        Ok(sent.is_ok())
    }

    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        reason: CloseReason,
    ) -> Result<u32> {
        let mut closed = 0;
        self.state().connections.retain(|_, registered| {
            let selected = registered.is_selected(restaurant, who);
            if selected {
                closed += 1;
                // A peer that does not read, or is gone, learns of it by the end of its channel.
                registered.frames.try_send(Frame::Close(reason)).unwrap_or_default();
            }
            !selected
        });
        Ok(closed)
    }

    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        let mut state = self.state();
        let before = state.connections.len();
        state.connections.retain(|_, registered| {
            !registered.frames.is_closed() && registered.connection.connected_at >= made_before
        });
        Ok(u32::try_from(before - state.connections.len()).unwrap_or(u32::MAX))
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}
