//! Connections that a gateway holds: it tells when one is made, speaks and ends.

use std::fmt;
use std::net::IpAddr;

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use waiterix_domain::Timestamp;
use waiterix_ports::{Connection, ConnectionId, Error, Outlet};

use super::handshake::{Request, not_registered};
use super::socket::{PONG, is_ping};
use crate::App;
use crate::http::respond::{Words, answer};
use crate::limits::Class;

/// Somebody who wants to connect, as the gateway tells it.
pub struct Arrival {
    /// The id the gateway gave the connection.
    pub id: ConnectionId,
    /// The query of the handshake, percent-encoded. It may hold a ticket, so it goes into no log.
    pub query: String,
    /// The headers of the handshake.
    pub headers: HeaderMap,
    /// Where it comes from, as the gateway saw it.
    pub address: IpAddr,
    /// When the gateway began to make the connection.
    pub connected_at: Timestamp,
    /// The base of the callback URL. Whether it may be called is for the notifier to say.
    pub endpoint: String,
}

impl fmt::Debug for Arrival {
    /// Shows neither query nor headers: they hold what proves who somebody is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("id", &self.id)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Registers a connection, if it may be made: the same rules as for sockets of this process, all of them checked before
    /// anything is registered (R1). The answer says whether the gateway is to make it: 200 or a refusal.
    ///
    /// Nothing is sent to the connection here: until the gateway has the answer it does not know it.
    pub async fn on_connect(&self, arrival: &Arrival) -> Response<Body> {
        answer(Words::message("Failed to connect"), async {
            self.limits.check(Class::Connections, arrival.address)?;
            let request = Request::from_query(&arrival.query)?;
            let role = self.role_of(&request, &arrival.headers).await?;
            let connection = Connection {
                id: arrival.id.clone(),
                restaurant: request.restaurant,
                role,
                connected_at: arrival.connected_at,
                outlet: Outlet::Gateway { endpoint: arrival.endpoint.clone() },
            };
            self.ports.notifier.connect(&connection).await.map_err(not_registered)?;
            Ok(StatusCode::OK)
        })
        .await
    }

    /// Answers an application ping; anything else, invalid JSON included, is ignored (R26). A peer that cannot be answered
    /// has gone or will ask again, so that is no failure.
    pub async fn on_message(&self, id: &ConnectionId, text: &str) {
        if !is_ping(text) {
            return;
        }
        match self.ports.notifier.send(id, PONG).await {
            Ok(true) => {}
            Ok(false) => tracing::debug!("a connection that asked is gone"),
            Err(error) => tracing::warn!(%error, "a ping could not be answered"),
        }
    }

    /// Forgets a connection that has ended; one that is not known is fine.
    ///
    /// # Errors
    /// `Unavailable`, `Timeout`: it is found gone later, by whoever publishes to it or by a sweep.
    pub async fn on_disconnect(&self, id: &ConnectionId) -> Result<(), Error> {
        self.ports.notifier.disconnect(id).await
    }
}
