//! Identity tokens, checked against a key set served over HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use serde_json::{Value, json};
use waiterix_app::identity::OidcSettings;

use crate::common::{self, House, message};

/// Keys made for this run; making one takes a while, so all tests share two.
static KEYS: LazyLock<[EncodingKey; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| {
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes())
    })
});

/// An identity provider: publishes keys, counts how often it is asked, and can be down.
struct Provider {
    keys: Arc<Mutex<Option<JwkSet>>>,
    asked: Arc<AtomicUsize>,
    settings: OidcSettings,
}

fn key_set(names: &[&str]) -> JwkSet {
    let keys = names.iter().enumerate().map(|(place, name)| {
        let mut key = Jwk::from_encoding_key(&KEYS[place], Algorithm::RS256).unwrap();
        key.common.key_id = Some((*name).to_owned());
        key
    });
    JwkSet { keys: keys.collect() }
}

impl Provider {
    async fn start(names: &[&str]) -> Self {
        let keys = Arc::new(Mutex::new(Some(key_set(names))));
        let asked = Arc::new(AtomicUsize::new(0));
        let (served, counted) = (keys.clone(), asked.clone());
        let router = Router::new().route(
            "/keys",
            get(move || async move {
                counted.fetch_add(1, Ordering::SeqCst);
                served.lock().unwrap().clone().map(axum::Json).ok_or(axum::http::StatusCode::BAD_GATEWAY)
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let settings = OidcSettings {
            issuer: "https://issuer.example.org/project".to_owned(),
            audience: "project".to_owned(),
            jwks_url: url.parse().unwrap(),
        };
        Self { keys, asked, settings }
    }

    fn house(&self) -> House {
        House::with(|settings| settings.oidc = Some(self.settings.clone()))
    }

    fn publish(&self, keys: Option<JwkSet>) {
        *self.keys.lock().unwrap() = keys;
    }
}

/// The house's clock stands at this second.
const NOW: i64 = 1_738_314_307;

fn claims(subject: &str) -> Value {
    json!({
        "iss": "https://issuer.example.org/project", "aud": "project", "sub": subject,
        "iat": NOW - 10, "exp": NOW + 3600,
        "email": "ada@example.org", "email_verified": true, "name": "Ada Byron King",
        "picture": "https://pictures.example.org/ada.png",
    })
}

fn token(claims: &Value, key: usize, name: &str) -> String {
    let header = Header { kid: Some(name.to_owned()), ..Header::new(Algorithm::RS256) };
    encode(&header, claims, &KEYS[key]).unwrap()
}

async fn verify(house: &House, token: &str) -> common::Reply {
    house.post("/api/auth/verify", json!({ "idToken": token })).await
}

#[tokio::test]
async fn a_valid_token_signs_in_and_the_cookie_works() {
    let provider = Provider::start(&["k1"]).await;
    let house = provider.house();
    let reply = verify(&house, &token(&claims("subject-1"), 0, "k1")).await;
    let user = reply.expect(200)["user"].clone();
    assert_eq!(user["id"], "subject-1");
    assert_eq!((&user["firstName"], &user["lastName"]), (&json!("Ada"), &json!("Byron King")));
    assert_eq!(user["profileImageUrl"], "https://pictures.example.org/ada.png");
    let cookie = reply.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let request = Request::get("/api/auth/user").header("cookie", cookie).body(Body::empty()).unwrap();
    assert_eq!(house.send(request).await.expect(200), user);
}

#[tokio::test]
async fn every_kind_of_bad_token_is_invalid_and_changes_nothing() {
    let provider = Provider::start(&["k1"]).await;
    let house = provider.house();
    let with = |name: &str, value: Value| {
        let mut claims = claims("subject-1");
        claims[name] = value;
        token(&claims, 0, "k1")
    };
    let good = token(&claims("subject-1"), 0, "k1");
    let (head, rest) = good.split_once('.').unwrap();
    let secret = EncodingKey::from_secret(b"guessable");
    let bad = [
        "nonsense".to_owned(),
        String::from("a.b.c"),
        with("iss", json!("https://issuer.example.org/other")),
        with("aud", json!("other")),
        with("exp", json!(NOW - 61)),
        with("iat", json!(NOW + 61)),
        with("nbf", json!(NOW + 61)),
        with("sub", json!("")),
        token(&claims("subject-1"), 1, "k1"),
        token(&claims("subject-1"), 0, "unknown"),
        encode(
            &Header { kid: Some("k1".into()), ..Header::new(Algorithm::HS256) },
            &claims("subject-1"),
            &secret,
        )
        .unwrap(),
        format!("{head}.{}", rest.replace('.', "x.")),
        format!("eyJhbGciOiJub25lIn0.{rest}"),
        "x".repeat(20_000),
    ];
    for token in bad {
        verify(&house, &token).await.refused(401, message("Invalid token"));
    }
    house.post("/api/auth/verify", json!({})).await.refused(400, message("No token provided"));
    house.post("/api/auth/verify", json!({ "idToken": 7 })).await.refused(400, message("No token provided"));
    assert_eq!(house.dump().await, []);
}

#[tokio::test]
async fn keys_are_kept_and_fetched_again_when_they_rotate() {
    let provider = Provider::start(&["k1"]).await;
    let house = provider.house();
    for subject in ["a", "b", "c"] {
        let mut claims = claims(subject);
        claims["email"] = Value::Null;
        verify(&house, &token(&claims, 0, "k1")).await.expect(200);
    }
    assert_eq!(provider.asked.load(Ordering::SeqCst), 1);
    provider.publish(Some(key_set(&["k1", "k2"])));
    let rotated = token(&claims("d"), 1, "k2");
    verify(&house, &rotated).await.refused(401, message("Invalid token"));
    assert_eq!(provider.asked.load(Ordering::SeqCst), 1, "an unknown key id does not make load at once");
    house.clock.advance(Duration::from_secs(31));
    verify(&house, &rotated).await.expect(200);
    assert_eq!(provider.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn d8_an_outage_of_the_provider_is_a_fault_and_no_bad_token() {
    let provider = Provider::start(&["k1"]).await;
    let house = provider.house();
    let good = token(&claims("subject-1"), 0, "k1");
    provider.publish(None);
    verify(&house, &good).await.refused(500, message("Failed to verify token"));
    provider.publish(Some(key_set(&["k1"])));
    house.clock.advance(Duration::from_secs(31));
    verify(&house, &good).await.expect(200);
    provider.publish(None);
    house.clock.advance(Duration::from_secs(3_400));
    verify(&house, &good).await.expect(200);
}

#[tokio::test]
async fn d5_n16_a_bearer_token_is_as_good_as_a_session_and_makes_none() {
    let provider = Provider::start(&["k1"]).await;
    let house = provider.house();
    let ada = house.user("ada").await;
    let bearer = |subject: &str| {
        let request = Request::get("/api/auth/user")
            .header("authorization", format!("Bearer {}", token(&claims(subject), 0, "k1")));
        request.body(Body::empty()).unwrap()
    };
    for subject in ["ada", "linked-by-verified-address"] {
        let reply = house.send(bearer(subject)).await;
        assert_eq!(reply.expect(200)["id"], "ada");
        assert!(!reply.headers.contains_key("set-cookie"));
    }
    assert_eq!(house.app.ports.sessions.sessions_of(&ada.user.id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn with_an_identity_provider_there_is_no_second_way_in() {
    let provider = Provider::start(&["k1"]).await;
    let house = provider.house();
    house
        .post("/api/auth/code", json!({ "email": "ada@example.org" }))
        .await
        .refused(404, message("Sign-in by code is not available"));
}
