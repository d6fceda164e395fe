//! [`Notifier`] with something around every call.

use std::sync::Arc;

use async_trait::async_trait;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{
    ChefSelector, CloseReason, Connection, ConnectionId, Delivery, Message, Notifier, Result,
};

use crate::around::{Around, Call, Layered, Wrap};
use crate::operation::notifier::{CHECK, CLOSE_CHEFS, CONNECT, DISCONNECT, PUBLISH, SEND, SWEEP};

impl Wrap for dyn Notifier {
    fn wrapped(port: Arc<Self>, around: impl Around) -> Arc<Self> {
        Arc::new(Layered { port, around })
    }
}

#[async_trait]
impl<A: Around> Notifier for Layered<dyn Notifier, A> {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        self.around.around(Call::new(&CONNECT, &|| self.port.connect(connection))).await
    }

    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        self.around.around(Call::new(&DISCONNECT, &|| self.port.disconnect(id))).await
    }

    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        self.around.around(Call::new(&PUBLISH, &|| self.port.publish(audience, message))).await
    }

    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        self.around.around(Call::new(&SEND, &|| self.port.send(id, text))).await
    }

    async fn close_chefs(
        &self,
        restaurant: &RestaurantId,
        who: &ChefSelector,
        reason: CloseReason,
    ) -> Result<u32> {
        self.around.around(Call::new(&CLOSE_CHEFS, &|| self.port.close_chefs(restaurant, who, reason))).await
    }

    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        self.around.around(Call::new(&SWEEP, &|| self.port.sweep(made_before))).await
    }

    async fn check(&self) -> Result<()> {
        self.around.around(Call::new(&CHECK, &|| self.port.check())).await
    }
}
