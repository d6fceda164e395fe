//! The copy, while others write.

use std::sync::Arc;
use std::time::Duration;

use waiterix_migration::rows::{Event, Signal, Stop};
use waiterix_migration::testing::{Fault, Wire};
use waiterix_ports::ErrorKind;
use waiterix_ports::moving::Mode;

use crate::rows::stage::{Stage, dish, gone, house};

/// The move has begun, and nothing is copied.
async fn begun(houses: u32) -> Stage {
    let stage = Stage::new();
    stage.furnish(houses).await;
    stage.process.backfill(5).start(100).await.unwrap();
    stage
}

#[tokio::test(start_paused = true)]
async fn a_stale_copy_does_not_stay_over_a_newer_row() {
    let stage = begun(4).await;
    let old = stage.old.clone();
    stage.new_wire.before("copy_in", async move { old.write(&[dish("d0000", "h000", 99)]).await.unwrap() });
    stage.process.backfill(100).run(&Stop::default()).await.unwrap();
    assert!(stage.new_wire.has_happened());
    stage.process.drain().await;
    assert_eq!(Stage::price(&stage.new, "d0000").await.unwrap(), 99);
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_is_not_resurrected_by_the_copy() {
    let stage = begun(4).await;
    let old = stage.old.clone();
    stage.new_wire.before("copy_in", async move {
        old.delete("houses", "h002").await.unwrap();
    });
    stage.process.backfill(100).run(&Stop::default()).await.unwrap();
    stage.process.drain().await;
    assert!(!stage.new.everything().await.keys().any(|(_, id)| id == "h002" || id.starts_with("d002")));
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_equal_before_the_copy_is_complete() {
    let stage = begun(4).await;
    stage.old.write(&[dish("d0000", "h000", 99)]).await.unwrap();
    let direction = stage.process.direction().await;
    let batch = stage.process.relay.round(direction).await.unwrap();
    assert_eq!(batch.claimed, 0);
    assert!(stage.new.everything().await.is_empty() && !stage.old.journal().is_empty());
    // Once it is, a process that looked before does it too.
    stage.quiet_process().backfill(5).run(&Stop::default()).await.unwrap();
    stage.process.drain().await;
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn the_boundaries_of_ranges_may_move_between_two_runs() {
    let stage = begun(8).await;
    let stop = Stop::default();
    let (old, stopping) = (stage.old.clone(), stop.clone());
    stage.new_wire.before("copy_in", async move {
        stopping.set(Signal::Stop);
        for number in 0..8 {
            old.delete("dishes", &format!("d{number:03}1")).await.unwrap();
            old.write(&[dish(&format!("d{number:03}0a"), "h001", number)]).await.unwrap();
        }
    });
    let copied = stage.process.backfill(5).run(&stop).await.unwrap();
    assert!(!copied.is_complete && copied.ranges >= 1);
    let went_on = stage.quiet_process().backfill(3).run(&Stop::default()).await.unwrap();
    assert!(went_on.is_complete && went_on.ranges >= 1);
    stage.process.drain().await;
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_dies_anywhere_goes_on() {
    for call in ["before_copy", "cut", "copy_out", "copy_in", "copied", "after_copy"] {
        for (fault, is_old) in [(Fault::Refuse, true), (Fault::Swallow, false), (Fault::Refuse, false)] {
            let stage = begun(6).await;
            let wire = if is_old { &stage.old_wire } else { &stage.new_wire };
            wire.once(call, fault);
            let first = stage.process.backfill(5).run(&Stop::default()).await;
            // And one that never comes to an end.
            if first.is_err() {
                let dying = Arc::new(Wire::default());
                dying.die_at("copy_in");
                let process = stage.process(Arc::new(Wire::default()), dying);
                let (backfill, stop) = (process.backfill(5), Stop::default());
                let run = backfill.run(&stop);
                let died = tokio::time::timeout(Duration::from_secs(60), run).await.is_err();
                assert_eq!(died, call != "after_copy", "{call}: nothing is copied twice");
            }
            stage.old.write(&[dish("d0001", "h000", 77)]).await.unwrap();
            let copied = stage.quiet_process().backfill(5).run(&Stop::default()).await.unwrap();
            assert!(copied.is_complete, "{call} {fault:?}");
            stage.process.drain().await;
            stage.assert_equal().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rows_of_two_moments_fit_together_in_the_end() {
    let stage = begun(4).await;
    let old = stage.old.clone();
    // The houses are there by then, and the dishes of the new one are still to be copied.
    stage.old_wire.before("cut", async move {
        let wanted = [house("h9", "late"), dish("d0000", "h9", 1), dish("e", "h9", 2)];
        old.write(&wanted).await.unwrap();
    });
    let old = stage.old.clone();
    stage.new_wire.before("after_copy", async move {
        old.write(&[house("h95", "later"), dish("f", "h95", 1), gone("houses", "h001")]).await.unwrap();
    });
    assert!(stage.process.backfill(100).run(&Stop::default()).await.unwrap().is_complete);
    stage.process.drain().await;
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_begins_nothing_and_then_it_goes_on() {
    let stage = begun(8).await;
    let stop = Stop::default();
    let pausing = stop.clone();
    stage.new_wire.before("copy_in", async move { pausing.set(Signal::Pause) });
    let (backfill, running) = (stage.process.backfill(5), stop.clone());
    let run = tokio::spawn(async move { backfill.run(&running).await });
    waiterix_contract::eventually(Duration::from_secs(1), "a range arrives", || async {
        stage.new_wire.has_happened()
    })
    .await;
    tokio::time::timeout(Duration::from_secs(3600), stop.goes_on()).await.expect_err("it is a pause");
    let there = stage.new.everything().await.len();
    assert!(there < stage.old.everything().await.len() && !run.is_finished());
    stop.set(Signal::Run);
    assert!(run.await.unwrap().unwrap().is_complete);
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn those_who_watch_hear_how_far_it_is() {
    let stage = begun(8).await;
    let copied = stage.process.backfill(5).run(&Stop::default()).await.unwrap();
    let events = stage.process.heard.events();
    let rows = events.iter().filter_map(|event| match event {
        Event::Copied { rows, .. } => Some(*rows),
        _ => None,
    });
    let rows: Vec<u64> = rows.collect();
    assert!(rows.is_sorted() && rows.last() == Some(&32) && copied.rows == 32, "{rows:?}");
    for table in ["houses", "dishes"] {
        let done = Event::TableCopied { table: table.to_owned() };
        assert_eq!(events.iter().filter(|event| **event == done).count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_not_empty_is_not_written_over() {
    let stage = Stage::new();
    stage.furnish(2).await;
    stage.new.write(&[house("h001", "somebody else")]).await.unwrap();
    stage.process.backfill(5).start(100).await.unwrap();
    let error = stage.process.backfill(5).run(&Stop::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let all = stage.new.everything().await;
    assert!(all[&("houses".to_owned(), "h001".to_owned())].contains("somebody else"));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_dies_between_the_two_is_ended_by_the_next() {
    let stage = Stage::new();
    stage.furnish(1).await;
    stage.old_wire.once("install", Fault::Refuse);
    stage.process.backfill(5).start(100).await.unwrap_err();
    assert_eq!(stage.old.stands(), None);
    // Nobody who serves is troubled by it.
    assert_eq!(stage.process.lead.to_write().await.unwrap(), Some(waiterix_migration::Leader::Old));
    stage.process.backfill(5).start(200).await.unwrap();
    let (old, new) = (stage.old.stands().unwrap(), stage.new.stands().unwrap());
    assert_eq!((old.epoch, old.mode), (100, Mode::Open));
    assert_eq!((new.epoch, new.mode), (100, Mode::Mirror));
    stage.process.backfill(5).start(300).await.unwrap();
    assert_eq!(stage.old.stands(), Some(old));
}

#[tokio::test(start_paused = true)]
async fn one_database_is_not_moved_to_itself() {
    let stage = Stage::new();
    let same = Stage::over(stage.old.clone(), stage.old.clone());
    let error = same.process.backfill(5).start(100).await.unwrap_err();
    assert!(error.to_string().contains("the same database"), "{error}");
    assert_eq!(stage.old.stands(), None);
}
