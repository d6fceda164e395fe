//! All sessions are copied, compared and made equal while guests use them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, json};
use waiterix_contract::race::refused;
use waiterix_domain::id::UserId;
use waiterix_migration::plan::Held;
use waiterix_migration::rows::{Signal, Stop};
use waiterix_migration::{
    Journal, Leader, MemoryJournal, MemoryPlan, Pass, Phase, SessionFault, SessionKey, SessionSweep,
    SessionsSwept,
};
use waiterix_ports::moving::MovingPort;
use waiterix_ports::{Clock as _, ErrorKind, Session, SessionId, SessionStore};

use crate::interrupted::Dies;
use crate::pair::Sessions;

const OLD_LATER: Phase = Phase::ALL[0];
const OLD: Phase = Phase::ALL[1];
const NEW: Phase = Phase::ALL[2];

fn id(name: &str) -> SessionId {
    SessionId::new(format!("{name:_<24}"))
}

fn session(moving: &Sessions, name: &str) -> Session {
    let now = moving.clock.now();
    Session {
        id: id(name),
        user_id: Some(UserId::from("anna")),
        email: Some("anna@example.org".to_owned()),
        created_at: now,
        last_activity: now,
        expires_at: now.plus_seconds(3600),
        extra: Map::new(),
    }
}

async fn many(moving: &Sessions, count: usize) {
    for number in 0..count {
        moving.old.create(&session(moving, &format!("s{number:05}"))).await.unwrap();
    }
}

fn sweep(moving: &Sessions) -> SessionSweep {
    SessionSweep::new(moving.mirror.clone(), moving.old.clone(), moving.new.clone())
}

async fn has(store: &dyn SessionStore, name: &str) -> bool {
    store.load(&id(name)).await.unwrap().is_some()
}

#[tokio::test]
async fn every_session_of_before_the_move_is_copied_with_the_end_it_has() {
    for phase in [OLD_LATER, OLD] {
        let moving = Sessions::new(phase);
        many(&moving, 1200).await;
        moving.clock.advance(Duration::from_secs(600));
        let swept = sweep(&moving).backfill(&MemoryPlan::default()).await.unwrap();
        assert_eq!(swept, SessionsSwept { seen: 1200, equal: 1200, ..SessionsSwept::default() });
        for number in [0, 499, 500, 1199] {
            let id = id(&format!("s{number:05}"));
            let (here, there) = (moving.old.load(&id).await.unwrap(), moving.new.load(&id).await.unwrap());
            assert_eq!(here.unwrap().session, there.unwrap().session);
        }
        let compared = sweep(&moving).verify().await.unwrap();
        assert_eq!((compared.compared, compared.differences), (1200, vec![]));
    }
}

#[tokio::test]
async fn on_the_way_back_sessions_of_the_new_store_are_copied() {
    let moving = Sessions::new(NEW);
    for name in ["one", "two"] {
        moving.new.create(&session(&moving, name)).await.unwrap();
    }
    assert_eq!(sweep(&moving).backfill(&MemoryPlan::default()).await.unwrap().equal, 2);
    assert!(has(&*moving.old, "one").await && has(&*moving.old, "two").await);
}

#[tokio::test]
async fn a_walk_that_was_interrupted_goes_on_where_it_was() {
    let moving = Sessions::new(OLD_LATER);
    many(&moving, 1200).await;
    let places = Arc::new(MemoryPlan::default());
    let interrupted = sweep(&moving).backfill(&Dies(places.clone(), 600)).await;
    refused(interrupted, ErrorKind::Unavailable, "it was killed");
    let swept = sweep(&moving).backfill(&*places).await.unwrap();
    assert_eq!(swept.seen, 700, "the first page was remembered");
    assert!(sweep(&moving).verify().await.unwrap().differences.is_empty());
    assert_eq!(sweep(&moving).backfill(&*places).await.unwrap().seen, 1200, "a finished one begins anew");
}

#[tokio::test]
async fn a_logout_while_the_session_is_copied_wins() {
    for behind in [OLD, NEW] {
        let moving = Sessions::new(OLD_LATER);
        moving.old.create(&session(&moving, "one")).await.unwrap();
        let other = moving.instance(behind);
        moving.new_wire.before("session.create", async move {
            other.delete(&id("one")).await.unwrap();
        });
        sweep(&moving).backfill(&MemoryPlan::default()).await.unwrap();
        assert!(moving.new_wire.has_happened());
        assert!(!has(&*moving.old, "one").await && !has(&*moving.new, "one").await);
    }
}

