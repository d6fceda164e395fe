//! Differences are found, named and repaired, while others write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::time::Instant;
use waiterix_migration::Leader;
use waiterix_migration::rows::{Difference, Ended, Event, Found, Stop};
use waiterix_migration::testing::{Fault, Faults, MemorySide, Wire};
use waiterix_ports::ErrorKind;

use crate::rows::stage::{Process, Stage, dish, key};

fn differs(id: &str, columns: &[&str]) -> Difference {
    let columns = columns.iter().map(|&name| name.to_owned()).collect();
    Difference { key: key("dishes", id), found: Found::Differs { columns } }
}

async fn spoil(stage: &Stage) {
    stage.new.spoil("dishes", "d0010", None).await.unwrap();
    stage.new.spoil("dishes", "x", Some(json!({ "id": "x", "house": "h001", "price": 1 }))).await.unwrap();
    let row = json!({ "id": "d0020", "house": "h003", "price": null });
    stage.new.spoil("dishes", "d0020", Some(row)).await.unwrap();
}

fn expected() -> Vec<Difference> {
    vec![
        Difference { key: key("dishes", "d0010"), found: Found::Missing },
        differs("d0020", &["house", "price"]),
        Difference { key: key("dishes", "x"), found: Found::Extra },
    ]
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_named_and_repaired() {
    let stage = Stage::copied(5).await;
    assert!(stage.process.verify().await.is_clean());
    spoil(&stage).await;
    let report = stage.process.verify().await;
    assert_eq!(report.differences().cloned().collect::<Vec<_>>(), expected());
    assert!(!report.is_clean() && !format!("{report:?}").contains("null"));
    // Looking repairs nothing.
    assert_eq!(stage.process.verify().await.differences().count(), 3);
    let repaired = stage.process.verifier().repair(&report).await.unwrap();
    assert!(repaired.is_clean(), "{repaired:?}");
    assert!(repaired.tables.iter().all(|table| table.leaves > 0), "they were compared again");
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_moving_target_is_no_difference_and_a_difference_is_found_in_it() {
    let stage = Stage::copied(5).await;
    let (process, old, is_over) =
        (stage.quiet_process(), stage.old.clone(), Arc::new(AtomicBool::new(false)));
    let ending = is_over.clone();
    // Somebody writes all the time, among others what is compared just now, and the relay follows.
    let direction = process.direction().await;
    let guests = tokio::spawn(async move {
        let mut number = 0;
        while !ending.load(Ordering::SeqCst) {
            number += 1;
            let id = format!("d00{}{}", number % 5, number % 3);
            old.write(&[dish(&id, "h001", number)]).await.unwrap();
            old.write(&[dish(&format!("n{number}"), "h002", number)]).await.unwrap();
            if number % 3 == 0 {
                old.delete("dishes", &format!("n{}", number / 2)).await.unwrap();
            }
            tokio::time::advance(Duration::from_millis(7)).await;
            if number % 2 == 0 {
                process.relay.round(direction).await.unwrap();
            }
        }
        number
    });
    for _ in 0..5 {
        let report = stage.process.verify().await;
        assert_eq!(report.differences().count(), 0, "{report:?}");
    }
    stage.new.spoil("dishes", "x", Some(json!({ "id": "x", "house": "h001", "price": 1 }))).await.unwrap();
    stage.new.spoil("houses", "h004", Some(json!({ "id": "h004", "name": "wrong" }))).await.unwrap();
    let report = stage.process.verify().await;
    let found: Vec<&str> = report.differences().map(|difference| &*difference.key.id).collect();
    assert_eq!(found, ["h004", "x"], "{report:?}");
    let repaired = stage.process.verifier().repair(&report).await.unwrap();
    assert_eq!(repaired.differences().count(), 0);
    is_over.store(true, Ordering::SeqCst);
    assert!(guests.await.unwrap() > 20);
    stage.process.drain().await;
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_no_clean_report() {
    let stage = Stage::copied(2).await;
    for call in ["leaves", "hashes", "images"] {
        spoil(&stage).await;
        stage.new_wire.once(call, Fault::Refuse);
        let error = stage.process.verifier().verify().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_compared_before_all_is_copied() {
    let stage = Stage::new();
    stage.furnish(2).await;
    let not_begun = stage.process.verifier().verify().await.unwrap_err();
    assert_eq!(not_begun.kind(), ErrorKind::Conflict);
    stage.process.backfill(5).start(100).await.unwrap();
    let not_copied = stage.process.verifier().verify().await.unwrap_err();
    assert_eq!(not_copied.kind(), ErrorKind::Conflict);
}

/// Somebody writes a row whenever rows of the leader are looked at, and once before that.
#[derive(Debug)]
struct Busy {
    old: MemorySide,
    number: AtomicU32,
}

#[async_trait]
impl Faults for Busy {
    async fn at(&self, call: &'static str) -> Fault {
        if matches!(call, "images" | "leaves") {
            let number = self.number.fetch_add(1, Ordering::SeqCst);
            self.old.write(&[dish("d0000", "h000", 1_000 + number)]).await.unwrap();
        }
        Fault::None
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_written_all_the_time_is_compared_when_nobody_writes() {
    for is_spoilt in [false, true] {
        let stage = Stage::copied(5).await;
        let busy = Arc::new(Busy { old: stage.old.clone(), number: AtomicU32::new(0) });
        let report = stage.process(busy.clone(), Arc::new(Wire::default())).verify().await;
        assert!(busy.number.load(Ordering::SeqCst) >= 20);
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(report.busy().collect::<Vec<_>>(), [&key("dishes", "d0000")]);
        stage.process.drain().await;
        if is_spoilt {
            let row = json!({ "id": "d0000", "house": "h000", "price": 0 });
            stage.new.spoil("dishes", "d0000", Some(row)).await.unwrap();
        }
        let ended = stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
        match ended {
            Ended::Moved { .. } => assert!(!is_spoilt),
            Ended::Aborted { reason } => assert!(is_spoilt && reason.contains("1 keys differ"), "{reason}"),
            Ended::Refused(gates) => panic!("{}", gates.faults()),
        }
    }
}

/// What is said of the load, in order: how much at once, and after which pause.
fn loads(stage: &Stage) -> Vec<(u32, u64)> {
    let events = stage.process.heard.events();
    let loads = events.iter().filter_map(|event| match event {
        Event::Throttled(load) => Some((load.at_once, load.pause.as_secs())),
        _ => None,
    });
    loads.collect()
}

#[tokio::test(start_paused = true)]
async fn copy_and_comparison_give_way_to_guests_who_wait_and_hurry_when_they_do_not() {
    let mut stage = Stage::copied(60).await;
    assert_eq!(loads(&stage), [(3, 0), (4, 0)], "with nobody to measure it, as much as servers bear");
    for is_late in [false, true] {
        stage.process.heard = Arc::default();
        let wait = if is_late { 300 } else { 20 };
        stage.process.latency = Arc::new(move || Some(Duration::from_millis(wait)));
        let begun = Instant::now();
        assert!(stage.process.verify().await.is_clean());
        if is_late {
            assert_eq!(loads(&stage), [(1, 0), (1, 1)]);
            assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
        } else {
            assert_eq!((loads(&stage), begun.elapsed()), (vec![(3, 0), (4, 0)], Duration::ZERO));
        }
    }
    let other = Stage::new();
    other.furnish(60).await;
    let late = Process { latency: stage.process.latency.clone(), ..other.process.clone() };
    let begun = Instant::now();
    late.copy_all(5).await;
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
}
