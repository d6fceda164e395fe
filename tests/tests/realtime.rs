//! The push channel of the running service.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test is a panic")]

use reqwest::Method;
use serde_json::{Value, json};
use waiterix_tests::client::Client;
use waiterix_tests::program::Program;
use waiterix_tests::socket::{Heard, Socket};

/// A running service with an owner, a restaurant and one dish.
struct Scene {
    program: Program,
    owner: Client,
    guest: Client,
    restaurant: String,
    dish: Value,
    _data: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Self {
        let data = tempfile::tempdir().unwrap();
        let program = Program::start(data.path(), &[]);
        let owner = Client::signed_in(&program.base, data.path(), "owner@example.org").await;
        let restaurant = owner.post("/api/restaurant", &json!({ "name": "Casa" })).await;
        let restaurant = restaurant["id"].as_str().unwrap().to_owned();
        let dish = json!({
            "restaurantId": restaurant, "name": "Soup", "description": "", "price": "10.00", "category": "Soups",
        });
        let dish = owner.post("/api/menu-items", &dish).await;
        let guest = Client::new(&program.base);
        Self { program, owner, guest, restaurant, dish, _data: data }
    }

    async fn chef(&self) -> Socket {
        let path = format!("/ws?restaurantId={}&role=chef", self.restaurant);
        Socket::open(&self.program.base, &path, &[("cookie", self.owner.cookie())]).await.unwrap()
    }

    async fn customer(&self, session: &str) -> Socket {
        let path = format!("/ws?restaurantId={}&customerSessionId={session}", self.restaurant);
        Socket::open(&self.program.base, &path, &[]).await.unwrap()
    }

    async fn order(&self) -> Value {
        let body = json!({
            "restaurantId": self.restaurant, "tableId": "2", "paymentMethod": "cash", "allergies": "nuts",
            "items": [{ "id": self.dish["id"], "name": "Soup", "price": "10.00", "quantity": 1 }],
            "subtotal": "10.00", "tax": "1.00", "total": "11.00",
        });
        self.guest.post("/api/orders", &body).await
    }
}

