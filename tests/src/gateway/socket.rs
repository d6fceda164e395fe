//! The WebSocket API: a connection is made if the function says so, its messages and its end are told.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use waiterix_ports::{Clock as _, SystemClock};

use super::payload::{joined, listed, pairs};
use super::{Front, Outgoing, Peer, STAGE, said, status_of};
use crate::lambda_runtime::Fault;

const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// What stays the same in every event of a connection.
struct Line {
    id: String,
    address: String,
    connected_at_ms: u64,
}

impl Line {
    fn event(&self, front: &Front, kind: &str, route: &str, more: Value) -> Value {
        let mut context = json!({
            "routeKey": route,
            "eventType": kind,
            "extendedRequestId": front.fresh_id(),
            "requestTime": "31/Jan/2025:09:05:07 +0000",
            "messageDirection": "IN",
            "stage": STAGE,
            "connectedAt": self.connected_at_ms,
            "requestTimeEpoch": now_ms(),
            "identity": { "userAgent": "test", "sourceIp": self.address },
            "requestId": front.fresh_id(),
            "domainName": front.authority,
            "connectionId": self.id,
            "apiId": "abc123defg",
        });
        let mut event = Map::from_iter([("isBase64Encoded".to_owned(), json!(false))]);
        if let Value::Object(more) = more {
            for (name, value) in more {
                match name.strip_prefix("context.") {
                    Some(name) => context[name] = value,
                    None => drop(event.insert(name, value)),
                }
            }
        }
        event.insert("requestContext".to_owned(), context);
        Value::Object(event)
    }
}

fn now_ms() -> u64 {
    u64::try_from(SystemClock.now().as_millis()).expect("after 1970")
}

/// A handshake: refused with the status of the function, else made, and from then on the gateway knows the connection.
pub(super) async fn open(
    front: Arc<Front>,
    peer: SocketAddr,
    upgrade: WebSocketUpgrade,
    parts: Parts,
) -> Response<Body> {
    let line = Line { id: front.fresh_id(), address: peer.ip().to_string(), connected_at_ms: now_ms() };
    let headers = joined(&parts.headers);
    let query = pairs(parts.uri.query().unwrap_or_default());
    let mut more = json!({ "headers": headers, "multiValueHeaders": listed(&parts.headers) });
    if !query.is_empty() {
        let last: Map<String, Value> =
            query.iter().map(|(name, values)| (name.clone(), json!(values.last()))).collect();
        more["queryStringParameters"] = Value::Object(last);
        more["multiValueQueryStringParameters"] = json!(query);
    }
    let event = line.event(&front, "CONNECT", "$connect", more);
    let status = match front.websocket.invoke(&event).await {
        Ok(answer) => status_of(&answer),
        Err(Fault::TimedOut) => return said(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out"),
        Err(fault) => Err(format!("{fault:?}")),
    };
    match status {
        Ok(status) if status.is_success() => {}
        Ok(status) => return status.into_response(),
        Err(fault) => {
            eprintln!("$connect failed: {fault}");
            return StatusCode::BAD_GATEWAY.into_response();
        }
    }
    let (outgoing, frames) = mpsc::unbounded_channel();
    let known = Peer { outgoing, connected_at_ms: line.connected_at_ms, address: line.address.clone() };
    front.peers().insert(line.id.clone(), known);
    upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .on_upgrade(move |socket| async move { serve(&front, &line, socket, frames).await })
}

async fn serve(
    front: &Front,
    line: &Line,
    mut socket: WebSocket,
    mut frames: mpsc::UnboundedReceiver<Outgoing>,
) {
    let code = talk(front, line, &mut socket, &mut frames).await;
    front.peers().remove(&line.id);
    let more = json!({ "context.disconnectStatusCode": code, "context.disconnectReason": "" });
    let event = line.event(front, "DISCONNECT", "$disconnect", more);
    if let Err(fault) = front.websocket.invoke(&event).await {
        eprintln!("$disconnect failed: {fault:?}");
    }
}

/// Moves messages both ways until one side ends; answers the close code.
async fn talk(
    front: &Front,
    line: &Line,
    socket: &mut WebSocket,
    frames: &mut mpsc::UnboundedReceiver<Outgoing>,
) -> u16 {
    loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Some(Outgoing::Text(text)) => {
                    if socket.send(Message::Text(text.into())).await.is_err() {
                        return 1006;
                    }
                }
                Some(Outgoing::Close) | None => {
                    let frame = CloseFrame { code: 1000, reason: "Connection Closed Normally".into() };
                    let _ = socket.send(Message::Close(Some(frame))).await;
                    return 1000;
                }
            },
            incoming = socket.recv() => {
                let more = match incoming {
                    Some(Ok(Message::Text(text))) => json!({ "body": text.as_str() }),
                    Some(Ok(Message::Binary(bytes))) => {
                        json!({ "body": STANDARD.encode(bytes), "isBase64Encoded": true })
                    }
                    Some(Ok(Message::Close(frame))) => return frame.map_or(1005, |frame| frame.code),
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => return 1006,
                };
                let mut more = more;
                more["context.messageId"] = json!(front.fresh_id());
                let event = line.event(front, "MESSAGE", "$default", more);
                let answer = front.websocket.invoke(&event).await;
                let fine = answer.as_ref().is_ok_and(|answer| status_of(answer).is_ok_and(|s| s.is_success()));
                if !fine {
                    let said = json!({
                        "message": "Internal server error", "connectionId": line.id, "requestId": front.fresh_id(),
                    });
                    if socket.send(Message::Text(said.to_string().into())).await.is_err() {
                        return 1006;
                    }
                }
            }
        }
    }
}
