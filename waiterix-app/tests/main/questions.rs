//! Guests' questions and chefs' answers.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use waiterix_domain::Row;
use waiterix_domain::schema::Table;
use waiterix_ports::{Connection, ConnectionId, Frame, KeyRange, Notifier as _, Outlet, Role, Store as _};

use crate::common::{House, Owner, Reply, error, message};

const SESSION: &str = "customer-1738314307000-k3j5h7f9a";

fn question(restaurant: &str) -> Value {
    json!({ "restaurantId": restaurant, "customerSessionId": SESSION, "question": " Is the soup vegan today? " })
}

async fn asked(house: &House, restaurant: &str) -> Value {
    house.post("/api/pending-questions", question(restaurant)).await.expect(201)
}

fn answer_body(question: &Value, text: &str) -> Value {
    json!({ "questionId": question["id"], "textAnswer": text })
}

/// Listens like a socket of this process.
async fn listen(house: &House, restaurant: &str, role: Role) -> mpsc::Receiver<Frame> {
    let (outlet, frames) = mpsc::channel(8);
    let connection = Connection {
        id: ConnectionId::new(house.app.fresh_id()),
        restaurant: restaurant.into(),
        role,
        connected_at: house.app.clock.now(),
        outlet: Outlet::Socket(outlet),
    };
    house.notifier.connect(&connection).await.unwrap();
    frames
}

fn heard(frames: &mut mpsc::Receiver<Frame>) -> Option<String> {
    match frames.try_recv() {
        Ok(Frame::Text(text)) => Some(text.to_string()),
        _ => None,
    }
}

