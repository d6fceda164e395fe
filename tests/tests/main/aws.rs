//! The program on AWS: every port on a real server of the kind, or on the emulator.

use reqwest::Method;
use serde_json::{Value, json};
use waiterix_tests::client::{Client, http_client};
use waiterix_tests::cloud::Cloud;
use waiterix_tests::program::{Program, run};

/// The smallest PNG that is one.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";

/// The service with the adapters of AWS, and what it stands on.
struct Scene {
    cloud: Cloud,
    data: tempfile::TempDir,
    program: Program,
}

impl Scene {
    async fn set() -> Option<Self> {
        let cloud = Cloud::prepare().await?;
        let data = tempfile::tempdir().unwrap();
        let program = start(&cloud, &data);
        Some(Self { cloud, data, program })
    }

    async fn owner(&self) -> Client {
        let mut owner = Client::new(&self.program.base);
        owner.post("/api/auth/code", &json!({ "email": "owner@example.org" })).await;
        let code = self.cloud.code_for("owner@example.org").await;
        owner.sign_in("owner@example.org", &code).await;
        owner
    }
}

fn start(cloud: &Cloud, data: &tempfile::TempDir) -> Program {
    let mut variables = cloud.variables();
    variables.push(("WAITERIX_ADAPTERS", "aws".to_owned()));
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Program::start(data.path(), &variables)
}

async fn restaurant_with_dish(owner: &Client) -> (Value, Value) {
    let restaurant = owner.post("/api/restaurant", &json!({ "name": "Casa" })).await;
    let dish = json!({
        "restaurantId": restaurant["id"], "name": "Soup", "description": "", "price": "10.00", "category": "Soups",
    });
    let dish = owner.post("/api/menu-items", &dish).await;
    (restaurant, dish)
}

async fn order(guest: &Client, restaurant: &Value, dish: &Value) -> Value {
    let body = json!({
        "restaurantId": restaurant["id"], "paymentMethod": "cash",
        "items": [{ "id": dish["id"], "name": "Soup", "price": "10.00", "quantity": 2 }],
        "subtotal": "20.00", "tax": "2.00", "tip": "0.00", "total": "22.00",
    });
    guest.post("/api/orders", &body).await
}

#[tokio::test]
async fn guests_order_and_owners_manage_on_aws_and_nothing_is_kept_in_the_process() {
    let Some(mut scene) = Scene::set().await else { return };
    let owner = scene.owner().await;
    let (restaurant, dish) = restaurant_with_dish(&owner).await;
    let guest = Client::new(&scene.program.base);
    let placed = order(&guest, &restaurant, &dish).await;

    // A picture goes from the browser straight to the bucket.
    let asked = json!({ "contentType": "image/png", "size": PNG.len() });
    let upload = owner.post("/api/objects/upload", &asked).await;
    let url = upload["uploadURL"].as_str().unwrap().to_owned();
    let sent = http_client().build().unwrap().put(&url).header("content-type", "image/png").body(PNG);
    let sent = sent.header("if-none-match", "*").send().await.unwrap();
    assert_eq!(sent.status(), 200, "{}", sent.text().await.unwrap());
    let path = format!("/api/menu-items/{}/image", dish["id"].as_str().unwrap());
    owner.put(&path, &json!({ "imageUrl": url })).await;
    let menu_path = format!("/api/menu-items?restaurantId={}", restaurant["id"].as_str().unwrap());
    let menu = guest.get(&menu_path).await;
    let picture = menu[0]["imageUrl"].as_str().unwrap();
    assert!(picture.starts_with("/api/objects/"), "{picture}");
    let served = guest.send(Method::GET, picture, None).await;
    assert_eq!(served.headers()["content-type"], "image/png");
    assert_eq!(served.bytes().await.unwrap(), PNG);

    // A receipt goes out once.
    let receipt = format!("/api/orders/{}/email-receipt", placed["id"].as_str().unwrap());
    guest.post(&receipt, &json!({ "email": "guest@example.org" })).await;
    let mails = scene.cloud.mails_to("guest@example.org").await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0]["Subject"].as_str().unwrap().starts_with("Order Receipt #"), "{}", mails[0]["Subject"]);

    // Another process, with another data folder, knows all of it.
    let cookie = owner.cookie().to_owned();
    scene.data = tempfile::tempdir().unwrap();
    scene.program = start(&scene.cloud, &scene.data);
    let guest = Client::new(&scene.program.base);
    let view = guest.get(&format!("/api/orders/{}/track", placed["id"].as_str().unwrap())).await;
    assert_eq!(view["order"], placed);
    let listed = http_client()
        .build()
        .unwrap()
        .get(scene.program.base.join("/api/orders").unwrap())
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.status(), 200, "the session is in Redis");
    let kept: Vec<_> =
        std::fs::read_dir(scene.data.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(kept.is_empty(), "nothing is kept in the data folder: {kept:?}");
}

