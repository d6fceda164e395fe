//! The program as a person runs it: starting, stopping, starting again, being killed.

use reqwest::Method;
use serde_json::{Value, json};
use waiterix_tests::client::{Client, http_client};
use waiterix_tests::program::{Program, run};
use waiterix_tests::socket::{Heard, Socket};

async fn order(guest: &Client, restaurant: &Value, dish: &Value) -> Value {
    let body = json!({
        "restaurantId": restaurant["id"], "paymentMethod": "cash",
        "items": [{ "id": dish["id"], "name": "Soup", "price": "10.00", "quantity": 2 }],
        "subtotal": "20.00", "tax": "2.00", "tip": "0.00", "total": "22.00",
    });
    guest.post("/api/orders", &body).await
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_after_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    let owner = Client::signed_in(&program.base, data.path(), "owner@example.org").await;
    let cookie = owner.cookie().to_owned();
    let restaurant = owner.post("/api/restaurant", &json!({ "name": "Casa" })).await;
    let dish = json!({
        "restaurantId": restaurant["id"], "name": "Soup", "description": "", "price": "10.00", "category": "Soups",
    });
    let dish = owner.post("/api/menu-items", &dish).await;
    let first = order(&Client::new(&program.base), &restaurant, &dish).await;
    assert!(program.terminate().success());

    let program = Program::start(data.path(), &[]);
    let guest = Client::new(&program.base);
    let view = guest.get(&format!("/api/orders/{}/track", first["id"].as_str().unwrap())).await;
    assert_eq!(view["order"], first);
    let second = order(&guest, &restaurant, &dish).await;
    // The answer has been read, so the order must survive even this.
    program.kill();

    let program = Program::start(data.path(), &[]);
    let response = http_client()
        .build()
        .unwrap()
        .get(program.base.join("/api/orders").unwrap())
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200, "the session survives as well");
    let listed: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    let mut ids: Vec<&str> = listed.as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap()).collect();
    let mut placed = [first["id"].as_str().unwrap(), second["id"].as_str().unwrap()];
    ids.sort_unstable();
    placed.sort_unstable();
    assert_eq!(ids, placed);
}

#[tokio::test]
async fn the_api_page_and_the_document_come_from_the_binary() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    let client = Client::new(&program.base);
    let page = client.get_text("/docs/").await;
    assert!(page.contains("swagger-ui"), "{page}");
    assert!(!page.contains("https://"), "the page needs nothing from elsewhere: {page}");
    let served = client.get("/openapi.json").await;
    let (status, printed, _) = run(&["openapi"], &[]);
    assert!(status.success());
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(served, printed);
}

#[tokio::test]
async fn health_and_name_answer_and_every_answer_carries_a_request_id_and_safe_headers() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[("FRONTEND_URL", "https://app.example.org")]);
    let client = Client::new(&program.base);
    let health = client.get("/health").await;
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("waiterix-backend")));
    let response = client.send(Method::GET, "/api/config", None).await;
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(headers.contains_key("x-request-id"));
    assert_eq!(response.text().await.unwrap(), r#"{"cdnDomain":null}"#);
}

#[tokio::test]
async fn d106_cors_answers_the_configured_origin_and_no_other() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[("FRONTEND_URL", "https://app.example.org")]);
    let preflight = async |origin: &str| {
        http_client()
            .build()
            .unwrap()
            .request(Method::OPTIONS, program.base.join("/api/orders").unwrap())
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .send()
            .await
            .unwrap()
    };
    let allowed = preflight("https://app.example.org").await;
    assert!(allowed.status().is_success());
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example.org");
    assert_eq!(allowed.headers()["access-control-allow-credentials"], "true");
    let refused = preflight("https://evil.example").await;
    assert!(!refused.headers().contains_key("access-control-allow-origin"));
}

#[test]
fn every_problem_of_the_configuration_is_reported_at_once_without_values() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let variables = [
        ("SUPPORT_EMAIL", "nobody"),
        ("SESSION_SECRET", "hunter2"),
        ("FRONTEND_URL", "nowhere"),
        ("LOG_LEVEL", "a=b=c"),
    ];
    let (status, output, complaints) =
        run(&["serve", "--listen", "127.0.0.1:0", "--data", folder], &variables);
    assert!(!status.success());
    assert_eq!(output, "");
    for (name, value) in variables {
        assert!(complaints.contains(name), "{name} in {complaints}");
        assert!(!complaints.contains(value), "{value} in {complaints}");
    }
}

