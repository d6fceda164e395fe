//! Who sends a mail when providers fail: never two, and nobody when it is not known.

#![allow(clippy::print_stdout, reason = "a failed test is a panic, and its seed is shown")]

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use waiterix_adapters_local::memory::MemoryMailer;
use waiterix_contract::race::refused;
use waiterix_migration::{RoutedMailer, Share};
use waiterix_ports::{Error, ErrorKind, Mail, Mailer, Outcome, Result, Retry};

use crate::mail::{Mails, mail};

const GUEST: &str = "guest@example.org";

#[tokio::test]
async fn the_other_one_sends_when_the_first_certainly_did_not() {
    let mails = Mails::new(100);
    mails.new_wire.cut();
    let outcome = mails.router.send(&mail("receipt/1", GUEST)).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    assert_eq!((mails.old.sent().len(), mails.new.sent().len()), (1, 0));
}

#[tokio::test]
async fn nobody_else_sends_what_may_have_been_sent() {
    let mails = Mails::new(100);
    mails.new_wire.swallow();
    assert_eq!(mails.router.send(&mail("receipt/1", GUEST)).await.unwrap(), Outcome::Unknown);
    assert_eq!((mails.old.sent().len(), mails.new.sent().len()), (0, 1));
}

/// A provider with one answer.
#[derive(Debug)]
struct Says(fn() -> Result<Outcome>);

#[async_trait]
impl Mailer for Says {
    async fn send(&self, _: &Mail) -> Result<Outcome> {
        (self.0)()
    }

    async fn set_suppressed(&self, _: &str, _: bool) -> Result<()> {
        Ok(())
    }

