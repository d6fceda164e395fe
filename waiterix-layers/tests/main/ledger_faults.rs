//! The mail ledger when something fails: what is never sent twice, and what the answer says.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use waiterix_adapters_local::memory::{MemoryMailer, MemorySessionStore};
use waiterix_contract::ManualClock;
use waiterix_layers::Deadline;
use waiterix_layers::ledger::{LedgeredMailer, MAX_ATTEMPTS, REMEMBERED, SENDING_BOUND};
use waiterix_ports::session::is_temp_key;
use waiterix_ports::{Error, ErrorKind, Mail, MailId, MailKind, Mailer, Outcome, Result, Retry};

use crate::mocks::{MockMailer, MockSessionStore};

fn mail() -> Mail {
    Mail {
        id: MailId::new("receipt/0b5e3a1c/1").unwrap(),
        kind: MailKind::Receipt,
        to: "guest@example.org".to_owned(),
        reply_to: None,
        subject: "Order Receipt".to_owned(),
        html: "<p>Thank you</p>".to_owned(),
        text: "Thank you".to_owned(),
    }
}

fn other() -> Mail {
    Mail { text: "Something else".to_owned(), ..mail() }
}

fn accepted(message_id: &str) -> Outcome {
    Outcome::Accepted { message_id: message_id.to_owned() }
}

fn duplicate(message_id: &str) -> Outcome {
    Outcome::Duplicate { message_id: message_id.to_owned() }
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "session.temp").retry(Retry::Ambiguous)
}

/// A ledger that gives every sender a number and expects nothing else.
fn ledger() -> MockSessionStore {
    let mut ledger = MockSessionStore::new();
    let mut senders = 0;
    ledger.expect_temp_count().returning(move |_, _| {
        senders += 1;
        Ok(senders)
    });
    ledger
}

/// A provider that must be asked exactly as often as there are answers, in this order.
fn provider(answers: Vec<Result<Outcome>>) -> MockMailer {
    let mut provider = MockMailer::new();
    let mut sequence = mockall::Sequence::new();
    for answer in answers {
        provider.expect_send().times(1).in_sequence(&mut sequence).return_once(move |_| answer);
    }
    provider
}

/// A ledger and its clock, shared by every mailer made from it.
struct Desk {
    clock: Arc<ManualClock>,
    ledger: Arc<MemorySessionStore>,
}

impl Desk {
    fn open() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self { ledger: Arc::new(MemorySessionStore::new(clock.clone())), clock }
    }

    fn around(&self, provider: impl Mailer) -> LedgeredMailer {
        LedgeredMailer::new(Arc::new(provider), self.ledger.clone(), self.clock.clone())
    }
}

fn with(provider: MockMailer, ledger: MockSessionStore, clock: &Arc<ManualClock>) -> LedgeredMailer {
    LedgeredMailer::new(Arc::new(provider), Arc::new(ledger), clock.clone())
}

/// A provider that takes a mail and then answers only when it is told to.
#[derive(Debug, Default, Clone)]
struct Slow {
    asked: Arc<Notify>,
    told: Arc<Notify>,
}

#[async_trait]
impl Mailer for Slow {
    async fn send(&self, _: &Mail) -> Result<Outcome> {
        self.asked.notify_one();
        self.told.notified().await;
        Ok(accepted("slow"))
    }
    async fn set_suppressed(&self, _: &str, _: bool) -> Result<()> {
        pending().await
    }
    async fn is_suppressed(&self, _: &str) -> Result<bool> {
        pending().await
    }
    async fn check(&self) -> Result<()> {
        pending().await
    }
}

