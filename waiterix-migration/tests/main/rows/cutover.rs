//! The lead changes, and nothing is lost on the way there or back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use waiterix_migration::Leader;
use waiterix_migration::rows::{Ended, Event, Signal, Stop};
use waiterix_migration::testing::Fault;
use waiterix_ports::moving::{Mode, Quarantined, RowSide as _, Standing};
use waiterix_ports::{ErrorKind, Violation};

use crate::rows::stage::{Stage, dish, key, pass};

fn reason(ended: &Ended) -> &str {
    match ended {
        Ended::Aborted { reason } => reason,
        _ => panic!("{ended:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_lead_goes_there_and_back_and_there_again() {
    let stage = Stage::copied(3).await;
    for (round, to) in [Leader::New, Leader::Old, Leader::New, Leader::Old].into_iter().enumerate() {
        let (gives, takes) = match to {
            Leader::New => (&stage.old, &stage.new),
            Leader::Old => (&stage.new, &stage.old),
        };
        gives.write(&[dish("d0000", "h000", 10 + round as u32)]).await.unwrap();
        let Ended::Moved { epoch, .. } = stage.process.move_to(to).await else { panic!() };
        assert_eq!(epoch, 101 + round as u64);
        let refused = gives.write(&[dish("d0001", "h000", 1)]).await.unwrap_err();
        assert_eq!(refused.violation(), Some(&Violation::NotLeading));
        // Rollback loses no new writes: what is written here is there after the next round.
        takes.write(&[dish(&format!("n{round}"), "h001", 1)]).await.unwrap();
        stage.process.drain().await;
        stage.assert_equal().await;
    }
    assert_eq!(stage.old.everything().await.keys().filter(|(_, id)| id.starts_with('n')).count(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_dirty_at_the_fence_is_there_when_the_other_side_opens() {
    let stage = Stage::copied(3).await;
    let report = stage.process.verify().await;
    // Written by others between the last look and the fence.
    let old = stage.old.clone();
    stage.old_wire.once("shift", Fault::None);
    stage.old_wire.before("shift", async move {
        for number in 0..50 {
            old.write(&[dish(&format!("n{number}"), "h001", number)]).await.unwrap();
        }
    });
    let ended = stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
    assert!(matches!(ended, Ended::Moved { drained: 50, .. }), "{ended:?}");
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_drain_there_is_no_flip() {
    let stage = Stage::copied(3).await;
    let report = stage.process.verify().await;
    stage.old.write(&[dish("d0000", "h000", 10)]).await.unwrap();
    // Somebody else has claimed the key and does not come on.
    let claim =
        stage.old.claim(&waiterix_ports::moving::Claiming::Keys(vec![key("dishes", "d0000")])).await.unwrap();
    let began = tokio::time::Instant::now();
    let ended = stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
    assert!(reason(&ended).contains("journal did not become empty"), "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "the pause has an end");
    drop(claim);
    stage.old.write(&[dish("d0001", "h000", 11)]).await.unwrap();
    stage.process.move_to(Leader::New).await;
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_at_the_flip_is_on_the_side_that_leads_then() {
    let stage = Stage::copied(3).await;
    let report = stage.process.verify().await;
    // It begins just before the fence, and ends while the fence waits for it.
    let old = stage.old.clone();
    stage.old_wire.once("shift", Fault::None);
    stage.old_wire.before("shift", async move {
        let writing = old.begin().await.unwrap();
        tokio::spawn(async move {
            pass(Duration::from_millis(300)).await;
            writing.commit(&[dish("d0000", "h000", 42)]).await.unwrap();
        });
    });
    let ended = stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
    let Ended::Moved { paused, drained, .. } = ended else { panic!("{ended:?}") };
    assert!(paused >= Duration::from_millis(250) && drained == 1, "{paused:?}");
    assert_eq!(Stage::price(&stage.new, "d0000").await.unwrap(), 42);
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_does_not_end_ends_the_cutover_and_hardly_anybody_waits() {
    for skipped in [0, 1] {
        let stage = Stage::copied(3).await;
        let report = stage.process.verify().await;
        // It began before the announcement, or between that and the fence.
        for _ in 0..skipped {
            stage.old_wire.once("shift", Fault::None);
        }
        let (old, over) = (stage.old.clone(), Arc::new(AtomicBool::new(false)));
        let ending = over.clone();
        stage.old_wire.before("shift", async move {
            let writing = old.begin().await.unwrap();
            tokio::spawn(async move {
                while !ending.load(Ordering::SeqCst) {
                    pass(Duration::from_secs(1)).await;
                }
                writing.commit(&[dish("d0000", "h000", 42)]).await.unwrap();
            });
        });
        let guest = stage.old.clone();
        let guests = tokio::spawn(async move {
            let (began, mut waited) = (tokio::time::Instant::now(), Duration::ZERO);
            while began.elapsed() < Duration::from_secs(120) {
                let asked = tokio::time::Instant::now();
                guest.write(&[dish("d0001", "h000", 1)]).await.expect("no request fails");
                waited += asked.elapsed();
                pass(Duration::from_millis(10)).await;
            }
            waited
        });
        let run = stage.process.cutover();
        let stop = Stop::default();
        let ended =
            tokio::time::timeout(Duration::from_secs(100), run.run(Leader::New, Some(&report), &stop)).await;
        // The announcement waits for nobody, and neither does the way back: the write goes on as if nothing was.
        assert!(reason(&ended.unwrap().unwrap()).contains("writes did not end"));
        assert_eq!(stage.old.stands().unwrap().mode, Mode::Open);
        let waited = guests.await.unwrap();
        assert!(waited < Duration::from_secs(2), "{waited:?} of two minutes");
        over.store(true, Ordering::SeqCst);
        pass(Duration::from_secs(2)).await;
        stage.process.drain().await;
        stage.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_goes_into_quarantine_meanwhile_turns_it_back() {
    let stage = Stage::copied(3).await;
    let report = stage.process.verify().await;
    let old = stage.old.clone();
    stage.old_wire.once("shift", Fault::None);
    stage.old_wire.before("shift", async move {
        let put = Quarantined { key: key("dishes", "d0000"), reason: "something".to_owned() };
        old.quarantine(&[put]).await.unwrap();
    });
    let ended = stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
    assert_eq!(reason(&ended), "a key is in quarantine");
    assert_eq!(stage.old.stands().unwrap().mode, Mode::Open);
}

#[tokio::test(start_paused = true)]
async fn what_differs_after_the_drain_turns_it_back() {
    let stage = Stage::copied(3).await;
    let report = stage.process.verify().await;
    let (old, new) = (stage.old.clone(), stage.new.clone());
    // Dirty in the pause and not before.
    stage.old_wire.once("shift", Fault::None);
    stage.old_wire.before("shift", async move { old.write(&[dish("d0000", "h000", 10)]).await.unwrap() });
    stage.new_wire.before("images", async move {
        let row = serde_json::json!({ "id": "d0000", "house": "h000", "price": 11 });
        new.spoil("dishes", "d0000", Some(row)).await.unwrap();
    });
    let ended = stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
    assert!(reason(&ended).contains("1 keys differ"), "{ended:?}");
    assert_eq!(stage.old.stands().unwrap().mode, Mode::Open);
}

#[tokio::test(start_paused = true)]
async fn of_two_coordinators_at_most_one_decides_each_change() {
    for first in 0..12 {
        let stage = Stage::copied(2).await;
        let report = stage.process.verify().await;
        stage.old.write(&[dish("d0000", "h000", 10)]).await.unwrap();
        let (one, two) = (stage.quiet_process(), stage.quiet_process());
        let (mine, yours) = (report.clone(), report);
        let other = tokio::spawn(async move {
            for _ in 0..first * 3 {
                tokio::task::yield_now().await;
            }
            two.cutover().run(Leader::New, Some(&yours), &Stop::default()).await
        });
        let one = one.cutover().run(Leader::New, Some(&mine), &Stop::default()).await.unwrap();
        let two = other.await.unwrap().unwrap();
        let (old, new) = (stage.old.stands().unwrap(), stage.new.stands().unwrap());
        let moved = [&one, &two].iter().filter(|ended| matches!(ended, Ended::Moved { .. })).count();
        match (old.mode, new.mode) {
            (Mode::Mirror, Mode::Open) => assert!(moved >= 1 && old.epoch == 101 && new.epoch == 101),
            (Mode::Open, Mode::Mirror) => assert!(moved == 0 && old.epoch == 100, "{one:?} {two:?}"),
            _ => panic!("{old:?} {new:?} {one:?} {two:?}"),
        }
        stage.process.drain().await;
        stage.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_outcome_is_unknown_is_found_done_or_taken_again() {
    for (call, is_old) in [("shift", true), ("standing", true), ("standing", false), ("shift", false)] {
        for fault in [Fault::Refuse, Fault::Swallow] {
            for skipped in 0..5 {
                let stage = Stage::copied(2).await;
                let report = stage.process.verify().await;
                let wire = if is_old { &stage.old_wire } else { &stage.new_wire };
                for _ in 0..skipped {
                    wire.once(call, Fault::None);
                }
                wire.once(call, fault);
                let ended =
                    stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
                let (old, new) = (stage.old.stands().unwrap(), stage.new.stands().unwrap());
                match ended {
                    Ended::Moved { .. } => assert_eq!((old.mode, new.mode), (Mode::Mirror, Mode::Open)),
                    Ended::Aborted { .. } => assert_eq!((old.mode, new.mode), (Mode::Open, Mode::Mirror)),
                    Ended::Refused(gates) => panic!("{}", gates.faults()),
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn closed_gates_change_nothing() {
    let stage = Stage::copied(2).await;
    let report = stage.process.verify().await;
    let before = stage.old.history();
    let gates = |faults: &'static str, ended: Ended| match ended {
        Ended::Refused(gates) => assert!(gates.faults().contains(faults), "{}", gates.faults()),
        _ => panic!("{ended:?}"),
    };
    let run =
        async |report| stage.process.cutover().run(Leader::New, report, &Stop::default()).await.unwrap();
    gates("comparison: there is none", run(None).await);
    let back = stage.process.cutover().run(Leader::Old, Some(&report), &Stop::default()).await.unwrap();
    gates("standings: the new side does not lead", back);
    stage.old.report("somebody who has not looked", 0, 0).await.unwrap();
    stage.new.report("somebody who has not looked", 0, 0).await.unwrap();
    gates("instances: have not seen who leads: somebody", run(Some(&report)).await);
    tokio::time::advance(Duration::from_secs(61)).await;
    stage.old.write(&[dish("d0000", "h000", 10)]).await.unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    gates("journal: 1 entries, the oldest 3000 ms old", run(Some(&report)).await);
    stage.process.drain().await;
    tokio::time::advance(Duration::from_secs(1000)).await;
    gates("comparison: the last one is too old", run(Some(&report)).await);
    assert_eq!(stage.old.history(), before);
    let wrong = Standing { epoch: 100, mode: Mode::Decided, turn: 1 };
    assert!(stage.old.shift(wrong, Mode::Mirror, 101, Duration::from_secs(1)).await.is_ok_and(|done| !done));
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_it_to_end_is_heard() {
    let stage = Stage::copied(2).await;
    let report = stage.process.verify().await;
    let stop = Stop::default();
    let stopping = stop.clone();
    stage.old_wire.before("shift", async move { stopping.set(Signal::Stop) });
    let ended = stage.process.cutover().run(Leader::New, Some(&report), &stop).await.unwrap();
    assert_eq!(reason(&ended), "somebody wanted it to end");
    assert_eq!(stage.old.stands().unwrap().mode, Mode::Open);
}

#[tokio::test(start_paused = true)]
async fn every_step_is_told_and_kept() {
    let stage = Stage::copied(2).await;
    stage.process.move_to(Leader::New).await;
    let told: Vec<&str> = stage
        .process
        .heard
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Step { act, .. } => Some(*act),
            _ => None,
        })
        .collect();
    let steps = ["announce", "await readers", "fence", "drain", "verify", "decide", "open", "follow", "done"];
    assert_eq!(told, steps);
    let kept = stage.process.ledger.entries();
    let what: Vec<&str> = kept.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(what, [&["gates"], &steps[..], &["ended"]].concat());
    assert!(kept.iter().all(|entry| entry.who == "a test"));
}

#[tokio::test(start_paused = true)]
async fn a_move_is_ended_only_by_the_side_that_leads() {
    let stage = Stage::copied(2).await;
    let sides = &stage.process.sides;
    assert_eq!(sides.finish().await.unwrap_err().kind(), ErrorKind::Conflict);
    stage.process.move_to(Leader::New).await;
    assert_eq!(sides.cancel().await.unwrap_err().kind(), ErrorKind::Conflict);
    sides.finish().await.unwrap();
    sides.finish().await.unwrap();
    assert_eq!(stage.new.stands(), None);
    stage.new.write(&[dish("n", "h001", 1)]).await.unwrap();
    // Whoever knows no better is told so still.
    let refused = stage.old.write(&[dish("n", "h001", 1)]).await.unwrap_err();
    assert_eq!(refused.violation(), Some(&Violation::NotLeading));
    assert_eq!(stage.quiet_process().lead.to_write().await.unwrap(), Some(Leader::New));

    let stage = Stage::copied(2).await;
    stage.process.sides.cancel().await.unwrap();
    assert_eq!((stage.old.stands(), stage.new.stands()), (None, None));
    assert_eq!(stage.process.lead.to_write().await.unwrap(), Some(Leader::Old));
}
