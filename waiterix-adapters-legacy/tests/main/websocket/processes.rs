//! Processes on one database, and peers at the far ends of their sockets.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;
use waiterix_adapters_legacy::websocket::{WebSocketNotifier, WebSocketSettings};
use waiterix_adapters_local::sockets::SocketNotifier;
use waiterix_backends::{Backend, given};
use waiterix_contract::eventually;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{
    CloseReason, Connection, ConnectionId, Delivery, Frame, Message, Notifier, Outlet, Role,
};
use waiterix_postgres::testing::{self, Scratch};

/// Longer than anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A database of its own for a test.
pub(crate) async fn database() -> Option<Scratch> {
    let server = given(Backend::Postgres)?;
    Some(Scratch::empty(&server).await.unwrap())
}

/// The seed of this run: given by `WAITERIX_SEED` at build time, or always the same.
#[allow(clippy::print_stderr, reason = "a failed run is repeated by its seed")]
pub(crate) fn seed() -> u64 {
    let seed = option_env!("WAITERIX_SEED").and_then(|seed| seed.parse().ok()).unwrap_or(20_250_131);
    eprintln!("WAITERIX_SEED={seed}");
    seed
}

/// Settings that leave a busy machine time.
pub(crate) fn patient() -> WebSocketSettings {
    WebSocketSettings {
        deadline: Duration::from_secs(8),
        patience: Duration::from_secs(8),
        longest_pause: Duration::from_millis(200),
        ..WebSocketSettings::default()
    }
}

/// A process of a number that is its own.
pub(crate) fn process_with(url: &Url, number: u8, settings: WebSocketSettings) -> Arc<WebSocketNotifier> {
    let mut name = [number; 16];
    // Tests of different databases run at the same time, and locks belong to a database each.
    name[15] = !number;
    let database = testing::database(url).unwrap();
    let sockets = Arc::new(SocketNotifier::new());
    Arc::new(WebSocketNotifier::new(sockets, database, settings, name).unwrap())
}

/// A process that has joined.
pub(crate) async fn joined(url: &Url, number: u8) -> Arc<WebSocketNotifier> {
    joined_with(url, number, patient()).await
}

pub(crate) async fn joined_with(
    url: &Url,
    number: u8,
    settings: WebSocketSettings,
) -> Arc<WebSocketNotifier> {
    let process = process_with(url, number, settings);
    joins(&process).await;
    process
}

/// Waits until a process hears the others.
pub(crate) async fn joins(process: &WebSocketNotifier) {
    eventually(PATIENCE, "the process joins", async || process.check().await.is_ok()).await;
}

/// Waits until a process sees this many others.
pub(crate) async fn sees(process: &WebSocketNotifier, others: u32) {
    eventually(PATIENCE, &format!("{others} others are seen"), async || {
        process.check().await.is_ok() && process.snapshot().others == others
    })
    .await;
}

/// The far end of a socket.
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    frames: mpsc::Receiver<Frame>,
}

impl Peer {
    /// The next text.
    pub(crate) async fn hears(&mut self) -> String {
        match timeout(PATIENCE, self.frames.recv()).await.unwrap() {
            Some(Frame::Text(text)) => text.to_string(),
            other => panic!("heard {other:?}"),
        }
    }

    /// Whether it is closed like this next.
    pub(crate) async fn is_closed(&mut self, reason: CloseReason) {
        let frame = timeout(PATIENCE, self.frames.recv()).await.unwrap();
        assert_eq!(frame, Some(Frame::Close(reason)));
    }

    /// Whether so many frames wait to be read.
    pub(crate) fn has_heard(&self, frames: usize) -> bool {
        self.frames.len() >= frames
    }

    /// Everything that has arrived by now.
    pub(crate) fn arrived(&mut self) -> Vec<String> {
        let text = |frame| match frame {
            Frame::Text(text) => text.to_string(),
            Frame::Close(reason) => format!("close {}", reason.code()),
        };
        std::iter::from_fn(|| self.frames.try_recv().ok()).map(text).collect()
    }
}

pub(crate) fn chef() -> Role {
    Role::Chef { user: "anna".into(), session_digest: Some("digest".to_owned()) }
}

pub(crate) fn guest() -> Role {
    Role::Customer { session: Some("s".to_owned()) }
}

/// A connection, not registered yet, with room for this many frames.
pub(crate) fn connection(id: &str, role: Role, room: usize) -> (Connection, Peer) {
    let (line, frames) = mpsc::channel(room);
    let id = ConnectionId::new(id);
    let peer = Peer { id: id.clone(), frames };
    let connection = Connection {
        id,
        restaurant: "r".into(),
        role,
        connected_at: Timestamp::EPOCH,
        outlet: Outlet::Socket(line),
    };
    (connection, peer)
}

pub(crate) async fn connected(process: &WebSocketNotifier, id: &str, role: Role) -> Peer {
    let (connection, peer) = connection(id, role, 1_000_000);
    process.connect(&connection).await.unwrap();
    peer
}

pub(crate) fn chefs() -> Audience {
    Audience::Chefs("r".into())
}

pub(crate) fn message(text: &str) -> Message {
    Message { id: format!("id of {text:.40}"), json: Arc::from(text) }
}

pub(crate) async fn publish(process: &WebSocketNotifier, text: &str) -> Delivery {
    process.publish(&chefs(), &message(text)).await.unwrap()
}

pub(crate) fn delivered(count: u32) -> Delivery {
    Delivery { targeted: count, delivered: count, ..Delivery::default() }
}

/// So many heard, and so many processes could not be asked.
pub(crate) fn partly(delivered: u32, unheard: u32) -> Delivery {
    Delivery { targeted: delivered + unheard, delivered, gone: 0, failed: unheard }
}

/// Somebody else in the database, who may do anything there.
pub(crate) struct Admin(PgConnection);

impl Admin {
    pub(crate) async fn of(url: &Url) -> Self {
        Self(PgConnection::connect(url.as_str()).await.unwrap())
    }

    pub(crate) async fn notify(&mut self, channel: &str, payload: &str) {
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(channel)
            .bind(payload)
            .execute(&mut self.0)
            .await
            .unwrap();
    }

    /// Takes a lock as if it were a process.
    pub(crate) async fn locks_like_a_process(&mut self) {
        sqlx::query("SELECT pg_advisory_lock_shared(1465406283, 77)").execute(&mut self.0).await.unwrap();
    }

    /// Ends the connection on which a process listens; answers whether there was one.
    pub(crate) async fn terminate(&mut self, number: u8) -> bool {
        let key = u32::from_be_bytes([number; 4]);
        let sql = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objid = {key}
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        );
        let ended: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.0).await.unwrap();
        ended > 0
    }

    /// How many connections hold a lock here.
    pub(crate) async fn listening(&mut self) -> i64 {
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        sqlx::query_scalar(sql).fetch_one(&mut self.0).await.unwrap()
    }
}
