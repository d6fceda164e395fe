//! What mail remembers is known on both sides while sessions move, and outlives the store it was written to.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use waiterix_adapters_local::memory::MemoryMailer;
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_migration::{
    Carried, MAIL_MEMORY, MemoryFault, Phase, RoutedMailer, SUPPRESSED, SessionSweep, Share,
};
use waiterix_ports::moving::SessionKeys as _;
use waiterix_ports::{Clock as _, Mailer, Outcome, SessionStore as _};

use crate::mail::mail;
use crate::pair::{Sessions, Wire};

const OLD_LATER: Phase = Phase::ALL[0];
const OLD: Phase = Phase::ALL[1];
const NEW: Phase = Phase::ALL[2];
const NEW_LATER: Phase = Phase::ALL[3];
const GUEST: &str = "guest@example.org";

/// Mail of a service whose sessions move: two providers, a list and a ledger, both in the mirror of sessions.
struct Moving {
    sessions: Sessions,
    old: Arc<MemoryMailer>,
    new: Arc<MemoryMailer>,
    wire: Wire,
    mailer: Arc<dyn Mailer>,
    share: Arc<Share>,
}

fn moving(phase: Phase) -> Moving {
    let sessions = Sessions::new(phase);
    let (old, new) = (Arc::new(MemoryMailer::new()), Arc::new(MemoryMailer::new()));
    let (wire, share) = (Wire::default(), Arc::new(Share::percent(0)));
    let router = RoutedMailer::new(
        wire.to::<dyn Mailer>(old.clone()),
        wire.to::<dyn Mailer>(new.clone()),
        share.clone(),
    );
    let listed = SuppressingMailer::new(Arc::new(router), sessions.mirror.clone());
    let mailer =
        Arc::new(LedgeredMailer::new(Arc::new(listed), sessions.mirror.clone(), sessions.clock.clone()));
    Moving { sessions, old, new, wire, mailer, share }
}

impl Moving {
    fn sweep(&self) -> SessionSweep {
        SessionSweep::new(self.sessions.mirror.clone(), self.sessions.old.clone(), self.sessions.new.clone())
    }

    fn sent(&self) -> usize {
        self.old.sent().len() + self.new.sent().len()
    }
}

#[tokio::test]
async fn a_mail_sent_before_the_sessions_moved_is_not_sent_again_by_the_other_provider_after_it() {
    for (before, after) in [(OLD_LATER, NEW), (OLD, NEW_LATER), (NEW, OLD)] {
        let moving = moving(before);
        let first = moving.mailer.send(&mail("receipt/1", GUEST)).await.unwrap();
        assert!(matches!(first, Outcome::Accepted { .. }));
        moving.sessions.mirror.relay().await.unwrap();
        moving.sessions.switch.set(after);
        moving.share.set_percent(100);
        let again = moving.mailer.send(&mail("receipt/1", GUEST)).await.unwrap();
        assert!(matches!(again, Outcome::Duplicate { .. }), "{again:?}");
        assert_eq!(moving.sent(), 1, "{before:?} {after:?}");
    }
}

#[tokio::test]
async fn an_address_suppressed_before_the_sessions_moved_gets_nothing_after_it() {
    for (before, after) in [(OLD_LATER, NEW), (NEW, OLD)] {
        let moving = moving(before);
        moving.mailer.set_suppressed(GUEST, true).await.unwrap();
        moving.sessions.switch.set(after);
        moving.share.set_percent(100);
        assert_eq!(moving.mailer.send(&mail("receipt/1", GUEST)).await.unwrap(), Outcome::Suppressed);
        moving.mailer.set_suppressed(GUEST, false).await.unwrap();
        moving.sessions.clock.advance(Duration::from_secs(2));
        assert!(!moving.mailer.is_suppressed(GUEST).await.unwrap(), "what the other store holds is older");
        assert_eq!(moving.sent(), 0);
    }
}

