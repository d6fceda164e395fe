//! When, how fast and how often a call is sent again. Time is tokio's, and paused.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use waiterix_adapters_local::memory::MemoryMailer;
use waiterix_layers::{Chaos, Deadline, Limits, Odds, RetryPolicy, operation, retry, timeout};
use waiterix_ports::{Error, ErrorKind, Mailer, Outcome, Retry, Store};

use crate::mocks::{MockMailer, MockStore};
use crate::outside::{self, Outside, Reaction};
use crate::sample::{self, SECOND};

const MILLI: Duration = Duration::from_millis(1);

/// Attempts without end, so that something else must make an end.
fn stubborn() -> RetryPolicy {
    RetryPolicy { max_attempts: u32::MAX, spare_per_second: 1_000_000, ..RetryPolicy::default() }
}

#[tokio::test(start_paused = true)]
async fn pauses_are_spread_below_a_limit_that_doubles() {
    let policy = RetryPolicy {
        max_attempts: 8,
        first_pause: 100 * MILLI,
        longest_pause: SECOND,
        time: 3600 * SECOND,
        spare_per_second: 1_000_000,
        share: 0.0,
    };
    let limits = [100, 200, 400, 800, 1000, 1000, 1000].map(|millis| millis * MILLI);
    let (mut shares, mut runs) = (Vec::new(), Vec::new());
    for seed in 0..200 {
        let outside = Outside::always(Reaction::Fails(Retry::Safe));
        assert!(retry(outside.store(), policy.clone(), seed).check().await.is_err());
        let pauses = outside.pauses();
        assert_eq!(pauses.len(), limits.len(), "seed {seed}");
        for (pause, limit) in pauses.iter().zip(limits) {
            // tokio's clock counts whole milliseconds.
            assert!(*pause <= limit + MILLI, "seed {seed}: {pauses:?}");
            shares.push(pause.as_secs_f64() / limit.as_secs_f64());
        }
        runs.push(pauses);
    }
    // Evenly between nothing and the limit: as many in each fifth, give or take.
    for fifth in 0..5 {
        let from = f64::from(fifth) / 5.0;
        let inside = shares.iter().filter(|share| (from..from + 0.2).contains(*share)).count();
        assert!((200..=360).contains(&inside), "{inside} of {} from {from}", shares.len());
    }
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), 200, "callers with different seeds do not come back together");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_pauses() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let outside = Outside::always(Reaction::Fails(Retry::Safe));
        assert!(retry(outside.store(), RetryPolicy::default(), 42).check().await.is_err());
        runs.push(outside.pauses());
    }
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0].len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_success_is_not_sent_again_and_ends_the_attempts() {
    let outside =
        Outside::new(|call| if call < 3 { Reaction::Fails(Retry::Safe) } else { Reaction::Answers });
    let store = retry(outside.store(), RetryPolicy::default(), 1);
    store.check().await.unwrap();
    assert_eq!(outside.count(), 3);
    store.check().await.unwrap();
    assert_eq!(outside.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_the_outside_asks_for_is_waited() {
    let outside =
        Outside::new(
            |call| if call == 1 { Reaction::Fails(Retry::After(7 * SECOND)) } else { Reaction::Answers },
        );
    retry(outside.store(), RetryPolicy::default(), 1).check().await.unwrap();
    let pause = outside.pauses()[0];
    assert!((7 * SECOND..8 * SECOND).contains(&pause), "{pause:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_outside_asks_for_is_not_waited_when_it_is_too_long() {
    let outside = Outside::always(Reaction::Fails(Retry::After(3600 * SECOND)));
    let begin = Instant::now();
    let error = retry(outside.store(), RetryPolicy::default(), 1).check().await.unwrap_err();
    assert_eq!(error.retry_advice(), Retry::After(3600 * SECOND));
    assert_eq!((outside.count(), begin.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_after_the_time_of_the_policy() {
    let outside = Outside::always(Reaction::Fails(Retry::Safe));
    let policy = RetryPolicy { time: 5 * SECOND, ..stubborn() };
    let begin = Instant::now();
    assert!(retry(outside.store(), policy, 1).check().await.is_err());
    assert!(begin.elapsed() < 5 * SECOND, "{:?}", begin.elapsed());
    assert!(outside.count() > 5, "{} attempts", outside.count());
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_after_the_deadline() {
    let outside = Outside::always(Reaction::Fails(Retry::Safe));
    let store = retry(outside.store(), stubborn(), 1);
    let begin = Instant::now();
    assert!(Deadline::after(2 * SECOND).scope(store.check()).await.is_err());
    assert!(begin.elapsed() < 2 * SECOND, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn attempts_that_hang_are_cut_off_one_by_one_and_all_together_at_the_deadline() {
    let outside = Outside::always(Reaction::Hangs);
    let limits = Limits { point: 2 * SECOND, ..Limits::default() };
    let store = retry(timeout(outside.store(), limits), stubborn(), 1);
    let begin = Instant::now();
    let error = Deadline::after(7 * SECOND).scope(store.check()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begin.elapsed() <= 7 * SECOND + MILLI, "{:?}", begin.elapsed());
    assert!((3..=4).contains(&outside.count()), "{} attempts", outside.count());
    assert_eq!(outside.given_up() as usize, outside.count());
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_policy_cuts_off_an_attempt_that_hangs() {
    let outside = Outside::always(Reaction::Hangs);
    let policy = RetryPolicy { time: 5 * SECOND, ..stubborn() };
    let limits = Limits { point: 60 * SECOND, ..Limits::default() };
    let begin = Instant::now();
    assert!(retry(timeout(outside.store(), limits), policy, 1).check().await.is_err());
    assert!(begin.elapsed() <= 5 * SECOND + MILLI, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_outage_makes_at_most_a_fifth_more_load() {
    let outside = Outside::always(Reaction::Fails(Retry::Safe));
    let policy = RetryPolicy { max_attempts: 10, ..RetryPolicy::default() };
    let store = retry(outside.store(), policy, 1);
    let calls = (0..1_000).map(|_| store.check());
    futures_util::future::join_all(calls).await;
    let retries = outside.count() - 1_000;
    assert!((150..=230).contains(&retries), "{retries} retries of 1000 calls");
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_used_up_comes_back_with_time() {
    let outside = Outside::always(Reaction::Fails(Retry::Safe));
    let policy = RetryPolicy { max_attempts: 1_000, share: 0.0, ..RetryPolicy::default() };
    let store = retry(outside.store(), policy, 1);
    assert!(store.check().await.is_err());
    let first = outside.count();
    assert!((10..=30).contains(&first), "{first} attempts on a budget of ten and one a second");
    outside::pause(60 * SECOND).await;
    assert!(store.check().await.is_err());
    assert!(outside.count() - first >= 10, "{} attempts a minute later", outside.count() - first);
}

#[tokio::test(start_paused = true)]
async fn limits_that_make_no_sense_are_brought_to_some_that_do() {
    for share in [f32::NAN, f32::INFINITY, -1.0, 1e9] {
        let outside = Outside::always(Reaction::Fails(Retry::Safe));
        let policy = RetryPolicy {
            max_attempts: 0,
            first_pause: SECOND,
            longest_pause: Duration::ZERO,
            time: Duration::MAX,
            spare_per_second: u32::MAX,
            share,
        };
        assert!(retry(outside.store(), policy, 1).check().await.is_err());
        assert_eq!(outside.count(), 1, "there is always a first attempt");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_effect_after_one_that_may_have_had_one_is_ambiguous() {
    for last in [Retry::Safe, Retry::After(MILLI)] {
        let outside =
            Outside::new(move |call| Reaction::Fails(if call == 1 { Retry::Ambiguous } else { last }));
        let error = retry(outside.store(), RetryPolicy::default(), 1).check().await.unwrap_err();
        assert_eq!(error.retry_advice(), Retry::Ambiguous, "after {last:?}");
        assert_eq!(outside.count(), 4);
    }
    let outside = Outside::always(Reaction::Fails(Retry::Safe));
    let error = retry(outside.store(), RetryPolicy::default(), 1).check().await.unwrap_err();
    assert_eq!(error.retry_advice(), Retry::Safe, "nothing was ambiguous");
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_sent_again_and_happens_once() {
    let chaos = Chaos::new(1, Odds::NONE).on(&operation::store::COMMIT, Odds { lost: 0.5, ..Odds::NONE });
    let memory = Outside::always(Reaction::Answers);
    let store = retry(waiterix_layers::chaos(memory.store(), chaos), stubborn(), 1);
    for _ in 0..20 {
        store.commit(&sample::changes()).await.unwrap();
    }
    assert!(memory.count() > 25, "{} commits arrived", memory.count());
    let users = store.scan(waiterix_domain::Table::Users, &Default::default(), 10).await.unwrap();
    assert_eq!(users.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_not_sent_again() {
    let outside = Outside::always(Reaction::Fails(Retry::After(SECOND)));
    let store = retry(outside.store(), RetryPolicy::default(), 1);
    let cut = tokio::time::timeout(500 * MILLI, store.check()).await;
    assert!(cut.is_err());
    outside::pause(60 * SECOND).await;
    assert_eq!(outside.count(), 1);
}

/// A mailer whose answers are those of the script, and what arrived.
fn mailer(
    script: impl Fn(u32) -> Reaction + Send + Sync + 'static,
) -> (Outside, Arc<MemoryMailer>, Arc<dyn Mailer>) {
    let (outside, memory) = (Outside::new(script), Arc::new(MemoryMailer::new()));
    let port = retry(outside.mailer(memory.clone()), RetryPolicy::default(), 1);
    (outside, memory, port)
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_certainly_was_not_taken_is_sent_again() {
    for advice in [Retry::Safe, Retry::After(SECOND)] {
        let (outside, memory, port) =
            mailer(move |call| if call == 1 { Reaction::Fails(advice) } else { Reaction::Answers });
        assert!(matches!(port.send(&sample::mail()).await, Ok(Outcome::Accepted { .. })));
        assert_eq!((outside.count(), memory.sent().len()), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_may_have_been_taken_is_not_sent_again_and_its_fate_is_unknown() {
    let (outside, _, port) = mailer(|_| Reaction::Fails(Retry::Ambiguous));
    assert_eq!(port.send(&sample::mail()).await.unwrap(), Outcome::Unknown);
    assert_eq!(outside.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn outcomes_of_a_mailer_are_sent_again_only_when_they_say_not_now() {
    let message_id = "m".to_owned();
    for (outcome, sent) in [
        (Outcome::Accepted { message_id: message_id.clone() }, 1),
        (Outcome::Duplicate { message_id }, 1),
        (Outcome::Conflict, 1),
        (Outcome::Suppressed, 1),
        (Outcome::Rejected { reason: "no".to_owned() }, 1),
        (Outcome::Unknown, 1),
        (Outcome::RetryLater { after: None }, 4),
        (Outcome::RetryLater { after: Some(SECOND) }, 4),
        (Outcome::RetryLater { after: Some(3600 * SECOND) }, 1),
    ] {
        println!("{outcome:?}");
        let (mut says, said) = (MockMailer::new(), outcome.clone());
        says.expect_send().times(sent).returning(move |_| Ok(said.clone()));
        let port = retry::<dyn Mailer>(Arc::new(says), RetryPolicy::default(), 1);
        assert_eq!(port.send(&sample::mail()).await.unwrap(), outcome, "the outcome is answered as it was");
    }
}

/// Kinds that say that the request itself is at fault come without advice, as every adapter makes them.
#[tokio::test(start_paused = true)]
async fn g030_refusals_are_not_sent_again_and_outages_are() {
    use ErrorKind::{Conflict, Denied, Invalid, NotFound, Throttled, Unavailable};

    for (kind, advice, sent) in [
        (NotFound, Retry::No, 1),
        (Denied, Retry::No, 1),
        (Invalid, Retry::No, 1),
        (Conflict, Retry::No, 1),
        (Throttled, Retry::Safe, 4),
        (Unavailable, Retry::Safe, 4),
        (Unavailable, Retry::Ambiguous, 4),
    ] {
        println!("{kind:?} {advice:?}");
        let mut refusing = MockStore::new();
        refusing.expect_read().times(sent).returning(move |_| Err(Error::new(kind, "outside").retry(advice)));
        let store = retry::<dyn Store>(Arc::new(refusing), RetryPolicy::default(), 1);
        assert_eq!(store.read(&sample::query()).await.unwrap_err().kind(), kind);
    }
}
