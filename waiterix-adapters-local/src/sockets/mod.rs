//! Realtime events for the sockets of this process.
//!
//! The HTTP layer accepts a socket, makes a channel of a few dozen frames, registers its sending half
//! ([`Outlet::Socket`]) and writes whatever comes out of the other half. Nothing here waits for a peer: a frame that
//! does not fit into the channel is lost and counted, as the contract says.

mod registry;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::error::TrySendError;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::notifier::{MAX_MESSAGE_BYTES, fault_of};
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Error, ErrorKind, Frame, Message,
    Notifier, Outlet, Result, Retry,
};

use registry::{Registry, Socket};

/// The most sockets one process keeps unless told otherwise; about 1 KiB each.
pub const MAX_CONNECTIONS: usize = 65_536;

/// How long a closing frame waits for room in the channel of a peer that does not read. After that the channel is
/// dropped, which ends the socket without the courtesy.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// The sockets of this process.
///
/// One lock guards the registry and is held while an event is put into the channels of its audience, which never
/// waits. That makes the order of two events the same on every socket that hears both, and it is cheap: only the
/// audience is visited, however many other sockets there are.
pub struct SocketNotifier {
    registry: Mutex<Registry>,
    max_connections: usize,
}

impl fmt::Debug for SocketNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketNotifier")
            .field("connections", &self.len())
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

impl Default for SocketNotifier {
    fn default() -> Self {
        Self::new()
    }
}

impl SocketNotifier {
    /// A notifier without connections that takes [`MAX_CONNECTIONS`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_max_connections(MAX_CONNECTIONS)
    }

    /// A notifier without connections that takes this many; one more is `Throttled`.
    #[must_use]
    pub fn with_max_connections(max_connections: usize) -> Self {
        Self { registry: Mutex::default(), max_connections }
    }

    /// How many connections are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.registry().len()
    }

    /// Whether no connection is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Says goodbye ([`CloseReason::GoingAway`]) to every connection, forgets them, and refuses new ones from now on
    /// with `Unavailable`; answers how many there were. Repeating it is harmless.
    pub fn shutdown(&self) -> usize {
        let mut registry = self.registry();
        let sockets = registry.close();
        for socket in &sockets {
            close(socket, CloseReason::GoingAway);
        }
        sockets.len()
    }

    /// Nothing that is done under the lock can panic half way, so a poisoned registry is still a sound one.
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the closing frame behind what is already under way. Where there is no room a task waits for some.
fn close(socket: &Arc<Socket>, reason: CloseReason) {
    if let Err(TrySendError::Full(frame)) = socket.frames().try_send(Frame::Close(reason))
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        let frames = socket.frames().clone();
        // A peer that is gone by then, or never reads, is closed by the end of its channel.
        runtime.spawn(async move { frames.send_timeout(frame, CLOSE_WAIT).await.is_ok() });
    }
}

fn invalid(operation: &'static str, fault: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation).with("fault", fault)
}

fn check_size(operation: &'static str, text: &str) -> Result<()> {
    if text.len() > MAX_MESSAGE_BYTES { Err(invalid(operation, "message above 128 KiB")) } else { Ok(()) }
}

#[async_trait]
impl Notifier for SocketNotifier {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        const OPERATION: &str = "sockets.connect";
        if let Some(fault) = fault_of(connection) {
            return Err(invalid(OPERATION, fault));
        }
        let Outlet::Socket(frames) = &connection.outlet else {
            return Err(Error::new(ErrorKind::Unsupported, OPERATION).with("outlet", "gateway"));
        };
        let socket = Socket::new(connection, frames);
        self.registry().add(socket, self.max_connections).map_err(|kind| match kind {
            ErrorKind::Throttled | ErrorKind::Unavailable => Error::new(kind, OPERATION).retry(Retry::Safe),
            _ => Error::new(kind, OPERATION),
        })
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        self.registry().remove(id);
        Ok(())
    }

    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        check_size("sockets.publish", &message.json)?;
        let mut registry = self.registry();
        let mut delivery = Delivery::default();
        let mut gone = Vec::new();
        for socket in registry.listeners(audience) {
            delivery.targeted += 1;
            match socket.frames().try_send(Frame::Text(Arc::clone(&message.json))) {
                Ok(()) => delivery.delivered += 1,
                Err(TrySendError::Full(_)) => delivery.failed += 1,
                Err(TrySendError::Closed(_)) => {
                    delivery.gone += 1;
                    gone.push(socket.id().clone());
                }
            }
        }
        for id in &gone {
            registry.remove(id);
        }
        Ok(delivery)
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        check_size("sockets.send", text)?;
        let mut registry = self.registry();
        let Some(socket) = registry.get(id) else { return Ok(false) };
        match socket.frames().try_send(Frame::Text(Arc::from(text))) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => Ok(false),
            Err(TrySendError::Closed(_)) => {
                registry.remove(id);
                Ok(false)
            }
        }
    }

    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        reason: CloseReason,
    ) -> Result<u32> {
        let mut registry = self.registry();
        let chosen = registry.take_chefs(restaurant, who);
        for socket in &chosen {
            close(socket, reason);
        }
        Ok(u32::try_from(chosen.len()).unwrap_or(u32::MAX))
    }

    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        let stale = self.registry().take_stale(made_before);
        Ok(u32::try_from(stale.len()).unwrap_or(u32::MAX))
    }

    async fn check(&self) -> Result<()> {
        if self.registry().is_closed() {
            return Err(Error::new(ErrorKind::Unavailable, "sockets.check"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
