//! Forgetting connections that have ended without anybody noticing.

use futures_util::{StreamExt as _, stream};
use waiterix_domain::Timestamp;
use waiterix_ports::Result;

use super::ApiGatewayNotifier;
use super::gateway::{Call, Ended};
use super::item::{CONNECTION_ID, Item, RESTAURANT_ID, Seat, TTL, text_of};

/// What becomes of an item.
enum Verdict {
    /// It may be anything, but not something to forget.
    Keep,
    /// A connection that was made too long ago.
    Old(String),
    /// A connection of which only the gateway knows.
    Ask(Seat),
    /// A room nobody has entered for so long that nobody can be in it.
    Empty(String),
}

impl ApiGatewayNotifier {
    /// Walks through the whole table, page by page. The gateway is asked for every connection that is not too old, so
    /// this costs a request for each: it is for a quiet hour, and expiry does most of the work.
    pub(super) async fn sweep_all(&self, made_before: Timestamp) -> Result<u32> {
        let (mut forgotten, mut from) = (0, None);
        loop {
            let (items, next) = self.register.scan(from).await?;
            let (mut stale, mut doubtful, mut rooms) = (Vec::new(), Vec::new(), Vec::new());
            for item in &items {
                match verdict(item, made_before, self.clock.now()) {
                    Verdict::Keep => {}
                    Verdict::Old(id) => stale.push(id),
                    Verdict::Ask(seat) => doubtful.push(seat),
                    Verdict::Empty(key) => rooms.push(key),
                }
            }
            stale.extend(self.gone(doubtful).await);
            self.register.delete_all(&stale).await?;
            self.register.delete_all(&rooms).await?;
            forgotten += u32::try_from(stale.len()).unwrap_or(u32::MAX);
            from = next;
            if from.is_none() {
                return Ok(forgotten);
            }
        }
    }

    /// Those of some connections that the gateway does not know any more. Of whom it cannot be asked, stays.
    async fn gone(&self, seats: Vec<Seat>) -> Vec<String> {
        let slots = &self.slots();
        let looks = seats.into_iter().map(|seat| async move {
            let ended = self.gateway.call(&seat, &Call::Look, slots, self.deadline()).await;
            matches!(ended, Ended::Gone).then(|| seat.id.as_str().to_owned())
        });
        stream::iter(looks)
            .buffer_unordered(self.settings.parallel_posts)
            .filter_map(std::future::ready)
            .collect()
            .await
    }
}

fn verdict(item: &Item, made_before: Timestamp, now: Timestamp) -> Verdict {
    let Some(id) = text_of(item, CONNECTION_ID) else { return Verdict::Keep };
    let ttl = item.get(TTL).and_then(|ttl| ttl.as_n().ok()).and_then(|ttl| ttl.parse::<i64>().ok());
    let expired = ttl.is_some_and(|ttl| ttl <= now.as_seconds());
    if super::room::is_room(id) {
        return if expired { Verdict::Empty(id.to_owned()) } else { Verdict::Keep };
    }
    if item.get(RESTAURANT_ID).is_none() {
        return Verdict::Keep;
    }
    match Seat::read(item) {
        Some(seat) if expired || seat.connected_at.is_some_and(|at| at < made_before) => {
            Verdict::Old(seat.id.as_str().to_owned())
        }
        Some(seat) => Verdict::Ask(seat),
        None => Verdict::Keep,
    }
}
