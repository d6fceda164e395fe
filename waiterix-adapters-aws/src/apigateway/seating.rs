//! Registering a connection.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};
use waiterix_ports::{Connection, Error, ErrorKind, Result, Retry};

use super::ApiGatewayNotifier;
use super::gateway::{Call, Ended};
use super::item::{self, CONNECTION_ID, Item, Seat, text_of};
use super::room::{LAG_S, Room};

const OPERATION: &str = "apigateway.connect";
/// How often somebody else may take the room that was made by taking out who is gone.
const TRIES: usize = 3;

impl ApiGatewayNotifier {
    /// Writes the item of a connection, then enters its room. In this order a member of a room without an item is
    /// certainly gone, and a connection whose process dies in between was never told that it is registered.
    pub(super) async fn seat(&self, connection: &Connection, endpoint: &str) -> Result<()> {
        let item = item::of(connection, endpoint);
        self.write(&item, connection).await?;
        let Some(room) = Room::of_role(&connection.restaurant, &connection.role) else { return Ok(()) };
        if self.enter(&room, connection.id.as_str()).await? || !room.holds_all {
            return Ok(());
        }
        self.register.delete(&connection.id, Some(connection.connected_at)).await?;
        let error = Error::new(ErrorKind::Throttled, OPERATION).retry(Retry::Safe);
        Err(error.with("fault", "too many connections of one session"))
    }

    /// Writes an item, unless its id belongs to another connection. The same connection again is fine: a function that
    /// did not learn that it had written is called once more.
    async fn write(&self, item: &Item, connection: &Connection) -> Result<()> {
        for _ in 0..TRIES {
            if self.register.put_new(item.clone(), self.clock.now()).await? {
                return Ok(());
            }
            match self.register.get(connection.id.as_str()).await? {
                Some(known) if known == *item => return Ok(()),
                Some(_) => return Err(Error::new(ErrorKind::Conflict, OPERATION)),
                // It was forgotten in between.
                None => {}
            }
        }
        Err(Error::new(ErrorKind::Conflict, OPERATION).retry(Retry::Safe))
    }

    /// Enters a room, and makes room if it is full of those who are not there any more.
    async fn enter(&self, room: &Room, id: &str) -> Result<bool> {
        for _ in 0..TRIES {
            if self.rooms.enter(room, id, self.clock.now()).await? {
                return Ok(true);
            }
            let members = self.rooms.members(room).await?;
            let leaving = self.leaving(room, members).await?;
            if leaving.is_empty() {
                break;
            }
            self.rooms.leave(room, leaving).await?;
        }
        Ok(false)
    }

    /// The members of a full room that need not be in it: they have no item, or are expired; or the gateway says that
    /// they are gone, so that a phone that lost its network does not lock its guest out; or they are chefs who have
    /// been there for so long that the index knows them.
    async fn leaving(&self, room: &Room, members: Vec<String>) -> Result<Vec<String>> {
        let now = self.clock.now();
        let items = self.register.get_all(&members).await?;
        let items: HashMap<&str, &Item> =
            items.iter().filter_map(|item| Some((text_of(item, CONNECTION_ID)?, item))).collect();
        let (mut leaving, mut doubtful) = (Vec::new(), Vec::new());
        for id in members {
            let seat = items.get(id.as_str()).filter(|item| item::is_current(item, now));
            match seat.and_then(|item| Seat::read(item)) {
                None => leaving.push(id),
                Some(seat) if room.holds_all => doubtful.push(seat),
                Some(seat) => {
                    if seat.connected_at.is_none_or(|at| at < now.plus_seconds(-LAG_S)) {
                        leaving.push(id);
                    }
                }
            }
        }
        let (slots, deadline) = (&self.slots(), self.deadline());
        let looks = doubtful.into_iter().map(|seat| async move {
            let ended = self.gateway.call(&seat, &Call::Look, slots, deadline).await;
            matches!(ended, Ended::Gone).then_some(seat)
        });
        let gone: Vec<Seat> = stream::iter(looks)
            .buffer_unordered(self.settings.parallel_posts)
            .filter_map(std::future::ready)
            .collect()
            .await;
        for seat in gone {
            self.register.delete(&seat.id, seat.connected_at).await?;
            leaving.push(seat.id.as_str().to_owned());
        }
        Ok(leaving)
    }
}
