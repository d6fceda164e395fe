//! The suppression list when something fails, and when two providers share it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use waiterix_adapters_local::memory::{MemoryMailer, MemorySessionStore};
use waiterix_contract::ManualClock;
use waiterix_layers::suppression::{KEPT, SuppressingMailer};
use waiterix_ports::session::is_temp_key;
use waiterix_ports::{Error, ErrorKind, Mail, MailId, MailKind, Mailer, Outcome, Retry};

use crate::mocks::{MockMailer, MockSessionStore};

const GUEST: &str = "guest@example.org";

fn mail(to: &str) -> Mail {
    Mail {
        id: MailId::new("receipt/0b5e3a1c/1").unwrap(),
        kind: MailKind::Receipt,
        to: to.to_owned(),
        reply_to: None,
        subject: "Order Receipt".to_owned(),
        html: "<p>Thank you</p>".to_owned(),
        text: "Thank you".to_owned(),
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted { message_id: "1".to_owned() }
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "session.temp")
}

/// A provider that has no list of its own, so that nobody may ask for it, and must be asked to send this often.
fn listless(sendings: usize) -> MockMailer {
    let mut provider = MockMailer::new();
    provider.expect_send().times(sendings).returning(|_| Ok(accepted()));
    provider
}

fn with(provider: MockMailer, list: MockSessionStore) -> SuppressingMailer {
    SuppressingMailer::new(Arc::new(provider), Arc::new(list))
}

/// A list that two mailers share, and its clock.
fn shared() -> (Arc<ManualClock>, Arc<MemorySessionStore>) {
    let clock = Arc::new(ManualClock::default());
    (clock.clone(), Arc::new(MemorySessionStore::new(clock)))
}

#[tokio::test]
async fn m10_without_the_list_nothing_is_sent() {
    let mut list = MockSessionStore::new();
    list.expect_temp_get().times(1).returning(|_| Err(down()));
    let error = with(listless(0), list).send(&mail(GUEST)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe));
    assert!(error.to_string().contains("nothing was sent") && !error.to_string().contains('@'), "{error}");
}

#[tokio::test]
async fn an_entry_that_cannot_be_understood_counts() {
    for entry in [Ok(Some(json!({ "reason": "bounce" }))), Ok(Some(json!(null))), Err(ErrorKind::Corrupt)] {
        let mut list = MockSessionStore::new();
        let answer = entry.map_err(|kind| Error::new(kind, "session.temp_get"));
        list.expect_temp_get().times(1).return_once(move |_| answer);
        assert_eq!(with(listless(0), list).send(&mail(GUEST)).await.unwrap(), Outcome::Suppressed);
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_written_is_an_error_and_may_be_written_again() {
    for suppressed in [true, false] {
        let mut list = MockSessionStore::new();
        list.expect_temp_set().times(1).returning(|_, _, _| Err(down()));
        let error = with(listless(0), list).set_suppressed(GUEST, suppressed).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Ambiguous));
    }
}

#[tokio::test]
async fn m10_both_providers_know_what_was_learnt_from_one() {
    let (_, list) = shared();
    let ses = SuppressingMailer::new(Arc::new(MemoryMailer::new()), list.clone()).with_list_of_provider();
    let resend = SuppressingMailer::new(Arc::new(listless(1)), list);
    resend.set_suppressed(GUEST, true).await.unwrap();
    for mailer in [&ses, &resend] {
        assert_eq!(mailer.send(&mail(GUEST)).await.unwrap(), Outcome::Suppressed);
        assert!(mailer.is_suppressed(GUEST).await.unwrap());
    }
    ses.set_suppressed(GUEST, false).await.unwrap();
    assert!(!resend.is_suppressed(GUEST).await.unwrap());
    assert_eq!(resend.send(&mail(GUEST)).await.unwrap(), accepted());
}

#[tokio::test]
async fn a_providers_own_list_is_told_and_believed() {
    let memory = Arc::new(MemoryMailer::new());
    let mailer = SuppressingMailer::new(memory.clone(), shared().1).with_list_of_provider();
    mailer.set_suppressed(GUEST, true).await.unwrap();
    assert!(memory.is_suppressed(GUEST).await.unwrap());
    mailer.set_suppressed(GUEST, false).await.unwrap();
    assert!(!memory.is_suppressed(GUEST).await.unwrap());

    // What the provider found out by itself.
    memory.set_suppressed(GUEST, true).await.unwrap();
    assert!(mailer.is_suppressed(GUEST).await.unwrap());
    assert_eq!(mailer.send(&mail(GUEST)).await.unwrap(), Outcome::Suppressed);
    mailer.set_suppressed(GUEST, false).await.unwrap();
    assert!(!mailer.is_suppressed(GUEST).await.unwrap());
}

