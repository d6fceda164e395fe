//! Entries of the journal.

use std::time::Duration;

use waiterix_contract::eventually;
use waiterix_ports::Violation;
use waiterix_ports::moving::{Claiming, Forgetting, Instance, MovingKey, Quarantined, RowSide};

use crate::common::execute;
use crate::moving::sides::{OPEN, SOON, Side, key};

fn keys(claim: &dyn waiterix_ports::moving::Claim) -> Vec<MovingKey> {
    claim.entries().iter().map(|entry| entry.key.clone()).collect()
}

#[test]
fn a_claim_forgets_what_it_saw_and_nothing_else() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        side.run("INSERT INTO users (id) VALUES ('a'), ('b')").await;
        let claim =
            side.side.claim(&Claiming::Keys(vec![key("users", "a"), key("users", "none")])).await.unwrap();
        assert_eq!(keys(&*claim), [key("users", "a")]);
        // Written again meanwhile: another entry, which the claim has not seen.
        side.run("UPDATE users SET first_name = 'Ann' WHERE id = 'a'").await;
        claim.forget(&[key("users", "a")]).await.unwrap();
        assert_eq!(side.noted().await, ["users a", "users b"]);
        assert_eq!(side.side.backlog().await.unwrap().entries, 2);
    });
}

/// A number is drawn when a row is written and seen when its transaction ends, so a later number may be seen first.
#[test]
fn ids_visible_out_of_order_lose_nothing() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        let mut slow = side.psql().await;
        execute(&mut slow, "BEGIN; INSERT INTO users (id) VALUES ('first')").await;
        side.run("INSERT INTO users (id) VALUES ('second')").await;
        let claim = side.side.claim(&Claiming::Oldest(10)).await.unwrap();
        assert_eq!(keys(&*claim), [key("users", "second")]);
        let second = claim.entries()[0].id;
        execute(&mut slow, "COMMIT").await;
        claim.forget(&[key("users", "first"), key("users", "second")]).await.unwrap();
        let claim = side.side.claim(&Claiming::Oldest(10)).await.unwrap();
        assert_eq!(keys(&*claim), [key("users", "first")], "it is there still");
        assert!(claim.entries()[0].id < second);
    });
}

#[test]
fn what_is_claimed_is_nobody_elses_until_it_is_let_go() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        side.run("INSERT INTO users (id) SELECT 'u' || n FROM generate_series(1, 5) n").await;
        let one = side.side.claim(&Claiming::Oldest(2)).await.unwrap();
        let other = side.side.claim(&Claiming::Oldest(10)).await.unwrap();
        assert_eq!((one.entries().len(), other.entries().len()), (2, 3));
        let all: Vec<MovingKey> = [keys(&*one), keys(&*other)].concat();
        assert!(side.side.claim(&Claiming::Keys(all.clone())).await.unwrap().entries().is_empty());
        assert_eq!(side.side.dirty(&all).await.unwrap().len(), 5, "dirty all the same");
        assert_eq!(side.side.backlog().await.unwrap().entries, 5);
        drop(one);
        eventually(SOON, "the server notices", || async {
            side.side.claim(&Claiming::Oldest(10)).await.unwrap().entries().len() == 2
        })
        .await;
        // A part may be forgotten, and the rest is let go.
        let made = other.entries()[0].key.clone();
        other.forget(std::slice::from_ref(&made)).await.unwrap();
        assert_eq!(side.side.backlog().await.unwrap().entries, 4);
        assert!(side.side.dirty(&[made]).await.unwrap().is_empty());
        eventually(SOON, "the server notices", || async {
            side.side.claim(&Claiming::Oldest(10)).await.unwrap().entries().len() == 4
        })
        .await;
    });
}

#[test]
fn images_are_those_of_the_moment_they_are_asked_for() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        side.run("INSERT INTO users (id) VALUES ('a'), ('b')").await;
        let mut claim = side.side.claim(&Claiming::Oldest(10)).await.unwrap();
        side.run("UPDATE users SET first_name = 'Ann' WHERE id = 'a'; DELETE FROM users WHERE id = 'b'")
            .await;
        let asked = [key("users", "b"), key("users", "a"), key("users", "no\0ne"), key("uploads", "a")];
        let wanted = claim.images(&asked).await.unwrap();
        let found: Vec<_> =
            wanted.iter().map(|wanted| (wanted.key.clone(), wanted.image.is_some())).collect();
        let expected: Vec<_> = asked.iter().cloned().zip([false, true, false, false]).collect();
        assert_eq!(found, expected);
        assert!(wanted[1].image.as_ref().unwrap().0.contains(r#""first_name":"Ann""#));
        assert_eq!(side.side.images(&asked).await.unwrap(), wanted);
    });
}

#[test]
fn sessions_are_noted_and_are_no_rows() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        side.run("INSERT INTO sessions (sid, sess, expire) VALUES ('s', '{}', now())").await;
        assert_eq!(side.noted().await, ["sessions s"]);
        assert_eq!(side.side.backlog().await.unwrap().entries, 0);
        assert!(side.side.claim(&Claiming::Oldest(10)).await.unwrap().entries().is_empty());
        let session = key("sessions", "s");
        let claim = side.side.claim(&Claiming::Keys(vec![session.clone()])).await.unwrap();
        assert_eq!(keys(&*claim), std::slice::from_ref(&session));
        claim.forget(&[session]).await.unwrap();
        assert!(side.noted().await.is_empty());
    });
}