#[tokio::test]
async fn without_redis_guests_order_and_owners_get_503_but_are_not_logged_out() {
    let Some(mut scene) = Scene::set().await else { return };
    let owner = scene.owner().await;
    let (restaurant, dish) = restaurant_with_dish(&owner).await;
    scene.cloud.redis().kill();
    order(&Client::new(&scene.program.base), &restaurant, &dish).await;
    let response = owner.send(Method::GET, "/api/orders", None).await;
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("set-cookie"), "a cookie must survive an outage");
}

#[tokio::test]
async fn the_doctor_finds_everything_in_order_and_names_what_is_not() {
    let Some(mut cloud) = Cloud::prepare().await else { return };
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let mut variables = cloud.variables();
    variables.push(("WAITERIX_ADAPTERS", "aws".to_owned()));
    let examine = |variables: &[(&str, String)]| {
        let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let (status, output, complaints) = run(&["doctor", "--json", "--data", data], &variables);
        let findings: Vec<Value> = serde_json::from_str(&output).expect(&complaints);
        let bad: Vec<String> = findings
            .iter()
            .filter(|finding| finding["ok"] == false)
            .map(|finding| finding["what"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(status.success(), bad.is_empty(), "{complaints}");
        assert!(findings.iter().all(|finding| finding["ok"] == true || finding["remedy"].is_string()));
        (bad, output)
    };
    let (bad, output) = examine(&variables);
    assert_eq!(bad, Vec::<String>::new(), "{output}");

    let set = |name: &'static str, value: &str| {
        let mut changed = variables.clone();
        changed.retain(|(other, _)| *other != name);
        changed.push((name, value.to_owned()));
        changed
    };
    assert_eq!(examine(&set("AWS_S3_BUCKET", "a-bucket-that-is-not-there")).0, ["objects"]);
    assert_eq!(examine(&set("WEBSOCKET_CONNECTIONS_TABLE", "no-such-table")).0, ["realtime"]);
    let (_, url) = variables.iter().find(|(name, _)| *name == "DATABASE_URL").unwrap();
    let wrong = url.replace(":waiterix@", ":hunter2hunter2@");
    assert_ne!(&wrong, url);
    let (bad, output) = examine(&set("DATABASE_URL", &wrong));
    assert_eq!(bad, ["database"]);
    assert!(!output.contains("hunter2"), "{output}");
    assert_eq!(examine(&set("AWS_REGION", "Nowhere!")).0, ["AWS_REGION"]);
    cloud.redis().kill();
    // Mail stands on the ledger in the session store.
    assert_eq!(examine(&variables).0, ["mail", "sessions"]);
}

#[tokio::test]
async fn what_aws_needs_is_asked_for_by_name_and_all_at_once() {
    let data = tempfile::tempdir().unwrap();
    let (status, _, complaints) =
        run(&["serve", "--data", data.path().to_str().unwrap()], &[("WAITERIX_ADAPTERS", "aws")]);
    assert!(!status.success());
    for name in [
        "AWS_REGION",
        "AWS_S3_BUCKET",
        "DATABASE_URL",
        "FRONTEND_URL",
        "REDIS_HOST",
        "SES_FROM_EMAIL",
        "SESSION_SECRET",
        "SUPPORT_EMAIL",
    ] {
        assert!(complaints.contains(name), "{name} in {complaints}");
    }
}
