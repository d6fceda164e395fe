//! Realtime events for connections held by API Gateway, which are registered in DynamoDB.
//!
//! API Gateway holds the WebSockets and calls a function when one is made ([`connect`](Notifier::connect)), speaks or
//! ends ([`disconnect`](Notifier::disconnect)). Whoever publishes an event selects its audience from the table and posts
//! to each connection's callback URL. Nothing is kept in the process, so any number of processes can do so at once.
//!
//! What is in the table, and what is promised although its index lags, is told in `docs/decisions/0015-connections-in-dynamodb.md`.

mod endpoint;
mod failure;
mod fanout;
mod gateway;
mod item;
mod pause;
mod post;
mod register;
mod room;
mod seating;
mod settings;
mod sweep;
mod table;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::notifier::{MAX_MESSAGE_BYTES, MAX_PARAMETER_CHARS, fault_of};
use waiterix_ports::{
    ChefSelector, Clock, CloseReason, Connection, ConnectionId, Delivery, Error, ErrorKind, Message,
    Notifier, Outlet, Result,
};

pub use endpoint::{AllowedHost, Endpoint};
pub use settings::ApiGatewaySettings;
pub use table::ConnectionsTable;

use endpoint::Callbacks;
use gateway::{Call, Ended, Gateway};
use item::{Choice, Item, Seat};
use register::Register;
use room::Rooms;

/// The connections of an API Gateway.
pub struct ApiGatewayNotifier {
    register: Register,
    rooms: Rooms,
    gateway: Gateway,
    clock: Arc<dyn Clock>,
    settings: ApiGatewaySettings,
}

impl fmt::Debug for ApiGatewayNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiGatewayNotifier").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl ApiGatewayNotifier {
    /// A notifier with these clients and settings. Asks no server; the table must be there when it is used
    /// ([`ConnectionsTable`]).
    #[must_use]
    pub fn open(config: &SdkConfig, settings: ApiGatewaySettings, clock: Arc<dyn Clock>) -> Self {
        let client = aws_sdk_dynamodb::Client::new(config);
        let region = config.region().map(AsRef::as_ref);
        let callbacks = Callbacks::new(settings.endpoint.clone(), settings.allowed_hosts.clone(), region);
        if callbacks.trusts_the_region() {
            tracing::warn!(
                "callbacks go to any API of the region: set WEBSOCKET_API_ENDPOINT or WEBSOCKET_ALLOWED_HOSTS"
            );
        }
        let (table, index) = (settings.table.clone(), settings.index.clone());
        Self {
            rooms: Rooms { client: client.clone(), table: table.clone() },
            register: Register { client, table, index },
            gateway: Gateway::new(config, callbacks, clock.clone(), settings.grace),
            clock,
            settings,
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.settings.deadline
    }

    fn slots(&self) -> Semaphore {
        Semaphore::new(self.settings.parallel_posts)
    }

    /// How many connections of one event are in work at once: most of them wait for a slot or for another attempt.
    fn in_work(&self) -> usize {
        self.settings.parallel_posts * 4
    }

    /// Forgets a connection that the gateway does not know any more.
    async fn forget(&self, seat: &Seat) {
        let forgotten = self.register.delete(&seat.id, seat.made.as_deref()).await;
        if let Err(error) = self.leave(forgotten).await {
            // It is found gone again next time, and expires.
            tracing::debug!(%error, "a gone connection could not be forgotten");
        }
    }

    /// Takes the connection of a deleted item out of its room.
    async fn leave(&self, deleted: Result<Option<Item>>) -> Result<bool> {
        let Some(item) = deleted? else { return Ok(false) };
        if let (Some(room), Some(id)) =
            (room::Room::of_item(&item), item::text_of(&item, item::CONNECTION_ID))
            && let Err(error) = self.rooms.leave(&room, vec![id.to_owned()]).await
        {
            // Who has no item is taken out by whoever notices.
            tracing::debug!(%error, "a connection is still in its room");
        }
        Ok(true)
    }

    fn check_size(operation: &'static str, text: &str) -> Result<()> {
        if text.len() > MAX_MESSAGE_BYTES {
            return Err(Error::new(ErrorKind::Invalid, operation).with("fault", "message above 128 KiB"));
        }
        Ok(())
    }
}

/// Whether a connection can have this id; others are unknown without asking.
fn is_possible(id: &ConnectionId) -> bool {
    let text = id.as_str();
    !text.is_empty() && text.chars().count() <= MAX_PARAMETER_CHARS && !room::is_room(text)
}

#[async_trait]
impl Notifier for ApiGatewayNotifier {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        const OPERATION: &str = "apigateway.connect";
        if let Some(fault) = fault_of(connection) {
            return Err(Error::new(ErrorKind::Invalid, OPERATION).with("fault", fault));
        }
        if !is_possible(&connection.id) {
            return Err(Error::new(ErrorKind::Invalid, OPERATION).with("fault", "connection id"));
        }
        let Outlet::Gateway { endpoint } = &connection.outlet else {
            return Err(Error::new(ErrorKind::Unsupported, OPERATION).with("outlet", "socket"));
        };
        if self.gateway.callbacks().resolve(endpoint).is_none() {
            let error = Error::new(ErrorKind::Unsupported, OPERATION);
            return Err(error.with("fault", "the endpoint is not allowed: see WEBSOCKET_ALLOWED_HOSTS"));
        }
        self.seat(connection, endpoint).await
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        if is_possible(id) {
            self.leave(self.register.delete(id, None).await).await?;
        }
        Ok(())
    }

    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        Self::check_size("apigateway.publish", &message.json)?;
        self.fan_out(audience, message).await
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        Self::check_size("apigateway.send", text)?;
        if !is_possible(id) {
            return Ok(false);
        }
        let item = self.register.get(id.as_str()).await?;
        let current = item.filter(|item| item::is_current(item, self.clock.now()));
        let Some(seat) = current.and_then(|item| Seat::read(&item)) else { return Ok(false) };
        let call = Call::Post(Bytes::copy_from_slice(text.as_bytes()));
        match self.gateway.call(&seat, &call, &self.slots(), self.deadline()).await {
            Ended::Done => Ok(true),
            Ended::Gone => {
                self.forget(&seat).await;
                Ok(false)
            }
            Ended::Failed(error) => match error.kind() {
                ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Denied => Err(error),
                _ => Ok(false),
            },
        }
    }

    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        _: CloseReason,
    ) -> Result<u32> {
        self.close_all(Choice::Chefs(restaurant, who)).await
    }

    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        self.sweep_all(made_before).await
    }

    async fn check(&self) -> Result<()> {
        self.register.check().await?;
        self.gateway.check().await
    }
}
