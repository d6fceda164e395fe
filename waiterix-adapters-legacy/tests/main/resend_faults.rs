//! Resend when it refuses, fails, falls silent or cannot be reached: what the answer says, and that no mail is sent twice.

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;
use waiterix_adapters_legacy::resend::{ResendMailer, ResendSettings, ResendTime};
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_backends::tls::Authority;
use waiterix_contract::{ManualClock, eventually};
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_ports::{ErrorKind, Mail, MailId, MailKind, Mailer, Outcome, Retry};

use crate::resend_scripted::{FROM, Refusal, ScriptedResend};

fn mail(id: &str) -> Mail {
    Mail {
        id: MailId::new(id).unwrap(),
        kind: MailKind::Support,
        to: "desk@example.net".to_owned(),
        reply_to: Some("owner@example.org".to_owned()),
        subject: "[Waiterix Support] Prïnter".to_owned(),
        html: "<p>It burns</p>".to_owned(),
        text: "It burns".to_owned(),
    }
}

/// The adapter alone.
fn bare(settings: ResendSettings) -> ResendMailer {
    ResendMailer::open(settings, Arc::new(ManualClock::default())).unwrap()
}

/// As the service has it.
fn composed(settings: ResendSettings, clock: &Arc<ManualClock>) -> LedgeredMailer {
    let sessions = Arc::new(MemorySessionStore::new(clock.clone()));
    let resend = Arc::new(ResendMailer::open(settings, clock.clone()).unwrap());
    let suppressing = Arc::new(SuppressingMailer::new(resend, sessions.clone()));
    LedgeredMailer::new(suppressing, sessions, clock.clone())
}

fn in_a_hurry(settings: ResendSettings) -> ResendSettings {
    let time = ResendTime {
        connect: Duration::from_millis(200),
        attempt: Duration::from_millis(600),
        call: Duration::from_millis(2_500),
    };
    ResendSettings { time, ..settings }
}

fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted { .. })
}

#[tokio::test]
async fn m6_a_request_names_sender_recipient_both_parts_and_tags_and_its_key_is_the_mails_id() {
    let server = ScriptedResend::start().await;
    let mailer = bare(server.settings());
    let longest = format!("support/\"1\"/{{}}/\\,;:'`%{}", "x".repeat(234));
    assert_eq!(longest.len(), 256);
    for id in ["support/1", &longest] {
        let sent = mailer.send(&mail(id)).await.unwrap();
        let taken = server.taken().pop().unwrap();
        assert_eq!(sent, Outcome::Accepted { message_id: taken.id });
        assert_eq!(taken.idempotency_key, id);
        let mut request = taken.request;
        let mail_tag = request["tags"][1]["value"].take();
        assert_eq!(mail_tag.as_str().unwrap().len(), 64, "a digest of the id");
        assert_eq!(
            request,
            json!({
                "from": FROM,
                "to": ["desk@example.net"],
                "reply_to": "owner@example.org",
                "subject": "[Waiterix Support] Prïnter",
                "html": "<p>It burns</p>",
                "text": "It burns",
                "tags": [{ "name": "kind", "value": "support" }, { "name": "mail", "value": null }],
            })
        );
    }
}