#[tokio::test]
async fn r1_r19_chefs_need_a_session_and_the_restaurant_before_the_handshake_is_answered() {
    let scene = Scene::set().await;
    let base = &scene.program.base;
    let chef = format!("/ws?restaurantId={}&role=chef", scene.restaurant);
    let open = async |path: &str, headers: &[(&'static str, &str)]| {
        Socket::open(base, path, headers).await.map(|_| ()).unwrap_err()
    };
    assert_eq!(open(&chef, &[]).await, 401);
    assert_eq!(open(&chef, &[("cookie", "connect.sid=s%3Aforged.signature")]).await, 401);
    assert_eq!(open("/ws?role=chef", &[("cookie", scene.owner.cookie())]).await, 400);
    assert_eq!(open("/ws", &[]).await, 400);
    let other = Client::signed_in(base, &scene.program.data, "other@example.org").await;
    assert_eq!(open(&chef, &[("cookie", other.cookie())]).await, 403, "signed in, but no owner");
    other.post("/api/restaurant", &json!({ "name": "Elsewhere" })).await;
    assert_eq!(open(&chef, &[("cookie", other.cookie())]).await, 403, "owner of another restaurant");
    let unknown = "/ws?restaurantId=unknown&role=chef";
    assert_eq!(open(unknown, &[("cookie", scene.owner.cookie())]).await, 403);
}

#[tokio::test]
async fn r21_a_foreign_page_cannot_listen_with_the_owners_cookie() {
    let scene = Scene::set().await;
    let path = format!("/ws?restaurantId={}&role=chef", scene.restaurant);
    let headers = [("cookie", scene.owner.cookie()), ("origin", "https://evil.example")];
    assert_eq!(Socket::open(&scene.program.base, &path, &headers).await.map(|_| ()).unwrap_err(), 403);
    let own = scene.program.base.origin().ascii_serialization();
    let headers = [("cookie", scene.owner.cookie()), ("origin", own.as_str())];
    Socket::open(&scene.program.base, &path, &headers).await.unwrap();
}

#[tokio::test]
async fn a_ticket_opens_the_channel_once() {
    let scene = Scene::set().await;
    let ticket = scene.owner.post("/api/realtime/ticket", &json!({})).await;
    let ticket = ticket["ticket"].as_str().unwrap();
    let path = format!("/ws?restaurantId={}&role=chef&ticket={ticket}", scene.restaurant);
    let mut chef = Socket::open(&scene.program.base, &path, &[]).await.unwrap();
    assert_eq!(Socket::open(&scene.program.base, &path, &[]).await.map(|_| ()).unwrap_err(), 401);
    let order = scene.order().await;
    assert_eq!(chef.event().await["data"]["orderId"], order["id"]);
}

#[tokio::test]
async fn m4_r26_pings_are_answered_on_both_paths_and_nonsense_is_ignored() {
    let scene = Scene::set().await;
    for path in ["/ws", "/"] {
        let path = format!("{path}?restaurantId={}", scene.restaurant);
        let mut guest = Socket::open(&scene.program.base, &path, &[]).await.unwrap();
        for nonsense in ["{", "7", "\"ping\"", "{\"type\":\"shout\"}", "{\"type\":{\"a\":1}}"] {
            guest.say(nonsense).await;
        }
        assert_eq!(guest.everything().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn r5_r6_r9_everybody_hears_exactly_what_concerns_them_once() {
    let scene = Scene::set().await;
    let mut chef = scene.chef().await;
    let order = scene.order().await;
    let id = order["id"].as_str().unwrap();
    let mut tracking = scene.customer(&format!("tracking-{id}")).await;
    let mut stranger = scene.customer("tracking-another-order").await;
    let mut anonymous =
        Socket::open(&scene.program.base, &format!("/ws?restaurantId={}", scene.restaurant), &[])
            .await
            .unwrap();

    scene.owner.put(&format!("/api/orders/{id}/status"), &json!({ "status": "preparing" })).await;
    let heard = chef.everything().await;
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(heard[0]["type"], "new-order");
    assert_eq!(heard[0]["data"], json!({ "orderId": id, "order": order, "tableNumber": "2" }));
    assert_eq!(heard[1]["type"], "order-status-changed");
    assert_eq!(heard[1]["data"]["order"]["status"], "preparing");
    assert_eq!(heard[1]["data"]["order"]["allergies"], "nuts");
    let reduced = json!({ "type": "order-status-changed", "data": { "orderId": id, "status": "preparing" } });
    assert_eq!(tracking.everything().await, [reduced]);
    assert_eq!(stranger.everything().await, Vec::<Value>::new());
    assert_eq!(anonymous.everything().await, Vec::<Value>::new(), "D103");
}

#[tokio::test]
async fn questions_answers_and_calls_travel_between_guest_and_chef() {
    let scene = Scene::set().await;
    let mut chef = scene.chef().await;
    let session = "customer-1738314307000-abcdefghi";
    let mut guest = scene.customer(session).await;
    let question = json!({
        "restaurantId": scene.restaurant, "customerSessionId": session, "question": "Is it spicy?",
        "tableNumber": "2",
    });
    let question = scene.guest.post("/api/pending-questions", &question).await;
    assert_eq!(chef.event().await, json!({ "type": "new-question", "data": question }));
    let answer = json!({ "questionId": question["id"], "textAnswer": " Not at all. " });
    scene.owner.post("/api/chef/answer", &answer).await;
    let told = guest.event().await;
    assert_eq!((&told["type"], &told["data"]["answer"]), (&json!("chef-answer"), &json!("Not at all.")));
    let call = json!({ "restaurantId": scene.restaurant, "tableId": "3" });
    let call = scene.guest.post("/api/assistance-requests", &call).await;
    let told = chef.event().await;
    assert_eq!(told["type"], "new-assistance-request");
    assert_eq!((&told["data"]["id"], &told["data"]["tableNumber"]), (&call["id"], &json!("3")));
    let path = format!("/api/assistance-requests/{}/status", call["id"].as_str().unwrap());
    let response = scene.owner.send(Method::PATCH, &path, Some(&json!({ "status": "resolved" }))).await;
    assert_eq!(response.status(), 200);
    let told = chef.event().await;
    assert_eq!(told["type"], "assistance-request-updated");
    assert_eq!(told["data"]["status"], "resolved");
    assert_eq!(guest.everything().await, Vec::<Value>::new());
}

#[tokio::test]
async fn r24_logging_out_closes_the_chefs_connections_of_that_session_only() {
    let scene = Scene::set().await;
    let elsewhere = Client::signed_in(&scene.program.base, &scene.program.data, "owner@example.org").await;
    let mut here = scene.chef().await;
    let path = format!("/ws?restaurantId={}&role=chef", scene.restaurant);
    let mut there =
        Socket::open(&scene.program.base, &path, &[("cookie", elsewhere.cookie())]).await.unwrap();
    scene.owner.post("/api/logout", &json!({})).await;
    assert_eq!(here.next().await, Heard::Closed(1008));
    assert_eq!(there.everything().await, Vec::<Value>::new());
    let deleted = elsewhere.send(Method::DELETE, "/api/auth/delete-account", None).await;
    assert_eq!(deleted.status(), 200);
    assert_eq!(there.next().await, Heard::Closed(1008));
}

#[tokio::test]
async fn a_message_that_is_too_big_closes_the_connection_and_nothing_else() {
    let scene = Scene::set().await;
    let mut loud = scene.customer("loud-customer-session").await;
    let mut calm = scene.customer("calm-customer-session").await;
    loud.say(&"x".repeat(200 * 1024)).await;
    assert!(matches!(loud.next().await, Heard::Closed(_)));
    assert_eq!(calm.everything().await, Vec::<Value>::new());
}

#[tokio::test]
async fn stopping_closes_sockets_as_going_away_and_ends_well() {
    let scene = Scene::set().await;
    let mut chef = scene.chef().await;
    let Scene { program, .. } = scene;
    let stopped = tokio::task::spawn_blocking(move || program.terminate());
    assert_eq!(chef.next().await, Heard::Closed(1001));
    assert!(stopped.await.unwrap().success());
}