#[tokio::test]
async fn without_a_ledger_nothing_is_sent() {
    let mut ledger = MockSessionStore::new();
    ledger.expect_temp_count().times(1).returning(|_, _| Err(down()));
    let error = with(provider(vec![]), ledger, &Arc::default()).send(&mail()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe));

    let mut ledger = self::ledger();
    let refused = || Error::new(ErrorKind::Denied, "session.temp_set_if_absent");
    ledger.expect_temp_set_if_absent().times(1).returning(move |_, _, _| Err(refused()));
    let error = with(provider(vec![]), ledger, &Arc::default()).send(&mail()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe));

    let mut ledger = self::ledger();
    ledger.expect_temp_set_if_absent().times(1).returning(|_, _, _| Ok(false));
    ledger.expect_temp_get().times(1).returning(|_| Err(down()));
    let error = with(provider(vec![]), ledger, &Arc::default()).send(&mail()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe));
}

/// A ledger that keeps one record, and sends the first answer to its making astray.
fn astray(first_answer: impl Fn() -> Result<bool> + Send + 'static, is_kept: bool) -> MockSessionStore {
    let kept: Arc<Mutex<Option<Value>>> = Arc::default();
    let mut ledger = ledger();
    let keeps = kept.clone();
    ledger.expect_temp_set_if_absent().returning(move |_, value, _| {
        let mut kept = keeps.lock().unwrap();
        if kept.is_some() {
            return Ok(false);
        }
        *kept = is_kept.then(|| value.clone());
        first_answer()
    });
    let keeps = kept.clone();
    ledger.expect_temp_set().returning(move |_, value, _| {
        *keeps.lock().unwrap() = Some(value.clone());
        Ok(())
    });
    ledger.expect_temp_get().returning(move |_| Ok(kept.lock().unwrap().clone()));
    ledger
}

