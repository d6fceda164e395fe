//! Guests: they come at a constant rate, whether or not those before them have been served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::client::Client;
use super::house::{House, LINES, text};
use super::record::What;
use crate::connection::request;

/// Every so many guests follow their order through the other instance.
const FOLLOW_EVERY: usize = 5;
/// Every so many read the menu.
const READ_EVERY: usize = 7;

/// Lets guests come until nobody is let in any more, and waits until the last has been served.
pub(super) async fn come(client: Arc<Client>, houses: Arc<Vec<House>>, rate: u32, closed: Arc<AtomicBool>) {
    let between = Duration::from_secs(1) / rate.max(1);
    let mut due = Instant::now();
    let mut guests = JoinSet::new();
    let mut nth = 0;
    while !closed.load(Ordering::Relaxed) {
        due += between;
        tokio::time::sleep_until(due.into()).await;
        guests.spawn(guest(Arc::clone(&client), Arc::clone(&houses), nth, due));
        nth += 1;
        // Those who have gone are not kept.
        while guests.try_join_next().is_some() {}
    }
    while guests.join_next().await.is_some() {}
}

async fn guest(client: Arc<Client>, houses: Arc<Vec<House>>, nth: usize, due: Instant) {
    let house = &houses[nth % houses.len()];
    if nth.is_multiple_of(READ_EVERY) {
        let check = |reply: &super::client::Reply| house.check_menu(&reply.json()?);
        client.ask((What::Menu, false), due, nth / READ_EVERY, &house.menu(), check).await;
    }
    // Over all instances and houses, whatever the numbers of both.
    let instance = nth / houses.len();
    let order = house.order(nth);
    let sent = Instant::now();
    // The time a guest spends on the menu is not the order's.
    let due = if nth.is_multiple_of(READ_EVERY) { sent } else { due };
    let placed = client
        .ask((What::Order, true), due, instance, &order.request, |reply| {
            let answer = reply.json()?;
            if answer["total"] != *order.total
                || answer["status"] != "new"
                || answer["restaurantId"] != *house.id
            {
                return Err(format!("another order than the one placed: {answer}"));
            }
            text(&answer, "id")
        })
        .await;
    let Some(id) = placed else { return };
    let repeated = client.record.seen().orders.insert(id.clone(), order.total.clone()).is_some();
    if repeated {
        client.record.fault(format!("order {id} was acknowledged twice"));
    }
    if nth.is_multiple_of(FOLLOW_EVERY) {
        let follow = request("GET", &format!("/api/orders/{id}/track"), None, None);
        let check = |reply: &super::client::Reply| {
            let answer = reply.json()?;
            let lines = answer["items"].as_array().map_or(0, Vec::len);
            if answer["order"]["total"] == *order.total && lines == LINES {
                Ok(())
            } else {
                Err(format!("{id} with {lines} lines: {}", answer["order"]))
            }
        };
        client.ask((What::Track, false), Instant::now(), instance + 1, &follow, check).await;
    }
}