#[tokio::test]
async fn what_could_not_be_copied_is_dirty_and_is_made_up_for() {
    let moving = Sessions::new(OLD_LATER);
    many(&moving, 3).await;
    moving.new_wire.cut();
    let swept = sweep(&moving).backfill(&MemoryPlan::default()).await.unwrap();
    assert_eq!((swept.failed, moving.journal.len()), (3, 3));
    moving.new_wire.mend();
    assert_eq!(moving.mirror.relay().await.unwrap(), Pass { converged: 3, ..Pass::default() });
    assert!(sweep(&moving).verify().await.unwrap().differences.is_empty());
}

#[tokio::test]
async fn a_record_that_nobody_understands_is_counted_and_stops_nothing() {
    let moving = Sessions::new(OLD_LATER);
    many(&moving, 3).await;
    moving.old.spoil(&id("s00001"));
    let swept = sweep(&moving).backfill(&MemoryPlan::default()).await.unwrap();
    assert_eq!((swept.equal, swept.unreadable, swept.failed), (2, 1, 0));
    assert!(moving.journal.is_empty(), "or the journal would never be empty");
    let differences = sweep(&moving).verify().await.unwrap().differences;
    assert_eq!(differences.iter().map(|one| one.fault).collect::<Vec<_>>(), [SessionFault::Unreadable]);
}

#[tokio::test]
async fn every_kind_of_difference_is_found_and_repaired() {
    let moving = Sessions::new(OLD_LATER);
    for name in ["missing", "content", "end", "second", "equal"] {
        moving.old.create(&session(&moving, name)).await.unwrap();
    }
    let other = |name: &str, change: &dyn Fn(&mut Session)| {
        let mut session = session(&moving, name);
        change(&mut session);
        session
    };
    for session in [
        other("extra", &|_| {}),
        other("content", &|session| drop(session.extra.insert("step".to_owned(), json!(2)))),
        other("end", &|session| session.expires_at = session.expires_at.plus_millis(1001)),
        other("second", &|session| session.expires_at = session.expires_at.plus_millis(1000)),
        other("equal", &|_| {}),
    ] {
        moving.new.create(&session).await.unwrap();
    }
    let found = sweep(&moving).verify().await.unwrap();
    assert_eq!(found.compared, 6);
    let mut faults: Vec<_> = found.differences.iter().map(|one| (one.fault, one.id.clone())).collect();
    faults.sort_by_key(|(fault, _)| *fault);
    let expected = [
        (SessionFault::Missing, id("missing")),
        (SessionFault::Extra, id("extra")),
        (SessionFault::Content, id("content")),
        (SessionFault::End, id("end")),
    ];
    assert_eq!(faults, expected);
    assert!(!format!("{found:?}").contains("missing__"), "ids are secrets");
    assert_eq!(sweep(&moving).repair(&found).await.unwrap(), []);
    assert!(sweep(&moving).verify().await.unwrap().differences.is_empty());
    assert!(has(&*moving.old, "extra").await, "nobody ended it, so its owner stays signed in");
}

#[tokio::test]
async fn a_session_that_is_being_used_is_no_difference() {
    let moving = Sessions::new(OLD_LATER);
    many(&moving, 2).await;
    sweep(&moving).backfill(&MemoryPlan::default()).await.unwrap();
    let now = moving.clock.now();
    assert!(moving.mirror.touch(&id("s00000"), now, now.plus_seconds(7200)).await.unwrap());
    assert!(moving.mirror.delete(&id("s00001")).await.unwrap());
    assert_eq!(sweep(&moving).verify().await.unwrap().differences, []);
}

/// What a trigger on the table of the old application has noted.
async fn noted(sids: &[&str]) -> MemoryJournal<String> {
    let noted = MemoryJournal::default();
    for sid in sids {
        noted.add(&(*sid).to_owned()).await.unwrap();
    }
    noted
}

