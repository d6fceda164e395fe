//! What chefs and guests hear.

use reqwest::Method;
use serde_json::{Value, json};
use waiterix_tests::socket::{Heard, Socket};
use waiterix_tests::stage::Stage;

use crate::service::kitchen::{Kitchen, OWNER, restaurant_of};

impl Kitchen<'_> {
    async fn chef(&self) -> Socket {
        let query = format!("restaurantId={}&role=chef", self.restaurant);
        self.stage.socket(&query, &[("cookie", self.owner.cookie())]).await.unwrap()
    }

    async fn customer(&self, session: &str) -> Socket {
        let query = format!("restaurantId={}&customerSessionId={session}", self.restaurant);
        self.stage.socket(&query, &[]).await.unwrap()
    }

    async fn anonymous(&self) -> Socket {
        self.stage.socket(&format!("restaurantId={}", self.restaurant), &[]).await.unwrap()
    }
}

pub(crate) async fn r1_r19_chefs_need_a_session_and_the_restaurant_before_the_handshake_is_answered(
    stage: &Stage,
) {
    let kitchen = Kitchen::open(stage).await;
    let chef = format!("restaurantId={}&role=chef", kitchen.restaurant);
    let open = async |query: &str, headers: &[(&'static str, &str)]| {
        stage.socket(query, headers).await.map(|_| ()).unwrap_err()
    };
    assert_eq!(open(&chef, &[]).await, 401);
    assert_eq!(open(&chef, &[("cookie", "connect.sid=s%3Aforged.signature")]).await, 401);
    assert_eq!(open("role=chef", &[("cookie", kitchen.owner.cookie())]).await, 400);
    assert_eq!(open("", &[]).await, 400);
    let other = stage.user("other@example.org").await;
    assert_eq!(open(&chef, &[("cookie", other.cookie())]).await, 403, "signed in, but no owner");
    restaurant_of(&other, "Elsewhere").await;
    assert_eq!(open(&chef, &[("cookie", other.cookie())]).await, 403, "owner of another restaurant");
    let unknown = "restaurantId=unknown&role=chef";
    assert_eq!(open(unknown, &[("cookie", kitchen.owner.cookie())]).await, 403);
}

pub(crate) async fn r21_a_foreign_page_cannot_listen_with_the_owners_cookie(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let query = format!("restaurantId={}&role=chef", kitchen.restaurant);
    let headers = [("cookie", kitchen.owner.cookie()), ("origin", "https://evil.example")];
    assert_eq!(stage.socket(&query, &headers).await.map(|_| ()).unwrap_err(), 403);
    let own = stage.origin();
    let headers = [("cookie", kitchen.owner.cookie()), ("origin", own)];
    stage.socket(&query, &headers).await.unwrap();
}

pub(crate) async fn a_ticket_opens_the_channel_once(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let ticket = kitchen.owner.post("/api/realtime/ticket", &json!({})).await;
    let ticket = ticket["ticket"].as_str().unwrap();
    let query = format!("restaurantId={}&role=chef&ticket={ticket}", kitchen.restaurant);
    let mut chef = stage.socket(&query, &[]).await.unwrap();
    assert_eq!(stage.socket(&query, &[]).await.map(|_| ()).unwrap_err(), 401);
    let order = kitchen.order().await;
    assert_eq!(chef.event().await["data"]["orderId"], order["id"]);
}

pub(crate) async fn r26_pings_are_answered_and_nonsense_is_ignored(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let mut guest = kitchen.anonymous().await;
    for nonsense in ["{", "7", "\"ping\"", "{\"type\":\"shout\"}", "{\"type\":{\"a\":1}}"] {
        guest.say(nonsense).await;
    }
    assert_eq!(guest.everything().await, Vec::<Value>::new());
}

pub(crate) async fn r5_r6_r9_everybody_hears_exactly_what_concerns_them_once(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let mut chef = kitchen.chef().await;
    let order = kitchen.order().await;
    let id = order["id"].as_str().unwrap();
    let mut tracking = kitchen.customer(&format!("tracking-{id}")).await;
    let mut stranger = kitchen.customer("tracking-another-order").await;
    let mut anonymous = kitchen.anonymous().await;

    kitchen.owner.put(&format!("/api/orders/{id}/status"), &json!({ "status": "preparing" })).await;
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

pub(crate) async fn questions_answers_and_calls_travel_between_guest_and_chef(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let mut chef = kitchen.chef().await;
    let session = "customer-1738314307000-abcdefghi";
    let mut guest = kitchen.customer(session).await;
    let question = json!({
        "restaurantId": kitchen.restaurant, "customerSessionId": session, "question": "Is it spicy?",
        "tableNumber": "2",
    });
    let question = kitchen.guest.post("/api/pending-questions", &question).await;
    assert_eq!(chef.event().await, json!({ "type": "new-question", "data": question }));
    let answer = json!({ "questionId": question["id"], "textAnswer": " Not at all. " });
    kitchen.owner.post("/api/chef/answer", &answer).await;
    let told = guest.event().await;
    assert_eq!((&told["type"], &told["data"]["answer"]), (&json!("chef-answer"), &json!("Not at all.")));
    let call = json!({ "restaurantId": kitchen.restaurant, "tableId": "3" });
    let call = kitchen.guest.post("/api/assistance-requests", &call).await;
    let told = chef.event().await;
    assert_eq!(told["type"], "new-assistance-request");
    assert_eq!((&told["data"]["id"], &told["data"]["tableNumber"]), (&call["id"], &json!("3")));
    let path = format!("/api/assistance-requests/{}/status", call["id"].as_str().unwrap());
    let response = kitchen.owner.send(Method::PATCH, &path, Some(&json!({ "status": "resolved" }))).await;
    assert_eq!(response.status(), 200);
    let told = chef.event().await;
    assert_eq!(told["type"], "assistance-request-updated");
    assert_eq!(told["data"]["status"], "resolved");
    assert_eq!(guest.everything().await, Vec::<Value>::new());
}

pub(crate) async fn r24_logging_out_closes_the_chefs_connections_of_that_session_only(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let elsewhere = stage.user(OWNER).await;
    let mut here = kitchen.chef().await;
    let query = format!("restaurantId={}&role=chef", kitchen.restaurant);
    let mut there = stage.socket(&query, &[("cookie", elsewhere.cookie())]).await.unwrap();
    kitchen.owner.post("/api/logout", &json!({})).await;
    assert!(is_told_to_go(stage, &here.next().await));
    assert_eq!(there.everything().await, Vec::<Value>::new());
    let deleted = elsewhere.send(Method::DELETE, "/api/auth/delete-account", None).await;
    assert_eq!(deleted.status(), 200);
    assert!(is_told_to_go(stage, &there.next().await));
}

pub(crate) async fn a_message_that_is_too_big_closes_the_connection_and_nothing_else(stage: &Stage) {
    let kitchen = Kitchen::open(stage).await;
    let mut loud = kitchen.customer("loud-customer-session").await;
    let mut calm = kitchen.customer("calm-customer-session").await;
    loud.say(&"x".repeat(200 * 1024)).await;
    assert!(matches!(loud.next().await, Heard::Closed(_)));
    assert_eq!(calm.everything().await, Vec::<Value>::new());
}

/// Whether a connection was closed, for the reason of policy where the server can say so.
fn is_told_to_go(stage: &Stage, heard: &Heard) -> bool {
    matches!(heard, Heard::Closed(code) if *code == 1008 || !stage.chooses_close_codes())
}
