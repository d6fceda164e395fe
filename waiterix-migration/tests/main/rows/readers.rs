//! Who remembers that a side leads does not read from it when it no longer does.

use std::sync::Arc;
use std::time::Duration;

use waiterix_migration::Leader;
use waiterix_migration::rows::{Ended, Lead, REFRESH, SILENCE, Stop};
use waiterix_migration::testing::{Fault, Wire};
use waiterix_ports::Violation;
use waiterix_ports::moving::{Forgetting, Mode, RowSide as _};

use crate::rows::stage::{Process, Stage, dish, pass};

/// How often a side is asked for its standing while somebody does something.
async fn cut_off(wire: &Wire, lead: &Lead) -> bool {
    wire.set(Fault::Refuse);
    let answer = lead.to_read().await;
    wire.set(Fault::None);
    answer.is_err()
}

/// A process and its way to both sides.
async fn serving(stage: &Stage) -> (Process, Arc<Wire>) {
    let wire = Arc::new(Wire::default());
    let process = stage.process(wire.clone(), wire.clone());
    process.lead.refresh().await.unwrap();
    (process, wire)
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_is_believed_for_a_second_and_only_by_who_is_registered() {
    let stage = Stage::copied(1).await;
    let (process, wire) = serving(&stage).await;
    assert!(!cut_off(&wire, &process.lead).await, "it remembers");
    tokio::time::advance(REFRESH).await;
    assert!(cut_off(&wire, &process.lead).await, "it has to look");
    assert_eq!(process.lead.to_read().await.unwrap(), Leader::Old);
    assert!(!cut_off(&wire, &process.lead).await);

    let stranger = stage.process(wire.clone(), wire.clone());
    assert_eq!(stranger.lead.to_read().await.unwrap(), Leader::Old);
    assert!(cut_off(&wire, &stranger.lead).await, "nobody knows of it, so it looks before each read");
}

#[tokio::test(start_paused = true)]
async fn whoever_left_is_waited_for_by_nobody_and_believes_nothing() {
    let stage = Stage::copied(1).await;
    let (process, wire) = serving(&stage).await;
    assert_eq!(stage.new.instances().await.unwrap().len(), 1);
    process.lead.leave().await.unwrap();
    assert_eq!(stage.new.instances().await.unwrap(), []);
    assert!(cut_off(&wire, &process.lead).await, "nobody knows of it, so it looks before each read");
}

#[tokio::test(start_paused = true)]
async fn a_dead_instance_is_forgotten_and_the_lead_changes_at_once() {
    const SILENT: Duration = Duration::from_secs(5);
    let stage = Stage::copied(1).await;
    // They saw who leads a moment ago, and are killed.
    let names = ["one", "other"];
    for name in names {
        stage.new.report(name, 1, 1).await.unwrap();
        let heard = stage.new.forget(name, SILENT).await.unwrap();
        assert_eq!(heard, Forgetting::Heard(Duration::ZERO), "it lives, as far as anybody knows");
    }
    tokio::time::advance(SILENT).await;
    for _ in 0..2 {
        for name in names {
            assert_eq!(stage.new.forget(name, SILENT).await.unwrap(), Forgetting::Done);
        }
    }
    assert_eq!(stage.new.forget("nobody", SILENT).await.unwrap(), Forgetting::Unknown);
    let began = tokio::time::Instant::now();
    stage.process.move_to(Leader::New).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    stage.new.report("one", 2, 2).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn whoever_was_forgotten_and_lives_believes_nothing_and_reads_from_the_side_that_leads() {
    let stage = Stage::copied(1).await;
    let (lives, wire) = serving(&stage).await;
    let [name] = <[_; 1]>::try_from(stage.new.instances().await.unwrap()).unwrap();
    // It can be heard nowhere for a moment, and somebody takes it for dead.
    assert_eq!(stage.new.forget(&name.id, Duration::ZERO).await.unwrap(), Forgetting::Done);
    assert!(!cut_off(&wire, &lives.lead).await, "it does not know, and remembers");
    let kept = lives.lead.clone();
    let keeping = tokio::spawn(async move { kept.keep(std::future::pending()).await });
    let report = stage.process.verify().await;
    let ended = stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
    assert!(matches!(ended, Ended::Moved { .. }), "{ended:?}");
    // At the very moment at which the other side leads, without any time for another look.
    keeping.abort();
    assert_eq!(lives.lead.to_read().await.unwrap(), Leader::New);
    assert!(cut_off(&wire, &lives.lead).await, "nobody waits for it, so it looks before each read");
    let refused = lives.lead.refresh().await.unwrap_err();
    assert_eq!(refused.violation(), Some(&Violation::Forgotten), "{refused}");
    // Started anew it is another one.
    let (again, wire) = serving(&stage).await;
    assert!(!cut_off(&wire, &again.lead).await);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_silent_for_long_looks_before_each_read() {
    let stage = Stage::copied(1).await;
    let (process, wire) = serving(&stage).await;
    // The side where it reports is down, and the one that leads is not.
    stage.new_wire.set(Fault::Refuse);
    let lead = stage.process.lead.clone();
    lead.refresh().await.unwrap_err();
    assert_eq!(lead.to_read().await.unwrap(), Leader::Old, "the side that leads says so alone");
    stage.new_wire.set(Fault::None);

    tokio::time::advance(SILENCE * 3 / 4).await;
    process.lead.look().await.unwrap();
    assert!(cut_off(&wire, &process.lead).await, "a look is not enough");
    process.lead.refresh().await.unwrap();
    assert!(!cut_off(&wire, &process.lead).await);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_proves_nothing() {
    #[derive(Debug, Default)]
    struct Back(std::sync::atomic::AtomicBool);
    impl waiterix_ports::Clock for Back {
        fn now(&self) -> waiterix_domain::Timestamp {
            let back = if self.0.load(std::sync::atomic::Ordering::SeqCst) { 100_000_000 } else { 0 };
            waiterix_domain::Timestamp::from_micros(1_738_314_307_000_000 - back).unwrap()
        }
    }
    let (stage, clock, wire) = (Stage::copied(1).await, Arc::new(Back::default()), Arc::new(Wire::default()));
    let reached = Process::new(
        Arc::new(stage.old.through(wire.clone())),
        Arc::new(stage.new.through(wire.clone())),
        &(clock.clone() as Arc<dyn waiterix_ports::Clock>),
    );
    reached.lead.refresh().await.unwrap();
    assert!(!cut_off(&wire, &reached.lead).await);
    clock.0.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(cut_off(&wire, &reached.lead).await);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_after_the_flip_is_read_by_those_who_remember_the_time_before() {
    let stage = Stage::copied(1).await;
    let (reader, _) = serving(&stage).await;
    let (silent, _) = serving(&stage).await;
    let report = stage.process.verify().await;
    // One keeps looking, and the other is paused for longer than anybody waits.
    let kept = reader.lead.clone();
    let keeping = tokio::spawn(async move { kept.keep(std::future::pending()).await });
    let began = tokio::time::Instant::now();
    let ended = stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
    let Ended::Moved { paused, .. } = ended else { panic!("{ended:?}") };
    assert!(began.elapsed() >= SILENCE - Duration::from_secs(2), "it waited for the silent one to be gone");
    assert!(paused < Duration::from_secs(1), "and nobody else waited meanwhile");
    stage.new.write(&[dish("d0000", "h000", 77)]).await.unwrap();
    for process in [&reader, &silent] {
        assert_eq!(process.lead.to_read().await.unwrap(), Leader::New);
    }
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_does_not_look_keeps_the_lead_where_it_is() {
    let stage = Stage::copied(1).await;
    let report = stage.process.verify().await;
    stage.new.report("deaf", 1, 1).await.unwrap();
    let deaf = stage.new.clone();
    // It says that it lives, and never that it has seen the announcement.
    let living = tokio::spawn(async move {
        loop {
            deaf.report("deaf", 1, 1).await.unwrap();
            pass(Duration::from_secs(10)).await;
        }
    });
    let ended = stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
    let Ended::Aborted { reason } = ended else { panic!("{ended:?}") };
    assert!(reason.contains("deaf"), "{reason}");
    living.abort();
    assert_eq!(stage.old.stands().unwrap().mode, Mode::Open);
    assert!(stage.old.history().iter().all(|standing| standing.mode != Mode::Fenced), "nobody waited");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_begins_during_a_cutover_reads_from_the_side_that_leads() {
    let stage = Stage::copied(1).await;
    let report = stage.process.verify().await;
    let late = stage.quiet_process();
    let beginning = late.clone();
    // It registers after the coordinator has asked who is there, and before the flip.
    stage.old_wire.before("claim", async move {
        beginning.lead.refresh().await.unwrap();
    });
    stage.process.cutover().run(Leader::New, Some(&report), &Stop::default()).await.unwrap();
    assert!(stage.old_wire.has_happened());
    assert_eq!(late.lead.to_read().await.unwrap(), Leader::New);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_coordinator_announced_is_ended_by_those_who_serve() {
    let stage = Stage::copied(1).await;
    let seen = stage.old.stands().unwrap();
    stage.old.shift(seen, Mode::Announced, 100, Duration::from_secs(1)).await.unwrap();
    let (process, _) = serving(&stage).await;
    let keeping = tokio::time::timeout(Duration::from_secs(400), process.lead.keep(std::future::pending()));
    keeping.await.unwrap_err();
    assert_eq!(stage.old.stands().unwrap().mode, Mode::Open);
}