#[test]
fn a_key_of_any_length_is_noted_and_found() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        // As long as the index of the primary key allows where it cannot be compressed.
        side.run("INSERT INTO users (id) SELECT string_agg(md5(n::text), '') FROM generate_series(1, 80) n")
            .await;
        let claim = side.side.claim(&Claiming::Oldest(1)).await.unwrap();
        let found = keys(&*claim);
        drop(claim);
        assert_eq!(found[0].id.len(), 80 * 32);
        assert_eq!(side.side.dirty(&found).await.unwrap(), found);
        let quarantined = Quarantined { key: found[0].clone(), reason: "no".to_owned() };
        side.side.quarantine(std::slice::from_ref(&quarantined)).await.unwrap();
        assert_eq!(side.side.quarantined(10).await.unwrap(), [quarantined]);
    });
}

#[test]
fn the_backlog_knows_its_age_and_a_mark_is_an_entry() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        assert_eq!(side.side.backlog().await.unwrap(), waiterix_ports::moving::Backlog::default());
        side.side.mark(&[key("users", "a"), key("orders", "b")]).await.unwrap();
        assert_eq!(side.noted().await, ["orders b", "users a"]);
        side.run("UPDATE waiterix_migration.journal SET at = at - interval '1 hour' WHERE key = 'a'").await;
        let backlog = side.side.backlog().await.unwrap();
        assert_eq!(backlog.entries, 2);
        let hour = Duration::from_secs(3_600);
        assert!(backlog.age >= hour && backlog.age < hour + SOON, "{backlog:?}");
    });
}

#[test]
fn what_is_in_quarantine_stays_there_until_it_is_released() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        let found = |id: &str, reason: &str| Quarantined { key: key("users", id), reason: reason.to_owned() };
        side.side.quarantine(&[found("b", "first"), found("a", "other")]).await.unwrap();
        side.side.quarantine(&[found("b", "second")]).await.unwrap();
        assert_eq!(side.side.quarantined(10).await.unwrap(), [found("a", "other"), found("b", "second")]);
        assert_eq!(side.side.quarantined(1).await.unwrap(), [found("a", "other")]);
        assert_eq!(side.side.backlog().await.unwrap().quarantined, 2);
        assert!(side.noted().await.is_empty());
        assert_eq!(side.side.release().await.unwrap(), 2);
        assert!(side.side.quarantined(10).await.unwrap().is_empty());
        assert_eq!(side.side.backlog().await.unwrap().quarantined, 0);
        assert_eq!(side.noted().await, ["users a", "users b"]);
    });
}

#[test]
fn instances_say_what_they_have_seen() {
    waiterix_contract::run(|| async {
        let Some(side) = Side::standing(OPEN).await else { return };
        side.side.report("one", 0, 0).await.unwrap();
        side.side.report("one", 3, 4).await.unwrap();
        side.side.report("two", 1, 2).await.unwrap();
        side.run(
            "UPDATE waiterix_migration.readers SET seen_at = now() - interval '25 hours' WHERE id = 'two'",
        )
        .await;
        let turns = |instance: &Instance| (instance.id.clone(), instance.old_turn, instance.new_turn);
        let instances = side.side.instances().await.unwrap();
        let found: Vec<_> = instances.iter().map(turns).collect();
        assert_eq!(found, [("one".to_owned(), 3, 4), ("two".to_owned(), 1, 2)]);
        assert!(instances[0].silent_for < SOON && instances[1].silent_for > Duration::from_secs(86_400));
        side.side.report("three", 5, 6).await.unwrap();
        let found: Vec<_> = side.side.instances().await.unwrap().iter().map(turns).collect();
        assert_eq!(found, [("one".to_owned(), 3, 4), ("three".to_owned(), 5, 6)], "long gone is forgotten");
        side.side.leave("one").await.unwrap();
        side.side.leave("one").await.unwrap();
        let found: Vec<_> = side.side.instances().await.unwrap().iter().map(turns).collect();
        assert_eq!(found, [("three".to_owned(), 5, 6)]);
        side.side.uninstall().await.unwrap();
        side.side.leave("three").await.unwrap();
    });
}

#[test]
fn a_dead_instance_is_forgotten_and_never_heard_again() {
    waiterix_contract::run(|| async {
        const SILENT: Duration = Duration::from_secs(5);
        let Some(side) = Side::standing(OPEN).await else { return };
        side.side.report("one", 3, 4).await.unwrap();
        let heard = side.side.forget("one", SILENT).await.unwrap();
        assert!(matches!(heard, Forgetting::Heard(since) if since < SILENT), "{heard:?}");
        side.side.report("one", 3, 4).await.unwrap();
        assert_eq!(side.side.forget("two", SILENT).await.unwrap(), Forgetting::Unknown);
        side.run("UPDATE waiterix_migration.readers SET seen_at = now() - interval '6 seconds'").await;
        for _ in 0..2 {
            assert_eq!(side.side.forget("one", SILENT).await.unwrap(), Forgetting::Done);
        }
        let refused = side.side.report("one", 5, 6).await.unwrap_err();
        assert_eq!(refused.violation(), Some(&Violation::Forgotten), "{refused}");
        side.run("UPDATE waiterix_migration.readers SET seen_at = now() - interval '25 hours'").await;
        side.side.report("two", 5, 6).await.unwrap();
        let instances = side.side.instances().await.unwrap();
        let found: Vec<_> = instances.iter().map(|one| (&*one.id, one.old_turn, one.is_forgotten)).collect();
        assert_eq!(
            found,
            [("one", 3, true), ("two", 5, false)],
            "it is refused for as long as there is a move"
        );
        side.side.leave("one").await.unwrap();
        assert_eq!(side.side.instances().await.unwrap().len(), 1, "it has ended after all");
        side.side.uninstall().await.unwrap();
        assert_eq!(side.side.forget("two", SILENT).await.unwrap(), Forgetting::Unknown);
    });
}
