//! A WebSocket client of the push channel.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use url::Url;

/// How long an event may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open connection.
#[derive(Debug)]
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens a connection; a refused handshake is its HTTP status.
    pub async fn open(base: &Url, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut url = base.join(path).expect("a path");
        let address = url.socket_addrs(|| None).expect("an address")[0];
        url.set_scheme("ws").expect("a WebSocket URL");
        let mut request = url.as_str().into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let stream = TcpStream::connect(address).await.expect("a connection");
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    /// Sends a text.
    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("sent");
    }

    /// The next text or close code.
    pub async fn next(&mut self) -> Heard {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("something in time");
            match next {
                Some(Ok(Message::Text(text))) => {
                    return Heard::Event(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Heard::Closed(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Closed(1006),
            }
        }
    }

    /// The next event; a close is a failure.
    pub async fn event(&mut self) -> Value {
        match self.next().await {
            Heard::Event(event) => event,
            Heard::Closed(code) => panic!("closed with {code}"),
        }
    }

    /// Everything heard so far: a ping is answered only after what was sent before it.
    pub async fn everything(&mut self) -> Vec<Value> {
        self.say(r#"{"type":"ping"}"#).await;
        let mut heard = Vec::new();
        loop {
            let event = self.event().await;
            if event["type"] == "pong" {
                return heard;
            }
            heard.push(event);
        }
    }
}

/// What a socket hears.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// A JSON message.
    Event(Value),
    /// The end, with its close code.
    Closed(u16),
}
