//! WebSockets held by this process.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::Response;
use axum::http::request::Parts;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use waiterix_ports::notifier::MAX_MESSAGE_BYTES;
use waiterix_ports::{Connection, ConnectionId, Frame, Outlet};

use super::handshake::{Request, not_registered};
use crate::Shared;
use crate::http::address::ClientAddress;
use crate::http::respond::{Words, answer};
use crate::limits::Class;

/// How often the server pings; a peer that has not answered by the next ping is dropped.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Frames that may wait for a slow peer.
const QUEUE_FRAMES: usize = 64;
/// How long writing one frame may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers a WebSocket handshake: checks everything first, and only then upgrades.
pub async fn handshake(app: Shared, upgrade: WebSocketUpgrade, mut parts: Parts) -> Response<Body> {
    answer(Words::message("Failed to connect"), async {
        let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(&mut parts, &app).await;
        app.limits.check(Class::Connections, address)?;
        let request = Request::from_query(parts.uri.query().unwrap_or_default())?;
        let role = app.role_of(&request, &parts.headers).await?;
        let (outlet, frames) = mpsc::channel(QUEUE_FRAMES);
        let connection = Connection {
            id: ConnectionId::new(app.fresh_id()),
            restaurant: request.restaurant,
            role,
            connected_at: app.clock.now(),
            outlet: Outlet::Socket(outlet),
        };
        // Registered before the upgrade is answered: an event published once the client sees the connection open is
        // heard, and a socket that never opens is swept because its channel closes.
        app.ports.notifier.connect(&connection).await.map_err(not_registered)?;
        let id = connection.id.clone();
        let app = app.clone();
        Ok(upgrade.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES).on_upgrade(
            move |socket| async move {
                drop(connection);
                let role = Peer { id, frames };
                role.serve(&app, socket).await;
            },
        ))
    })
    .await
}

/// One open socket.
struct Peer {
    id: ConnectionId,
    frames: mpsc::Receiver<Frame>,
}

impl Peer {
    async fn serve(mut self, app: &Shared, mut socket: WebSocket) {
        self.talk(&mut socket).await;
        if let Err(error) = app.ports.notifier.disconnect(&self.id).await {
            tracing::warn!(%error, "a closed connection could not be forgotten");
        }
    }

    /// Moves frames both ways until one side ends.
    async fn talk(&mut self, socket: &mut WebSocket) {
        let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_since_ping = true;
        loop {
            let outgoing = tokio::select! {
                frame = self.frames.recv() => match frame {
                    Some(Frame::Text(text)) => Message::Text(utf8(&text)),
                    Some(Frame::Close(reason)) => {
                        let frame = CloseFrame { code: reason.code(), reason: Utf8Bytes::default() };
                        let _ = write(socket, Message::Close(Some(frame))).await;
                        return;
                    }
                    // The notifier has forgotten this connection.
                    None => return,
                },
                _ = pings.tick() => {
                    if !heard_since_ping {
                        return;
                    }
                    heard_since_ping = false;
                    Message::Ping(axum::body::Bytes::new())
                }
                incoming = socket.recv() => {
                    heard_since_ping = true;
                    match incoming {
                        Some(Ok(Message::Text(text))) if is_ping(&text) => {
                            Message::Text(Utf8Bytes::from_static(PONG))
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                        Some(Ok(_)) => continue,
                    }
                }
            };
            if write(socket, outgoing).await.is_err() {
                return;
            }
        }
    }
}

/// The answer to an application ping.
pub const PONG: &str = r#"{"type":"pong"}"#;

/// Whether a message is an application ping; anything else, invalid JSON included, is ignored (R26).
#[must_use]
pub fn is_ping(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok_and(|message| message["type"] == "ping")
}

fn utf8(text: &Arc<str>) -> Utf8Bytes {
    Utf8Bytes::from(&**text)
}

async fn write(socket: &mut WebSocket, message: Message) -> Result<(), ()> {
    match tokio::time::timeout(WRITE_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}
