//! A table of its own, a notifier over it, and a gateway that answers callbacks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use tokio::sync::mpsc;
use url::Url;
use waiterix_adapters_aws::apigateway::{
    AllowedHost, ApiGatewayNotifier, ApiGatewaySettings, ConnectionsTable,
};
use waiterix_contract::notifier::NotifierFixture;
use waiterix_contract::{Fixture, ManualClock};
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{Clock, Connection, ConnectionId, Frame, Message, Notifier, Outlet, Role, SystemClock};

use crate::apigateway::callback::{CallbackServer, GatewayLines};
use crate::apigateway::signature::{REGION, credentials};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// Clients of a server that speaks AWS, as patient as those of the service.
pub(crate) async fn sdk(server: &Url) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(server.as_str())
        .credentials_provider(credentials())
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(2))
                .operation_attempt_timeout(Duration::from_secs(5))
                .operation_timeout(Duration::from_secs(12))
                .build(),
        )
        .load()
        .await
}

/// A name that no other test has.
pub(crate) fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (number, process) = (NEXT.fetch_add(1, Ordering::Relaxed), std::process::id());
    format!("waiterix-connections-{}-{process}-{number}", SystemClock.now().as_micros())
}

/// A table that is deleted in the end.
pub(crate) struct OwnTable {
    pub(crate) name: String,
    pub(crate) client: Client,
    server: Url,
}

impl OwnTable {
    pub(crate) async fn make(server: &Url, settings: &ApiGatewaySettings) -> Self {
        let config = sdk(server).await;
        ConnectionsTable::new(&config, settings).create().await.unwrap();
        Self { name: settings.table.clone(), client: Client::new(&config), server: server.clone() }
    }

    pub(crate) async fn put(&self, item: Item) {
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.unwrap();
    }

    /// Every item that is a connection, by its id.
    pub(crate) async fn connections(&self) -> HashMap<String, Item> {
        let mut found = HashMap::new();
        let mut from = None;
        loop {
            let scan = self.client.scan().table_name(&self.name).consistent_read(true);
            let page = scan.set_exclusive_start_key(from).send().await.unwrap();
            let connections = page.items.unwrap_or_default().into_iter();
            found.extend(
                connections
                    .filter(|item| item.contains_key("restaurantId"))
                    .map(|item| (item["connectionId"].as_s().unwrap().clone(), item)),
            );
            from = page.last_evaluated_key;
            if from.is_none() {
                return found;
            }
        }
    }
}

impl Drop for OwnTable {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let delete = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = Client::new(&sdk(&server).await);
                // A server that was killed keeps nothing.
                let _ = client.delete_table().table_name(name).send().await;
            });
        });
        let _ = delete.join();
    }
}

/// A notifier with everything around it.
pub(crate) struct World {
    pub(crate) notifier: Arc<ApiGatewayNotifier>,
    pub(crate) gateway: Arc<CallbackServer>,
    pub(crate) table: OwnTable,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: ApiGatewaySettings,
}

impl World {
    /// With a table on this server.
    pub(crate) async fn at(server: &Url) -> Self {
        Self::with(server, |_| {}).await
    }

    /// With a table on this server, and other settings.
    pub(crate) async fn with(server: &Url, change: impl FnOnce(&mut ApiGatewaySettings)) -> Self {
        Self::through(server, server, change).await
    }

    /// With a table on a server that the notifier reaches by another address.
    pub(crate) async fn through(
        server: &Url,
        way: &Url,
        change: impl FnOnce(&mut ApiGatewaySettings),
    ) -> Self {
        let gateway = Arc::new(CallbackServer::start().await);
        let mut settings = ApiGatewaySettings {
            table: fresh_name(),
            allowed_hosts: vec![AllowedHost::parse(gateway.authority()).unwrap()],
            ..ApiGatewaySettings::default()
        };
        change(&mut settings);
        let table = OwnTable::make(server, &settings).await;
        let clock = Arc::new(ManualClock::default());
        let notifier = ApiGatewayNotifier::open(&sdk(way).await, settings.clone(), clock.clone());
        Self { notifier: Arc::new(notifier), gateway, table, clock, settings }
    }

    pub(crate) fn into_fixture(self) -> NotifierFixture {
        let lines = Arc::new(GatewayLines(self.gateway));
        let fixture =
            Fixture::new(self.notifier as Arc<dyn Notifier>).clocked(self.clock).guarded(self.table);
        NotifierFixture::new(fixture, lines)
    }

    /// A connection of this age that is not registered, and what is posted to it.
    pub(crate) fn made(&self, id: &str, role: Role, age_s: i64) -> (Connection, mpsc::Receiver<Frame>) {
        let connection = Connection {
            id: ConnectionId::new(id),
            restaurant: "r".into(),
            role,
            connected_at: self.clock.now().plus_seconds(-age_s),
            outlet: Outlet::Gateway { endpoint: self.gateway.endpoint() },
        };
        (connection, self.gateway.line(id))
    }

    /// A registered connection, half an hour old.
    pub(crate) async fn connected(&self, id: &str, role: Role) -> mpsc::Receiver<Frame> {
        let (connection, line) = self.made(id, role, 1800);
        self.notifier.connect(&connection).await.unwrap();
        line
    }

    /// An item as the old service wrote it.
    pub(crate) fn old_item(&self, id: &str, role: &str, session: Option<&str>, at: Timestamp) -> Item {
        let endpoint = self.gateway.endpoint();
        let at = at.to_string();
        let mut texts =
            vec![("connectionId", id), ("restaurantId", "r"), ("role", role), ("connectedAt", &at)];
        texts.push(("endpoint", &endpoint));
        texts.extend(session.map(|session| ("customerSessionId", session)));
        texts.into_iter().map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned()))).collect()
    }
}

pub(crate) fn chef() -> Role {
    Role::Chef { user: "anna".into(), session_digest: Some("digest".to_owned()) }
}

pub(crate) fn guest(session: &str) -> Role {
    Role::Customer { session: Some(session.to_owned()) }
}

pub(crate) fn chefs() -> Audience {
    Audience::Chefs("r".into())
}

pub(crate) fn session(session: &str) -> Audience {
    Audience::Customer { restaurant: "r".into(), session: session.to_owned() }
}

pub(crate) fn message(text: &str) -> Message {
    Message { id: text.to_owned(), json: Arc::from(text) }
}

/// The texts that have arrived.
pub(crate) fn texts(line: &mut mpsc::Receiver<Frame>) -> Vec<String> {
    let frames = std::iter::from_fn(|| line.try_recv().ok());
    frames
        .map(|frame| match frame {
            Frame::Text(text) => text.to_string(),
            Frame::Close(_) => "closed".to_owned(),
        })
        .collect()
}
