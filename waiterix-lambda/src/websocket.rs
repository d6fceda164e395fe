//! The function behind the WebSocket API: routes `$connect`, `$disconnect` and `$default`.

use axum::body::to_bytes;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout_at;
use waiterix_app::Shared;
use waiterix_app::realtime::gateway::Arrival;
use waiterix_compose::Needs;
use waiterix_domain::Timestamp;
use waiterix_ports::ConnectionId;

use crate::event::{self, Identity, Multiple, Single};
use crate::{Failure, Function, Time};

/// The largest body of a refusal in bytes; they are short sentences.
const MAX_REFUSAL_BYTES: usize = 4 * 1024;

/// Hears of connections and their messages.
#[derive(Debug, Clone)]
pub struct WebSocket {
    app: Shared,
}

/// What the gateway is told: whether to make a connection, or merely that the event arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    status_code: u16,
    #[serde(skip_serializing_if = "String::is_empty")]
    body: String,
}

impl Reply {
    const fn of(status: StatusCode) -> Self {
        Self { status_code: status.as_u16(), body: String::new() }
    }
}

/// What is read of an event.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    headers: Single,
    multi_value_headers: Multiple,
    query_string_parameters: Single,
    multi_value_query_string_parameters: Multiple,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: Context,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Context {
    connection_id: Option<String>,
    event_type: Option<String>,
    route_key: Option<String>,
    connected_at: Option<i64>,
    request_time_epoch: Option<i64>,
    domain_name: Option<String>,
    stage: Option<String>,
    identity: Option<Identity>,
}

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connect,
    Message,
    Disconnect,
}

impl Context {
    /// By the type of the event; where that is missing, by the route that leads here.
    fn kind(&self) -> Option<Kind> {
        match (self.event_type.as_deref(), self.route_key.as_deref()) {
            (Some("CONNECT"), _) | (None, Some("$connect")) => Some(Kind::Connect),
            (Some("DISCONNECT"), _) | (None, Some("$disconnect")) => Some(Kind::Disconnect),
            (Some("MESSAGE"), _) | (None, Some(_)) => Some(Kind::Message),
            _ => None,
        }
    }

    /// When the connection was begun; not every gateway says so in every event.
    fn connected_at(&self) -> Option<Timestamp> {
        self.connected_at.or(self.request_time_epoch).and_then(Timestamp::from_millis)
    }

    /// The base of the callback URL, as far as the event knows it: a custom domain with a base path is configured.
    fn endpoint(&self) -> String {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        format!("https://{}/{}", part(&self.domain_name), part(&self.stage))
    }
}

impl WebSocket {
    /// The connections of an app.
    #[must_use]
    pub const fn new(app: Shared) -> Self {
        Self { app }
    }

    async fn connect(&self, id: ConnectionId, event: Event, time: Time) -> Reply {
        let context = event.request_context;
        let address =
            context.identity.as_ref().and_then(|identity| identity.source_ip.as_deref()?.parse().ok());
        let arrival = Arrival {
            id,
            query: event::query(event.query_string_parameters, event.multi_value_query_string_parameters),
            headers: event::headers(event.headers, event.multi_value_headers),
            address: address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into()),
            connected_at: context.connected_at().unwrap_or_else(|| self.app.clock.now()),
            endpoint: context.endpoint(),
        };
        let Ok(response) = timeout_at(time.answer_by(), self.app.on_connect(&arrival)).await else {
            tracing::error!("a connection took too long to be made");
            return Reply::of(StatusCode::SERVICE_UNAVAILABLE);
        };
        let status = response.status();
        let body = to_bytes(response.into_body(), MAX_REFUSAL_BYTES).await.unwrap_or_default();
        Reply { status_code: status.as_u16(), body: String::from_utf8_lossy(&body).into_owned() }
    }

    async fn message(&self, id: &ConnectionId, event: Event) -> Reply {
        let body = event::body(event.body, event.is_base64_encoded);
        // What is no text is no ping.
        if let Some(text) = body.and_then(|body| String::from_utf8(body).ok()) {
            self.app.on_message(id, &text).await;
        }
        Reply::of(StatusCode::OK)
    }

    async fn disconnect(&self, id: &ConnectionId) -> Reply {
        match self.app.on_disconnect(id).await {
            Ok(()) => Reply::of(StatusCode::OK),
            Err(error) => {
                tracing::error!(%error, "a connection that ended could not be forgotten");
                Reply::of(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl Function for WebSocket {
    const NEEDS: Needs =
        Needs { people: true, store: true, sessions: true, notifier: true, ..Needs::NOTHING };

    type Answer = Reply;

    async fn answer(&self, event: Value, time: Time) -> Result<Reply, Failure> {
        let unknown = || Failure::unknown_event("one of a WebSocket API");
        let event: Event = serde_json::from_value(event).map_err(|_| unknown())?;
        let kind = event.request_context.kind().ok_or_else(unknown)?;
        let id = event.request_context.connection_id.clone().filter(|id| !id.is_empty());
        let id = ConnectionId::new(id.ok_or_else(unknown)?);
        Ok(time
            .scope(async {
                match kind {
                    Kind::Connect => self.connect(id, event, time).await,
                    Kind::Message => self.message(&id, event).await,
                    Kind::Disconnect => self.disconnect(&id).await,
                }
            })
            .await)
    }
}
