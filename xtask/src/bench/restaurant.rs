//! A restaurant to measure with, opened over HTTP as its owner would.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::command::Failure;
use crate::connection::{Connection, request};

/// Dishes on the menu.
pub(super) const DISHES: usize = 50;
/// Lines of each order.
pub(super) const LINES: usize = 3;
/// Different orders that are sent in turn.
const ORDERS: usize = 200;

const OWNER: &str = "owner@example.org";

/// An open restaurant, seen by its owner.
#[derive(Debug)]
pub(super) struct Restaurant {
    connection: Connection,
    cookie: String,
    id: String,
    menu: Vec<Value>,
}

fn unexpected(what: &str, answer: &Value) -> Failure {
    Failure::Said(format!("{what} in the answer {answer}"))
}

impl Restaurant {
    /// Signs in by the code in the newest mail and opens a restaurant.
    pub(super) async fn open(address: SocketAddr, data: &Path) -> Result<Self, Failure> {
        let mut connection = Connection::open(address).await?;
        let asked = json!({ "email": OWNER });
        call(&mut connection, "POST", "/api/auth/code", None, Some(&asked)).await?;
        let code = newest_code(&data.join("mail"))?;
        let proof = json!({ "email": OWNER, "code": code });
        let (_, cookie) = call(&mut connection, "POST", "/api/auth/code/verify", None, Some(&proof)).await?;
        let cookie = cookie.ok_or_else(|| Failure::Said("signing in set no cookie".to_owned()))?;
        let mut open = Self { connection, cookie, id: String::new(), menu: Vec::new() };
        let wanted = json!({ "name": "Measured", "city": "Denver", "country": "United States" });
        let restaurant = open.owner("POST", "/api/restaurant", Some(&wanted)).await?;
        open.id = restaurant["id"].as_str().ok_or_else(|| unexpected("no id", &restaurant))?.to_owned();
        let items: Vec<Value> = (0..DISHES).map(dish).collect();
        let imported =
            open.owner("POST", "/api/menu-items/import/confirm", Some(&json!({ "items": items }))).await?;
        if imported["count"] != DISHES {
            return Err(unexpected("not every dish", &imported));
        }
        let menu = open.owner("GET", &open.menu_path(), None).await?;
        open.menu = menu.as_array().cloned().unwrap_or_default();
        if open.menu.len() != DISHES {
            return Err(unexpected("not every dish", &menu));
        }
        Ok(open)
    }

    async fn owner(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let (answer, _) = call(&mut self.connection, method, path, Some(&self.cookie), body).await?;
        Ok(answer)
    }

    fn menu_path(&self) -> String {
        format!("/api/menu-items?restaurantId={}", self.id)
    }

    /// Goes on with another process that serves the same data.
    pub(super) async fn reconnect(&mut self, address: SocketAddr) -> Result<(), Failure> {
        self.connection = Connection::open(address).await?;
        Ok(())
    }

    /// What a guest's page sends first.
    pub(super) fn menu_request(&self) -> Vec<u8> {
        request("GET", &self.menu_path(), None, None)
    }

    /// Orders over the whole menu, with amounts as the web client computes them.
    pub(super) fn order_requests(&self) -> Result<Vec<Vec<u8>>, Failure> {
        (0..ORDERS).map(|nth| self.order_request(nth)).collect()
    }

    fn order_request(&self, nth: usize) -> Result<Vec<u8>, Failure> {
        let mut subtotal_cents = 0;
        let mut items = Vec::new();
        for line in 0..LINES {
            let dish = &self.menu[(nth * LINES + line) % self.menu.len()];
            let price = dish["price"].as_str().ok_or_else(|| unexpected("no price", dish))?;
            let quantity = line + 1;
            subtotal_cents += cents(price)? * quantity;
            items.push(
                json!({ "id": dish["id"], "name": dish["name"], "price": price, "quantity": quantity }),
            );
        }
        let tax_cents = (subtotal_cents + 5) / 10;
        let body = json!({
            "restaurantId": self.id, "tableId": "1", "paymentMethod": "cash", "items": items,
            "subtotal": decimal(subtotal_cents), "tax": decimal(tax_cents), "tip": "0.00",
            "total": decimal(subtotal_cents + tax_cents),
        });
        Ok(request("POST", "/api/orders", None, Some(&body.to_string())))
    }

    /// How many orders the owner's financial report counts: the proof that what was answered was also kept.
    pub(super) async fn orders_kept(&mut self) -> Result<u64, Failure> {
        let path = "/api/reports/financial?startDate=2000-01-01&endDate=2100-01-01";
        let request = request("GET", path, Some(&self.cookie), None);
        let answer = self.connection.exchange(&request).await?;
        let text = String::from_utf8_lossy(answer.body);
        let counted = text.lines().find_map(|line| line.strip_prefix("Total Orders,")?.parse().ok());
        counted.ok_or_else(|| Failure::Said(format!("the report ({}) counts no orders", answer.status)))
    }
}

fn dish(nth: usize) -> Value {
    let category = ["Starters", "Bowls", "Grill", "Desserts", "Drinks"][nth % 5];
    json!({
        "name": format!("Dish {nth}"),
        "description": "Made to order from what the market had this morning; ask the kitchen about allergens.",
        "price": decimal(495 + 137 * nth),
        "category": category,
    })
}

fn decimal(cents: usize) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn cents(price: &str) -> Result<usize, Failure> {
    price.replace('.', "").parse().map_err(|_| Failure::Said(format!("{price:?} is no price")))
}

async fn call(
    connection: &mut Connection,
    method: &str,
    path: &str,
    cookie: Option<&str>,
    body: Option<&Value>,
) -> Result<(Value, Option<String>), Failure> {
    let body = body.map(Value::to_string);
    let answer = connection.exchange(&request(method, path, cookie, body.as_deref())).await?;
    if !(200..300).contains(&answer.status) {
        let text = String::from_utf8_lossy(answer.body);
        return Err(Failure::Said(format!("{method} {path}: {} {text}", answer.status)));
    }
    let json = serde_json::from_slice(answer.body);
    let json = json.map_err(|error| Failure::Said(format!("{method} {path}: {error}")))?;
    Ok((json, answer.cookie))
}

/// The code in the newest mail: the first word that is nothing but six digits.
fn newest_code(folder: &Path) -> Result<String, Failure> {
    let mut mails = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            mails.push((fs::metadata(&path)?.modified()?, path));
        }
    }
    let (_, newest) = mails.into_iter().max().ok_or_else(|| Failure::Said("no mail was sent".to_owned()))?;
    let text = fs::read_to_string(newest)?;
    let is_code = |word: &&str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    let code = text.split_whitespace().find(is_code);
    code.map(str::to_owned).ok_or_else(|| Failure::Said("the mail holds no code".to_owned()))
}