#[tokio::test]
async fn a_providers_list_that_does_not_answer_is_an_error() {
    let mut provider = MockMailer::new();
    provider.expect_is_suppressed().times(1).returning(|_| Err(down()));
    let mailer = SuppressingMailer::new(Arc::new(provider), shared().1).with_list_of_provider();
    assert_eq!(mailer.is_suppressed(GUEST).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(!mailer.is_suppressed("nobody").await.unwrap(), "that is no address");
}

#[tokio::test]
async fn when_one_of_two_lists_cannot_be_written_the_address_stays_suppressed() {
    let failing = || {
        let mut provider = MockMailer::new();
        provider.expect_set_suppressed().times(1).returning(|_, _| Err(down()));
        provider.expect_send().never();
        provider
    };
    let (_, list) = shared();
    let mailer = SuppressingMailer::new(Arc::new(failing()), list.clone()).with_list_of_provider();
    assert!(mailer.set_suppressed(GUEST, true).await.is_err());
    assert_eq!(mailer.send(&mail(GUEST)).await.unwrap(), Outcome::Suppressed);
    let mailer = SuppressingMailer::new(Arc::new(failing()), list).with_list_of_provider();
    assert!(mailer.set_suppressed(GUEST, false).await.is_err());
    assert_eq!(mailer.send(&mail(GUEST)).await.unwrap(), Outcome::Suppressed);
}

#[tokio::test]
async fn an_entry_is_kept_as_long_as_anything_and_begins_anew_when_it_is_set_again() {
    let (clock, list) = shared();
    let mailer = SuppressingMailer::new(Arc::new(listless(1)), list);
    mailer.set_suppressed(GUEST, true).await.unwrap();
    clock.advance(KEPT - Duration::from_secs(10));
    assert_eq!(mailer.send(&mail(GUEST)).await.unwrap(), Outcome::Suppressed);
    mailer.set_suppressed(GUEST, true).await.unwrap();
    clock.advance(KEPT - Duration::from_secs(10));
    assert_eq!(mailer.send(&mail(GUEST)).await.unwrap(), Outcome::Suppressed);
    clock.advance(Duration::from_secs(20));
    assert_eq!(mailer.send(&mail(GUEST)).await.unwrap(), accepted(), "the provider's own list goes on");
}

#[tokio::test]
async fn spellings_of_one_mailbox_are_one_entry() {
    let (_, list) = shared();
    let mailer = SuppressingMailer::new(Arc::new(listless(0)), list);
    // A provider tells of the domain as it went over the wire.
    mailer.set_suppressed("guest@xn--exmple-cua.org", true).await.unwrap();
    for spelling in ["guest@exämple.org", "guest@EXÄMPLE.org", "guest@XN--EXMPLE-CUA.ORG"] {
        assert_eq!(mailer.send(&mail(spelling)).await.unwrap(), Outcome::Suppressed, "{spelling}");
    }
}

#[tokio::test]
async fn a_mail_that_no_provider_takes_is_not_looked_up() {
    let bad = Mail { html: String::new(), ..mail(GUEST) };
    for bad in [mail("nobody"), bad] {
        let outcome = with(listless(0), MockSessionStore::new()).send(&bad).await.unwrap();
        assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn m13_entries_do_not_show_the_address() {
    let mut list = MockSessionStore::new();
    let check = |key: &str| {
        assert!(key.starts_with("mail-suppressed:") && is_temp_key(key), "{key}");
        assert!(!key.contains("guest") && !key.contains("example"), "{key}");
    };
    list.expect_temp_set().times(1).returning(move |key, value, ttl| {
        check(key);
        assert_eq!((value, ttl), (&json!(true), KEPT));
        Ok(())
    });
    list.expect_temp_get().times(1).returning(move |key| {
        check(key);
        Ok(None)
    });
    let mailer = with(listless(1), list);
    mailer.set_suppressed(GUEST, true).await.unwrap();
    mailer.send(&mail(GUEST)).await.unwrap();
    assert!(!format!("{mailer:?}").contains("guest"));
}

#[tokio::test]
async fn checking_proves_the_mailer_and_the_list() {
    let mut list = MockSessionStore::new();
    list.expect_check().returning(|| Err(down()));
    let error = with(MockMailer::new(), list).check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let mut list = MockSessionStore::new();
    list.expect_check().returning(|| Ok(()));
    let mut broken = MockMailer::new();
    broken.expect_check().returning(|| Err(Error::new(ErrorKind::Denied, "mailer.check")));
    assert_eq!(with(broken, list).check().await.unwrap_err().kind(), ErrorKind::Denied);
}
