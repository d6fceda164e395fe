//! Emptying a transport of own sockets, so that its clients connect anew to the other one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::WeakSender;
use tokio::time::{Instant, sleep};
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Frame, Message, Notifier, Outlet, Result,
};

/// How often some connections are closed.
const TICK: Duration = Duration::from_millis(50);

/// A transport whose sockets in this process can be closed at a rate that the other transport can take: API Gateway takes 500 new
/// connections a second from all clients together, and refuses more.
///
/// A client that is closed with 1001 connects again. Until it has, events stay readable over HTTP, as whenever a connection
/// breaks. Whoever closes a connection takes it out of this transport first, so no event is heard by it here and there.
pub struct DrainableNotifier {
    inner: Arc<dyn Notifier>,
    lines: Mutex<HashMap<ConnectionId, WeakSender<Frame>>>,
}

/// What draining came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Connections that were told to connect elsewhere.
    pub closed: u32,
    /// Connections that do not read what they are sent. They are forgotten, and end with their sockets.
    pub deaf: u32,
}

impl fmt::Debug for DrainableNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainableNotifier").field("inner", &self.inner).field("open", &self.open()).finish()
    }
}

/// How many more are to be closed by now, for the rate to be kept on the whole without ever being exceeded by more than a tick's
/// worth.
fn due(rate_per_s: u32, elapsed: Duration, closed: u32) -> u32 {
    let by_now =
        u64::from(rate_per_s).saturating_mul(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)) / 1000;
    let burst =
        u64::from(rate_per_s).saturating_mul(u64::try_from(TICK.as_millis()).unwrap_or(u64::MAX)) / 1000;
    let due = by_now.saturating_sub(u64::from(closed)).min(burst.max(1));
    u32::try_from(due).unwrap_or(u32::MAX)
}

impl DrainableNotifier {
    /// A transport of own sockets.
    #[must_use]
    pub fn new(inner: Arc<dyn Notifier>) -> Self {
        Self { inner, lines: Mutex::default() }
    }

    /// A panic elsewhere leaves the map whole, so the poison is of no interest.
    fn lines(&self) -> MutexGuard<'_, HashMap<ConnectionId, WeakSender<Frame>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many sockets of this process are open.
    #[must_use]
    pub fn open(&self) -> usize {
        let mut lines = self.lines();
        lines.retain(|_, line| line.upgrade().is_some());
        lines.len()
    }

    /// Closes the sockets of this process that are open now, at most so many a second. What connects meanwhile stays: a client that
    /// knows no other address would be closed for ever, and hear nothing. Dropped, it stops, and can be begun again.
    ///
    /// # Errors
    /// When the transport cannot forget a connection.
    pub async fn drain(&self, rate_per_s: u32) -> Result<Drained> {
        let (begun, mut drained) = (Instant::now(), Drained::default());
        let mut open: Vec<ConnectionId> = self.lines().keys().cloned().collect();
        while !open.is_empty() {
            let most = due(rate_per_s.max(1), begun.elapsed(), drained.closed + drained.deaf);
            let mut closed = 0;
            while closed < most
                && let Some(id) = open.pop()
            {
                // One that ended by itself makes room for nobody.
                let Some(line) = self.lines().remove(&id).and_then(|line| line.upgrade()) else { continue };
                closed += 1;
                self.inner.disconnect(&id).await?;
                match line.try_send(Frame::Close(CloseReason::GoingAway)) {
                    Ok(()) => drained.closed += 1,
                    Err(_) => drained.deaf += 1,
                }
            }
            sleep(TICK).await;
        }
        Ok(drained)
    }
}

#[async_trait]
impl Notifier for DrainableNotifier {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        self.inner.connect(connection).await?;
        if let Outlet::Socket(line) = &connection.outlet {
            self.lines().insert(connection.id.clone(), line.downgrade());
        }
        Ok(())
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        self.lines().remove(id);
        self.inner.disconnect(id).await
    }

    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        self.inner.publish(audience, message).await
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        self.inner.send(id, text).await
    }

    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        reason: CloseReason,
    ) -> Result<u32> {
        self.inner.close_chefs(restaurant, who, reason).await
    }

    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        self.inner.sweep(made_before).await
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_on_the_whole_and_exceeded_at_no_moment() {
        for rate in [1, 7, 500, 10_000] {
            let (mut closed, mut last) = (0, 0);
            for tick in 0..400_u64 {
                let due = due(rate, Duration::from_millis(tick * 50), closed);
                closed += due;
                assert!(u64::from(closed) * 1000 <= u64::from(rate) * tick * 50, "{rate}/s, tick {tick}");
                assert!(due <= (rate / 20).max(1));
                last = closed;
            }
            assert!(last >= rate * 399 / 20 - rate.div_ceil(20) - 1, "{rate}/s: {last} in 20 s");
        }
        assert_eq!(due(500, Duration::from_secs(3600), 0), 25, "a pause is not made up for at once");
    }
}