/// Sends a form: each part is its headers and its content.
async fn form(house: &House, who: &Owner, parts: &[(&str, &[u8])]) -> Reply {
    let mut body = Vec::new();
    for (head, content) in parts {
        body.extend_from_slice(
            format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    let request = Request::post("/api/chef/answer")
        .header("cookie", &who.cookie)
        .header("content-type", "multipart/form-data; boundary=edge")
        .body(Body::from(body))
        .unwrap();
    house.send(request).await
}

#[tokio::test]
async fn a_question_is_stored_pending_and_listed_newest_first() {
    let house = House::new();
    let (ada, restaurant) = house.owner("ada").await;
    let mut body = question(restaurant.id.as_str());
    body["tableNumber"] = json!("5");
    body["extra"] = json!(1);
    let first = house.post("/api/pending-questions", body).await.expect(201);
    let want = json!({
        "id": first["id"], "restaurantId": "ada-restaurant", "customerSessionId": SESSION,
        "question": "Is the soup vegan today?", "menuItemContext": null, "language": "en", "status": "pending",
        "tableNumber": "5", "createdAt": "2025-01-31T09:05:07.000Z",
    });
    assert_eq!(first, want);
    house.clock.advance(std::time::Duration::from_millis(1));
    let second = asked(&house, "ada-restaurant").await;
    assert_eq!(house.get_as(&ada, "/api/chef/questions").await.expect(200), json!([second, first]));
}

#[tokio::test]
async fn d68_the_status_of_a_new_question_is_not_accepted_from_outside() {
    let house = House::new();
    house.owner("ada").await;
    let mut body = question("ada-restaurant");
    body["status"] = json!("answered");
    assert_eq!(house.post("/api/pending-questions", body).await.expect(201)["status"], "pending");
}

#[tokio::test]
async fn d68_malformed_questions_are_400_and_change_nothing() {
    let house = House::new();
    house.owner("ada").await;
    let before = house.dump().await;
    for (field, value) in [
        ("question", json!("  ")),
        ("question", json!("q".repeat(1001))),
        ("question", json!(5)),
        ("question", json!(null)),
        ("question", json!("a\0b")),
        ("customerSessionId", json!("s".repeat(15))),
        ("customerSessionId", json!("s".repeat(129))),
        ("customerSessionId", json!([])),
        ("language", json!("xx")),
        ("language", json!(1)),
        ("menuItemContext", json!({})),
        ("tableNumber", json!(5)),
        ("restaurantId", json!(null)),
    ] {
        let mut body = question("ada-restaurant");
        body[field] = value.clone();
        let reply = house.post("/api/pending-questions", body).await.expect(400);
        assert_eq!(reply["error"], "Validation failed", "{field} {value}");
        assert_eq!(reply["details"][0]["path"], json!([field]));
    }
    let unknown = house.post("/api/pending-questions", question("nobody")).await;
    unknown.refused(404, error("Restaurant not found"));
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn chefs_hear_of_a_question_and_guests_do_not() {
    let house = House::new();
    house.owner("ada").await;
    let chef = Role::Chef { user: "ada".into(), session_digest: None };
    let mut chef = listen(&house, "ada-restaurant", chef).await;
    let guest = Role::Customer { session: Some(SESSION.to_owned()) };
    let mut guest = listen(&house, "ada-restaurant", guest).await;
    let row = asked(&house, "ada-restaurant").await;
    let told: Value = serde_json::from_str(&heard(&mut chef).unwrap()).unwrap();
    assert_eq!(told, json!({ "type": "new-question", "data": row }));
    assert_eq!(heard(&mut guest), None);
}

#[tokio::test]
async fn a_written_answer_is_stored_learnt_and_told_to_the_guest() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let row = asked(&house, "ada-restaurant").await;
    let guest = Role::Customer { session: Some(SESSION.to_owned()) };
    let mut guest = listen(&house, "ada-restaurant", guest).await;
    let reply = house.post_as(&ada, "/api/chef/answer", answer_body(&row, "  Yes, without cream. ")).await;
    let reply = reply.expect(200);
    let want = json!({
        "success": true, "answer": "Yes, without cream.", "chefAnswerId": reply["chefAnswerId"],
        "message": "Answer sent to customer and saved to FAQ",
    });
    assert_eq!(reply, want);
    let data = json!({
        "questionId": row["id"], "question": "Is the soup vegan today?", "answer": "Yes, without cream.",
        "language": "en",
    });
    let told: Value = serde_json::from_str(&heard(&mut guest).unwrap()).unwrap();
    assert_eq!(told, json!({ "type": "chef-answer", "data": data }));
    assert_eq!(house.get_as(&ada, "/api/chef/questions").await.expect(200), json!([]));
    let faqs = house.get_as(&ada, "/api/faqs").await.expect(200);
    assert_eq!(faqs[0]["answer"], "Yes, without cream.");
    assert_eq!(faqs[0]["keywords"], json!(["soup", "vegan", "today", "without", "cream"]), "D73");
}

#[tokio::test]
async fn d69_a_question_is_answered_once_also_by_two_at_once() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let row = asked(&house, "ada-restaurant").await;
    let (one, two) = tokio::join!(
        house.post_as(&ada, "/api/chef/answer", answer_body(&row, "Yes")),
        house.post_as(&ada, "/api/chef/answer", answer_body(&row, "No"))
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let again = house.post_as(&ada, "/api/chef/answer", answer_body(&row, "Maybe")).await;
    again.refused(409, error("Question already answered"));
    for table in [Table::ChefAnswers, Table::Faqs] {
        assert_eq!(house.store.scan(table, &KeyRange::default(), 10).await.unwrap().len(), 1, "{table:?}");
    }
}

#[tokio::test]
async fn answers_are_refused_in_the_order_of_the_contract_and_change_nothing() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let (bob, _) = house.owner("bob").await;
    let row = asked(&house, "ada-restaurant").await;
    let before = house.dump().await;
    let path = "/api/chef/answer";
    let nobody = house.post(path, answer_body(&row, "Yes")).await;
    nobody.refused(401, message("Unauthorized"));
    house.post_as(&ada, path, json!({})).await.refused(400, error("Question ID is required"));
    let neither = error("Either audio file or text answer is required");
    house.post_as(&ada, path, json!({ "questionId": row["id"] })).await.refused(400, neither.clone());
    house.post_as(&ada, path, answer_body(&row, "")).await.refused(400, neither);
    for bad in [json!(" "), json!("a".repeat(5001)), json!(7), json!("a\0")] {
        let reply = house.post_as(&ada, path, json!({ "questionId": row["id"], "textAnswer": bad })).await;
        let reply = reply.expect(400);
        assert_eq!(
            (&reply["error"], &reply["details"][0]["path"][0]),
            (&json!("Validation failed"), &json!("textAnswer"))
        );
    }
    let unknown = json!({ "questionId": "none", "textAnswer": "Yes" });
    house.post_as(&ada, path, unknown).await.refused(404, error("Question not found"));
    house.post_as(&bob, path, answer_body(&row, "Yes")).await.refused(403, error("Forbidden"));
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn an_answer_may_come_as_a_form() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let row = asked(&house, "ada-restaurant").await;
    let id = row["id"].as_str().unwrap();
    let parts: [(&str, &[u8]); 4] = [
        ("name=\"questionId\"", id.as_bytes()),
        ("name=\"language\"", b"fr"),
        ("name=\"ignored\"", b"x"),
        ("name=\"textAnswer\"", "Oui, très".as_bytes()),
    ];
    assert_eq!(form(&house, &ada, &parts).await.expect(200)["answer"], "Oui, très");
}

#[tokio::test]
async fn d70_recordings_are_measured_typed_and_then_told_that_nobody_listens() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let row = asked(&house, "ada-restaurant").await;
    let id = row["id"].as_str().unwrap();
    let before = house.dump().await;
    let webm = "name=\"audio\"; filename=\"answer.webm\"\r\nContent-Type: audio/webm";
    let mp4 = "name=\"audio\"; filename=\"answer.mp4\"\r\nContent-Type: video/mp4";
    let with = |head: &'static str, bytes: usize| {
        let (house, ada) = (&house, &ada);
        async move {
            let sound = vec![7; bytes];
            form(house, ada, &[("name=\"questionId\"", id.as_bytes()), (head, &sound)]).await
        }
    };
    let unavailable = error("Voice answers are not available, please type the answer");
    with(webm, 3).await.refused(503, unavailable.clone());
    with(webm, 10 * 1024 * 1024).await.refused(503, unavailable);
    let too_large = json!({ "error": "Payload Too Large", "message": "Request body too large" });
    with(webm, 10 * 1024 * 1024 + 1).await.refused(413, too_large.clone());
    with(webm, 12 * 1024 * 1024).await.refused(413, too_large);
    with(webm, 0).await.refused(400, error("Either audio file or text answer is required"));
    let wrong = with(mp4, 3).await.expect(400);
    assert_eq!(wrong["details"], json!([{ "path": ["audio"], "message": "must be an audio file" }]));
    House::nothing_changed(&before, &house.dump().await);
}

