//! What goes wrong when sessions move, each by name.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, json};
use tokio::sync::oneshot;
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_contract::race::{at_once, refused};
use waiterix_domain::id::UserId;
use waiterix_migration::{DualSessionStore, Journal as _, MemoryJournal, Pass, Phase, SessionKey, Switch};
use waiterix_ports::{Clock as _, ErrorKind, Session, SessionId, SessionStore};

use crate::pair::Sessions;

const OLD_LATER: Phase = Phase::ALL[0];
const OLD: Phase = Phase::ALL[1];
const NEW: Phase = Phase::ALL[2];
const NEW_LATER: Phase = Phase::ALL[3];
const HOUR: Duration = Duration::from_secs(3600);

fn id(name: &str) -> SessionId {
    SessionId::new(format!("{name:_<24}"))
}

fn session(moving: &Sessions, name: &str, ttl_s: i64) -> Session {
    let now = moving.clock.now();
    Session {
        id: id(name),
        user_id: Some(UserId::from("anna")),
        email: None,
        created_at: now,
        last_activity: now,
        expires_at: now.plus_seconds(ttl_s),
        extra: Map::new(),
    }
}

async fn has(store: &dyn SessionStore, name: &str) -> bool {
    store.load(&id(name)).await.unwrap().is_some()
}

async fn end_in(store: &dyn SessionStore, name: &str) -> waiterix_domain::Timestamp {
    store.load(&id(name)).await.unwrap().unwrap().session.expires_at
}

#[tokio::test]
async fn a_session_of_before_the_move_is_copied_and_ends_when_it_would_have() {
    let moving = Sessions::new(NEW);
    let stored = session(&moving, "one", 3600);
    moving.old.create(&stored).await.unwrap();
    moving.clock.advance(Duration::from_secs(1000));
    assert!(has(&*moving.mirror, "one").await);
    assert_eq!(end_in(&*moving.new, "one").await, stored.expires_at, "copied with the end it had");
    moving.clock.advance(Duration::from_secs(2601));
    assert!(!has(&*moving.mirror, "one").await);
}

#[tokio::test]
async fn copying_to_and_fro_never_lengthens() {
    let moving = Sessions::new(OLD);
    let mut stored = session(&moving, "one", 3600);
    stored.expires_at = stored.expires_at.plus_millis(1);
    moving.mirror.create(&stored).await.unwrap();
    for phase in [NEW, OLD_LATER, NEW_LATER, OLD] {
        moving.switch.set(phase);
        moving.clock.advance(Duration::from_secs(60));
        let read = moving.mirror.load(&id("one")).await.unwrap().unwrap();
        moving.mirror.update(&read.session, &read.revision).await.unwrap();
        moving.mirror.relay().await.unwrap();
        for store in [&moving.old, &moving.new] {
            assert_eq!(end_in(&**store, "one").await, stored.expires_at);
        }
    }
}