#[test]
fn an_address_in_use_is_said_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let (status, _, complaints) =
        run(&["serve", "--listen", &address, "--data", data.path().to_str().unwrap()], &[]);
    assert!(!status.success());
    assert!(complaints.contains(&format!("cannot listen on {address}")), "{complaints}");
}

#[tokio::test]
async fn the_demo_is_a_restaurant_one_can_walk_through() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let (status, output, complaints) = run(&["demo", "--data", folder], &[]);
    assert!(status.success(), "{complaints}");
    let again = run(&["demo", "--data", folder], &[]);
    assert!(again.0.success() && again.1.contains("there already"), "{}", again.2);

    let program = Program::start(data.path(), &[]);
    let owner = Client::signed_in(&program.base, data.path(), "owner@demo.example").await;
    let restaurant = owner.get("/api/restaurant").await;
    let id = restaurant["id"].as_str().unwrap();
    let menu = owner.get(&format!("/api/menu-items?restaurantId={id}")).await;
    assert!(menu.as_array().unwrap().len() >= 20);
    for item in menu.as_array().unwrap() {
        let picture = owner.send(Method::GET, item["imageUrl"].as_str().unwrap(), None).await;
        assert_eq!(
            (picture.status().as_u16(), &picture.headers()["content-type"]),
            (200, &"image/png".parse().unwrap())
        );
    }
    let codes: Vec<&str> = output.split_whitespace().filter(|word| word.contains("/public/qr/")).collect();
    assert_eq!(codes.len(), 20, "an SVG and a PNG for each of ten tables");
    for code in codes {
        let path = code.split_once("/api/").map(|(_, path)| format!("/api/{path}")).unwrap();
        assert_eq!(owner.send(Method::GET, &path, None).await.status(), 200, "{path}");
    }
    let report = owner.get_text("/api/reports/financial?startDate=2000-01-01&endDate=2100-01-01").await;
    assert!(report.contains("Total Orders,405"), "{report}");
}

#[tokio::test]
async fn a_request_that_runs_when_it_is_asked_to_stop_is_finished() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    let base = program.base.clone();
    let address = base.socket_addrs(|| None).unwrap()[0];
    let mut running = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = r#"{"email":"owner@example.org"}"#;
    let head = format!(
        "POST /api/auth/code HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    running.write_all(head.as_bytes()).await.unwrap();
    // Being told to go on proves that the service is reading the body, so the request runs.
    let mut go_on = [0; 25];
    running.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let stopped = tokio::task::spawn_blocking(move || program.terminate());
    // Once it takes no new connections it has heard the request to stop.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "it goes on taking connections");
        tokio::task::yield_now().await;
    }
    running.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    running.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(stopped.await.unwrap().success());
}

#[tokio::test]
async fn ctrl_c_stops_it_too() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    Client::new(&program.base).get("/health").await;
    assert!(program.interrupt().success());
}

/// A chef who listens to a restaurant of the service.
async fn chef(program: &Program) -> (Socket, String) {
    let owner = Client::signed_in(&program.base, &program.data, "owner@example.org").await;
    let restaurant = owner.post("/api/restaurant", &json!({ "name": "Casa" })).await;
    let restaurant = restaurant["id"].as_str().unwrap().to_owned();
    let path = format!("/ws?restaurantId={restaurant}&role=chef");
    let socket = Socket::open(&program.base, &path, &[("cookie", owner.cookie())]).await.unwrap();
    (socket, restaurant)
}

#[tokio::test]
async fn stopping_closes_sockets_as_going_away_and_ends_well() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    let (mut chef, _) = chef(&program).await;
    let stopped = tokio::task::spawn_blocking(move || program.terminate());
    assert_eq!(chef.next().await, Heard::Closed(1001));
    assert!(stopped.await.unwrap().success());
}

#[tokio::test]
async fn m4_both_paths_of_the_push_channel_answer() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    let (_, restaurant) = chef(&program).await;
    for path in ["/ws", "/"] {
        let path = format!("{path}?restaurantId={restaurant}");
        let mut guest = Socket::open(&program.base, &path, &[]).await.unwrap();
        assert_eq!(guest.everything().await, Vec::<Value>::new());
    }
}