#[tokio::test]
async fn a_sender_knows_its_own_record_when_the_answer_to_its_making_was_lost() {
    // The second is what a session store says that asked again by itself.
    let answers: [fn() -> Result<bool>; 2] = [|| Err(down()), || Ok(false)];
    for answer in answers {
        let mailer = with(provider(vec![Ok(accepted("1"))]), astray(answer, true), &Arc::default());
        assert_eq!(mailer.send(&mail()).await.unwrap(), accepted("1"));
        assert_eq!(mailer.send(&mail()).await.unwrap(), duplicate("1"));
    }
    let mailer = with(provider(vec![]), astray(|| Err(down()), false), &Arc::default());
    assert_eq!(mailer.send(&mail()).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_record_that_cannot_be_understood_may_be_of_a_mail_that_was_sent() {
    for answer in [
        Ok(Some(json!({ "state": "elsewhere", "content": "", "since_ms": 0 }))),
        Ok(Some(json!(7))),
        Err(ErrorKind::Corrupt),
    ] {
        let mut ledger = ledger();
        ledger.expect_temp_set_if_absent().returning(|_, _, _| Ok(false));
        let answer = answer.map_err(|kind| Error::new(kind, "session.temp_get"));
        ledger.expect_temp_get().times(1).return_once(move |_| answer);
        let outcome = with(provider(vec![]), ledger, &Arc::default()).send(&mail()).await.unwrap();
        assert_eq!(outcome, Outcome::Unknown);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_is_still_accepted_and_never_sent_again() {
    let clock = Arc::new(ManualClock::default());
    let kept: Arc<Mutex<Option<Value>>> = Arc::default();
    let mut ledger = self::ledger();
    let keeps = kept.clone();
    ledger.expect_temp_set_if_absent().returning(move |_, value, _| {
        let mut kept = keeps.lock().unwrap();
        let is_first = kept.is_none();
        kept.get_or_insert_with(|| value.clone());
        Ok(is_first)
    });
    ledger.expect_temp_get().returning(move |_| Ok(kept.lock().unwrap().clone()));
    ledger.expect_temp_set().times(3).returning(|_, _, _| Err(down()));
    let mailer = with(provider(vec![Ok(accepted("1"))]), ledger, &clock);

    assert_eq!(mailer.send(&mail()).await.unwrap(), accepted("1"), "the provider has it");
    // As long as the sender may still be at it, nobody knows.
    let outcome = mailer.send(&mail()).await.unwrap();
    assert_eq!(outcome, Outcome::RetryLater { after: Some(SENDING_BOUND) });
    clock.advance(SENDING_BOUND);
    assert_eq!(mailer.send(&mail()).await.unwrap(), Outcome::Unknown);
    assert_eq!(mailer.send(&other()).await.unwrap(), Outcome::Conflict);
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_mail_is_written_at_the_second_or_third_try() {
    let mut ledger = self::ledger();
    ledger.expect_temp_set_if_absent().returning(|_, _, _| Ok(true));
    let mut fails = 2;
    ledger.expect_temp_set().times(3).returning(move |_, value, ttl| {
        assert_eq!((&value["state"], &value["message_id"]), (&json!("sent"), &json!("1")));
        assert!(ttl >= Duration::from_secs(24 * 3_600));
        fails -= 1;
        if fails >= 0 { Err(down()) } else { Ok(()) }
    });
    let mailer = with(provider(vec![Ok(accepted("1"))]), ledger, &Arc::default());
    assert_eq!(mailer.send(&mail()).await.unwrap(), accepted("1"));
}

#[tokio::test]
async fn a_sender_that_died_leaves_a_mail_of_which_nothing_is_known() {
    let desk = Desk::open();
    let slow = Slow::default();
    let dying = desk.around(slow.clone());
    let task = tokio::spawn(async move { dying.send(&mail()).await });
    slow.asked.notified().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());

    desk.clock.advance(SENDING_BOUND);
    let mailer = desk.around(provider(vec![]));
    for _ in 0..2 {
        assert_eq!(mailer.send(&mail()).await.unwrap(), Outcome::Unknown);
    }
    assert_eq!(mailer.send(&other()).await.unwrap(), Outcome::Conflict);
}

#[tokio::test]
async fn a_slow_sender_that_was_taken_for_dead_still_says_what_became_of_its_mail() {
    let desk = Desk::open();
    let slow = Slow::default();
    let sender = desk.around(slow.clone());
    let task = tokio::spawn(async move { sender.send(&mail()).await });
    slow.asked.notified().await;
    desk.clock.advance(2 * SENDING_BOUND);
    let mailer = desk.around(provider(vec![]));
    assert_eq!(mailer.send(&mail()).await.unwrap(), Outcome::Unknown);
    slow.told.notify_one();
    assert_eq!(task.await.unwrap().unwrap(), accepted("slow"));
    assert_eq!(mailer.send(&mail()).await.unwrap(), duplicate("slow"));
}

#[tokio::test]
async fn definite_refusals_release_the_id() {
    let refusals: Vec<Result<Outcome>> = vec![
        // The provider remembers another mail of which the ledger knows nothing any more.
        Ok(Outcome::Conflict),
        Ok(Outcome::Suppressed),
        Ok(Outcome::Rejected { reason: "malformed".to_owned() }),
        Ok(Outcome::RetryLater { after: Some(Duration::from_secs(3)) }),
        Err(Error::new(ErrorKind::Unavailable, "mailer.send").retry(Retry::Safe)),
        Err(Error::new(ErrorKind::Denied, "mailer.send")),
    ];
    let shown: Vec<String> = refusals.iter().map(|refusal| format!("{refusal:?}")).collect();
    let desk = Desk::open();
    let mut answers = refusals;
    answers.push(Ok(accepted("1")));
    let mailer = desk.around(provider(answers));
    for refusal in shown {
        assert_eq!(format!("{:?}", mailer.send(&mail()).await), refusal, "the answer is passed on");
    }
    assert_eq!(mailer.send(&other()).await.unwrap(), accepted("1"), "mended, it is sent");
    assert_eq!(mailer.send(&other()).await.unwrap(), duplicate("1"));
    assert_eq!(mailer.send(&mail()).await.unwrap(), Outcome::Conflict);
}

#[tokio::test]
async fn a_provider_that_lost_the_answer_is_not_asked_again() {
    for answer in [
        Ok(Outcome::Unknown),
        Err(Error::new(ErrorKind::Timeout, "mailer.send")),
        Err(Error::new(ErrorKind::Unavailable, "mailer.send").retry(Retry::Ambiguous)),
    ] {
        let desk = Desk::open();
        let mailer = desk.around(provider(vec![answer]));
        for _ in 0..3 {
            assert_eq!(mailer.send(&mail()).await.unwrap(), Outcome::Unknown);
        }
        assert_eq!(mailer.send(&other()).await.unwrap(), Outcome::Conflict);
    }
}

#[tokio::test]
async fn m9_of_two_providers_one_sends() {
    let desk = Desk::open();
    let first = desk.around(provider(vec![Ok(accepted("ses"))]));
    let second = desk.around(provider(vec![]));
    assert_eq!(first.send(&mail()).await.unwrap(), accepted("ses"));
    assert_eq!(second.send(&mail()).await.unwrap(), duplicate("ses"));

    let desk = Desk::open();
    let first = desk.around(provider(vec![Ok(Outcome::Unknown)]));
    let second = desk.around(provider(vec![]));
    assert_eq!(first.send(&mail()).await.unwrap(), Outcome::Unknown);
    assert_eq!(second.send(&mail()).await.unwrap(), Outcome::Unknown, "it may have been taken");

    let desk = Desk::open();
    let first = desk.around(provider(vec![Ok(Outcome::RetryLater { after: None })]));
    let second = desk.around(provider(vec![Ok(accepted("other"))]));
    assert_eq!(first.send(&mail()).await.unwrap(), Outcome::RetryLater { after: None });
    assert_eq!(second.send(&mail()).await.unwrap(), accepted("other"));
    assert_eq!(first.send(&mail()).await.unwrap(), duplicate("other"));
}

#[tokio::test]
async fn who_comes_second_waits_for_the_answer_of_the_first() {
    let desk = Desk::open();
    let slow = Slow::default();
    let (first, second, third) =
        (desk.around(slow.clone()), desk.around(provider(vec![])), desk.around(provider(vec![])));
    let task = tokio::spawn(async move { first.send(&mail()).await });
    slow.asked.notified().await;
    let (mail, other) = (mail(), other());
    // Both have seen that somebody is sending before the first one is told to go on.
    let (same, different, ()) =
        tokio::join!(second.send(&mail), third.send(&other), async { slow.told.notify_one() });
    assert_eq!(same.unwrap(), duplicate("slow"));
    assert_eq!(different.unwrap(), Outcome::Conflict);
    assert_eq!(task.await.unwrap().unwrap(), accepted("slow"));
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_when_to_come_back() {
    let desk = Desk::open();
    let slow = Slow::default();
    let first = desk.around(slow.clone());
    let task = tokio::spawn(async move { first.send(&mail()).await });
    slow.asked.notified().await;
    desk.clock.advance(Duration::from_secs(20));
    let outcome = desk.around(provider(vec![])).send(&mail()).await.unwrap();
    let after = SENDING_BOUND.checked_sub(Duration::from_secs(20));
    assert_eq!(outcome, Outcome::RetryLater { after });
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn g146_nobody_waits_for_another_sender_beyond_the_deadline() {
    let desk = Desk::open();
    let slow = Slow::default();
    let first = desk.around(slow.clone());
    let task = tokio::spawn(async move { first.send(&mail()).await });
    slow.asked.notified().await;
    let begun = Instant::now();
    let (mail, second) = (mail(), desk.around(provider(vec![])));
    let outcome = Deadline::after(Duration::from_secs(1)).scope(second.send(&mail)).await.unwrap();
    assert!(matches!(outcome, Outcome::RetryLater { after: Some(_) }), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    task.abort();
}

#[tokio::test]
async fn m6_what_became_of_a_mail_is_remembered_for_a_day_and_longer() {
    let desk = Desk::open();
    let mailer = desk.around(provider(vec![Ok(Outcome::RetryLater { after: None }), Ok(accepted("1"))]));
    assert_eq!(mailer.send(&mail()).await.unwrap(), Outcome::RetryLater { after: None });
    // However late the second attempt is made, its record does not outlive the way to it.
    desk.clock.advance(Duration::from_secs(20 * 86_400));
    assert_eq!(mailer.send(&mail()).await.unwrap(), accepted("1"));
    assert!(REMEMBERED >= Duration::from_secs(24 * 3_600));
    desk.clock.advance(REMEMBERED.saturating_sub(Duration::from_secs(2)));
    assert_eq!(mailer.send(&mail()).await.unwrap(), duplicate("1"));
}

#[tokio::test]
async fn an_id_that_is_refused_too_often_is_given_up() {
    let desk = Desk::open();
    let refusals = (0..MAX_ATTEMPTS).map(|_| Ok(Outcome::Suppressed)).collect();
    let mailer = desk.around(provider(refusals));
    for _ in 0..MAX_ATTEMPTS {
        assert_eq!(mailer.send(&mail()).await.unwrap(), Outcome::Suppressed);
    }
    assert!(matches!(mailer.send(&mail()).await.unwrap(), Outcome::Rejected { .. }));
}

#[tokio::test]
async fn a_mail_that_no_provider_takes_leaves_no_trace() {
    let mailer = with(provider(vec![]), MockSessionStore::new(), &Arc::default());
    for bad in [
        Mail { to: "nobody".to_owned(), ..mail() },
        Mail { subject: "a\r\nBcc: b@c.example".to_owned(), ..mail() },
        Mail { html: String::new(), ..mail() },
    ] {
        assert!(matches!(mailer.send(&bad).await.unwrap(), Outcome::Rejected { .. }));
    }
}

#[tokio::test]
async fn m13_records_hold_neither_address_nor_content() {
    let mail = Mail {
        id: MailId::new(format!("receipt/{}", "\"'%".repeat(80))).unwrap(),
        reply_to: Some("owner@example.net".to_owned()),
        ..mail()
    };
    let mut ledger = MockSessionStore::new();
    ledger.expect_temp_count().times(1).returning(|key, _| {
        assert!(key.starts_with("mail:") && is_temp_key(key) && !key.contains("receipt"), "{key}");
        Ok(1)
    });
    let check = |key: &str, value: &Value| {
        assert!(key.starts_with("mail:") && is_temp_key(key), "{key}");
        let written = format!("{key}{value}");
        for unsaid in ["guest", "owner", "example", "Thank", "Receipt", "receipt"] {
            assert!(!written.contains(unsaid), "{unsaid} in {written}");
        }
    };
    ledger.expect_temp_set_if_absent().times(1).returning(move |key, value, _| {
        check(key, value);
        Ok(true)
    });
    ledger.expect_temp_set().times(1).returning(move |key, value, _| {
        check(key, value);
        Ok(())
    });
    let mailer = with(provider(vec![Ok(accepted("1"))]), ledger, &Arc::default());
    mailer.send(&mail).await.unwrap();
    assert!(!format!("{mailer:?}").contains("guest"));
}

#[tokio::test]
async fn checking_proves_the_mailer_and_the_ledger() {
    let mut ledger = MockSessionStore::new();
    ledger.expect_check().returning(|| Err(down()));
    let error = with(provider(vec![]), ledger, &Arc::default()).check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let mut broken = MockMailer::new();
    broken.expect_check().returning(|| Err(Error::new(ErrorKind::Denied, "mailer.check")));
    assert_eq!(Desk::open().around(broken).check().await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn the_suppression_list_is_the_providers() {
    let memory = Arc::new(MemoryMailer::new());
    let mailer =
        LedgeredMailer::new(memory.clone(), Desk::open().ledger.clone(), Arc::new(ManualClock::default()));
    mailer.set_suppressed("guest@example.org", true).await.unwrap();
    assert!(memory.is_suppressed("guest@example.org").await.unwrap());
    assert!(mailer.is_suppressed("guest@example.org").await.unwrap());
}
