//! Owners and others who sign in: prices change, pictures are uploaded, people come and go. What was promised through one
//! instance is looked for through the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, Reply};
use super::emulator::parted;
use super::house::{House, cookie_of, decimal, mailed_code, of_browser, text};
use super::record::What;
use super::sides::Sides;
use crate::connection::{Connection, request, request_with};

/// Begins like a picture, which is all the service looks at.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";

/// What all of them share.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) client: Arc<Client>,
    pub(super) sides: Arc<Sides>,
    pub(super) houses: Arc<Vec<House>>,
    pub(super) closed: Arc<AtomicBool>,
}

impl Scene {
    fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    /// One price after another, each looked at through the other instance once it is acknowledged.
    pub(super) async fn change_prices(self, every: Duration) {
        let mut due = Instant::now();
        let mut nth = 0;
        while self.is_open() {
            // Each waits for the one before; one that waited long is not made up for.
            due = (due + every).max(Instant::now());
            tokio::time::sleep_until(due.into()).await;
            let house = &self.houses[nth % self.houses.len()];
            let price = decimal(100 + nth % 90_000);
            let path = format!("/api/menu-items/{}", house.special);
            let change = of_browser("PUT", &path, &house.cookie, Some(&json!({ "price": price })));
            let is_changed = |reply: &Reply| {
                let answer = reply.json()?;
                if answer["price"] == *price { Ok(()) } else { Err(format!("{price} became {answer}")) }
            };
            let instance = nth / self.houses.len();
            if self.client.ask((What::Price, true), due, instance, &change, is_changed).await.is_some() {
                self.client.record.seen().prices.insert(house.special.clone(), price.clone());
                let shows = |reply: &Reply| {
                    let menu = reply.json()?;
                    house.check_menu(&menu)?;
                    let items = menu.as_array().into_iter().flatten();
                    let special =
                        items.filter(|item| item["id"] == *house.special).map(|item| &item["price"]);
                    let shown: Vec<&Value> = special.collect();
                    if shown == [&json!(price)] {
                        Ok(())
                    } else {
                        Err(format!("{shown:?} after {price} was acknowledged"))
                    }
                };
                self.client
                    .ask((What::Price, false), Instant::now(), instance + 1, &house.menu(), shows)
                    .await;
            }
            nth += 1;
        }
    }

    /// People sign in with mailed codes; every second one signs out through the other instance.
    pub(super) async fn come_and_go(self, every: Duration) {
        let mut due = Instant::now();
        let mut nth = 0;
        while self.is_open() {
            due = (due + every).max(Instant::now());
            tokio::time::sleep_until(due.into()).await;
            self.visit(nth).await;
            nth += 1;
        }
    }

    async fn visit(&self, nth: usize) {
        let (client, what) = (&self.client, What::Session);
        let address = format!("visitor-{nth}@demo.example");
        let due = Instant::now();
        let code = match mailed_code(client, &self.sides, nth, &address).await {
            Ok(code) => code,
            Err(failure) => return client.record.request(what, false, due, Some(failure)),
        };
        let proof = json!({ "email": address, "code": code });
        let verify = of_browser("POST", "/api/auth/code/verify", "", Some(&proof));
        // A row of the user is written as well.
        let Some(cookie) = client.ask((what, true), Instant::now(), nth, &verify, cookie_of).await else {
            return;
        };
        let whoami = of_browser("GET", "/api/auth/user", &cookie, None);
        let is_known = |reply: &Reply| {
            let answer = reply.json()?;
            if answer["email"] == *address {
                Ok(())
            } else {
                Err(format!("somebody else: {}", answer["email"]))
            }
        };
        if client.ask((what, false), Instant::now(), nth + 1, &whoami, is_known).await.is_none() {
            return;
        }
        if nth.is_multiple_of(2) {
            client.record.seen().signed_in.push((cookie, address.clone()));
            return;
        }
        let leave = of_browser("POST", "/api/logout", &cookie, Some(&json!({})));
        if client
            .ask((what, false), Instant::now(), nth + 1, &leave, |reply| reply.json().map(drop))
            .await
            .is_some()
        {
            let is_unknown = |reply: &Reply| match reply.status {
                401 => Ok(()),
                status => Err(format!("{status} after signing out")),
            };
            client.ask((what, false), Instant::now(), nth, &whoami, is_unknown).await;
            client.record.seen().signed_out.push(cookie);
        }
    }

