//! Keys that are made equal, in every order of events.

use std::time::Duration;

use waiterix_migration::Leader;
use waiterix_migration::rows::Direction;
use waiterix_migration::testing::Fault;
use waiterix_ports::Violation;
use waiterix_ports::moving::{Claiming, RowSide as _};

use crate::rows::stage::{Stage, dish, gone, house, key};

#[tokio::test(start_paused = true)]
async fn of_two_that_make_a_key_equal_the_later_one_has_read_the_newer_row() {
    let stage = Stage::copied(2).await;
    let direction = stage.process.direction().await;
    stage.old.write(&[dish("d0000", "h000", 10)]).await.unwrap();
    // The first one has read 10 and is about to write it; meanwhile the row becomes 11, and another one wants to write that.
    let (old, second) = (stage.old.clone(), stage.quiet_process());
    let (other, overtaking) = (second.clone(), std::sync::Arc::new(std::sync::Mutex::new(None)));
    let slot = overtaking.clone();
    stage.new_wire.before("hold.make", async move {
        old.write(&[dish("d0000", "h000", 11)]).await.unwrap();
        let task = tokio::spawn(async move { other.converger.oldest(direction).await.unwrap() });
        *slot.lock().unwrap() = Some(task);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    });
    stage.process.converger.oldest(direction).await.unwrap();
    let task = overtaking.lock().unwrap().take().unwrap();
    assert_eq!(task.await.unwrap().made.len(), 1);
    assert_eq!(Stage::price(&stage.new, "d0000").await.unwrap(), 11);
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_written_after_the_claim_stays_dirty() {
    let stage = Stage::copied(2).await;
    stage.old.write(&[dish("d0000", "h000", 10)]).await.unwrap();
    let old = stage.old.clone();
    stage.old_wire.before("claim.forget", async move {
        old.write(&[dish("d0000", "h000", 11)]).await.unwrap();
    });
    let direction = stage.process.direction().await;
    stage.process.converger.oldest(direction).await.unwrap();
    assert_eq!(stage.old.journal(), [key("dishes", "d0000")]);
    stage.process.drain().await;
    assert_eq!(Stage::price(&stage.new, "d0000").await.unwrap(), 11);
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_delivered_again_is_equal_already() {
    let stage = Stage::copied(2).await;
    let direction = stage.process.direction().await;
    for (price, fault) in [(10, Fault::Refuse), (11, Fault::Swallow)] {
        let wanted = [dish("d0000", "h000", price), gone("dishes", &format!("d000{}", price - 9))];
        stage.old.write(&wanted).await.unwrap();
        for call in ["claim", "claim.images", "claim.forget"] {
            stage.old_wire.once(call, fault);
            stage.process.converger.oldest(direction).await.unwrap_err();
        }
        for call in ["hold", "hold.make"] {
            stage.old.mark(&wanted.clone().map(|wanted| wanted.key)).await.unwrap();
            stage.new_wire.once(call, fault);
            stage.process.converger.oldest(direction).await.unwrap_err();
        }
        stage.process.drain().await;
        stage.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_the_two_stores_leaves_the_key_dirty() {
    for (call, is_old) in [
        ("claim", true),
        ("hold", false),
        ("claim.images", true),
        ("hold.make", false),
        ("claim.forget", true),
    ] {
        let stage = Stage::copied(2).await;
        stage.old.write(&[dish("d0000", "h000", 10), gone("dishes", "d0002")]).await.unwrap();
        let wire = if is_old { &stage.old_wire } else { &stage.new_wire };
        wire.die_at(call);
        let direction = stage.process.direction().await;
        let died =
            tokio::time::timeout(Duration::from_secs(1), stage.process.converger.oldest(direction)).await;
        assert!(died.is_err(), "{call}");
        assert_eq!(stage.old.journal().len(), 2, "{call}");
        stage.quiet_process().drain().await;
        stage.assert_equal().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_there_whole_or_not_at_all() {
    let stage = Stage::copied(1).await;
    let before = stage.new.everything().await;
    let wanted = [house("h5", "five"), dish("d50", "h5", 1), dish("d51", "h5", 2), gone("dishes", "d0000")];
    stage.old.write(&wanted).await.unwrap();
    let direction = stage.process.direction().await;
    stage.new_wire.once("hold.make", Fault::Refuse);
    stage.process.converger.oldest(direction).await.unwrap_err();
    assert_eq!(stage.new.everything().await, before);
    assert_eq!(stage.process.converger.oldest(direction).await.unwrap().made.len(), 4);
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn two_names_are_swapped_a_child_waits_for_its_parent_and_a_key_comes_back() {
    let stage = Stage::copied(3).await;
    stage.old.write(&[house("h000", "x")]).await.unwrap();
    stage.old.write(&[house("h001", "house 0"), house("h000", "house 1")]).await.unwrap();
    stage.old.write(&[house("z", "parent of what comes before it"), dish("a", "z", 1)]).await.unwrap();
    stage.old.delete("houses", "h002").await.unwrap();
    stage.old.write(&[house("h002", "again"), dish("d0020", "h002", 5)]).await.unwrap();
    // Each key alone, in the least helpful order, stays dirty where it must wait, and nothing is lost.
    let direction = stage.process.direction().await;
    for wanted in [key("dishes", "a"), key("dishes", "d0020"), key("houses", "h001")] {
        let batch = stage.process.converger.keys(direction, vec![wanted]).await.unwrap();
        assert_eq!(batch.quarantined, 0);
    }
    stage.process.drain().await;
    stage.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn the_other_side_being_down_for_an_hour_costs_nothing() {
    let stage = Stage::copied(2).await;
    stage.new_wire.set(Fault::Refuse);
    let direction = Direction { leader: Leader::Old, epoch: 100 };
    for second in 0..3600 {
        stage.old.write(&[dish(&format!("n{}", second % 50), "h001", second)]).await.unwrap();
        stage.process.converger.oldest(direction).await.unwrap_err();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(stage.old.journal().len(), 3600);
    let backlog = stage.old.backlog().await.unwrap();
    assert!(backlog.age >= Duration::from_secs(3500), "{backlog:?}");
    stage.new_wire.set(Fault::None);
    stage.process.drain().await;
    stage.assert_equal().await;
    assert_eq!(stage.process.converger.oldest(direction).await.unwrap().claimed, 0);
}

#[tokio::test(start_paused = true)]
async fn one_who_remembers_an_older_epoch_makes_nothing_equal() {
    let stage = Stage::copied(2).await;
    let stale = stage.process.direction().await;
    stage.process.move_to(Leader::New).await;
    stage.process.move_to(Leader::Old).await;
    // The same side leads as before, two epochs later.
    stage.old.write(&[dish("d0000", "h000", 10)]).await.unwrap();
    let error = stage.process.converger.oldest(stale).await.unwrap_err();
    assert_eq!(error.violation(), Some(&Violation::NotLeading));
    let claim = stage.old.claim(&Claiming::Oldest(10)).await.unwrap();
    assert_eq!(claim.entries().len(), 1, "nobody holds it, and nobody has forgotten it");
    drop(claim);
    stage.process.drain().await;
    stage.assert_equal().await;
}
