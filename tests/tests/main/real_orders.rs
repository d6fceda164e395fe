//! Real orders, end to end: the menu of a real restaurant goes in by CSV, every order is placed over HTTP while a chef
//! listens, and the report is checked against sums computed here, to the cent.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use waiterix_tests::client::Client;
use waiterix_tests::data::{self, OrderLine};
use waiterix_tests::socket::Socket;
use waiterix_tests::stage::Stage;

/// A dish as the guests of the data ordered it: name, choice, unit price in cents.
type Dish = (String, Option<String>, i64);

fn dish(line: &OrderLine) -> Dish {
    let cents = line.price_cents / line.quantity;
    assert_eq!(cents * line.quantity, line.price_cents, "a line price is a multiple of its quantity");
    (line.item.clone(), line.choice.clone(), cents)
}

fn dec(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// 10 %, rounded half up.
fn tax(subtotal_cents: i64) -> i64 {
    (subtotal_cents + 5) / 10
}

/// Counts `new-order` events until `expected` of them came.
fn count_new_orders(mut chef: Socket, expected: usize) -> tokio::task::JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut heard = Vec::new();
        while heard.len() < expected {
            let event = chef.event().await;
            if event["type"] == "new-order" {
                heard.push(event["data"]["orderId"].as_str().unwrap().to_owned());
            }
        }
        heard
    })
}