#[tokio::test]
async fn what_the_old_application_writes_is_copied_and_what_it_ends_is_ended() {
    let moving = Sessions::new(OLD_LATER);
    for name in ["ended", "changed"] {
        moving.mirror.create(&session(&moving, name)).await.unwrap();
    }
    moving.mirror.relay().await.unwrap();
    moving.old.delete(&id("ended")).await.unwrap();
    let mut changed = moving.old.load(&id("changed")).await.unwrap().unwrap();
    changed.session.extra.insert("step".to_owned(), json!(2));
    moving.old.update(&changed.session, &changed.revision).await.unwrap();
    moving.old.create(&session(&moving, "signed-in")).await.unwrap();
    let noted =
        noted(&[id("ended").reveal(), id("changed").reveal(), id("signed-in").reveal(), "no id", "no id"])
            .await;
    let pass = sweep(&moving).relay_noted(&noted).await.unwrap();
    assert_eq!((pass, noted.len()), (Pass { converged: 4, ..Pass::default() }, 0));
    assert!(!has(&*moving.new, "ended").await && has(&*moving.new, "signed-in").await);
    let copy = moving.new.load(&id("changed")).await.unwrap().unwrap().session;
    assert_eq!(copy.extra["step"], json!(2));
}

#[tokio::test]
async fn what_the_old_application_wrote_last_is_not_overwritten_by_the_change_of_the_leader() {
    let moving = Sessions::new(OLD_LATER);
    moving.mirror.create(&session(&moving, "changed")).await.unwrap();
    moving.mirror.relay().await.unwrap();
    let mut changed = moving.old.load(&id("changed")).await.unwrap().unwrap();
    changed.session.extra.insert("step".to_owned(), json!(2));
    moving.old.update(&changed.session, &changed.revision).await.unwrap();
    // Writes are held, and so would be whoever asks for a pass: the coordinator says who leads.
    moving.switch.set(NEW);
    let noted = noted(&[id("changed").reveal()]).await;
    let pass = sweep(&moving).drain_noted(&noted, Leader::Old).await.unwrap();
    assert_eq!((pass, noted.len()), (Pass { converged: 1, ..Pass::default() }, 0));
    let copy = moving.new.load(&id("changed")).await.unwrap().unwrap().session;
    assert_eq!(copy.extra["step"], json!(2));
}

#[tokio::test]
async fn what_the_old_application_wrote_stays_noted_while_the_other_store_is_down() {
    let moving = Sessions::new(OLD_LATER);
    moving.old.create(&session(&moving, "one")).await.unwrap();
    let noted = noted(&[id("one").reveal()]).await;
    moving.new_wire.cut();
    assert_eq!(sweep(&moving).relay_noted(&noted).await.unwrap().failed, 1);
    moving.new_wire.mend();
    assert_eq!(sweep(&moving).relay_noted(&noted).await.unwrap().converged, 1);
    assert!(has(&*moving.new, "one").await && noted.is_empty());
}

#[tokio::test]
async fn draining_makes_all_equal_that_is_in_the_journal() {
    let moving = Sessions::new(OLD_LATER);
    moving.mirror.create(&session(&moving, "one")).await.unwrap();
    moving.mirror.temp_set("code", &json!(1), Duration::from_secs(60)).await.unwrap();
    moving.journal.add(&SessionKey::Ended(id("two"))).await.unwrap();
    assert_eq!(moving.mirror.drain(OLD.leader, Some(&held(0))).await.unwrap().converged, 3);
    assert!(moving.mirror.drain(OLD.leader, Some(&held(0))).await.unwrap().found_all_equal());
    assert!(has(&*moving.new, "one").await);
}

/// Writes that were held in a turn of a plan which stands in its first one.
fn held(turn: u64) -> Held {
    Held::new(Arc::new(MemoryPlan::default()), MovingPort::Sessions, turn)
}

#[tokio::test]
async fn a_write_that_began_after_its_hold_was_turned_back_stays_in_the_journal() {
    let moving = Sessions::new(OLD_LATER);
    let one = SessionKey::Session(id("one"));
    moving.journal.begin(&one).await.unwrap();
    let pass = moving.mirror.drain(OLD.leader, Some(&held(1))).await.unwrap();
    assert_eq!(pass, Pass { waiting: 1, ..Pass::default() });
    assert!(moving.journal.holds(&one).await.unwrap(), "what it writes is not lost");
    moving.mirror.drain(OLD.leader, Some(&held(0))).await.unwrap();
    assert!(moving.journal.is_empty(), "whoever wrote is dead if the hold stands");
}

