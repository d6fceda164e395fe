//! What becomes of calls that take too long. Time is tokio's, and paused.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use waiterix_adapters_local::memory::{MemoryMailer, MemoryNotifier, MemorySessionStore};
use waiterix_domain::Table;
use waiterix_layers::operation::{Effect, Size};
use waiterix_layers::{Around, Call, Deadline, Limits, operation, timeout, wrap};
use waiterix_ports::{ErrorKind, KeyRange, Notifier, Outcome, Result, Retry, SessionStore};

use crate::outside::{self, Outside, Reaction};
use crate::sample::{self, SECOND};

const LIMITS: Limits =
    Limits { point: Duration::from_secs(3), walk: Duration::from_secs(5), stall: Duration::from_secs(7) };

#[tokio::test(start_paused = true)]
async fn what_hangs_is_given_up_after_the_limit_of_its_size() {
    let outside = Outside::always(Reaction::Hangs);
    let store = timeout(outside.store(), LIMITS);

    let begin = Instant::now();
    let error = store.read(&sample::query()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, "store.read"));
    assert_eq!(error.retry_advice(), Retry::Safe, "a read has no effect");
    assert_eq!(begin.elapsed(), LIMITS.point);

    let begin = Instant::now();
    let error = store.commit(&sample::changes()).await.unwrap_err();
    assert_eq!(error.retry_advice(), Retry::Ambiguous, "a commit may have been done");
    assert_eq!(begin.elapsed(), LIMITS.point);

    let begin = Instant::now();
    assert!(store.scan(Table::Users, &KeyRange::default(), 1).await.is_err());
    assert_eq!(begin.elapsed(), LIMITS.walk);

    let begin = Instant::now();
    let blobs = timeout(outside.blobs(), LIMITS);
    let error = blobs.get(sample::KEY, None).await.unwrap_err();
    assert_eq!((error.retry_advice(), begin.elapsed()), (Retry::Safe, LIMITS.stall));

    assert_eq!(outside.given_up() as usize, outside.count(), "what is given up is dropped");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_time_is_answered() {
    let slow = Outside::always(Reaction::AnswersAfter(LIMITS.point - Duration::from_millis(1)));
    let store = timeout(slow.store(), LIMITS);
    store.commit(&sample::changes()).await.unwrap();
    let users = store.scan(Table::Users, &KeyRange::default(), 10).await.unwrap();
    assert_eq!((users.len(), slow.given_up()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_fate_of_a_mail_that_was_given_up_is_unknown() {
    let memory = Arc::new(MemoryMailer::new());
    let mailer = timeout(Outside::always(Reaction::Hangs).mailer(memory.clone()), LIMITS);
    assert_eq!(mailer.send(&sample::mail()).await.unwrap(), Outcome::Unknown);
    assert_eq!(memory.sent().len(), 1, "and this one was sent indeed");
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_was_not_begun_was_certainly_not_taken() {
    let outside = Outside::always(Reaction::Answers);
    let mailer = timeout(outside.mailer(Arc::new(MemoryMailer::new())), LIMITS);
    let error = Deadline::after(Duration::ZERO).scope(mailer.send(&sample::mail())).await.unwrap_err();
    assert_eq!((error.retry_advice(), outside.count()), (Retry::Safe, 0));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_task_comes_first_when_it_is_sooner() {
    let outside = Outside::always(Reaction::Hangs);
    let store = timeout(outside.store(), LIMITS);
    let begin = Instant::now();
    let error = Deadline::after(SECOND).scope(store.commit(&sample::changes())).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Timeout, Retry::Ambiguous));
    assert_eq!(begin.elapsed(), SECOND);
    assert!(error.to_string().contains("deadline"), "{error}");
    assert!(Deadline::after(60 * SECOND).scope(store.check()).await.is_err());
    assert_eq!(begin.elapsed(), SECOND + LIMITS.point, "the limit holds where the deadline is later");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_after_the_deadline() {
    let outside = Outside::always(Reaction::Answers);
    let store = timeout(outside.store(), LIMITS);
    let past = Deadline::after(SECOND);
    outside::pause(SECOND).await;
    let error = past.scope(store.commit(&sample::changes())).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Timeout, Retry::Safe));
    assert_eq!(outside.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_can_only_be_tightened() {
    let (soon, late) = (Deadline::after(SECOND), Deadline::after(60 * SECOND));
    assert_eq!(Deadline::current(), None);
    soon.scope(async {
        assert_eq!(Deadline::current(), Some(soon));
        late.scope(async { assert_eq!(Deadline::current(), Some(soon)) }).await;
    })
    .await;
    late.scope(async {
        soon.scope(async { assert_eq!(Deadline::current(), Some(soon)) }).await;
        assert_eq!(Deadline::current(), Some(late));
        let elsewhere = tokio::spawn(async { Deadline::current() }).await.unwrap();
        assert_eq!(elsewhere, None, "a spawned task is outside of the scope");
    })
    .await;
    assert_eq!(Deadline::current(), None);
    assert!(Deadline::after(Duration::MAX).left() > 365 * 86_400 * SECOND, "too long is long, not a panic");
}

/// Never begins anything.
#[derive(Debug)]
struct Deaf;

impl Around for Deaf {
    async fn around<'a, T: Send + 'a>(&'a self, _: Call<'a, T>) -> Result<T> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn every_port_has_its_limits() {
    let clock = outside::clock();
    let sessions = wrap::<dyn SessionStore>(Arc::new(MemorySessionStore::new(clock)), Deaf);
    let error = timeout(sessions, LIMITS).temp_take(sample::KEY).await.unwrap_err();
    assert_eq!((error.operation(), error.retry_advice()), ("session.temp_take", Retry::Ambiguous));
    let notifier = wrap::<dyn Notifier>(Arc::new(MemoryNotifier::new()), Deaf);
    let error = timeout(notifier, LIMITS).publish(&sample::audience(), &sample::message()).await.unwrap_err();
    assert_eq!((error.operation(), error.retry_advice()), ("notifier.publish", Retry::Ambiguous));
}

/// API Gateway gives up on a function after 29 seconds.
#[test]
fn g075_the_limits_end_before_the_function_does() {
    let Limits { point, walk, stall } = Limits::default();
    let time = waiterix_layers::RetryPolicy::default().time;
    for limit in [point, walk, stall, time] {
        assert!(limit < 29 * SECOND, "{limit:?}");
    }
    assert!(2 * point < time, "there is time for a second attempt after one that hung");
}

/// What errors say depends on these, so they are held apart from the table they stand in.
#[test]
fn what_writes_is_known_as_writing() {
    let writing: Vec<&str> =
        operation::all().filter(|known| known.effect == Effect::Writes).map(|known| known.name).collect();
    assert_eq!(
        writing,
        [
            "store.commit",
            "store.forget_commits",
            "blob.put",
            "blob.delete",
            "blob.copy",
            "blob.set_access",
            "mailer.send",
            "mailer.set_suppressed",
            "session.create",
            "session.update",
            "session.touch",
            "session.delete",
            "session.delete_all_of",
            "session.temp_set",
            "session.temp_set_if_absent",
            "session.temp_take",
            "session.temp_count",
            "session.prune",
            "notifier.connect",
            "notifier.disconnect",
            "notifier.publish",
            "notifier.send",
            "notifier.close_chefs",
            "notifier.sweep",
        ]
    );
    let transfers: Vec<&str> =
        operation::all().filter(|known| known.size == Size::Transfer).map(|known| known.name).collect();
    assert_eq!(transfers, ["blob.put", "blob.get", "blob.get_body", "blob.copy"]);
    for known in operation::all() {
        assert!(known.name.starts_with(&format!("{}.", known.port.as_str())), "{known:?}");
        assert!(!known.why.is_empty(), "{known:?} has a reason");
    }
}
