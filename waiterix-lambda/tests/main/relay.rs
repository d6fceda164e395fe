//! The scheduled function.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use waiterix_adapters_local::memory::MemoryStore;
use waiterix_contract::ManualClock;
use waiterix_lambda::relay::Relay;
use waiterix_layers::{Chaos, Odds};
use waiterix_ports::{ErrorKind, Store};

use crate::house::{House, answered, event};

#[tokio::test]
async fn everything_that_has_ended_is_removed_at_the_scheduled_event() {
    let house = House::new();
    house.owner("ada@example.org").await;
    house.clock.advance(Duration::from_secs(8 * 24 * 3_600));
    let report = answered(&Relay::new(house.app.clone()), event("scheduled")).await.unwrap();
    assert_eq!(report["removed"]["connections"], 3);
    assert!(report["removed"]["sessions"].as_u64().unwrap() >= 1, "{report}");
    assert_eq!(report.get("failed"), None);
    let again = answered(&Relay::new(house.app.clone()), json!({})).await.unwrap();
    assert_eq!(again["removed"]["sessions"], 0, "repeating it is harmless");
}

#[tokio::test]
async fn a_part_that_fails_stops_no_other_and_fails_the_invocation_by_name() {
    let house = House::new();
    house.owner("ada@example.org").await;
    house.clock.advance(Duration::from_secs(8 * 24 * 3_600));
    house.desk.book().down = Some(ErrorKind::Unavailable);
    let failure = answered(&Relay::new(house.app.clone()), event("scheduled")).await.unwrap_err();
    assert_eq!(failure.kind, "UpkeepFailed");
    let report: Value = serde_json::from_str(&failure.message).unwrap();
    assert_eq!(report["failed"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["failed"][0]["part"], "connections");
    assert!(report["failed"][0]["error"].as_str().unwrap().contains("desk.sweep"), "{report}");
    assert!(report["removed"]["sessions"].as_u64().unwrap() >= 1, "{report}");
}

#[tokio::test]
async fn a_store_that_is_gone_leaves_the_rest_to_be_done() {
    let house = House::with(
        |ports| {
            let clock = Arc::new(ManualClock::default());
            let store = Arc::new(MemoryStore::new(clock));
            let always = Odds { refused: 1.0, ..Odds::NONE };
            ports.store = waiterix_layers::chaos(store as Arc<dyn Store>, Chaos::new(1, always));
        },
        |_| {},
    );
    let failure = answered(&Relay::new(house.app.clone()), event("scheduled")).await.unwrap_err();
    let report: Value = serde_json::from_str(&failure.message).unwrap();
    let failed: Vec<_> =
        report["failed"].as_array().unwrap().iter().map(|part| part["part"].clone()).collect();
    assert_eq!(failed, ["uploads", "idempotency-keys", "commits"]);
    assert_eq!(report["removed"]["connections"], 3);
}