#[tokio::test]
async fn a_walk_that_is_asked_to_stop_says_so_and_goes_on_later() {
    let moving = Sessions::new(OLD_LATER);
    many(&moving, 1200).await;
    let (places, stop) = (MemoryPlan::default(), Stop::default());
    let told = Mutex::new(Vec::new());
    let tell = |swept: &SessionsSwept, done: u64| {
        told.lock().unwrap().push((swept.seen, done));
        stop.set(Signal::Stop);
    };
    let swept = sweep(&moving).backfill_until(&places, &stop, &tell).await.unwrap();
    assert_eq!((swept.seen, swept.interrupted), (500, true));
    let again = Stop::default();
    let tell = |swept: &SessionsSwept, done: u64| told.lock().unwrap().push((swept.seen, done));
    let swept = sweep(&moving).backfill_until(&places, &again, &tell).await.unwrap();
    assert_eq!((swept.seen, swept.interrupted), (700, false));
    assert_eq!(*told.lock().unwrap(), [(500, 500), (500, 1000), (700, 1200)]);
}

/// A mirror whose new store leads, with these sessions in both; then nobody serves both any more.
async fn parting(names: &[&str]) -> Sessions {
    let moving = Sessions::new(OLD_LATER);
    for name in names {
        moving.old.create(&session(&moving, name)).await.unwrap();
    }
    sweep(&moving).backfill(&MemoryPlan::default()).await.unwrap();
    moving.switch.set(NEW);
    moving
}

#[tokio::test]
async fn what_those_do_who_serve_the_leader_alone_is_made_equal_before_the_end() {
    let moving = parting(&["stays", "active", "leaves"]).await;
    moving.clock.advance(Duration::from_secs(60));
    moving.new.create(&session(&moving, "comes")).await.unwrap();
    let (now, end) = (moving.clock.now(), moving.clock.now().plus_seconds(7200));
    assert!(moving.new.touch(&id("active"), now, end).await.unwrap());
    assert!(moving.new.delete(&id("leaves")).await.unwrap());
    let found = sweep(&moving).part().await.unwrap();
    assert_eq!((found.compared, found.differences), (4, vec![]));
    assert!(has(&*moving.old, "comes").await);
    assert!(!has(&*moving.old, "leaves").await && !has(&*moving.new, "leaves").await, "a logout stays one");
    let active = moving.old.load(&id("active")).await.unwrap().unwrap().session;
    assert_eq!((active.last_activity, active.expires_at), (now, end));
}

#[tokio::test]
async fn what_was_done_to_the_store_that_is_given_up_is_named_and_left_alone() {
    let moving = parting(&["stays", "used", "longer", "ended", "spoilt"]).await;
    moving.clock.advance(Duration::from_secs(60));
    moving.old.create(&session(&moving, "late")).await.unwrap();
    let (now, end) = (moving.clock.now(), moving.clock.now().plus_seconds(3540));
    assert!(moving.old.touch(&id("used"), now, end).await.unwrap());
    let before = moving.old.load(&id("longer")).await.unwrap().unwrap().session.last_activity;
    assert!(moving.old.touch(&id("longer"), before, end.plus_seconds(100)).await.unwrap());
    assert!(moving.old.delete(&id("ended")).await.unwrap());
    moving.new.spoil(&id("spoilt"));
    for _ in 0..2 {
        let mut found = sweep(&moving).part().await.unwrap().differences;
        found.sort_by_key(|one| one.id.reveal().to_owned());
        let faults: Vec<_> =
            found.iter().map(|one| (one.id.reveal().trim_matches('_').to_owned(), one.fault)).collect();
        let expected = [
            ("ended", SessionFault::Missing),
            ("late", SessionFault::Extra),
            ("longer", SessionFault::End),
            ("spoilt", SessionFault::Unreadable),
            ("used", SessionFault::Content),
        ];
        assert_eq!(faults, expected.map(|(name, fault)| (name.to_owned(), fault)));
        assert!(has(&*moving.new, "ended").await, "nothing is changed by looking");
    }
    moving.new.delete(&id("spoilt")).await.unwrap();
    let found = sweep(&moving).verify().await.unwrap();
    assert_eq!(sweep(&moving).repair(&found).await.unwrap(), []);
    assert!(has(&*moving.new, "late").await && !has(&*moving.new, "ended").await);
    assert_eq!(sweep(&moving).part().await.unwrap().differences, []);
}
