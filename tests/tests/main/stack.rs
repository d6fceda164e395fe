//! The functions on what the packaged template makes, each with the configuration that the template gives it.

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;
use waiterix_tests::client::{Client, http_client};
use waiterix_tests::gateway::{Gateway, Payload};
use waiterix_tests::kitchen::Kitchen;
use waiterix_tests::lambda_runtime::Function;
use waiterix_tests::stack::Stack;
use waiterix_tests::suppression::SuppressionList;

/// Where chefs work and guests order, as the names of the packaged stage say.
const KITCHEN: &str = "https://kitchen.example.com";
const MENU: &str = "https://menu.example.com";
/// The smallest PNG that is one.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";

async fn gateway(stack: &Stack) -> Gateway {
    Gateway::before(Payload::Rest, stack.variables("api").await, stack.variables("websocket").await).await
}

#[tokio::test]
async fn g130_an_order_becomes_a_row_and_an_event_on_what_the_packaged_template_makes() {
    let Some(stack) = Stack::deploy("dev").await else { return };
    let gateway = gateway(&stack).await;
    let kitchen = Kitchen::open_from(KITCHEN, &stack.cloud, &gateway.base, "ada@example.org").await;
    let mut chef = kitchen.chef(&gateway).await;
    let order = kitchen.order(&gateway.base).await;
    let event = chef.event().await;
    assert_eq!((&event["type"], &event["data"]["orderId"]), (&json!("new-order"), &order["id"]));
    assert_eq!(stack.cloud.connections().await, 1, "in the table that the template makes");

    // Another process knows the order: it is in PostgreSQL.
    let another = self::gateway(&stack).await;
    let path = format!("/api/orders/{}/track", order["id"].as_str().unwrap());
    assert_eq!(Client::new(&another.base).get(&path).await["order"]["status"], "new");

    // Upkeep, with its own variables and no others, leaves who is there alone.
    let mut variables = stack.variables("relay").await;
    let endpoint = gateway.variables().iter().find(|(name, _)| name == "WEBSOCKET_API_ENDPOINT");
    variables.extend(endpoint.cloned());
    let relay = Function::start("relay", &variables).await;
    let report = relay.invoke(&json!({ "source": "aws.events", "detail-type": "Scheduled Event" })).await;
    let report = report.unwrap();
    assert_eq!((&report["removed"]["connections"], report.get("failed")), (&json!(0), None), "{report}");
    assert_eq!(stack.cloud.connections().await, 1);
}

#[tokio::test]
async fn g065_a_browser_may_upload_to_the_bucket_of_the_template_and_the_picture_is_where_delivery_may_read()
{
    let Some(stack) = Stack::deploy("dev").await else { return };
    let gateway = gateway(&stack).await;
    let kitchen = Kitchen::open_from(KITCHEN, &stack.cloud, &gateway.base, "ada@example.org").await;
    let asked = json!({ "contentType": "image/png", "size": PNG.len() });
    let upload = kitchen.owner.post("/api/objects/upload", &asked).await;
    let url = upload["uploadURL"].as_str().unwrap();
    // The emulator does not honour what it is told of browsers unless it checks every signature as well, so the rule is looked at:
    // it lets through what an upload sends, from our pages.
    let rule = stack.cloud.object(&stack.name_of("ObjectsBucket"), "?cors").await.unwrap();
    let rule = String::from_utf8(rule).unwrap();
    let says = |element: &str, text: &str| rule.contains(&format!("<{element}>{text}</{element}>"));
    assert!([MENU, KITCHEN].iter().all(|origin| says("AllowedOrigin", origin)), "{rule}");
    assert_eq!(rule.matches("<AllowedOrigin>").count(), 2, "{rule}");
    assert!(says("AllowedMethod", "PUT") && says("ExposeHeader", "ETag"), "{rule}");
    let headers = upload["headers"].as_object().unwrap();
    assert!(!headers.is_empty());
    for name in headers.keys() {
        assert!(says("AllowedHeader", &name.to_ascii_lowercase()), "{name} in {rule}");
    }
    let sent = http_client()
        .build()
        .unwrap()
        .put(url)
        .header("origin", KITCHEN)
        .header("content-type", "image/png")
        .header("if-none-match", "*")
        .body(PNG)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
    let path = format!("/api/menu-items/{}/image", kitchen.dish["id"].as_str().unwrap());
    kitchen.owner.put(&path, &json!({ "imageUrl": url })).await;

    let menu = format!("/api/menu-items?restaurantId={}", kitchen.restaurant);
    let menu = Client::new(&gateway.base).get(&menu).await;
    let shown = Url::parse(menu[0]["imageUrl"].as_str().unwrap()).unwrap();
    let variables = stack.variables("api").await;
    let domain = variables.iter().find(|(name, _)| name == "CLOUDFRONT_DOMAIN").unwrap();
    assert_eq!(shown.host_str(), Some(domain.1.as_str()));
    // The policy of the bucket lets the delivery read below this.
    assert!(shown.path().starts_with("/public/"), "{shown}");
    let key = shown.path().trim_start_matches('/');
    let kept = stack.cloud.object(&stack.name_of("ObjectsBucket"), key).await;
    assert!(kept.is_some_and(|kept| kept == PNG));
}

#[tokio::test]
async fn g158_a_bounce_comes_by_the_topic_and_the_queue_of_the_template_and_stops_mail() {
    let Some(stack) = Stack::deploy("dev").await else { return };
    let (list, url) = SuppressionList::start().await;
    let mut variables = stack.variables("mail-events").await;
    for secret in ["SESSION_SECRET", "DATABASE_URL"] {
        assert!(!variables.iter().any(|(name, _)| name == secret), "{secret}");
    }
    variables.push(("AWS_ENDPOINT_URL_SESV2".to_owned(), url));
    let function = Function::start("mail-events", &variables).await;
    let said = json!({ "eventType": "Bounce", "bounce": {
        "bounceType": "Permanent", "bouncedRecipients": [{ "emailAddress": "gone@example.org" }] } });
    let event = stack.event_of_mail(&said).await;
    assert_eq!(event["Records"].as_array().map(Vec::len), Some(1), "{event}");
    assert_eq!(function.invoke(&event).await, Ok::<Value, _>(json!({ "batchItemFailures": [] })));
    assert_eq!(*list.addresses.lock().unwrap(), ["gone@example.org"]);

    let gateway = gateway(&stack).await;
    let guest = Client::new(&gateway.base);
    for address in ["gone@example.org", "ada@example.org"] {
        guest.send(Method::POST, "/api/auth/code", Some(&json!({ "email": address }))).await;
    }
    // Mails are in the order of the requests: where the second is, the first will not come any more.
    stack.cloud.code_for("ada@example.org").await;
    assert!(stack.cloud.mails_to("gone@example.org").await.is_empty());
}