#[tokio::test]
async fn a_broken_form_is_400() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    for kind in ["multipart/form-data", "multipart/form-data; boundary=edge"] {
        let request = Request::post("/api/chef/answer")
            .header("cookie", &ada.cookie)
            .header("content-type", kind)
            .body(Body::from("--edge\r\nnonsense"))
            .unwrap();
        house.send(request).await.refused(400, error("Malformed form data"));
    }
}

#[tokio::test]
async fn a_question_is_deleted_with_its_answer_by_its_owner_only() {
    let house = House::new();
    let (ada, _) = house.owner("ada").await;
    let (bob, _) = house.owner("bob").await;
    let row = asked(&house, "ada-restaurant").await;
    house.post_as(&ada, "/api/chef/answer", answer_body(&row, "Yes")).await.expect(200);
    let path = format!("/api/chef/questions/{}", row["id"].as_str().unwrap());
    house.call(Method::DELETE, &path, None, None).await.refused(401, message("Unauthorized"));
    house.delete_as(&ada, "/api/chef/questions/none").await.refused(404, error("Question not found"));
    house.delete_as(&bob, &path).await.refused(403, error("Forbidden"));
    house.delete_as(&ada, &path).await.refused(200, message("Question deleted successfully"));
    let left: Vec<Table> = house.dump().await.iter().map(Row::table).collect();
    assert!(!left.contains(&Table::PendingQuestions) && !left.contains(&Table::ChefAnswers));
    assert!(left.contains(&Table::Faqs), "what was learnt stays");
}

#[tokio::test]
async fn an_owner_without_restaurant_is_told_with_the_key_of_the_route() {
    let house = House::new();
    let cyd = house.user("cyd").await;
    house.get_as(&cyd, "/api/chef/questions").await.refused(404, error("Restaurant not found"));
    house.get("/api/chef/questions").await.refused(401, message("Unauthorized"));
}