/// What a sending comes to.
#[derive(Debug, Clone, PartialEq)]
enum End {
    Conflict,
    Rejected,
    Later(Option<u64>),
    Denied(&'static str),
}

#[tokio::test]
async fn m7_every_refusal_is_typed_and_none_is_repeated_in_vain() {
    let refuse = Refusal::new;
    let to_testers = "You can only send testing emails to your own email address (owner@example.org).";
    let cases = [
        (refuse(400, "validation_error"), End::Rejected),
        (refuse(400, "invalid_idempotency_key"), End::Rejected),
        (refuse(400, "validation_error").saying("API key is invalid"), End::Denied("RESEND_API_KEY")),
        (refuse(401, "missing_api_key"), End::Denied("RESEND_API_KEY")),
        (refuse(401, "restricted_api_key"), End::Denied("RESEND_API_KEY")),
        (refuse(401, "validation_error").saying("API key is invalid"), End::Denied("RESEND_API_KEY")),
        (refuse(403, "invalid_api_key"), End::Denied("RESEND_API_KEY")),
        (refuse(403, "suspended_api_key"), End::Denied("RESEND_API_KEY")),
        (refuse(403, "validation_error").saying("API key is invalid."), End::Denied("RESEND_API_KEY")),
        (refuse(403, "validation_error").saying(to_testers), End::Denied("RESEND_FROM_EMAIL")),
        (refuse(403, "validation_error"), End::Denied("RESEND_FROM_EMAIL")),
        (refuse(404, "not_found"), End::Denied("RESEND_BASE_URL")),
        (refuse(405, "method_not_allowed"), End::Denied("RESEND_BASE_URL")),
        (refuse(409, "invalid_idempotent_request"), End::Conflict),
        (refuse(413, "payload_too_large"), End::Rejected),
        (refuse(422, "missing_required_field"), End::Rejected),
        (refuse(422, "validation_error").saying("Invalid `to` field: desk@example.net"), End::Rejected),
        (refuse(422, "validation_error").saying("Invalid `from` field."), End::Denied("RESEND_FROM_EMAIL")),
        (refuse(422, "validation_error").saying("Bad: Invalid `from` field."), End::Rejected),
        (refuse(422, "invalid_from_address"), End::Denied("RESEND_FROM_EMAIL")),
        (refuse(429, "daily_quota_exceeded"), End::Later(None)),
        (refuse(429, "monthly_quota_exceeded").with("retry-after", "86400"), End::Later(Some(86_400))),
        (refuse(429, "rate_limit_exceeded").with("retry-after", "60"), End::Later(Some(60))),
        (
            refuse(429, "rate_limit_exceeded").with("retry-after", "18446744073709551615"),
            End::Later(Some(31 * 86_400)),
        ),
        (refuse(429, "daily_quota_exceeded").with("retry-after", "tomorrow"), End::Later(None)),
        (refuse(451, "something_new"), End::Rejected),
    ];
    let server = ScriptedResend::start().await;
    let mailer = bare(server.settings());
    for (number, (refusal, end)) in cases.into_iter().enumerate() {
        server.refuse(refusal.clone());
        let answer = mailer.send(&mail(&format!("support/{number}"))).await;
        let shown = format!("{answer:?}");
        let found = match (answer, &end) {
            (Ok(Outcome::Conflict), _) => End::Conflict,
            (Ok(Outcome::Rejected { .. }), _) => End::Rejected,
            (Ok(Outcome::RetryLater { after }), _) => End::Later(after.map(|after| after.as_secs())),
            (Err(error), End::Denied(advice)) if error.kind() == ErrorKind::Denied => {
                assert_eq!(error.retry_advice(), Retry::No);
                assert!(shown.contains(advice), "{shown} for {refusal:?}");
                End::Denied(advice)
            }
            (other, _) => panic!("{other:?} for {refusal:?}"),
        };
        assert_eq!(found, end, "{refusal:?}");
        assert_eq!(server.sendings(), number + 1, "one request for {refusal:?}");
        assert!(!shown.contains('@') && !shown.contains("burns"), "nothing personal in {shown}");
    }
    assert!(server.taken().is_empty());
}

#[tokio::test]
async fn m8_what_passes_by_itself_is_not_noticed() {
    let server = ScriptedResend::start().await;
    let mailer = bare(server.settings());
    let refusals = [
        Refusal::new(429, "rate_limit_exceeded"),
        Refusal::new(429, "rate_limit_exceeded").with("retry-after", "0"),
        Refusal::new(409, "concurrent_idempotent_requests"),
        Refusal::new(408, "timeout"),
        Refusal::new(500, "application_error"),
        Refusal::new(502, "bad_gateway"),
        Refusal::new(503, "service_unavailable"),
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        server.refuse(refusal.clone());
        let outcome = mailer.send(&mail(&format!("support/{number}"))).await.unwrap();
        assert!(is_accepted(&outcome), "{outcome:?} after {refusal:?}");
        assert_eq!((server.sendings(), server.taken().len()), (2 * number + 2, number + 1), "{refusal:?}");
    }
}

#[tokio::test]
async fn m8_a_server_that_keeps_failing_is_asked_four_times_and_the_outcome_is_unknown() {
    let server = ScriptedResend::start().await;
    let mailer = composed(server.settings(), &server.clock);
    (0..4).for_each(|_| server.refuse(Refusal::new(500, "application_error")));
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Unknown);
    assert_eq!(server.sendings(), 4);
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Unknown, "it is not tried again");
    assert_eq!((server.sendings(), server.taken().len()), (4, 0));
}

