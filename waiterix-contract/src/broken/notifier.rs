//! Broken notifiers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::notifier::MAX_MESSAGE_BYTES;
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Error, ErrorKind, Message, Notifier,
    Result, Role,
};

use super::held;

/// What a notifier does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Registers with the next event.
    RegistersLate,
    /// Says yes to what is malformed.
    TakesAnything,
    /// Replaces a connection with the same id.
    ConnectReplaces,
    /// Says yes to any number of connections.
    NoLimit,
    /// Goes on telling who has left.
    NeverDisconnects,
    /// Tells the chefs what a guest is told.
    TellsChefsToo,
    /// Takes an empty room for an error.
    NobodyIsError,
    /// Counts the gone among those that heard.
    GoneIsDelivered,
    /// Trims what it sends.
    TrimsText,
    /// Sends the beginning of what is too long.
    CutsOff,
    /// Fails for all when one does not read.
    OneFailsAll,
    /// Puts guests without session into a room named "undefined".
    UndefinedRoom,
    /// Says that it told.
    SaysTold,
    /// Closes every chef of the restaurant.
    ClosesEveryChef,
    /// Sweeps the first hundred connections.
    SweepsOnePage,
    /// Is never well.
    CheckFails,
}

/// Which clause each fault breaks.
pub const FAULTS: &[(&str, Fault)] = &[
    ("R1", Fault::RegistersLate),
    ("R2", Fault::TakesAnything),
    ("R3", Fault::ConnectReplaces),
    ("R4", Fault::NoLimit),
    ("R10", Fault::NeverDisconnects),
    ("R20", Fault::TellsChefsToo),
    ("R21", Fault::NobodyIsError),
    ("R22", Fault::GoneIsDelivered),
    ("R23", Fault::TrimsText),
    ("R24", Fault::CutsOff),
    ("R25", Fault::OneFailsAll),
    ("R26", Fault::UndefinedRoom),
    ("R30", Fault::SaysTold),
    ("R40", Fault::ClosesEveryChef),
    ("R50", Fault::SweepsOnePage),
    ("R90", Fault::CheckFails),
];

/// A sound notifier with one fault, or none.
#[derive(Debug)]
pub struct BrokenNotifier {
    inner: Arc<dyn Notifier>,
    fault: Option<Fault>,
    /// Connections that are registered late.
    waiting: Mutex<Vec<Connection>>,
    /// What is known of every connection without holding its outlet: id, user of a chef, birth.
    known: Mutex<Vec<(ConnectionId, Role, Timestamp)>>,
}

impl BrokenNotifier {
    /// Breaks a notifier.
    #[must_use]
    pub fn new(inner: Arc<dyn Notifier>, fault: Option<Fault>) -> Self {
        Self { inner, fault, waiting: Mutex::default(), known: Mutex::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn known(&self) -> Vec<(ConnectionId, Role, Timestamp)> {
        held(&self.known).clone()
    }

    fn changed(&self, message: &Message) -> Message {
        let text = match self.fault {
            Some(Fault::TrimsText) => message.json.trim(),
            Some(Fault::CutsOff) => {
                let mut end = message.json.len().min(MAX_MESSAGE_BYTES);
                while !message.json.is_char_boundary(end) {
                    end -= 1;
                }
                &message.json[..end]
            }
            _ => &message.json,
        };
        Message { id: message.id.clone(), json: text.into() }
    }
}

#[async_trait]
impl Notifier for BrokenNotifier {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        let Connection { id, role, connected_at, .. } = connection;
        held(&self.known).push((id.clone(), role.clone(), *connected_at));
        match (self.inner.connect(connection).await, self.fault) {
            (Ok(()), Some(Fault::RegistersLate)) => {
                self.inner.disconnect(id).await?;
                held(&self.waiting).push(connection.clone());
                Ok(())
            }
            (Ok(()), Some(Fault::UndefinedRoom)) if *role == (Role::Customer { session: None }) => {
                self.inner.disconnect(id).await?;
                let role = Role::Customer { session: Some("undefined".to_owned()) };
                self.inner.connect(&Connection { role, ..connection.clone() }).await
            }
            (Err(error), Some(Fault::ConnectReplaces)) if error.kind() == ErrorKind::Conflict => {
                self.inner.disconnect(id).await?;
                self.inner.connect(connection).await
            }
            (Err(error), Some(Fault::TakesAnything)) if error.kind() == ErrorKind::Invalid => Ok(()),
            (Err(error), Some(Fault::NoLimit)) if error.kind() == ErrorKind::Throttled => Ok(()),
            (answer, _) => answer,
        }
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        if self.has(Fault::NeverDisconnects) { Ok(()) } else { self.inner.disconnect(id).await }
    }

    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        let mut delivery = self.inner.publish(audience, &self.changed(message)).await?;
        let late = std::mem::take(&mut *held(&self.waiting));
        for connection in late {
            self.inner.connect(&connection).await?;
        }
        match self.fault {
            Some(Fault::TellsChefsToo) if matches!(audience, Audience::Customer { .. }) => {
                self.inner.publish(&Audience::Chefs(audience.restaurant().clone()), message).await?;
            }
            Some(Fault::NobodyIsError) if delivery.targeted == 0 => {
                return Err(Error::new(ErrorKind::NotFound, "broken.publish"));
            }
            Some(Fault::GoneIsDelivered) => delivery.delivered += std::mem::take(&mut delivery.gone),
            Some(Fault::OneFailsAll) if delivery.failed > 0 => {
                return Err(Error::new(ErrorKind::Timeout, "broken.publish"));
            }
            _ => {}
        }
        Ok(delivery)
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        let told = self.inner.send(id, text).await?;
        Ok(told || self.has(Fault::SaysTold))
    }

    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        reason: CloseReason,
    ) -> Result<u32> {
        let mut closed = self.inner.close_chefs(restaurant, who, reason).await?;
        if self.has(Fault::ClosesEveryChef) {
            for (_, role, _) in self.known() {
                if let Role::Chef { user, .. } = role {
                    closed += self.inner.close_chefs(restaurant, &ChefSelector::User(user), reason).await?;
                }
            }
        }
        Ok(closed)
    }

    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        if !self.has(Fault::SweepsOnePage) {
            return self.inner.sweep(made_before).await;
        }
        let mut swept = 0;
        for (id, _, connected_at) in self.known().iter().take(100) {
            if *connected_at < made_before {
                self.inner.disconnect(id).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    async fn check(&self) -> Result<()> {
        if self.has(Fault::CheckFails) {
            return Err(Error::new(ErrorKind::Unavailable, "broken.check"));
        }
        self.inner.check().await
    }
}
