//! A restaurant that is open while everything moves, opened over HTTP as its owner would.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, Reply};
use super::sides::{SITE, Sides};
use crate::command::Failure;
use crate::connection::{request, request_with};

/// Dishes that guests order; their prices stay.
const DISHES: usize = 30;
/// Lines of each order.
pub(super) const LINES: usize = 3;
/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A dish on the menu.
#[derive(Debug, Clone)]
pub(super) struct Dish {
    pub(super) id: String,
    pub(super) name: String,
    cents: usize,
}

/// An open restaurant.
#[derive(Debug)]
pub(super) struct House {
    pub(super) id: String,
    /// Of its owner.
    pub(super) cookie: String,
    pub(super) dishes: Vec<Dish>,
    /// The dish whose price changes; no guest orders it.
    pub(super) special: String,
}

/// An order as a guest sends it.
pub(super) struct Order {
    pub(super) request: Vec<u8>,
    pub(super) total: String,
}

fn said(what: impl Into<String>) -> Failure {
    Failure::Said(what.into())
}

/// A request of somebody in a browser on the web client's pages.
pub(super) fn of_browser(method: &str, path: &str, cookie: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut headers = vec![("host", "waiterix"), ("origin", SITE), ("content-type", "application/json")];
    if !cookie.is_empty() {
        headers.push(("cookie", cookie));
    }
    request_with(method, path, &headers, body.as_bytes())
}

/// Asks the first instance for something that must succeed; for preparations.
async fn must(client: &Client, request: &[u8]) -> Result<Value, Failure> {
    client.exchange(0, request).await.and_then(|reply| reply.json()).map_err(said)
}