#[tokio::test]
async fn a_mail_that_is_on_its_way_while_the_sessions_move_is_sent_once() {
    let moving = Arc::new(moving(OLD));
    let (switch, mailer) = (moving.sessions.switch.clone(), moving.mailer.clone());
    // The provider takes it just as the leader changes; and another instance tries as well.
    let tried = Arc::new(tokio::sync::Mutex::new(None));
    let notes = tried.clone();
    moving.wire.before("mailer.send", async move {
        switch.set(NEW);
        *notes.lock().await = Some(tokio::spawn(async move { mailer.send(&mail("receipt/1", GUEST)).await }));
        tokio::task::yield_now().await;
    });
    let first = moving.mailer.send(&mail("receipt/1", GUEST)).await.unwrap();
    assert!(moving.wire.has_happened());
    assert!(matches!(first, Outcome::Accepted { .. }), "{first:?}");
    let other = tried.lock().await.take().unwrap();
    let second = other.await.unwrap().unwrap();
    assert!(matches!(second, Outcome::Duplicate { .. }), "{second:?}");
    assert_eq!(moving.sent(), 1);
}

#[tokio::test]
async fn what_mail_remembers_outlives_the_store_that_is_given_up() {
    let moving = moving(OLD_LATER);
    moving.mailer.send(&mail("receipt/1", GUEST)).await.unwrap();
    moving.mailer.set_suppressed("bounced@example.org", true).await.unwrap();
    let end = moving.sessions.clock.now().plus_seconds(600);
    moving.sessions.mirror.temp_set("sign-in:1", &json!(1), Duration::from_secs(600)).await.unwrap();
    moving.sessions.switch.set(NEW);
    let carried = moving.sweep().carry(&MAIL_MEMORY).await.unwrap();
    assert_eq!(carried, Carried { carried: 2, known: 0, left: 1, left_until: Some(end) });
    assert_eq!(
        moving.sweep().carry(&MAIL_MEMORY).await.unwrap(),
        Carried { carried: 0, known: 2, ..carried }
    );
    // A service without the old store, as it is at the end.
    let new = moving.sessions.new.clone();
    let listed = SuppressingMailer::new(moving.new.clone(), new.clone());
    let alone = LedgeredMailer::new(Arc::new(listed), new.clone(), moving.sessions.clock.clone());
    let again = alone.send(&mail("receipt/1", GUEST)).await.unwrap();
    assert!(matches!(again, Outcome::Duplicate { .. }), "{again:?}");
    let bounced = alone.send(&mail("receipt/2", "bounced@example.org")).await.unwrap();
    assert_eq!(bounced, Outcome::Suppressed);
    moving.sessions.clock.advance(Duration::from_secs(48 * 3600 + 1));
    let later = alone.send(&mail("receipt/1", GUEST)).await.unwrap();
    assert!(
        matches!(later, Outcome::Accepted { .. }),
        "nothing lives longer for having been carried: {later:?}"
    );
}

#[tokio::test]
async fn an_address_taken_off_the_list_is_not_put_there_again_by_carrying() {
    let moving = moving(OLD_LATER);
    moving.mailer.set_suppressed(GUEST, true).await.unwrap();
    moving.sessions.switch.set(NEW_LATER);
    moving.mailer.set_suppressed(GUEST, false).await.unwrap();
    moving.sessions.clock.advance(Duration::from_secs(2));
    assert_eq!(moving.sweep().carry(&MAIL_MEMORY).await.unwrap().carried, 0);
    assert!(!moving.mailer.is_suppressed(GUEST).await.unwrap());
}

#[tokio::test]
async fn what_was_carried_and_taken_away_there_since_does_not_come_back() {
    let moving = moving(OLD_LATER);
    moving.mailer.set_suppressed(GUEST, true).await.unwrap();
    moving.sessions.switch.set(NEW_LATER);
    assert_eq!(moving.sweep().carry(&SUPPRESSED).await.unwrap().carried, 1);
    // By a service that has the new store alone.
    let alone = SuppressingMailer::new(moving.new.clone(), moving.sessions.new.clone());
    alone.set_suppressed(GUEST, false).await.unwrap();
    moving.sessions.clock.advance(Duration::from_secs(2));
    assert_eq!(moving.sweep().carry(&SUPPRESSED).await.unwrap().carried, 0);
    assert!(!alone.is_suppressed(GUEST).await.unwrap());
    // Whether it was taken away or lost cannot be told, so it is named, and whoever knows better carries it again.
    let found = moving.sweep().compare_memory(&MAIL_MEMORY).await.unwrap();
    assert_eq!(found.differences.iter().map(|(_, fault)| *fault).collect::<Vec<_>>(), [MemoryFault::Missing]);
    assert_eq!(moving.sweep().carry_again(&SUPPRESSED).await.unwrap().carried, 1);
    assert!(alone.is_suppressed(GUEST).await.unwrap());
}