/// The menu of the distinct dishes as a CSV file.
fn menu_csv(dishes: &[Dish]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["name", "description", "price", "category"]).unwrap();
    for (name, choice, cents) in dishes {
        let category = name.split(' ').next().unwrap();
        writer.write_record([name, choice.as_deref().unwrap_or(""), &dec(*cents), category]).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_real_order_is_placed_heard_and_reported_to_the_cent() {
    serve_them_all(&Stage::local()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_on_the_providers_of_old() {
    if let Some(stage) = Stage::legacy().await {
        serve_them_all(&stage).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_on_aws() {
    if let Some(stage) = Stage::aws().await {
        serve_them_all(&stage).await;
    }
}

#[allow(clippy::print_stdout, reason = "where the orders are from belongs to the result")]
async fn serve_them_all(stage: &Stage) {
    let (lines, source) = data::orders();
    println!("orders from {source}");
    let mut orders: BTreeMap<u32, Vec<&OrderLine>> = BTreeMap::new();
    for line in &lines {
        orders.entry(line.order).or_default().push(line);
    }
    let mut dishes: Vec<Dish> = lines.iter().map(dish).collect();
    dishes.sort();
    dishes.dedup();

    let owner = stage.user("owner@example.org").await;
    let restaurant = owner
        .post("/api/restaurant", &json!({ "name": "Cantina", "city": "Denver", "country": "United States" }))
        .await;
    let restaurant = restaurant["id"].as_str().unwrap().to_owned();

    let preview =
        owner.post("/api/menu-items/import/preview", &json!({ "csvData": menu_csv(&dishes) })).await;
    assert_eq!((&preview["validRows"], &preview["errors"]), (&json!(dishes.len()), &json!([])));
    let confirmed = owner.post("/api/menu-items/import/confirm", &json!({ "items": preview["items"] })).await;
    assert_eq!(confirmed["count"], json!(dishes.len()));

    // What a guest's page does: read the menu, remember ids and prices.
    let guest = stage.guest();
    let menu = guest.get(&format!("/api/menu-items?restaurantId={restaurant}")).await;
    let menu: BTreeMap<Dish, Value> = menu
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let choice = item["description"].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
            let cents = item["price"].as_str().unwrap().replace('.', "").parse().unwrap();
            ((item["name"].as_str().unwrap().to_owned(), choice, cents), item.clone())
        })
        .collect();
    assert_eq!(menu.len(), dishes.len());

    let query = format!("restaurantId={restaurant}&role=chef");
    let mut chef = stage.socket(&query, &[("cookie", owner.cookie())]).await.unwrap();
    assert_eq!(chef.everything().await, Vec::<Value>::new());
    let chef = count_new_orders(chef, orders.len());
    let mut placed = Vec::new();
    let mut expected = Expected::default();
    for order in orders.values() {
        let body = order_body(&restaurant, order, &menu, expected.orders);
        let answer = guest.post("/api/orders", &body).await;
        expected.add(order, expected.orders);
        assert_eq!(answer["total"], body["total"]);
        placed.push(answer["id"].as_str().unwrap().to_owned());
    }
    let mut heard = chef.await.unwrap();
    heard.sort();
    placed.sort();
    assert_eq!(heard, placed, "the chef hears of every order exactly once");

    check_report(&owner, &expected).await;
    refuse_an_old_price(&owner, &guest, &restaurant, orders.values().next().unwrap(), &menu).await;
}

/// Sums computed independently of the service, in integers.
#[derive(Default)]
struct Expected {
    orders: i64,
    subtotal: i64,
    tax: i64,
    tip: i64,
    online: i64,
}

/// A tip that differs from order to order.
fn tip(subtotal: i64, nth: i64) -> i64 {
    subtotal * [0, 10, 15, 20][usize::try_from(nth % 4).unwrap()] / 100
}

impl Expected {
    fn add(&mut self, order: &[&OrderLine], nth: i64) {
        let subtotal: i64 = order.iter().map(|line| line.price_cents).sum();
        self.orders += 1;
        self.subtotal += subtotal;
        self.tax += tax(subtotal);
        self.tip += tip(subtotal, nth);
        self.online += i64::from(nth % 3 == 0);
    }
}

fn order_body(restaurant: &str, order: &[&OrderLine], menu: &BTreeMap<Dish, Value>, nth: i64) -> Value {
    let items: Vec<Value> = order
        .iter()
        .map(|line| {
            let item = &menu[&dish(line)];
            json!({ "id": item["id"], "name": item["name"], "price": item["price"], "quantity": line.quantity })
        })
        .collect();
    let subtotal: i64 = order.iter().map(|line| line.price_cents).sum();
    let (tax, tip) = (tax(subtotal), tip(subtotal, nth));
    json!({
        "restaurantId": restaurant,
        "tableId": (nth % 4 + 1).to_string(),
        "items": items,
        "subtotal": dec(subtotal),
        "tax": dec(tax),
        "tip": dec(tip),
        "total": dec(subtotal + tax + tip),
        "paymentMethod": if nth % 3 == 0 { "online" } else { "cash" },
    })
}

async fn check_report(owner: &Client, expected: &Expected) {
    let report = owner.get_text("/api/reports/financial?startDate=2000-01-01&endDate=2100-01-01").await;
    let revenue = expected.subtotal + expected.tax + expected.tip;
    let average = (revenue * 2 + expected.orders) / (2 * expected.orders);
    for line in [
        format!("Total Orders,{}", expected.orders),
        "Completed Orders,0".to_owned(),
        "Cancelled Orders,0".to_owned(),
        format!("Total Subtotal,{}", dec(expected.subtotal)),
        format!("Total Tax,{}", dec(expected.tax)),
        format!("Total Tips,{}", dec(expected.tip)),
        format!("Total Revenue,{}", dec(revenue)),
        format!("Average Order Value,{}", dec(average)),
        format!("Online Payments,{}", expected.online),
        format!("Cash Payments,{}", expected.orders - expected.online),
    ] {
        assert!(report.lines().any(|found| found == line), "{line:?} is not in the report");
    }
    let details = report.lines().skip_while(|line| !line.starts_with("Order ID,")).skip(1);
    assert_eq!(details.count(), usize::try_from(expected.orders).unwrap());
}

/// The menu changes between reading and ordering: the order is refused, and none is placed at a price the guest named.
async fn refuse_an_old_price(
    owner: &Client,
    guest: &Client,
    restaurant: &str,
    order: &[&OrderLine],
    menu: &BTreeMap<Dish, Value>,
) {
    let changed = &menu[&dish(order[0])];
    let path = format!("/api/menu-items/{}", changed["id"].as_str().unwrap());
    owner.put(&path, &json!({ "price": "999.99" })).await;
    let before = owner.get("/api/orders").await.as_array().unwrap().len();
    let body = order_body(restaurant, order, menu, 0);
    let response = guest.send(reqwest::Method::POST, "/api/orders", Some(&body)).await;
    assert_eq!(response.status(), 400);
    let refusal: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(refusal["message"], "Order total does not match current prices");
    assert_eq!(owner.get("/api/orders").await.as_array().unwrap().len(), before);
}