    async fn is_suppressed(&self, _: &str) -> Result<bool> {
        Ok(false)
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

fn failure(kind: ErrorKind, retry: Retry) -> Result<Outcome> {
    Err(Error::new(kind, "mailer.send").retry(retry))
}

#[tokio::test]
async fn only_a_definite_refusal_is_failed_over() {
    let definite: [fn() -> Result<Outcome>; 5] = [
        || Ok(Outcome::RetryLater { after: None }),
        || failure(ErrorKind::Unavailable, Retry::Safe),
        || failure(ErrorKind::Unavailable, Retry::No),
        || failure(ErrorKind::Denied, Retry::No),
        || failure(ErrorKind::Throttled, Retry::Safe),
    ];
    let unknown: [fn() -> Result<Outcome>; 4] = [
        || Ok(Outcome::Unknown),
        || failure(ErrorKind::Timeout, Retry::Ambiguous),
        || failure(ErrorKind::Timeout, Retry::No),
        || failure(ErrorKind::Unavailable, Retry::Ambiguous),
    ];
    let final_ones: [fn() -> Result<Outcome>; 5] = [
        || Ok(Outcome::Conflict),
        || Ok(Outcome::Suppressed),
        || Ok(Outcome::Rejected { reason: "no".to_owned() }),
        || Ok(Outcome::Accepted { message_id: "m".to_owned() }),
        || Ok(Outcome::Duplicate { message_id: "m".to_owned() }),
    ];
    let through = async |says| {
        let other = Arc::new(MemoryMailer::new());
        let router = RoutedMailer::new(Arc::new(Says(says)), other.clone(), Arc::new(Share::percent(0)));
        (router.send(&mail("receipt/1", GUEST)).await, other.sent().len())
    };
    for says in definite {
        let (outcome, by_other) = through(says).await;
        assert!(matches!(outcome, Ok(Outcome::Accepted { .. })), "{:?} became {outcome:?}", says());
        assert_eq!(by_other, 1);
    }
    for says in unknown {
        let (outcome, by_other) = through(says).await;
        assert_eq!((outcome.unwrap(), by_other), (Outcome::Unknown, 0), "{:?}", says());
    }
    for says in final_ones {
        let (outcome, by_other) = through(says).await;
        assert_eq!((outcome.unwrap(), by_other), (says().unwrap(), 0));
    }
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_elsewhere() {
    let mails = Mails::new(100);
    mails.new.send(&mail("receipt/1", GUEST)).await.unwrap();
    let mut changed = mail("receipt/1", GUEST);
    changed.subject = "Another".to_owned();
    let outcome = mails.router.send(&changed).await.unwrap();
    assert_eq!(outcome, Outcome::Conflict);
    assert!(mails.old.sent().is_empty());
}

#[tokio::test]
async fn neither_reached_is_an_error_and_nothing_is_sent() {
    let mails = Mails::new(0);
    mails.old_wire.cut();
    mails.new_wire.cut();
    refused(mails.router.send(&mail("receipt/1", GUEST)).await, ErrorKind::Unavailable, "neither");
    assert_eq!(mails.sent(), 0);
}

#[tokio::test]
async fn a_repeat_after_the_first_came_back_is_a_duplicate() {
    let mails = Mails::new(100);
    mails.new_wire.cut();
    mails.ledgered.send(&mail("receipt/1", GUEST)).await.unwrap();
    mails.new_wire.mend();
    let again = mails.ledgered.send(&mail("receipt/1", GUEST)).await.unwrap();
    assert!(matches!(again, Outcome::Duplicate { .. }), "{again:?}");
    mails.share.set_percent(0);
    let again = mails.ledgered.send(&mail("receipt/1", GUEST)).await.unwrap();
    assert!(matches!(again, Outcome::Duplicate { .. }), "{again:?}");
    assert_eq!(mails.sent(), 1);
}

#[tokio::test]
async fn an_address_suppressed_at_either_gets_nothing_from_both() {
    for percent in [0, 100] {
        for at_old in [true, false] {
            let mails = Mails::new(percent);
            let list = if at_old { &mails.old } else { &mails.new };
            list.set_suppressed(GUEST, true).await.unwrap();
            assert!(mails.router.is_suppressed(GUEST).await.unwrap());
            assert_eq!(mails.router.send(&mail("receipt/1", GUEST)).await.unwrap(), Outcome::Suppressed);
            assert_eq!(mails.sent(), 0);
        }
    }
}

#[tokio::test]
async fn suppressing_tells_both_or_is_an_error() {
    let mails = Mails::new(0);
    mails.router.set_suppressed(GUEST, true).await.unwrap();
    assert!(mails.old.is_suppressed(GUEST).await.unwrap() && mails.new.is_suppressed(GUEST).await.unwrap());
    mails.new_wire.cut();
    refused(mails.router.set_suppressed("b@example.org", true).await, ErrorKind::Unavailable, "one list");
    refused(mails.router.is_suppressed("c@example.org").await, ErrorKind::Unavailable, "half an answer");
    assert!(mails.router.is_suppressed("b@example.org").await.unwrap(), "the list that was told says so");
}

#[tokio::test]
async fn a_share_is_about_that_share_and_grows_without_moving_anybody_back() {
    let mails = Mails::new(0);
    let mut before: Vec<bool> = vec![false; 1000];
    for percent in [0, 10, 50, 90, 100] {
        mails.share.set_percent(percent);
        let (old, new) = (mails.old.sent().len(), mails.new.sent().len());
        let mut by_new = Vec::new();
        for number in 0..1000 {
            let known = mails.new.sent().len();
            mails
                .router
                .send(&mail(&format!("{percent}/{number}"), &format!("g{number}@example.org")))
                .await
                .unwrap();
            by_new.push(mails.new.sent().len() > known);
        }
        let share = mails.new.sent().len() - new;
        assert_eq!(mails.old.sent().len() - old + share, 1000);
        assert!(share.abs_diff(usize::from(percent) * 10) <= 60, "{share} of 1000 at {percent} %");
        assert!(before.iter().zip(&by_new).all(|(before, now)| !before || *now), "somebody moved back");
        before = by_new;
    }
}

#[tokio::test]
async fn nothing_is_sent_twice_whatever_fails() {
    for seed in 0..300 {
        println!("seed {seed}");
        let mut dice = StdRng::seed_from_u64(seed);
        let mails = Mails::new(50);
        let mut told: HashMap<String, &str> = HashMap::new();
        for _ in 0..60 {
            for wire in [&mails.old_wire, &mails.new_wire] {
                match dice.random_range(0..6) {
                    0 => wire.cut(),
                    1 => wire.swallow(),
                    _ => wire.mend(),
                }
            }
            mails.share.set_percent(dice.random_range(0..=100));
            let number = dice.random_range(0..10);
            let id = format!("receipt/{number}");
            match mails.ledgered.send(&mail(&id, &format!("g{number}@example.org"))).await {
                Ok(Outcome::Accepted { .. } | Outcome::Duplicate { .. }) => drop(told.insert(id, "sent")),
                Ok(Outcome::Unknown) => drop(told.insert(id, "unknown")),
                Ok(Outcome::RetryLater { .. }) | Err(_) => {}
                Ok(other) => panic!("seed {seed}: {other:?}"),
            }
        }
        for number in 0..10 {
            let to = format!("g{number}@example.org");
            let copies =
                mails.old.sent().into_iter().chain(mails.new.sent()).filter(|sent| sent.to == to).count();
            assert!(copies <= 1, "seed {seed}: {copies} copies of mail {number}");
            if told.get(&format!("receipt/{number}")) == Some(&"sent") {
                assert_eq!(copies, 1, "seed {seed}: mail {number} is said to be sent");
            }
        }
    }
}