#[tokio::test]
async fn two_that_carry_at_once_lose_nothing() {
    for behind in ["session.temp_set_if_absent", "session.temp_get"] {
        let moving = moving(OLD_LATER);
        moving.mailer.set_suppressed(GUEST, true).await.unwrap();
        moving.sessions.switch.set(NEW_LATER);
        let sweep = moving.sweep();
        moving.sessions.new_wire.before(behind, async move {
            sweep.carry(&SUPPRESSED).await.unwrap();
        });
        moving.sweep().carry(&SUPPRESSED).await.unwrap();
        assert!(moving.sessions.new_wire.has_happened());
        let alone = SuppressingMailer::new(moving.new.clone(), moving.sessions.new.clone());
        assert!(alone.is_suppressed(GUEST).await.unwrap(), "{behind}");
    }
}

#[tokio::test]
async fn what_the_leader_does_not_know_is_found_and_what_is_newer_there_is_no_difference() {
    let moving = moving(OLD_LATER);
    moving.mailer.send(&mail("receipt/1", GUEST)).await.unwrap();
    moving.mailer.set_suppressed("a@example.org", true).await.unwrap();
    moving.mailer.set_suppressed("b@example.org", true).await.unwrap();
    moving.sessions.switch.set(NEW_LATER);
    let compared = async || moving.sweep().compare_memory(&MAIL_MEMORY).await.unwrap();
    let found = compared().await;
    assert_eq!((found.compared, found.differences.len()), (3, 3), "nothing was carried yet");
    assert!(!format!("{found:?}").contains("example.org"), "keys are digests");
    moving.sweep().carry(&MAIL_MEMORY).await.unwrap();
    assert_eq!(compared().await.differences, []);
    // What this service sets in the leader is newer, whatever the other store says.
    moving.mailer.set_suppressed("a@example.org", false).await.unwrap();
    moving.sessions.clock.advance(Duration::from_secs(2));
    assert_eq!(compared().await.differences, []);
    // The leader forgets something earlier than it was told.
    let keys = moving.sessions.old.temp_keys("mail-suppressed:", None, 10).await.unwrap().keys;
    for key in keys {
        moving.sessions.new.temp_set(&key.key, &json!(true), Duration::from_secs(60)).await.unwrap();
    }
    let faults: Vec<_> = compared().await.differences.into_iter().map(|(_, fault)| fault).collect();
    assert_eq!(faults, [MemoryFault::EndsEarlier], "of b; of a this service knows better");
}

#[tokio::test]
async fn the_list_goes_first_and_follows_what_becomes_of_it() {
    let moving = moving(OLD_LATER);
    for address in [GUEST, "back@example.org"] {
        moving.mailer.set_suppressed(address, true).await.unwrap();
    }
    moving.sessions.mirror.relay().await.unwrap();
    assert_eq!(moving.sweep().hand_on(&SUPPRESSED).await.unwrap(), 2);
    assert_eq!(moving.sweep().hand_on(&SUPPRESSED).await.unwrap(), 0);
    let alone = SuppressingMailer::new(moving.new.clone(), moving.sessions.new.clone());
    assert_eq!(alone.send(&mail("receipt/1", GUEST)).await.unwrap(), Outcome::Suppressed);
    moving.mailer.set_suppressed("back@example.org", false).await.unwrap();
    moving.sessions.mirror.relay().await.unwrap();
    moving.sessions.clock.advance(Duration::from_secs(2));
    moving.sessions.switch.set(NEW);
    assert!(!moving.mailer.is_suppressed("back@example.org").await.unwrap(), "it was taken off the list");
    assert!(moving.mailer.is_suppressed(GUEST).await.unwrap());
}

#[tokio::test]
async fn an_address_that_is_taken_off_while_the_list_is_handed_on_stays_off() {
    let moving = moving(OLD);
    moving.mailer.set_suppressed(GUEST, true).await.unwrap();
    let mailer = moving.mailer.clone();
    moving.sessions.new_wire.before("session.temp_set_if_absent", async move {
        mailer.set_suppressed(GUEST, false).await.unwrap();
    });
    moving.sweep().hand_on(&SUPPRESSED).await.unwrap();
    assert!(moving.sessions.new_wire.has_happened());
    moving.sessions.clock.advance(Duration::from_secs(2));
    moving.sessions.switch.set(NEW);
    assert!(!moving.mailer.is_suppressed(GUEST).await.unwrap());
}