#[tokio::test]
async fn m8_a_throttled_mail_can_be_sent_later_under_its_id() {
    let server = ScriptedResend::start().await;
    let mailer = composed(server.settings(), &server.clock);
    (0..4).for_each(|_| server.refuse(Refusal::new(429, "rate_limit_exceeded")));
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::RetryLater { after: None });
    server.refuse(Refusal::new(429, "daily_quota_exceeded"));
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::RetryLater { after: None });
    assert!(is_accepted(&mailer.send(&mail("support/1")).await.unwrap()));
    assert!(matches!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Duplicate { .. }));
    assert_eq!((server.taken().len(), server.sendings()), (1, 6));
}

#[tokio::test]
async fn m9_once_a_mail_may_have_been_taken_no_refusal_says_that_it_was_not() {
    let after = [
        Refusal::new(401, "missing_api_key"),
        Refusal::new(403, "validation_error"),
        Refusal::new(422, "validation_error"),
        Refusal::new(409, "invalid_idempotent_request"),
        Refusal::new(429, "daily_quota_exceeded"),
        Refusal::new(429, "rate_limit_exceeded").with("retry-after", "60"),
    ];
    let server = ScriptedResend::start().await;
    let mailer = bare(server.settings());
    for (number, refusal) in after.into_iter().enumerate() {
        server.refuse(Refusal::new(500, "application_error"));
        server.refuse(refusal.clone());
        let outcome = mailer.send(&mail(&format!("support/{number}"))).await.unwrap();
        assert_eq!(outcome, Outcome::Unknown, "{refusal:?}");
        assert_eq!(server.sendings(), 2 * number + 2, "{refusal:?}");
    }
}

#[tokio::test]
async fn m8_a_server_that_fails_after_it_took_the_mail_says_so_when_it_is_asked_again() {
    let server = ScriptedResend::start().await;
    let mailer = composed(server.settings(), &server.clock);
    server.fail_after_taking(500);
    let outcome = mailer.send(&mail("support/1")).await.unwrap();
    let taken = server.taken();
    assert_eq!((outcome, taken.len()), (Outcome::Accepted { message_id: taken[0].id.clone() }, 1));
}

#[tokio::test]
async fn m7_an_answer_without_message_id_is_no_success() {
    let too_long = format!("{{\"x\":\"{}\",\"id\":\"1\"}}", "x".repeat(300 * 1024));
    let bodies = ["{}", "{\"id\":\"\"}", "{\"id\":null}", "{\"id\":\"01", "[]", "<html>", "", &too_long];
    let mut trials = JoinSet::new();
    for body in bodies.map(str::to_owned) {
        trials.spawn(async move {
            let server = ScriptedResend::start().await;
            (0..4).for_each(|_| server.say(&body));
            let outcome = bare(server.settings()).send(&mail("support/1")).await.unwrap();
            assert_eq!(outcome, Outcome::Unknown, "{body:.40}");
            assert_eq!((server.sendings(), server.taken().len()), (4, 1), "{body:.40}");
        });
    }
    trials.join_all().await;
}

#[tokio::test]
async fn m7_the_message_id_is_had_by_asking_again() {
    let server = ScriptedResend::start().await;
    server.say("{}");
    let outcome = bare(server.settings()).send(&mail("support/1")).await.unwrap();
    let taken = server.taken();
    assert_eq!((outcome, taken.len()), (Outcome::Accepted { message_id: taken[0].id.clone() }, 1));
}

#[tokio::test]
async fn fact15_a_lost_answer_is_had_by_asking_again_and_no_second_mail_goes_out() {
    let server = ScriptedResend::start().await;
    let proxy = Proxy::to(&server.url).await.unwrap();
    let mailer = composed(server.settings_at(&proxy.url(&server.url)), &server.clock);
    proxy.cut_on("/emails");
    let outcome = mailer.send(&mail("support/1")).await.unwrap();
    assert!(proxy.has_cut());
    let taken = server.taken();
    assert_eq!((taken.len(), server.sendings()), (1, 2));
    assert_eq!(outcome, Outcome::Accepted { message_id: taken[0].id.clone() });
}

