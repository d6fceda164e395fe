//! A coordinator dies at every call it makes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use waiterix_migration::Leader;
use waiterix_migration::rows::{Ended, Stop};
use waiterix_migration::testing::{Fault, Faults};
use waiterix_ports::moving::Mode;

use crate::rows::stage::{Stage, dish};

/// Lets so many calls through, and then none: before the last one is begun, or after it was done.
#[derive(Debug)]
struct Mortal {
    left: AtomicU32,
    is_done: bool,
}

#[async_trait]
impl Faults for Mortal {
    async fn at(&self, _: &'static str) -> Fault {
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(1) if self.is_done => Fault::Swallow,
            Ok(_) => Fault::None,
            Err(_) => std::future::pending().await,
        }
    }
}

/// A cutover that dies after so many calls; whether it came to its end before.
async fn dies_after(calls: u32, is_done: bool, from: Leader) -> bool {
    let stage = Stage::copied(2).await;
    if from == Leader::New {
        stage.process.move_to(Leader::New).await;
    }
    let report = stage.process.verify().await;
    let (gives, takes) = match from {
        Leader::Old => (&stage.old, &stage.new),
        Leader::New => (&stage.new, &stage.old),
    };
    gives.write(&[dish("d0000", "h000", 10)]).await.unwrap();
    let mortal = Arc::new(Mortal { left: AtomicU32::new(calls), is_done });
    let dying = stage.process(mortal.clone(), mortal.clone());
    let (cutover, stop) = (dying.cutover(), Stop::default());
    let run = cutover.run(from.other(), Some(&report), &stop);
    let ended = tokio::time::timeout(Duration::from_secs(30), run).await;
    let lived = mortal.left.load(Ordering::SeqCst) > 0;

    // Whatever it left, anybody ends it, and then exactly one side takes writes.
    stage.process.cutover().settle().await.unwrap();
    let (giving, taking) = (gives.stands().unwrap(), takes.stands().unwrap());
    assert_eq!(giving.epoch, taking.epoch, "after {calls} calls");
    let leads = match (giving.mode, taking.mode) {
        (Mode::Open, Mode::Mirror) => gives,
        (Mode::Mirror, Mode::Open) => takes,
        modes => panic!("after {calls} calls: {modes:?}"),
    };
    if matches!(ended, Ok(Ok(Ended::Moved { .. }))) {
        assert_eq!(taking.mode, Mode::Open, "after {calls} calls");
    }
    leads.write(&[dish("d0001", "h000", 11)]).await.unwrap();
    stage.process.drain().await;
    assert_eq!(Stage::price(takes, "d0000").await.unwrap(), 10, "after {calls} calls");
    stage.assert_equal().await;
    lived
}

async fn dies_everywhere(from: Leader) {
    for is_done in [false, true] {
        let mut calls = 0;
        while !dies_after(calls, is_done, from).await {
            calls += 1;
            assert!(calls < 200, "it never comes to an end");
        }
        assert!(calls > 20, "it has many steps, and {calls} were tried");
    }
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_dies_at_any_step_leaves_nothing_that_is_not_ended_by_the_next() {
    dies_everywhere(Leader::Old).await;
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_dies_at_any_step_leaves_nothing_that_is_not_ended_by_the_next() {
    dies_everywhere(Leader::New).await;
}
