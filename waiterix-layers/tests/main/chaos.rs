//! Chaos with order: faults are as likely as said, do what they say, and come again with the seed.

use std::time::Duration;

use tokio::time::Instant;
use waiterix_domain::Table;
use waiterix_layers::operation::{self, Twice};
use waiterix_layers::{Chaos, Odds, chaos};
use waiterix_ports::{ErrorKind, KeyRange, PutBlob, Retry};

use crate::outside::{Outside, Reaction};
use crate::sample::{self, SECOND};

const SOME: Odds =
    Odds { refused: 0.2, lost: 0.1, doubled: 0.1, delayed: 0.5, longest_delay: Duration::from_secs(1) };

/// What happened to a call: how it failed, how often it was done, how long it took.
type Fate = (Option<ErrorKind>, usize, Duration);

/// What happened to each of so many calls.
async fn fates(seed: u64, odds: Odds, calls: usize) -> Vec<Fate> {
    let outside = Outside::always(Reaction::Answers);
    let store = chaos(outside.store(), Chaos::new(seed, odds));
    let mut fates = Vec::new();
    for _ in 0..calls {
        let (done, begin) = (outside.count(), Instant::now());
        let kind = store.check().await.err().map(|error| error.kind());
        fates.push((kind, outside.count() - done, begin.elapsed()));
    }
    fates
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_faults_and_another_others() {
    let first = fates(7, SOME, 300).await;
    assert_eq!(first, fates(7, SOME, 300).await);
    assert_ne!(first, fates(8, SOME, 300).await);
    assert_ne!(first[1..], fates(8, SOME, 299).await, "nor the same ones a call later");
}

#[tokio::test(start_paused = true)]
async fn faults_are_as_likely_as_said() {
    let fates = fates(1, SOME, 10_000).await;
    let count = |test: &dyn Fn(&Fate) -> bool| fates.iter().filter(|fate| test(fate)).count();
    let (refused, lost) = (Some(ErrorKind::Unavailable), Some(ErrorKind::Timeout));
    for (name, count, expected) in [
        ("refused and not done", count(&|fate| fate.0 == refused && fate.1 == 0), 2_000),
        ("done and lost", count(&|fate| fate.0 == lost && fate.1 == 1), 1_000),
        ("done twice and answered", count(&|fate| fate.0.is_none() && fate.1 == 2), 1_000),
        ("done and answered", count(&|fate| fate.0.is_none() && fate.1 == 1), 6_000),
        // Half of them, less those whose delay is below the millisecond that tokio's clock counts.
        ("delayed", count(&|fate| !fate.2.is_zero()), 5_000),
    ] {
        assert!(count.abs_diff(expected) < 200, "{name}: {count} instead of {expected}");
    }
    assert!(fates.iter().all(|fate| fate.2 <= SECOND + Duration::from_millis(1)));
}

#[tokio::test(start_paused = true)]
async fn without_odds_nothing_goes_wrong() {
    let fates = fates(1, Odds::NONE, 1_000).await;
    assert!(fates.iter().all(|fate| *fate == (None, 1, Duration::ZERO)));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_done_and_what_is_lost_is() {
    let commit = &operation::store::COMMIT;
    for (odds, kind, advice, rows) in [
        (Odds { refused: 1.0, ..Odds::NONE }, ErrorKind::Unavailable, Retry::Safe, 0),
        (Odds { lost: 1.0, ..Odds::NONE }, ErrorKind::Timeout, Retry::Ambiguous, 1),
    ] {
        let outside = Outside::always(Reaction::Answers);
        let store = chaos(outside.store(), Chaos::new(3, Odds::NONE).on(commit, odds));
        let error = store.commit(&sample::changes()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (kind, advice));
        // Other operations keep the odds of everywhere.
        let users = store.scan(Table::Users, &KeyRange::default(), 10).await.unwrap();
        assert_eq!(users.len(), rows);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_names_the_seed_and_the_call() {
    let store = Outside::always(Reaction::Answers).store();
    let store = chaos(store, Chaos::new(4711, Odds::NONE).on(&operation::store::CHECK, SOME));
    let error = loop {
        if let Err(error) = store.check().await {
            break error;
        }
    };
    let text = error.to_string();
    assert!(text.starts_with("store.check: ") && text.contains("seed=4711, call="), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_not_put_twice() {
    let doubled = Odds { doubled: 1.0, ..Odds::NONE };
    let outside = Outside::always(Reaction::Answers);
    let blobs = chaos(outside.blobs(), Chaos::new(1, doubled));
    let stored = blobs.put(sample::KEY, PutBlob::new("whole")).await.unwrap();
    assert_eq!((stored.size, outside.count()), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn repairable_chaos_loses_and_doubles_only_what_may_be_sent_twice() {
    let all = Odds { lost: 0.5, doubled: 0.5, ..Odds::NONE };
    let outside = Outside::always(Reaction::Answers);
    let blobs = chaos(outside.blobs(), Chaos::repairable(1, all));
    for number in 0..50 {
        blobs.put(&format!("k{number}"), PutBlob::new("x")).await.unwrap();
    }
    assert_eq!(outside.count(), 50);
    let mut heads = 0;
    for number in 0..50 {
        heads += usize::from(blobs.head(&format!("k{number}")).await.is_err());
    }
    assert!((10..40).contains(&heads), "{heads} of 50 answers lost");
    assert_eq!(operation::blob::PUT.twice, Twice::Harmful);
}