#[tokio::test]
async fn fact15_when_no_answer_ever_passes_the_outcome_is_unknown_and_one_mail_was_taken() {
    let server = ScriptedResend::start().await;
    let proxy = Proxy::to(&server.url).await.unwrap();
    let mailer = composed(in_a_hurry(server.settings_at(&proxy.url(&server.url))), &server.clock);
    proxy.set(Mode::Swallow);
    let began = Instant::now();
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Unknown);
    assert!(began.elapsed() < Duration::from_secs(5), "all attempts have the time of a call");
    assert_eq!(server.taken().len(), 1);
    let sendings = server.sendings();
    proxy.set(Mode::Pass);
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Unknown);
    assert_eq!(server.sendings(), sendings, "nobody asks again under an id of which nothing is known");
}

#[tokio::test]
async fn fact15_a_server_that_falls_silent_is_asked_again() {
    let server = ScriptedResend::start().await;
    let mailer = composed(in_a_hurry(server.settings()), &server.clock);
    server.fall_silent();
    let outcome = mailer.send(&mail("support/1")).await.unwrap();
    let taken = server.taken();
    assert_eq!(outcome, Outcome::Accepted { message_id: taken[0].id.clone() });
    assert_eq!((taken.len(), server.sendings()), (1, 2));
}

#[tokio::test]
async fn a_connection_that_ends_before_the_request_was_read_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let hangs_up = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let server = ScriptedResend::start().await;
    let mailer = bare(in_a_hurry(server.settings_at(&url)));
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Unknown);
    hangs_up.abort();
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    let server = ScriptedResend::start().await;
    let proxy = Proxy::to(&server.url).await.unwrap();
    proxy.set(Mode::Slow(Duration::from_millis(200)));
    let mailer = composed(server.settings_at(&proxy.url(&server.url)), &server.clock);
    assert!(is_accepted(&mailer.send(&mail("support/1")).await.unwrap()));
    assert_eq!(server.sendings(), 1);
}

#[tokio::test]
async fn without_a_connection_the_mail_was_certainly_not_taken() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    // This one takes connections and says nothing that TLS would understand.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_tls = mute.local_addr().unwrap();
    let hangs_up = tokio::spawn(async move { while mute.accept().await.is_ok() {} });
    // And this one lets the handshake wait.
    let waiting = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut trials = JoinSet::new();
    for url in [
        format!("http://{free}"),
        "http://mail.does-not-exist.invalid".to_owned(),
        format!("https://{no_tls}"),
        format!("https://{}", waiting.local_addr().unwrap()),
    ] {
        trials.spawn(async move {
            let server = ScriptedResend::start().await;
            let mailer = bare(in_a_hurry(server.settings_at(&Url::parse(&url).unwrap())));
            let error = mailer.send(&mail("support/1")).await.unwrap_err();
            let advice = (error.kind(), error.retry_advice());
            assert_eq!(advice, (ErrorKind::Unavailable, Retry::Safe), "{url}: {error}");
            assert_eq!(mailer.check().await.unwrap_err().kind(), ErrorKind::Unavailable, "{url}");
        });
    }
    trials.join_all().await;
    hangs_up.abort();
}

/// A server with a certificate of an authority that nobody trusts; answers how many bytes it was told.
fn distrusted() -> (String, std::thread::JoinHandle<usize>) {
    let identity = Authority::new().unwrap().identity(&["127.0.0.1"]).unwrap();
    let certificate = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let config = Arc::new(config);
    let told = std::thread::spawn(move || {
        // One sending makes as many connections as attempts.
        let read = (0..4).map(|_| {
            let (socket, _) = listener.accept().unwrap();
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut said = Vec::new();
            // The client hangs up, which is an error here.
            let _ = rustls::StreamOwned::new(session, socket).read_to_end(&mut said);
            said.len()
        });
        read.sum()
    });
    (url, told)
}

