//! A whole service on in-memory ports and a clock that stands still, called without sockets.

#![allow(missing_docs, unreachable_pub, reason = "test support")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use url::Url;
use waiterix_adapters_local::memory::{
    MemoryBlobStore, MemoryMailer, MemoryNotifier, MemorySessionStore, MemoryStore,
};
use waiterix_app::session::cookie;
use waiterix_app::{App, Ports, Random, Settings, Shared, http};
use waiterix_contract::ManualClock;
use waiterix_domain::schema::{Restaurant, SubscriptionStatus, User};
use waiterix_domain::{ChangeSet, CommitId, Row, Secret, Table};
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{Clock, KeyRange, Store};

/// Random bytes that are the same in every run.
#[derive(Debug, Default)]
pub struct SeededRandom(AtomicU64);

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            // SplitMix64: every call gives another number, spread over all bits.
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The service and its ports.
pub struct House {
    pub app: Shared,
    pub router: Router,
    pub clock: Arc<ManualClock>,
    pub store: Arc<MemoryStore>,
    pub mailer: Arc<MemoryMailer>,
    pub sessions: Arc<MemorySessionStore>,
    pub blobs: Arc<MemoryBlobStore>,
    pub notifier: Arc<MemoryNotifier>,
}

/// Somebody signed in: the value of the `Cookie` header.
#[derive(Debug, Clone)]
pub struct Owner {
    pub user: User,
    pub cookie: String,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }

    /// The body as JSON, provided that the status is this one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.json()
    }

    /// That it is this very refusal.
    #[track_caller]
    pub fn refused(&self, status: u16, body: Value) {
        assert_eq!((self.status.as_u16(), self.json()), (status, body));
    }
}

impl House {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A house with other settings.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Arc::new(ManualClock::default());
        let ticking: Arc<dyn Clock> = clock.clone();
        let signer =
            UrlSigner::new(Url::parse("http://127.0.0.1:8080").unwrap(), Secret::new("object-url-secret"));
        let store = Arc::new(MemoryStore::new(ticking.clone()));
        let mailer = Arc::new(MemoryMailer::new());
        let sessions = Arc::new(MemorySessionStore::new(ticking.clone()));
        let blobs = Arc::new(MemoryBlobStore::new(ticking.clone(), signer.clone()));
        let notifier = Arc::new(MemoryNotifier::new());
        let ports = Ports {
            store: store.clone(),
            blobs: blobs.clone(),
            mailer: mailer.clone(),
            sessions: sessions.clone(),
            notifier: notifier.clone(),
        };
        let mut settings = Settings::embedded(Secret::new("0123456789abcdef0123456789abcdef"));
        settings.locations.own_hosts.push("127.0.0.1:8080".to_owned());
        change(&mut settings);
        let app =
            App::new(ports, ticking, Arc::new(SeededRandom::default()), settings).with_signed_objects(signer);
        let app = Arc::new(app);
        Self { router: http::service(app.clone()), app, clock, store, mailer, sessions, blobs, notifier }
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Reply { status: parts.status, headers: parts.headers, bytes }
    }

    /// Calls a route with a JSON body.
    pub async fn call(&self, method: Method, path: &str, who: Option<&Owner>, body: Option<Value>) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(owner) = who {
            request = request.header("cookie", &owner.cookie);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, None, None).await
    }

    pub async fn get_as(&self, who: &Owner, path: &str) -> Reply {
        self.call(Method::GET, path, Some(who), None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, None, Some(body)).await
    }

    pub async fn post_as(&self, who: &Owner, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, Some(who), Some(body)).await
    }

    pub async fn put_as(&self, who: &Owner, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, Some(who), Some(body)).await
    }

    pub async fn delete_as(&self, who: &Owner, path: &str) -> Reply {
        self.call(Method::DELETE, path, Some(who), None).await
    }

    /// Puts rows into the store.
    pub async fn insert<R: Into<Row>>(&self, rows: impl IntoIterator<Item = R>) {
        let changes = ChangeSet::new(CommitId::new(self.app.fresh_id())).insert_all(rows);
        self.store.commit(&changes).await.unwrap();
    }

    /// A signed-in user without a restaurant.
    pub async fn user(&self, name: &str) -> Owner {
        let now = self.clock.now();
        let user = User {
            id: name.into(),
            email: Some(format!("{name}@example.org")),
            first_name: Some(name.to_owned()),
            last_name: None,
            profile_image_url: None,
            accepted_terms: false,
            accepted_terms_at: None,
            created_at: Some(now),
            updated_at: Some(now),
        };
        self.insert([user.clone()]).await;
        self.sign_in(user).await
    }

    /// A session for a user who is there already.
    pub async fn sign_in(&self, user: User) -> Owner {
        let session = self.app.start_session(&user, &HeaderMap::new()).await.unwrap();
        let set = cookie::set(&session, &self.app.settings.cookie);
        Owner { user, cookie: set.split(';').next().unwrap().to_owned() }
    }

    /// A signed-in owner and a restaurant, `<name>-restaurant`, that accepts orders.
    pub async fn owner(&self, name: &str) -> (Owner, Restaurant) {
        let owner = self.user(name).await;
        let restaurant = restaurant_of(&owner.user, self.clock.now());
        self.insert([restaurant.clone()]).await;
        (owner, restaurant)
    }

    /// Every row there is, for comparing before and after.
    pub async fn dump(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for table in Table::ALL {
            rows.extend(self.store.scan(*table, &KeyRange::default(), 10_000).await.unwrap());
        }
        rows
    }

    /// That a call is refused with this body and changes no row.
    #[track_caller]
    pub fn nothing_changed(before: &[Row], after: &[Row]) {
        assert_eq!(before, after, "a refused request changed rows");
    }
}

/// A restaurant row with plain values.
pub fn restaurant_of(owner: &User, now: waiterix_domain::Timestamp) -> Restaurant {
    Restaurant {
        id: format!("{}-restaurant", owner.id).into(),
        user_id: owner.id.clone(),
        name: format!("{}'s", owner.id),
        description: None,
        address: None,
        city: None,
        state: None,
        country: None,
        phone: None,
        hours: None,
        cover_image_url: None,
        default_language: "en".to_owned(),
        currency_code: "USD".to_owned(),
        admin_password: None,
        security_question_1: None,
        security_answer_1: None,
        security_question_2: None,
        security_answer_2: None,
        ai_waiter_enabled: true,
        auto_print_orders: false,
        stripe_account_id: None,
        stripe_onboarding_complete: false,
        stripe_customer_id: None,
        paystack_subaccount_code: None,
        paystack_bank_code: None,
        paystack_account_number: None,
        paystack_account_name: None,
        paystack_onboarding_complete: false,
        telr_merchant_id: None,
        telr_api_key: None,
        telr_onboarding_complete: false,
        adyen_merchant_account: None,
        adyen_onboarding_complete: false,
        subscription_status: SubscriptionStatus::Trialing,
        subscription_id: None,
        trial_ends_at: None,
        current_period_end: None,
        ai_usage_count: 0,
        current_month_usage: 0,
        stripe_usage_item_id: None,
        last_usage_reported_at: None,
        created_at: now,
    }
}

/// `{"message": …}`.
pub fn message(text: &str) -> Value {
    json!({ "message": text })
}

/// `{"error": …}`.
pub fn error(text: &str) -> Value {
    json!({ "error": text })
}
