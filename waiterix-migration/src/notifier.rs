//! Realtime events by two transports at once.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::{join, try_join};
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Error, ErrorKind, Message, Notifier,
    Result, Retry,
};

/// Two transports, both live: old connections stay where they are while new ones are made with the other.
///
/// - A connection is registered in exactly one, by how it is reached: the first one takes it unless it says that it cannot reach
///   it. That is the same one whenever the connection is registered, whatever the phase; so nobody hears an event twice.
/// - Events, closings and clean-ups go to both, and the counts add up.
/// - When one transport fails, the connections of the other hear the event all the same, and the answer is the failure. It says
///   how many heard it, and that the event must not be sent again as it was.
#[derive(Debug)]
pub struct DualNotifier {
    first: Arc<dyn Notifier>,
    second: Arc<dyn Notifier>,
}

impl DualNotifier {
    /// Two transports of which the first is asked first. For two that can reach the same outlets the order decides who gets new
    /// connections, and must be the same in every process and as long as connections live.
    #[must_use]
    pub fn new(first: Arc<dyn Notifier>, second: Arc<dyn Notifier>) -> Self {
        Self { first, second }
    }
}

/// What two counted. A failure of both is the first one's; a failure of one is told with what the other did.
fn sum<T>(
    first: Result<T>,
    second: Result<T>,
    add: impl Fn(T, T) -> T,
    count: impl Fn(&T) -> u32,
) -> Result<T> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok(add(first, second)),
        (Err(error), Err(_)) => Err(error),
        (Ok(done), Err(error)) | (Err(error), Ok(done)) => {
            Err(error.retry(Retry::Ambiguous).with("done_by_other_transport", count(&done)))
        }
    }
}

#[async_trait]
impl Notifier for DualNotifier {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        match self.first.connect(connection).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => self.second.connect(connection).await,
            answer => answer,
        }
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        let (first, second) = join!(self.first.disconnect(id), self.second.disconnect(id));
        first.and(second)
    }

    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        let (first, second) =
            join!(self.first.publish(audience, message), self.second.publish(audience, message));
        let add = |one: Delivery, other: Delivery| Delivery {
            targeted: one.targeted.saturating_add(other.targeted),
            delivered: one.delivered.saturating_add(other.delivered),
            gone: one.gone.saturating_add(other.gone),
            failed: one.failed.saturating_add(other.failed),
        };
        sum(first, second, add, |delivery| delivery.delivered)
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        let first = self.first.send(id, text).await;
        if matches!(first, Ok(true)) {
            return first;
        }
        // Who fails may be the one that has it, so "not there" by the other one alone is no answer.
        Ok(self.second.send(id, text).await? || first?)
    }

    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        reason: CloseReason,
    ) -> Result<u32> {
        let (first, second) = join!(
            self.first.close_chefs(restaurant, who, reason),
            self.second.close_chefs(restaurant, who, reason)
        );
        repeatable(first, second)
    }

    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        let (first, second) = join!(self.first.sweep(made_before), self.second.sweep(made_before));
        repeatable(first, second)
    }

    async fn check(&self) -> Result<()> {
        try_join!(self.first.check(), self.second.check()).map(drop)
    }
}

/// Two counts of what does nothing twice, so the advice of a failure stands.
fn repeatable(first: Result<u32>, second: Result<u32>) -> Result<u32, Error> {
    Ok(first?.saturating_add(second?))
}
