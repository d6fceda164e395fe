//! What an event costs does not depend on who else is connected.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use waiterix_backends::{Backend, given};
use waiterix_ports::{Delivery, Notifier as _};

use crate::apigateway::connections::{Item, World, chef, chefs, guest, message, session};
use crate::apigateway::middle::Middle;

/// Connections of other restaurants.
const OTHERS: usize = 5_000;

async fn fill(world: &World, restaurants: usize) {
    let now = waiterix_ports::Clock::now(&*world.clock).plus_seconds(-600);
    let item = |number: usize| -> Item {
        let mut item = world.old_item(&format!("other{number}"), "chef", None, now);
        let restaurant = format!("other restaurant {}", number % restaurants);
        item.insert("restaurantId".to_owned(), AttributeValue::S(restaurant));
        item
    };
    let batches = (0..OTHERS).step_by(25).map(|first| {
        let writes: Vec<WriteRequest> = (first..first + 25)
            .map(|number| PutRequest::builder().set_item(Some(item(number))).build().unwrap())
            .map(|put| WriteRequest::builder().put_request(put).build())
            .collect();
        let write = world.table.client.batch_write_item();
        let sent = write.set_request_items(Some(HashMap::from([(world.table.name.clone(), writes)]))).send();
        async move {
            let undone = sent.await?.unprocessed_items.unwrap_or_default();
            assert!(undone.is_empty(), "the emulator finishes its batches");
            Ok::<_, aws_sdk_dynamodb::Error>(())
        }
    });
    stream::iter(batches).buffer_unordered(4).try_collect::<Vec<()>>().await.unwrap();
}

#[tokio::test]
async fn r2_an_event_costs_the_same_however_many_others_are_connected() {
    let Some(server) = given(Backend::Aws) else { return };
    let middle = Middle::before(&server).await;
    let world = World::through(&server, &middle.url, |_| {}).await;
    let _lines = (world.connected("kitchen", chef()).await, world.connected("phone", guest("s")).await);
    let one = Delivery { targeted: 1, delivered: 1, ..Delivery::default() };
    let mut costs = Vec::new();
    for round in 0..2 {
        if round == 1 {
            fill(&world, 50).await;
        }
        middle.take_counts();
        assert_eq!(world.notifier.publish(&chefs(), &message("x")).await.unwrap(), one);
        assert_eq!(world.notifier.publish(&session("s"), &message("x")).await.unwrap(), one);
        costs.push(middle.take_counts());
    }
    assert_eq!(world.table.connections().await.len(), OTHERS + 2);
    assert_eq!(costs[0], costs[1]);
    let expected = [("GetItem".to_owned(), 2), ("Query".to_owned(), 2)].into();
    assert_eq!(costs[0], expected, "a room and a page of the index for each event, and never a scan");
}