    /// Pictures of dishes are uploaded where the service says, attached, and looked at through the other instance.
    pub(super) async fn show_pictures(self, every: Duration) {
        let mut due = Instant::now();
        let mut nth = 0;
        while self.is_open() {
            due = (due + every).max(Instant::now());
            tokio::time::sleep_until(due.into()).await;
            self.show_picture(nth, 1_000_000 + nth).await;
            nth += 1;
        }
    }

    /// Gives the nth dish of all houses a picture.
    pub(super) async fn show_picture(&self, nth: usize, seed: usize) {
        let (client, what) = (&self.client, What::Picture);
        let house = &self.houses[nth % self.houses.len()];
        let dish = &house.dishes[nth / self.houses.len() % house.dishes.len()].id;
        let instance = nth / self.houses.len();
        let bytes = picture(seed);
        let asked = json!({ "contentType": "image/png" });
        let upload = of_browser("POST", "/api/objects/upload", &house.cookie, Some(&asked));
        let grant = client.ask((what, false), Instant::now(), instance, &upload, Reply::json).await;
        let Some(grant) = grant else { return };
        let due = Instant::now();
        if let Err(failure) = self.put(&grant, &bytes).await {
            return client.record.request(what, false, due, Some(failure));
        }
        let url = grant["uploadURL"].as_str().unwrap_or_default();
        // An emulator's address stands for Google's, whose URLs the service knows.
        let image =
            url.replace(self.sides.variable("STORAGE_EMULATOR_HOST"), "https://storage.googleapis.com");
        let attach = of_browser(
            "PUT",
            &format!("/api/menu-items/{dish}/image"),
            &house.cookie,
            Some(&json!({ "imageUrl": image })),
        );
        let attached = |reply: &Reply| reply.json().map(drop);
        if client.ask((what, true), Instant::now(), instance, &attach, attached).await.is_none() {
            return;
        }
        let shown = |reply: &Reply| {
            let menu = reply.json()?;
            let item = menu.as_array().into_iter().flatten().find(|item| item["id"] == **dish);
            text(item.unwrap_or(&Value::Null), "imageUrl")
        };
        let path = client.ask((what, false), Instant::now(), instance + 1, &house.menu(), shown).await;
        let Some(path) = path else { return };
        let look = request("GET", &path, None, None);
        let is_it = |reply: &Reply| {
            if reply.status == 200 && reply.body == bytes {
                Ok(())
            } else {
                Err(format!("{path}: {}", reply.status))
            }
        };
        client.ask((what, false), Instant::now(), instance + 1, &look, is_it).await;
        client.record.seen().pictures.insert(dish.clone(), (path.clone(), bytes));
    }

    /// Sends a picture as a browser does.
    async fn put(&self, grant: &Value, bytes: &[u8]) -> Result<(), String> {
        let url = text(grant, "uploadURL")?;
        let (address, path) = parted(&url).map_err(|failure| failure.to_string())?;
        let host = address.to_string();
        let mut headers = vec![("host", host.as_str()), ("content-type", "image/png")];
        for (name, value) in grant["headers"].as_object().into_iter().flatten() {
            if !name.eq_ignore_ascii_case("content-type") && !name.eq_ignore_ascii_case("host") {
                headers.push((name, value.as_str().unwrap_or_default()));
            }
        }
        let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
        let sent = connection.exchange(&request_with("PUT", path, &headers, bytes)).await;
        match sent.map_err(|error| error.to_string())?.status {
            200..=299 => Ok(()),
            status => Err(format!("the upload was answered with {status}")),
        }
    }
}

/// Bytes that only this picture has: 20 to 200 KiB.
fn picture(seed: usize) -> Vec<u8> {
    let mut bytes = PNG.to_vec();
    let mut state = u64::try_from(seed).unwrap_or_default() | 1 << 40;
    let length = 20_000 + seed * 7_919 % 180_000;
    while bytes.len() < length {
        // A linear congruential generator (Knuth); its upper bits are good enough to be incompressible.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend((state >> 32).to_be_bytes().split_at(4).1);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_differ_and_can_be_made_again() {
        assert_eq!(picture(1), picture(1));
        assert_ne!(picture(1), picture(2));
        assert!(picture(7).len() >= 20_000);
    }
}
