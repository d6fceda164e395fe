//! The plan that processes share, and what walks remember.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sqlx::Connection as _;
use waiterix_backends::{Backend, given};
use waiterix_contract::race::{at_once, refused};
use waiterix_ports::moving::{
    Forgetting, Leader, Ledger as _, LedgerEntry, Mirroring, MovingPort, ObjectRecord, ObjectRecords as _,
    Place, Places as _, Plan, PlanStore as _, PortStanding, Stage, Turns, Watcher,
};
use waiterix_ports::{ErrorKind, Violation};
use waiterix_postgres::moving::PostgresPlan;
use waiterix_postgres::testing::{Scratch, database};

async fn fresh() -> Option<(Scratch, Arc<PostgresPlan>)> {
    let url = given(Backend::Postgres)?;
    let scratch = Scratch::empty(&url).await.unwrap();
    let plan = PostgresPlan::new(database(&scratch.url()).unwrap());
    plan.install().await.unwrap();
    Some((scratch, Arc::new(plan)))
}

fn why(what: &str) -> LedgerEntry {
    LedgerEntry {
        who: "ops@example.org".to_owned(),
        port: MovingPort::Sessions,
        what: what.to_owned(),
        evidence: json!({ "backlog": 0 }),
    }
}

fn announced(turn: u64) -> PortStanding {
    PortStanding {
        stage: Stage::Announced,
        share: 20,
        mirroring: Mirroring::Inline,
        turn,
        ..PortStanding::FIRST
    }
}

fn turns(of: &[(&str, u64)]) -> Turns {
    of.iter().map(|(of, turn)| ((*of).to_owned(), *turn)).collect()
}

#[tokio::test]
async fn every_port_begins_with_the_old_provider() {
    let Some((_scratch, plan)) = fresh().await else { return };
    for port in MovingPort::ALL {
        assert_eq!(plan.plan().await.unwrap().of(port), PortStanding::FIRST);
    }
    plan.shift(MovingPort::Mail, 0, &announced(1), &why("announced")).await.unwrap();
    plan.install().await.unwrap();
    assert_eq!(
        plan.plan().await.unwrap().of(MovingPort::Mail),
        announced(1),
        "installing again changes nothing"
    );
}

#[tokio::test]
async fn before_a_plan_there_is_none_and_after_its_end_the_move_is_over() {
    let Some(url) = given(Backend::Postgres) else { return };
    let scratch = Scratch::empty(&url).await.unwrap();
    let plan = PostgresPlan::new(database(&scratch.url()).unwrap());
    assert_eq!(plan.look("one", &Turns::new()).await.unwrap(), Plan::none());
    plan.leave("one").await.unwrap_err();
    plan.install().await.unwrap();
    assert!(plan.look("one", &Turns::new()).await.unwrap().is_made());
    plan.end().await.unwrap();
    plan.end().await.unwrap();
    refused(plan.look("one", &Turns::new()).await, ErrorKind::Unavailable, "the old provider leads no more");
    assert!(plan.is_ended().await.unwrap() && !plan.is_there().await.unwrap());
    plan.install().await.unwrap();
    assert!(plan.look("one", &Turns::new()).await.unwrap().is_made(), "another move");
    plan.uninstall().await.unwrap();
    assert!(!plan.look("one", &Turns::new()).await.unwrap().is_made());
}