/// Asks for a code by mail and answers it once it has come.
pub(super) async fn mailed_code(
    client: &Client,
    sides: &Sides,
    instance: usize,
    address: &str,
) -> Result<String, String> {
    let asked = of_browser("POST", "/api/auth/code", "", Some(&json!({ "email": address })));
    client.exchange(instance, &asked).await?.json()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mails = sides.mails_to(address).await.map_err(|failure| failure.to_string())?;
        if let Some(code) = mails.iter().rev().find_map(|mail| code_in(mail)) {
            return Ok(code);
        }
        if Instant::now() > deadline {
            return Err("no code was mailed".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The cookie with which somebody was signed in.
pub(super) fn cookie_of(reply: &Reply) -> Result<String, String> {
    reply.json()?;
    reply.cookie.clone().ok_or_else(|| "signing in set no cookie".to_owned())
}

impl House {
    pub(super) async fn open(client: &Client, sides: &Sides, nth: u32) -> Result<Self, Failure> {
        let address = format!("live-{nth}@demo.example");
        let code = mailed_code(client, sides, 0, &address).await.map_err(said)?;
        let proof = json!({ "email": address, "code": code });
        let verify = of_browser("POST", "/api/auth/code/verify", "", Some(&proof));
        let reply = client.exchange(0, &verify).await.map_err(said)?;
        let cookie = cookie_of(&reply).map_err(said)?;
        client.record.seen().signed_in.push((cookie.clone(), address));
        let wanted = json!({ "name": format!("Live {nth}"), "city": "Denver", "country": "United States" });
        let made = must(client, &of_browser("POST", "/api/restaurant", &cookie, Some(&wanted))).await?;
        let id = text(&made, "id").map_err(said)?;
        let items: Vec<Value> = (0..=DISHES).map(dish).collect();
        let confirm =
            of_browser("POST", "/api/menu-items/import/confirm", &cookie, Some(&json!({ "items": items })));
        must(client, &confirm).await?;
        let mut house = Self { id, cookie, dishes: Vec::new(), special: String::new() };
        let menu = must(client, &house.menu()).await?;
        for item in menu.as_array().into_iter().flatten() {
            let id = text(item, "id").map_err(said)?;
            let name = text(item, "name").map_err(said)?;
            if name == "Special" {
                house.special = id;
            } else {
                let cents = text(item, "price").and_then(|price| cents(&price)).map_err(said)?;
                house.dishes.push(Dish { id, name, cents });
            }
        }
        if house.dishes.len() == DISHES && !house.special.is_empty() {
            Ok(house)
        } else {
            Err(said(format!("the menu is not what was imported: {menu}")))
        }
    }

    /// What a guest's page sends first.
    pub(super) fn menu(&self) -> Vec<u8> {
        request("GET", &format!("/api/menu-items?restaurantId={}", self.id), None, None)
    }

    /// The same as an address of one instance.
    pub(super) fn menu_at(&self, instance: SocketAddr) -> String {
        format!("http://{instance}/api/menu-items?restaurantId={}", self.id)
    }

    /// Whether a menu shows every dish that guests order at its price, once.
    pub(super) fn check_menu(&self, menu: &Value) -> Result<(), String> {
        let items = menu.as_array().ok_or("no menu")?;
        if items.len() != DISHES + 1 {
            return Err(format!("{} dishes instead of {}", items.len(), DISHES + 1));
        }
        for dish in &self.dishes {
            let found = items.iter().filter(|item| item["id"] == *dish.id);
            let price = decimal(dish.cents);
            if found.filter(|item| item["price"] == *price && item["name"] == *dish.name).count() != 1 {
                return Err(format!("{} is not on the menu for {price}", dish.name));
            }
        }
        Ok(())
    }

    /// What an order of the nth guest looks like, with amounts as the web client computes them.
    pub(super) fn order(&self, nth: usize) -> Order {
        let mut subtotal_cents = 0;
        let mut items = Vec::new();
        for line in 0..LINES {
            let dish = &self.dishes[(nth * LINES + line) % self.dishes.len()];
            let quantity = line + 1;
            subtotal_cents += dish.cents * quantity;
            items.push(json!({
                "id": dish.id, "name": dish.name, "price": decimal(dish.cents), "quantity": quantity,
            }));
        }
        let tax_cents = (subtotal_cents + 5) / 10;
        let total = decimal(subtotal_cents + tax_cents);
        let body = json!({
            "restaurantId": self.id, "tableId": (1 + nth % 9).to_string(), "paymentMethod": "cash", "items": items,
            "subtotal": decimal(subtotal_cents), "tax": decimal(tax_cents), "tip": "0.00", "total": total,
        });
        Order { request: of_browser("POST", "/api/orders", "", Some(&body)), total }
    }
}

fn dish(nth: usize) -> Value {
    let name = if nth == DISHES { "Special".to_owned() } else { format!("Dish {nth}") };
    let category = ["Starters", "Bowls", "Grill"][nth % 3];
    json!({
        "name": name, "description": "Ask the kitchen about allergens.", "price": decimal(495 + 137 * nth),
        "category": category,
    })
}

/// A text in an answer.
pub(super) fn text(answer: &Value, name: &str) -> Result<String, String> {
    answer[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name} in {answer}"))
}

/// Cents as the service writes them.
pub(super) fn decimal(cents: usize) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn cents(price: &str) -> Result<usize, String> {
    price.replace('.', "").parse().map_err(|_| format!("{price:?} is no price"))
}

/// The sign-in code in the text of a mail.
fn code_in(text: &str) -> Option<String> {
    let is_code = |word: &&str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    text.split_whitespace().map(|word| word.trim_end_matches('.')).find(is_code).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house() -> House {
        let dishes = (0..DISHES).map(|nth| Dish {
            id: format!("dish-{nth}"),
            name: format!("Dish {nth}"),
            cents: 495 + 137 * nth,
        });
        House {
            id: "house".to_owned(),
            cookie: String::new(),
            dishes: dishes.collect(),
            special: "s".to_owned(),
        }
    }

    #[test]
    fn amounts_of_an_order_come_out_to_the_cent() {
        let order = house().order(0);
        // 4.95 + 2 × 6.32 + 3 × 7.69 = 40.66; a tenth of it is 4.066.
        assert_eq!(order.total, "44.73");
        let text = String::from_utf8(order.request).unwrap();
        assert!(text.contains(r#""subtotal":"40.66","#) && text.contains(r#""tax":"4.07","#), "{text}");
    }

    #[test]
    fn a_menu_with_another_price_is_told() {
        let house = house();
        let mut menu: Vec<Value> = house
            .dishes
            .iter()
            .map(|dish| json!({ "id": dish.id, "name": dish.name, "price": decimal(dish.cents) }))
            .collect();
        menu.push(json!({ "id": "s", "name": "Special", "price": "1.00" }));
        house.check_menu(&json!(menu)).unwrap();
        menu[3]["price"] = json!("0.01");
        assert_eq!(house.check_menu(&json!(menu)).unwrap_err(), "Dish 3 is not on the menu for 9.06");
    }

    #[test]
    fn the_code_of_a_mail_is_found() {
        assert_eq!(code_in("Hello\n\nYour code is 012345.\nIt is 5 digits").as_deref(), Some("012345"));
        assert_eq!(code_in("no code"), None);
    }
}