#[tokio::test]
async fn a_logout_is_not_undone_by_a_touch_that_is_late() {
    for phase in Phase::ALL {
        let moving = Sessions::new(phase);
        moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
        let (now, end) = (moving.clock.now(), moving.clock.now().plus_seconds(7200));
        assert!(moving.mirror.touch(&id("one"), now, end).await.unwrap());
        assert!(moving.mirror.delete(&id("one")).await.unwrap());
        assert!(!moving.mirror.touch(&id("one"), now, end).await.unwrap());
        // The touch before the logout is still in the journal.
        moving.mirror.relay().await.unwrap();
        assert!(!has(&*moving.old, "one").await && !has(&*moving.new, "one").await, "{phase:?}");
        assert!(moving.journal.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_is_not_undone_by_a_copy_at_the_same_time() {
    for round in 0..200 {
        let moving = Arc::new(Sessions::new(if round % 2 == 0 { NEW } else { OLD }));
        let stored = session(&moving, "one", 3600);
        let other = if round % 2 == 0 { &moving.old } else { &moving.new };
        other.create(&stored).await.unwrap();
        at_once(4, |number| {
            let moving = moving.clone();
            async move {
                match number {
                    // What the relay has ended for it by then is not counted.
                    0 => _ = moving.mirror.delete(&id("one")).await.unwrap(),
                    1 => drop(moving.mirror.relay().await.unwrap()),
                    _ => drop(moving.mirror.load(&id("one")).await.unwrap()),
                }
            }
        })
        .await;
        assert!(!has(&*moving.mirror, "one").await, "round {round}");
        moving.mirror.relay().await.unwrap();
        assert!(!has(&*moving.old, "one").await && !has(&*moving.new, "one").await, "round {round}");
    }
}

#[tokio::test]
async fn a_logout_in_the_middle_of_a_copy_wins() {
    for behind in [NEW, OLD] {
        let moving = Sessions::new(NEW);
        moving.old.create(&session(&moving, "one", 3600)).await.unwrap();
        let other = moving.instance(behind);
        moving
            .new_wire
            .before("session.create", async move { assert!(other.delete(&id("one")).await.unwrap()) });
        assert_eq!(moving.mirror.load(&id("one")).await.unwrap(), None, "what was read before is stale");
        assert!(moving.new_wire.has_happened());
        assert!(!has(&*moving.old, "one").await && !has(&*moving.new, "one").await);
        assert!(moving.journal.is_empty());
    }
}

#[tokio::test]
async fn a_logout_while_the_other_store_follows_wins() {
    for (operation, phase) in [("session.create", OLD_LATER), ("session.update", OLD)] {
        let moving = Sessions::new(phase);
        moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
        let now = moving.clock.now();
        moving.mirror.touch(&id("one"), now, now.plus_seconds(7200)).await.unwrap();
        let other = moving.instance(OLD);
        moving.new_wire.before(operation, async move { assert!(other.delete(&id("one")).await.unwrap()) });
        moving.mirror.relay().await.unwrap();
        assert!(moving.new_wire.has_happened());
        assert!(!has(&*moving.old, "one").await && !has(&*moving.new, "one").await, "{operation}");
    }
}

#[tokio::test]
async fn a_logout_that_is_half_done_leaves_no_copy() {
    let moving = Sessions::new(OLD_LATER);
    moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
    // The other instance takes the new store for the leader: when the copy is made, it has been there already, and
    // has marked the session in the old one without deleting it yet.
    let (arrives, arrived) = oneshot::channel();
    let (goes_on, may_go_on) = oneshot::channel();
    moving.old_wire.before("session.delete", async move {
        arrives.send(()).unwrap();
        may_go_on.await.unwrap();
    });
    let (other, (hands, handed)) = (moving.instance(NEW), oneshot::channel());
    moving.new_wire.before("session.create", async move {
        hands.send(tokio::spawn(async move { other.delete(&id("one")).await.unwrap() })).unwrap();
        arrived.await.unwrap();
    });
    moving.mirror.relay().await.unwrap();
    goes_on.send(()).unwrap();
    // Whoever came by may have finished it, so it need not have found the session itself.
    handed.await.unwrap().await.unwrap();
    assert!(!has(&*moving.old, "one").await && !has(&*moving.new, "one").await);
    assert!(moving.journal.is_empty());
}

#[tokio::test]
async fn a_copy_that_another_instance_makes_meanwhile_is_not_taken_for_one_that_was_ended() {
    let moving = Sessions::new(OLD_LATER);
    moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
    // The new store has been found without the session; before its marks are read, the other instance copies it and marks it.
    let other = moving.instance(OLD_LATER);
    moving.new_wire.before("session.temp_get", async move {
        assert_eq!(other.relay().await.unwrap().converged, 1);
    });
    moving.mirror.relay().await.unwrap();
    assert!(moving.new_wire.has_happened());
    assert!(has(&*moving.old, "one").await && has(&*moving.new, "one").await, "nobody signed out");
}

#[tokio::test]
async fn a_slow_copy_of_an_older_state_is_refused() {
    let moving = Sessions::new(OLD);
    moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
    let now = moving.clock.now();
    moving.mirror.touch(&id("one"), now.plus_millis(1), now.plus_seconds(4000)).await.unwrap();
    let (other, old_wire) = (moving.instance(OLD), moving.old_wire.clone());
    moving.new_wire.before("session.update", async move {
        other.touch(&id("one"), now.plus_millis(2), now.plus_seconds(5000)).await.unwrap();
        other.relay().await.unwrap();
        // Whoever is slow does not get to look again.
        old_wire.cut();
    });
    assert_eq!(moving.mirror.relay().await.unwrap(), Pass { converged: 0, failed: 1, ..Pass::default() });
    assert_eq!(end_in(&*moving.new, "one").await, now.plus_seconds(5000));
    assert!(moving.journal.is_empty(), "so nobody would make up for it");
}

#[tokio::test]
async fn a_logout_by_an_instance_one_phase_behind_holds() {
    for (ahead, behind) in [(NEW, OLD), (OLD, NEW_LATER), (NEW_LATER, OLD_LATER)] {
        let moving = Sessions::new(ahead);
        moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
        moving.mirror.relay().await.unwrap();
        assert!(moving.instance(behind).delete(&id("one")).await.unwrap());
        assert!(!has(&*moving.mirror, "one").await);
        moving.mirror.relay().await.unwrap();
        assert!(!has(&*moving.old, "one").await && !has(&*moving.new, "one").await);
    }
}

#[tokio::test]
async fn a_sign_in_by_an_instance_one_phase_behind_is_found() {
    let moving = Sessions::new(NEW);
    moving.instance(OLD_LATER).create(&session(&moving, "one", 3600)).await.unwrap();
    assert!(has(&*moving.mirror, "one").await);
}

#[tokio::test]
async fn a_logout_by_the_old_application_ends_the_copy() {
    for leads in [OLD, NEW] {
        let moving = Sessions::new(leads);
        moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
        assert!(
            moving.old.delete(&id("one")).await.unwrap(),
            "the old application knows nothing of the mirror"
        );
        // What a trigger on its table does.
        moving.journal.add(&SessionKey::Session(id("one"))).await.unwrap();
        assert_eq!(moving.mirror.relay().await.unwrap(), Pass { converged: 1, failed: 0, ..Pass::default() });
        assert!(!has(&*moving.mirror, "one").await);
        assert!(!has(&*moving.new, "one").await && !has(&*moving.old, "one").await);
    }
}

#[tokio::test]
async fn a_logout_in_the_leader_by_somebody_else_is_no_reason_to_fall_back() {
    let moving = Sessions::new(OLD);
    moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
    moving.old.delete(&id("one")).await.unwrap();
    assert!(!has(&*moving.mirror, "one").await, "it is known to have been here");
    assert!(!has(&*moving.new, "one").await, "and it is ended there too");
}

#[tokio::test]
async fn a_storm_of_touches_is_one_write_on_the_other_side() {
    let moving = Sessions::new(OLD);
    moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
    let revision = moving.new.load(&id("one")).await.unwrap().unwrap().revision;
    let now = moving.clock.now();
    for number in 1..=100 {
        moving
            .mirror
            .touch(&id("one"), now.plus_millis(number), now.plus_seconds(3600 + number))
            .await
            .unwrap();
    }
    assert_eq!(moving.new.load(&id("one")).await.unwrap().unwrap().revision, revision, "nothing came yet");
    assert_eq!(moving.mirror.relay().await.unwrap(), Pass { converged: 1, failed: 0, ..Pass::default() });
    assert_eq!(end_in(&*moving.new, "one").await, now.plus_seconds(3700));
    assert!(moving.journal.is_empty());
}

#[tokio::test]
async fn a_touched_session_outlives_its_copy_and_is_copied_again() {
    let moving = Sessions::new(OLD);
    moving.mirror.create(&session(&moving, "one", 10)).await.unwrap();
    let now = moving.clock.now();
    moving.mirror.touch(&id("one"), now, now.plus_seconds(3600)).await.unwrap();
    moving.clock.advance(Duration::from_secs(60));
    assert!(!has(&*moving.new, "one").await, "the copy has run out, which is no logout");
    moving.mirror.relay().await.unwrap();
    assert!(has(&*moving.mirror, "one").await && has(&*moving.new, "one").await);
}

#[tokio::test]
async fn a_leader_that_lost_its_memory_is_filled_again() {
    let moving = Sessions::new(NEW);
    moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
    moving.mirror.create(&session(&moving, "two", 3600)).await.unwrap();
    moving.mirror.delete(&id("two")).await.unwrap();
    let empty = Arc::new(MemorySessionStore::new(moving.clock.clone()));
    let (switch, journal) = (Arc::new(Switch::new(NEW)), Arc::new(MemoryJournal::default()));
    let mirror =
        DualSessionStore::new(moving.old.clone(), empty.clone(), switch, journal, moving.clock.clone());
    assert!(has(&mirror, "one").await && has(&*empty, "one").await);
    assert!(!has(&mirror, "two").await, "what was ended stays ended");
}

#[tokio::test]
async fn the_other_store_down_for_an_hour_fails_nobody() {
    for phase in Phase::ALL {
        let moving = Sessions::new(phase);
        let (wire, other) = if phase == OLD || phase == OLD_LATER {
            (&moving.new_wire, &moving.new)
        } else {
            (&moving.old_wire, &moving.old)
        };
        for name in ["ended", "kept"] {
            moving.mirror.create(&session(&moving, name, 7200)).await.unwrap();
        }
        moving.mirror.relay().await.unwrap();
        wire.cut();
        moving.mirror.create(&session(&moving, "signed-in", 7200)).await.unwrap();
        assert!(moving.mirror.delete(&id("ended")).await.unwrap());
        let mut read = moving.mirror.load(&id("kept")).await.unwrap().unwrap();
        read.session.extra.insert("step".to_owned(), json!(2));
        moving.mirror.update(&read.session, &read.revision).await.unwrap();
        moving.mirror.temp_set("code", &json!(1), HOUR).await.unwrap();
        assert_eq!(moving.mirror.temp_take("code").await.unwrap(), Some(json!(1)));
        assert!(!has(&*moving.mirror, "ended").await);
        assert!(moving.mirror.relay().await.unwrap().failed > 0);
        moving.clock.advance(HOUR);
        wire.mend();
        assert_eq!(moving.mirror.relay().await.unwrap().failed, 0);
        assert!(moving.journal.is_empty());
        assert!(has(&**other, "signed-in").await && !has(&**other, "ended").await, "{phase:?}");
        let copy = other.load(&id("kept")).await.unwrap().unwrap().session;
        assert_eq!(copy, moving.mirror.load(&id("kept")).await.unwrap().unwrap().session);
    }
}

#[tokio::test]
async fn what_only_a_store_that_is_down_could_know_is_an_error() {
    let moving = Sessions::new(NEW);
    moving.old.create(&session(&moving, "one", 3600)).await.unwrap();
    moving.old_wire.cut();
    refused(moving.mirror.load(&id("one")).await, ErrorKind::Unavailable, "not 'not there'");
    refused(moving.mirror.sessions_of(&"anna".into()).await, ErrorKind::Unavailable, "nor a shorter list");
    refused(moving.mirror.delete_all_of(&"anna".into()).await, ErrorKind::Unavailable, "nor a half ending");
    refused(moving.mirror.temp_take("code").await, ErrorKind::Unavailable, "nor a code that is not there");
    moving.old_wire.mend();
    moving.new_wire.cut();
    refused(
        moving.mirror.load(&id("one")).await,
        ErrorKind::Unavailable,
        "an outage is no reason to fall back",
    );
}

#[tokio::test]
async fn an_end_that_the_leader_did_not_confirm_is_an_error_and_comes_about() {
    let moving = Sessions::new(OLD);
    moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
    moving.old_wire.cut();
    refused(moving.mirror.delete(&id("one")).await, ErrorKind::Unavailable, "nobody confirmed it");
    moving.old_wire.mend();
    moving.mirror.relay().await.unwrap();
    assert!(!has(&*moving.old, "one").await && !has(&*moving.new, "one").await);
}

#[tokio::test]
async fn a_write_of_unknown_outcome_stays_dirty_until_both_are_equal() {
    let moving = Sessions::new(OLD);
    moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
    let mut read = moving.mirror.load(&id("one")).await.unwrap().unwrap();
    read.session.extra.insert("step".to_owned(), json!(2));
    moving.old_wire.swallow();
    let answer = moving.mirror.update(&read.session, &read.revision).await;
    refused(answer, ErrorKind::Timeout, "it was done, and the answer lost");
    moving.old_wire.mend();
    assert_ne!(moving.new.load(&id("one")).await.unwrap().unwrap().session, read.session);
    assert_eq!(moving.mirror.relay().await.unwrap(), Pass { converged: 1, failed: 0, ..Pass::default() });
    assert_eq!(moving.new.load(&id("one")).await.unwrap().unwrap().session, read.session);
}

#[tokio::test]
async fn nobody_is_signed_out_by_a_change_of_the_leader_and_back() {
    let moving = Sessions::new(OLD_LATER);
    for number in 0..20 {
        moving.mirror.create(&session(&moving, &format!("s{number}"), 3600)).await.unwrap();
    }
    for phase in [OLD, NEW, NEW_LATER, OLD_LATER, NEW] {
        moving.mirror.relay().await.unwrap();
        moving.switch.set(phase);
        for number in 0..20 {
            assert!(has(&*moving.mirror, &format!("s{number}")).await, "s{number} in {phase:?}");
        }
        assert_eq!(moving.mirror.sessions_of(&"anna".into()).await.unwrap().len(), 20);
    }
    assert_eq!(moving.mirror.delete_all_of(&"anna".into()).await.unwrap(), 20);
    assert!(moving.old.sessions_of(&"anna".into()).await.unwrap().is_empty());
    assert!(moving.new.sessions_of(&"anna".into()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_set_before_the_change_of_the_leader_is_taken_once_after_it() {
    let moving = Arc::new(Sessions::new(OLD));
    for round in 0..50 {
        moving.switch.set(OLD);
        let key = format!("code{round}");
        moving.mirror.temp_set(&key, &json!(round), HOUR).await.unwrap();
        moving.switch.set(NEW);
        assert!(!moving.mirror.temp_set_if_absent(&key, &json!("other"), HOUR).await.unwrap());
        assert_eq!(moving.mirror.temp_get(&key).await.unwrap(), Some(json!(round)));
        let taken = at_once(4, |_| {
            let (moving, key) = (moving.clone(), key.clone());
            async move { moving.mirror.temp_take(&key).await.unwrap() }
        })
        .await;
        assert_eq!(taken.into_iter().flatten().collect::<Vec<_>>(), [json!(round)]);
    }
}

#[tokio::test]
async fn a_code_that_was_replaced_does_not_come_back() {
    let moving = Sessions::new(OLD);
    moving.mirror.temp_set("code", &json!("first"), HOUR).await.unwrap();
    moving.switch.set(NEW);
    moving.old_wire.cut();
    moving.mirror.temp_set("code", &json!("second"), HOUR).await.unwrap();
    assert_eq!(moving.mirror.temp_take("code").await.unwrap(), Some(json!("second")));
    assert_eq!(moving.mirror.temp_take("code").await.unwrap(), None, "what the other store holds is older");
    moving.old_wire.mend();
    moving.mirror.relay().await.unwrap();
    moving.switch.set(OLD);
    assert_eq!(moving.mirror.temp_take("code").await.unwrap(), None, "nor does the way back bring it");
}

#[tokio::test]
async fn a_relay_in_the_middle_of_a_write_does_not_forget_it() {
    for operation in ["session.update", "session.touch", "session.temp_set"] {
        let moving = Sessions::new(OLD_LATER);
        moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
        moving.mirror.relay().await.unwrap();
        let mut read = moving.mirror.load(&id("one")).await.unwrap().unwrap();
        read.session.extra.insert("step".to_owned(), json!(2));
        let other = moving.instance(OLD);
        moving.old_wire.before(operation, async move { _ = other.relay().await.unwrap() });
        let end = moving.clock.now().plus_seconds(7200);
        match operation {
            "session.update" => drop(moving.mirror.update(&read.session, &read.revision).await.unwrap()),
            "session.touch" => {
                assert!(moving.mirror.touch(&id("one"), moving.clock.now(), end).await.unwrap());
            }
            _ => {
                moving.new.temp_set("code", &json!("older"), HOUR).await.unwrap();
                moving.mirror.temp_set("code", &json!("newer"), HOUR).await.unwrap();
            }
        }
        assert!(moving.old_wire.has_happened());
        moving.mirror.relay().await.unwrap();
        assert!(moving.journal.is_empty());
        match operation {
            "session.update" => {
                let copy = moving.new.load(&id("one")).await.unwrap().unwrap().session;
                assert_eq!(copy.extra["step"], json!(2));
            }
            "session.touch" => assert_eq!(end_in(&*moving.new, "one").await, end),
            _ => assert_eq!(moving.new.temp_get("code").await.unwrap(), None, "what is there is older"),
        }
    }
}

#[tokio::test]
async fn a_process_that_died_in_the_middle_of_a_write_is_made_up_for() {
    let moving = Sessions::new(OLD_LATER);
    moving.mirror.create(&session(&moving, "one", 3600)).await.unwrap();
    moving.mirror.relay().await.unwrap();
    moving.journal.begin(&SessionKey::Session(id("one"))).await.unwrap();
    let now = moving.clock.now();
    moving.old.touch(&id("one"), now, now.plus_seconds(7200)).await.unwrap();
    assert_eq!(moving.mirror.relay().await.unwrap(), Pass { waiting: 1, ..Pass::default() });
    assert_eq!(end_in(&*moving.new, "one").await, now.plus_seconds(7200), "at once");
    assert_eq!(moving.journal.len(), 1, "it may still be at it");
    moving.journal.give_up_writes();
    assert_eq!(moving.mirror.relay().await.unwrap(), Pass { converged: 1, ..Pass::default() });
    assert!(moving.journal.is_empty());
}