#[tokio::test]
async fn a_server_with_a_certificate_that_nobody_trusts_gets_neither_key_nor_mail() {
    let (url, told) = distrusted();
    let server = ScriptedResend::start().await;
    let mailer = bare(server.settings_at(&Url::parse(&url).unwrap()));
    let error = mailer.send(&mail("support/1")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe), "{error}");
    assert_eq!(tokio::task::spawn_blocking(|| told.join().unwrap()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_mail_whose_connection_was_refused_can_be_sent_when_there_is_one() {
    let server = ScriptedResend::start().await;
    let proxy = Proxy::to(&server.url).await.unwrap();
    let mailer = composed(server.settings_at(&proxy.url(&server.url)), &server.clock);
    proxy.set(Mode::Refuse);
    while TcpStream::connect(proxy.address()).await.is_ok() {}
    let error = mailer.send(&mail("support/1")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe));
    proxy.set(Mode::Pass);
    while TcpStream::connect(proxy.address()).await.is_err() {}
    assert!(is_accepted(&mailer.send(&mail("support/1")).await.unwrap()));
    assert_eq!(server.sendings(), 1);
}

#[tokio::test]
async fn a_key_is_not_carried_to_where_an_answer_points() {
    let server = ScriptedResend::start().await;
    let mailer = bare(server.settings());
    let elsewhere = Refusal::new(307, "moved").with("location", "/elsewhere");
    (0..4).for_each(|_| server.refuse(elsewhere.clone()));
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Unknown);
    assert_eq!((server.sendings(), server.requests()), (4, 4), "and to nothing else");
}

#[tokio::test]
async fn m6_several_senders_of_one_id_send_one_mail_even_without_a_ledger() {
    let server = ScriptedResend::start().await;
    let mailers: Vec<_> = (0..2).map(|_| bare(server.settings())).collect();
    let told = server.wait();
    let (mail, other) = (mail("support/1"), Mail { text: "It floods".to_owned(), ..mail("support/1") });
    let (first, second, ()) = tokio::join!(mailers[0].send(&mail), mailers[1].send(&mail), async {
        let asked = || async { server.sendings() >= 2 };
        eventually(Duration::from_secs(5), "both have asked", asked).await;
        told.notify_one();
    });
    let taken = server.taken();
    let accepted = Outcome::Accepted { message_id: taken[0].id.clone() };
    assert_eq!((first.unwrap(), second.unwrap(), taken.len()), (accepted.clone(), accepted, 1));
    let outcome = mailers[0].send(&other).await.unwrap();
    assert_eq!(outcome, Outcome::Conflict, "another mail under the id");
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn m6_after_resend_has_forgotten_the_ledger_still_knows() {
    let server = ScriptedResend::start().await;
    let mailer = composed(server.settings(), &server.clock);
    assert!(is_accepted(&mailer.send(&mail("support/1")).await.unwrap()));
    server.clock.advance(Duration::from_secs(25 * 3_600));
    assert!(matches!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Duplicate { .. }));
    assert!(
        is_accepted(&bare(server.settings()).send(&mail("support/1")).await.unwrap()),
        "Resend has forgotten"
    );
    assert_eq!(server.taken().len(), 2);
}

#[tokio::test]
async fn addresses_outside_ascii_are_sent_to_where_resend_can() {
    let server = ScriptedResend::start().await;
    let mailer = bare(server.settings());
    let foreign = Mail { to: "guest@exämple.org".to_owned(), reply_to: None, ..mail("support/1") };
    assert!(is_accepted(&mailer.send(&foreign).await.unwrap()));
    assert_eq!(server.taken().remove(0).request["to"], json!(["guest@xn--exmple-cua.org"]));
    for impossible in [
        Mail { to: "gäst@example.org".to_owned(), ..mail("support/2") },
        Mail { reply_to: Some("gäst@example.org".to_owned()), ..mail("support/3") },
    ] {
        assert!(matches!(mailer.send(&impossible).await.unwrap(), Outcome::Rejected { .. }));
    }
    assert_eq!(server.sendings(), 1);
}

#[tokio::test]
async fn the_adapter_alone_has_no_suppression_list_and_says_so() {
    let server = ScriptedResend::start().await;
    let mailer = bare(server.settings());
    for suppressed in [true, false] {
        let error = mailer.set_suppressed("desk@example.net", suppressed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let error = mailer.set_suppressed("nobody", suppressed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert_eq!(mailer.is_suppressed("desk@example.net").await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(server.requests(), 0);
}