#[tokio::test]
async fn a_standing_is_replaced_with_its_reason_or_not_at_all() {
    let Some((_scratch, plan)) = fresh().await else { return };
    assert!(plan.shift(MovingPort::Sessions, 0, &announced(1), &why("announced")).await.unwrap());
    assert_eq!(plan.plan().await.unwrap().of(MovingPort::Sessions), announced(1));
    assert_eq!(plan.plan().await.unwrap().of(MovingPort::Objects), PortStanding::FIRST);
    let new = PortStanding { leader: Leader::New, ..announced(1) };
    assert!(
        !plan.shift(MovingPort::Sessions, 0, &new, &why("late")).await.unwrap(),
        "another one was faster"
    );
    assert!(plan.shift(MovingPort::Sessions, 0, &announced(1), &why("again")).await.unwrap(), "it is there");
    let recorded = plan.recorded(None, 10).await.unwrap();
    assert_eq!(recorded.iter().map(|one| &one.entry).collect::<Vec<_>>(), [&why("announced")]);
    refused(
        plan.shift(MovingPort::Sessions, 1, &announced(3), &why("skips")).await,
        ErrorKind::Invalid,
        "turns are not skipped",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_who_replace_one_standing_one_does() {
    let Some((_scratch, plan)) = fresh().await else { return };
    for round in 0..20 {
        let won = at_once(4, |number| {
            let plan = plan.clone();
            async move {
                let share = u8::try_from(number).unwrap();
                let to = PortStanding { share, ..announced(round + 1) };
                plan.shift(MovingPort::Objects, round, &to, &why("raced")).await.unwrap()
            }
        })
        .await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
    }
    assert_eq!(plan.recorded(None, 100).await.unwrap().len(), 20);
}

#[tokio::test]
async fn instances_say_what_they_saw_until_they_leave() {
    let Some((scratch, plan)) = fresh().await else { return };
    plan.look("one", &turns(&[])).await.unwrap();
    plan.look("two", &turns(&[("sessions", 3), ("rows.old", 7)])).await.unwrap();
    plan.look("two", &turns(&[("sessions", 4)])).await.unwrap();
    let mut connection = sqlx::postgres::PgConnection::connect(scratch.url().as_str()).await.unwrap();
    let age =
        "UPDATE waiterix_migration.instances SET seen_at = seen_at - interval '20 minutes' WHERE id = 'one'";
    sqlx::query(age).execute(&mut connection).await.unwrap();
    let found = plan.instances().await.unwrap();
    assert_eq!(found.iter().map(|one| &*one.id).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(found[1].turns, turns(&[("rows.old", 7), ("sessions", 4)]), "what was said of others stays");
    assert!(found[0].silent.as_secs() >= 1200 && found[1].silent.as_secs() < 60);
    plan.leave("two").await.unwrap();
    assert_eq!(plan.instances().await.unwrap().len(), 1);
    let age = "UPDATE waiterix_migration.instances SET seen_at = seen_at - interval '1 day' WHERE id = 'one'";
    sqlx::query(age).execute(&mut connection).await.unwrap();
    plan.look("three", &turns(&[])).await.unwrap();
    let left: Vec<_> = plan.instances().await.unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(left, ["three"], "who never left is forgotten in the end");
}

#[tokio::test]
async fn a_dead_instance_is_forgotten_with_the_reason_and_never_heard_again() {
    const SILENT: Duration = Duration::from_secs(5);
    let Some((scratch, plan)) = fresh().await else { return };
    plan.look("one", &turns(&[("sessions", 1)])).await.unwrap();
    let heard = plan.forget("one", SILENT, &why("forgotten")).await.unwrap();
    assert!(matches!(heard, Forgetting::Heard(since) if since < SILENT), "{heard:?}");
    assert_eq!(plan.forget("two", SILENT, &why("forgotten")).await.unwrap(), Forgetting::Unknown);
    assert_eq!(plan.recorded(None, 10).await.unwrap(), [], "nothing was done");
    let mut connection = sqlx::postgres::PgConnection::connect(scratch.url().as_str()).await.unwrap();
    let mut age = async |by: &'static str| {
        sqlx::query(by).execute(&mut connection).await.unwrap();
    };
    age("UPDATE waiterix_migration.instances SET seen_at = seen_at - interval '6 seconds'").await;
    let usual = Duration::from_secs(900);
    assert!(plan.instances().await.unwrap()[0].may_serve(usual), "it would be waited for");
    for _ in 0..2 {
        assert_eq!(plan.forget("one", SILENT, &why("forgotten")).await.unwrap(), Forgetting::Done);
    }
    let recorded = plan.recorded(None, 10).await.unwrap();
    assert_eq!(recorded.iter().map(|one| &one.entry).collect::<Vec<_>>(), [&why("forgotten")], "once");
    let refused = plan.look("one", &turns(&[("sessions", 2)])).await.unwrap_err();
    assert_eq!(refused.violation(), Some(&Violation::Forgotten), "{refused}");
    let [one] = <[Watcher; 1]>::try_from(plan.instances().await.unwrap()).unwrap();
    assert_eq!((one.is_forgotten, one.may_serve(usual)), (true, false));
    assert_eq!(one.turns, turns(&[("sessions", 1)]), "it was not heard");
    age("UPDATE waiterix_migration.instances SET seen_at = seen_at - interval '2 days'").await;
    plan.look("two", &turns(&[])).await.unwrap();
    assert_eq!(plan.instances().await.unwrap().len(), 2, "it is refused for as long as there is a move");
    plan.look("one", &turns(&[])).await.unwrap_err();
    plan.leave("one").await.unwrap();
    assert_eq!(plan.instances().await.unwrap().len(), 1, "it has ended after all");
}

/// Whoever looks at the very moment at which it is forgotten was heard, or is refused; never both, and never neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_look_and_the_wish_to_forget_one_is_first() {
    let Some((_scratch, plan)) = fresh().await else { return };
    for round in 0..20 {
        let name = format!("number {round}");
        plan.look(&name, &turns(&[])).await.unwrap();
        let (looking, naming) = (plan.clone(), name.clone());
        let looking = tokio::spawn(async move { looking.look(&naming, &turns(&[("mail", 1)])).await });
        let forgotten = plan.forget(&name, Duration::from_millis(1), &why("forgotten")).await.unwrap();
        let looked = looking.await.unwrap();
        let instances = plan.instances().await.unwrap();
        let found = instances.iter().find(|one| one.id == name).unwrap();
        assert_eq!(found.turns.contains_key("mail"), looked.is_ok(), "{forgotten:?} {looked:?}");
        assert_eq!(found.is_forgotten, forgotten == Forgetting::Done, "{forgotten:?}");
        if !found.is_forgotten {
            assert!(looked.is_ok(), "{forgotten:?} {looked:?}");
        }
    }
}

#[tokio::test]
async fn whoever_reads_an_older_plan_is_known_by_the_time_it_is_replaced() {
    let Some((_scratch, plan)) = fresh().await else { return };
    let seen = plan.look("one", &turns(&[])).await.unwrap().of(MovingPort::Sessions);
    assert!(plan.shift(MovingPort::Sessions, seen.turn, &announced(1), &why("announced")).await.unwrap());
    assert!(plan.instances().await.unwrap().iter().any(|one| one.id == "one" && one.turns.is_empty()));
    assert_eq!(plan.look("one", &turns(&[])).await.unwrap().of(MovingPort::Sessions), announced(1));
}

#[tokio::test]
async fn the_ledger_is_read_in_order_and_in_pages() {
    let Some((_scratch, plan)) = fresh().await else { return };
    for number in 0..5 {
        plan.note(&why(&format!("step {number}"))).await.unwrap();
    }
    let first = plan.recorded(None, 3).await.unwrap();
    let rest = plan.recorded(Some(first[2].id), 10).await.unwrap();
    let words: Vec<_> = first.iter().chain(&rest).map(|one| &*one.entry.what).collect();
    assert_eq!(words, ["step 0", "step 1", "step 2", "step 3", "step 4"]);
    assert!(first[0].at <= rest[1].at);
    assert_eq!(first[0].entry.evidence, json!({ "backlog": 0 }));
}

#[tokio::test]
async fn places_and_records_are_kept() {
    let Some((_scratch, plan)) = fresh().await else { return };
    assert_eq!(plan.place("sessions from old").await.unwrap(), Place::default());
    for place in [
        Place { at: Some("x'\u{e9}".to_owned()), done: 500, finished: false },
        Place { at: None, done: 712, finished: true },
    ] {
        plan.keep_place("sessions from old", &place).await.unwrap();
        assert_eq!(plan.place("sessions from old").await.unwrap(), place);
    }
    let record = |key: &str, byte| ObjectRecord {
        key: key.to_owned(),
        size: u64::from(u32::MAX) + 1,
        sha256: [byte; 32],
        old_etag: "\"1\"".to_owned(),
        new_etag: "W/\"2,3\"".to_owned(),
    };
    plan.keep_records(&[record("a", 0), record("b, {c}\u{e9}", 255)]).await.unwrap();
    plan.keep_records(&[record("a", 7)]).await.unwrap();
    plan.keep_records(&[]).await.unwrap();
    let mut found = plan.records(&["b, {c}\u{e9}", "a", "none"]).await.unwrap();
    found.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(found, [record("a", 7), record("b, {c}\u{e9}", 255)]);
    plan.forget_records(&["a"]).await.unwrap();
    assert_eq!(plan.records(&["a"]).await.unwrap(), []);
}

#[tokio::test]
async fn nothing_is_left_when_it_is_taken_away_but_what_is_somebody_elses() {
    let Some((scratch, plan)) = fresh().await else { return };
    let mut connection = sqlx::postgres::PgConnection::connect(scratch.url().as_str()).await.unwrap();
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'waiterix_migration'";
    sqlx::query("CREATE TABLE waiterix_migration.standing (one int)").execute(&mut connection).await.unwrap();
    plan.uninstall().await.unwrap();
    let left: i64 = sqlx::query_scalar(schemas).fetch_one(&mut connection).await.unwrap();
    assert_eq!(left, 1, "a side is still there");
    sqlx::query("DROP TABLE waiterix_migration.standing").execute(&mut connection).await.unwrap();
    plan.uninstall().await.unwrap();
    plan.uninstall().await.unwrap();
    let left: i64 = sqlx::query_scalar(schemas).fetch_one(&mut connection).await.unwrap();
    assert_eq!(left, 0);
}
