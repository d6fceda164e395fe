//! What happens while the handshake of a socket is under way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use url::Url;
use waiterix_adapters_local::memory::{MemoryBlobStore, MemoryMailer, MemorySessionStore, MemoryStore};
use waiterix_adapters_local::sockets::SocketNotifier;
use waiterix_app::{App, OsRandom, Ports, Settings, http};
use waiterix_contract::eventually;
use waiterix_domain::id::RestaurantId;
use waiterix_domain::{Audience, Secret, Timestamp};
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{
    ChefSelector, Clock, CloseReason, Connection, ConnectionId, Delivery, Message, Notifier, Result,
    SystemClock,
};
use waiterix_tests::socket::Socket;

const PATIENCE: Duration = Duration::from_secs(20);

/// Sockets that hear something in the moment they are registered, before the handshake is answered; and then the
/// handshake waits for a permit.
#[derive(Debug)]
struct Eventful {
    sockets: SocketNotifier,
    registered: Semaphore,
    permits: Semaphore,
}

fn audience() -> Audience {
    Audience::Customer { restaurant: "r".into(), session: "tracking-1".to_owned() }
}

fn message() -> Message {
    Message { id: "event".to_owned(), json: Arc::from(r#"{"type":"early"}"#) }
}

#[async_trait]
impl Notifier for Eventful {
    async fn connect(&self, connection: &Connection) -> Result<()> {
        self.sockets.connect(connection).await?;
        let heard = self.sockets.publish(&audience(), &message()).await?;
        assert_eq!(heard.delivered, 1);
        self.registered.add_permits(1);
        self.permits.acquire().await.unwrap().forget();
        Ok(())
    }
    async fn disconnect(&self, id: &ConnectionId) -> Result<()> {
        self.sockets.disconnect(id).await
    }
    async fn publish(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        self.sockets.publish(audience, message).await
    }
    async fn send(&self, id: &ConnectionId, text: &str) -> Result<bool> {
        self.sockets.send(id, text).await
    }
    async fn close_chefs(&self, of: &RestaurantId, who: &ChefSelector, reason: CloseReason) -> Result<u32> {
        self.sockets.close_chefs(of, who, reason).await
    }
    async fn sweep(&self, made_before: Timestamp) -> Result<u32> {
        self.sockets.sweep(made_before).await
    }
    async fn check(&self) -> Result<()> {
        self.sockets.check().await
    }
}

/// The service, listening.
async fn service() -> (Url, Arc<Eventful>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let secret = || Secret::new("0123456789abcdef0123456789abcdef");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let signer = UrlSigner::new(base.clone(), secret());
    let notifier = Arc::new(Eventful {
        sockets: SocketNotifier::new(),
        registered: Semaphore::new(0),
        permits: Semaphore::new(0),
    });
    let ports = Ports {
        store: Arc::new(MemoryStore::new(clock.clone())),
        blobs: Arc::new(MemoryBlobStore::new(clock.clone(), signer)),
        mailer: Arc::new(MemoryMailer::new()),
        sessions: Arc::new(MemorySessionStore::new(clock.clone())),
        notifier: notifier.clone(),
    };
    let app = App::new(ports, clock, Arc::new(OsRandom), Settings::embedded(secret()));
    let answering = http::service(Arc::new(app)).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, answering).await });
    (base, notifier)
}

const PATH: &str = "/ws?restaurantId=r&customerSessionId=tracking-1";

#[tokio::test]
async fn r18_an_event_during_the_handshake_is_heard_once_it_is_over() {
    let (base, notifier) = service().await;
    notifier.permits.add_permits(1);
    let mut socket = Socket::open(&base, PATH, &[]).await.unwrap();
    assert_eq!(socket.everything().await, [json!({ "type": "early" })]);
    assert_eq!(notifier.publish(&audience(), &message()).await.unwrap().delivered, 1);
    assert_eq!(socket.everything().await, [json!({ "type": "early" })], "and once each");
}

#[tokio::test]
async fn r18_a_client_that_goes_away_during_the_handshake_leaves_nothing_behind() {
    let (base, notifier) = service().await;
    let address = base.socket_addrs(|| None).unwrap()[0];
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    notifier.registered.acquire().await.unwrap().forget();
    drop(stream);
    notifier.permits.add_permits(1);
    eventually(PATIENCE, "it is noticed", async || {
        let delivery = notifier.publish(&audience(), &message()).await.unwrap();
        delivery.delivered == 0 && notifier.sockets.is_empty()
    })
    .await;
}

#[tokio::test]
async fn r18_a_client_that_goes_away_later_is_forgotten_by_itself() {
    let (base, notifier) = service().await;
    notifier.permits.add_permits(1);
    let mut socket = Socket::open(&base, PATH, &[]).await.unwrap();
    assert_eq!(socket.everything().await.len(), 1);
    assert_eq!(notifier.sockets.len(), 1);
    drop(socket);
    eventually(PATIENCE, "it is forgotten", async || notifier.sockets.is_empty()).await;
    assert_eq!(notifier.publish(&audience(), &message()).await.unwrap(), Delivery::default());
}
