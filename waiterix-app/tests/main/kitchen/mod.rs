//! A restaurant that is open: tables, a menu, guests who order, and ears that hear what is published.

#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    clippy::needless_pass_by_value,
    reason = "test support"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use waiterix_app::{App, Ports, http};
use waiterix_domain::digest::Digest;
use waiterix_domain::schema::{MenuItem, Order, Restaurant, RestaurantTable};
use waiterix_domain::{Amount, ChangeSet, CommitId, Row, Table, Timestamp};
use waiterix_ports::{
    Answer, Clock as _, Connection, ConnectionId, ErrorKind, Frame, KeyRange, Notifier as _, Outlet, Query,
    Result, Role, Store,
};

use crate::common::{House, Owner};

/// An open restaurant: tables `5` and `VIP-1`, soup at 12.50, free tea, and cake that is sold out.
pub struct Kitchen {
    pub house: House,
    pub owner: Owner,
    pub restaurant: Restaurant,
}

/// A store that lets everybody else go first before it commits: of requests sent together, all have read before the first
/// one writes. So they really race, on every run alike.
#[derive(Debug)]
pub struct Racing {
    inner: Arc<dyn Store>,
    conflicts: AtomicUsize,
}

impl Racing {
    /// How many commits found that others were faster.
    pub fn conflicts(&self) -> usize {
        self.conflicts.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Store for Racing {
    async fn read(&self, query: &Query) -> Result<Answer> {
        self.inner.read(query).await
    }
    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let done = self.inner.commit(changes).await;
        if done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict) {
            self.conflicts.fetch_add(1, Ordering::SeqCst);
        }
        done
    }
    async fn scan(&self, table: Table, range: &KeyRange, limit: u32) -> Result<Vec<Row>> {
        self.inner.scan(table, range, limit).await
    }
    async fn digest(&self, table: Table, range: &KeyRange) -> Result<Digest> {
        self.inner.digest(table, range).await
    }
    async fn forget_commits(&self, before: Timestamp, limit: u32) -> Result<u32> {
        self.inner.forget_commits(before, limit).await
    }
    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }
}

/// Somebody who listens.
pub struct Ear(mpsc::Receiver<Frame>);

impl Ear {
    /// Everything heard so far.
    pub fn heard(&mut self) -> Vec<Value> {
        let mut heard = Vec::new();
        while let Ok(frame) = self.0.try_recv() {
            match frame {
                Frame::Text(text) => heard.push(serde_json::from_str(&text).unwrap()),
                Frame::Close(reason) => panic!("closed: {reason:?}"),
            }
        }
        heard
    }
}

impl Kitchen {
    pub async fn open() -> Self {
        Self::in_house(House::new()).await
    }

    pub async fn in_house(house: House) -> Self {
        let (owner, restaurant) = house.owner("ada").await;
        let kitchen = Self { house, owner, restaurant };
        kitchen.table("table-5", "5").await;
        kitchen.table("table-vip", "VIP-1").await;
        kitchen.house.insert([kitchen.dish("soup", "Soup", "12.50")]).await;
        kitchen.house.insert([kitchen.dish("tea", "Tea", "0.00")]).await;
        let cake = MenuItem { available: false, ..kitchen.dish("cake", "Cake", "7.00") };
        kitchen.house.insert([cake]).await;
        kitchen
    }

    pub fn dish(&self, id: &str, name: &str, price: &str) -> MenuItem {
        MenuItem {
            id: id.into(),
            restaurant_id: self.restaurant.id.clone(),
            name: name.to_owned(),
            description: String::new(),
            price: Amount::parse(price).unwrap(),
            category: "Mains".to_owned(),
            image_url: None,
            spice_level: None,
            is_vegan: false,
            is_vegetarian: false,
            is_halal: false,
            is_kosher: false,
            allergens: None,
            available: true,
            created_at: self.house.clock.now(),
        }
    }

    pub async fn table(&self, id: &str, label: &str) {
        let table = RestaurantTable {
            id: id.into(),
            restaurant_id: self.restaurant.id.clone(),
            table_number: label.to_owned(),
            qr_code_url: None,
            created_at: self.house.clock.now(),
        };
        self.house.insert([table]).await;
    }

    /// Two soups at table 5, as the web client sends them.
    pub fn two_soups(&self) -> Value {
        json!({
            "restaurantId": self.restaurant.id.as_str(),
            "tableId": "table-5",
            "items": [{
                "id": "soup", "name": "Soup", "price": "12.50", "quantity": 2, "category": "Mains",
                "customerNote": "hot",
            }],
            "subtotal": "25.00", "tax": "2.50", "tip": "3.00", "total": "30.50",
            "paymentMethod": "cash",
            "customerNote": "no salt",
            "allergies": "nuts",
        })
    }

    /// Places an order and answers it.
    pub async fn order(&self) -> Value {
        self.house.post("/api/orders", self.two_soups()).await.expect(200)
    }

    /// Places an order and moves it on to a status.
    pub async fn order_that_is(&self, status: &str) -> Value {
        let id = id_of(&self.order().await);
        let path = format!("/api/orders/{id}/status");
        self.house.put_as(&self.owner, &path, json!({ "status": status })).await.expect(200)
    }

    /// Changes rows behind the service's back.
    pub async fn commit(&self, changes: impl FnOnce(ChangeSet) -> ChangeSet) {
        let set = changes(ChangeSet::new(CommitId::new(self.house.app.fresh_id())));
        self.house.store.commit(&set).await.unwrap();
    }

    async fn ear(&self, id: &str, role: Role) -> Ear {
        let (sender, receiver) = mpsc::channel(64);
        let connection = Connection {
            id: ConnectionId::new(id),
            restaurant: self.restaurant.id.clone(),
            role,
            connected_at: self.house.clock.now(),
            outlet: Outlet::Socket(sender),
        };
        self.house.notifier.connect(&connection).await.unwrap();
        Ear(receiver)
    }

    /// The same house, in which requests that are sent together race.
    pub fn racing(&self) -> (House, Arc<Racing>) {
        let racing = Arc::new(Racing { inner: self.house.store.clone(), conflicts: AtomicUsize::new(0) });
        let ports = Ports { store: racing.clone(), ..self.house.app.ports.clone() };
        (self.with_ports(ports), racing)
    }

    /// The same house on other ports.
    pub fn with_ports(&self, ports: Ports) -> House {
        let house = &self.house;
        let settings = house.app.settings.clone();
        let app = Arc::new(App::new(ports, house.clock.clone(), house.app.random.clone(), settings));
        House {
            router: http::service(app.clone()),
            app,
            clock: house.clock.clone(),
            store: house.store.clone(),
            mailer: house.mailer.clone(),
            sessions: house.sessions.clone(),
            blobs: house.blobs.clone(),
            notifier: house.notifier.clone(),
        }
    }

    /// A chef who listens.
    pub async fn chef(&self) -> Ear {
        self.ear("chef", Role::Chef { user: self.owner.user.id.clone(), session_digest: None }).await
    }

    /// A guest who listens under a session id.
    pub async fn guest(&self, session: &str) -> Ear {
        self.ear(session, Role::Customer { session: Some(session.to_owned()) }).await
    }
}

/// The id of an answered row.
pub fn id_of(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

/// Replaces members of a body.
pub fn with(mut body: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The orders among rows.
pub fn orders(rows: &[Row]) -> Vec<&Order> {
    let orders = rows.iter().filter_map(|row| match row {
        Row::Order(order) => Some(&**order),
        _ => None,
    });
    orders.collect()
}
