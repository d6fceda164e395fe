//! The key of Resend: handed out by the connector of the hosting platform, kept, asked for again; and whether it is proven.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use waiterix_adapters_legacy::resend::{ResendAccess, ResendMailer, ResendSettings};
use waiterix_domain::Secret;
use waiterix_ports::{Error, ErrorKind, Mail, MailId, MailKind, Mailer, Outcome, Retry};

use crate::resend_scripted::{FROM, Refusal, ScriptedResend};

fn mail(number: usize) -> Mail {
    Mail {
        id: MailId::new(format!("receipt/{number}")).unwrap(),
        kind: MailKind::Receipt,
        to: "guest@example.org".to_owned(),
        reply_to: None,
        subject: "Order Receipt".to_owned(),
        html: "<p>Thank you</p>".to_owned(),
        text: "Thank you".to_owned(),
    }
}

fn connected(server: &ScriptedResend) -> ResendMailer {
    ResendMailer::open(server.connected(), server.clock.clone()).unwrap()
}

async fn is_sent(mailer: &ResendMailer, number: usize) -> bool {
    matches!(mailer.send(&mail(number)).await.unwrap(), Outcome::Accepted { .. })
}

async fn refused(mailer: &ResendMailer, number: usize) -> Error {
    mailer.send(&mail(number)).await.unwrap_err()
}

/// Other settings of the connector.
fn with(settings: ResendSettings, other_token: Option<&str>, other_from: Option<&str>) -> ResendSettings {
    let ResendAccess::Connector { base_url, token, .. } = settings.access.clone() else { return settings };
    let token = other_token.map_or(token, Secret::new);
    let access = ResendAccess::Connector { base_url, token, from: other_from.map(str::to_owned) };
    ResendSettings { access, ..settings }
}

#[tokio::test]
async fn m17_the_connector_is_asked_once_for_many_mails_and_again_after_five_minutes() {
    let server = ScriptedResend::start().await;
    let mailer = Arc::new(connected(&server));
    assert_eq!(server.fetches(), 0, "nothing is asked before it is needed");
    let many = (0..8).map(|number| {
        let mailer = mailer.clone();
        tokio::spawn(async move { is_sent(&mailer, number).await })
    });
    for sent in many.collect::<Vec<_>>() {
        assert!(sent.await.unwrap());
    }
    assert_eq!(server.fetches(), 1);
    server.clock.advance(Duration::from_secs(299));
    assert!(is_sent(&mailer, 10).await);
    assert_eq!(server.fetches(), 1);
    server.clock.advance(Duration::from_secs(1));
    assert!(is_sent(&mailer, 11).await);
    assert_eq!(server.fetches(), 2);
    assert!(server.taken().iter().all(|taken| taken.request["from"] == FROM), "the connector's sender");
}

#[tokio::test]
async fn m17_a_key_that_was_replaced_is_noticed_by_its_refusal() {
    let server = ScriptedResend::start().await;
    let mailer = connected(&server);
    assert!(is_sent(&mailer, 1).await);
    server.replace_key("re_second");
    assert!(is_sent(&mailer, 2).await);
    assert_eq!((server.fetches(), server.sendings(), server.taken().len()), (2, 3, 2));
    assert!(is_sent(&mailer, 3).await);
    assert_eq!((server.fetches(), server.sendings()), (2, 4), "the new key is kept");
    server.replace_key("re_third");
    mailer.check().await.unwrap();
    assert_eq!(server.fetches(), 3);
}

#[tokio::test]
async fn m17_a_key_that_is_refused_and_not_replaced_is_denied_after_asking_once() {
    let server = ScriptedResend::start().await;
    let mailer = connected(&server);
    assert!(is_sent(&mailer, 1).await);
    server.replace_key_silently("re_second");
    let error = refused(&mailer, 2).await;
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Denied, Retry::No));
    assert_eq!((server.fetches(), server.sendings(), server.taken().len()), (2, 2, 1));

    // The connector hands out another one, which is refused as well.
    server
        .set_connection(json!({ "items": [{ "settings": { "api_key": "re_other", "from_email": FROM } }] }));
    assert_eq!(refused(&mailer, 3).await.kind(), ErrorKind::Denied);
    assert_eq!((server.fetches(), server.sendings()), (3, 4));
}

#[tokio::test]
async fn a_configured_key_that_is_refused_is_denied_at_once() {
    let server = ScriptedResend::start().await;
    let mailer = ResendMailer::open(server.settings(), server.clock.clone()).unwrap();
    server.replace_key("re_second");
    let error = refused(&mailer, 1).await;
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("RESEND_API_KEY"), "{error}");
    assert_eq!(mailer.check().await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!((server.fetches(), server.sendings()), (0, 1));
}

#[tokio::test]
async fn without_the_connector_nothing_is_sent_and_that_is_certain() {
    let server = ScriptedResend::start().await;
    for status in [500, 503, 429, 302] {
        server.refuse_connection(Some(status));
        let mailer = connected(&server);
        let error = refused(&mailer, 1).await;
        let advice = (error.kind(), error.retry_advice());
        assert_eq!(advice, (ErrorKind::Unavailable, Retry::Safe), "{status}: {error}");
        assert_eq!(mailer.check().await.unwrap_err().kind(), ErrorKind::Unavailable, "{status}");
    }
    server.refuse_connection(None);
    let mut settings = server.connected();
    settings.access = ResendAccess::Connector {
        base_url: "http://127.0.0.1:1".to_owned(),
        token: Secret::new("repl identity"),
        from: None,
    };
    let mailer = ResendMailer::open(settings, server.clock.clone()).unwrap();
    let error = refused(&mailer, 1).await;
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe), "{error}");
    assert_eq!(server.sendings(), 0);
}

#[tokio::test]
async fn a_connector_that_refuses_is_denied() {
    let server = ScriptedResend::start().await;
    for status in [400, 401, 403, 404] {
        server.refuse_connection(Some(status));
        let error = refused(&connected(&server), 1).await;
        assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Denied, Retry::No), "{status}");
        assert!(error.to_string().contains("REPL_IDENTITY"), "{error}");
    }
    server.refuse_connection(None);
    let settings = with(server.connected(), Some("repl somebody-else"), None);
    let mailer = ResendMailer::open(settings, server.clock.clone()).unwrap();
    let error = refused(&mailer, 1).await;
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!error.to_string().contains("somebody"), "{error}");
    assert_eq!(server.sendings(), 0);
}

#[tokio::test]
async fn an_answer_of_the_connector_that_lacks_something_says_what() {
    let settings = |settings: Value| json!({ "items": [{ "settings": settings }] });
    let cases = [
        (json!({ "items": [] }), ErrorKind::Denied, "knows no key"),
        (json!({}), ErrorKind::Denied, "knows no key"),
        (json!({ "items": [{}] }), ErrorKind::Denied, "knows no key"),
        (settings(json!({ "from_email": FROM })), ErrorKind::Denied, "knows no key"),
        (settings(json!({ "api_key": "", "from_email": FROM })), ErrorKind::Denied, "knows no key"),
        (settings(json!({ "api_key": "re_\n", "from_email": FROM })), ErrorKind::Denied, "knows no key"),
        (settings(json!({ "api_key": "re_first" })), ErrorKind::Denied, "names no sender"),
        (
            settings(json!({ "api_key": "re_first", "from_email": "zz" })),
            ErrorKind::Denied,
            "names no sender",
        ),
        (json!({ "items": "none" }), ErrorKind::Unavailable, "cannot be understood"),
        (json!("hello"), ErrorKind::Unavailable, "cannot be understood"),
    ];
    let server = ScriptedResend::start().await;
    for (answer, kind, fault) in cases {
        server.set_connection(answer.clone());
        let error = refused(&connected(&server), 1).await;
        assert_eq!(error.kind(), kind, "{answer}");
        let shown = error.to_string();
        assert!(
            shown.contains(fault) && !shown.contains("re_") && !shown.contains("zz"),
            "{shown} for {answer}"
        );
    }
    assert_eq!(server.sendings(), 0);

    server.set_connection(settings(json!({ "api_key": "re_first" })));
    let own = "mail@waiterix.example>";
    let own = format!("Own <{own}");
    let mailer =
        ResendMailer::open(with(server.connected(), None, Some(&own)), server.clock.clone()).unwrap();
    assert!(is_sent(&mailer, 1).await);
    assert_eq!(server.taken()[0].request["from"], own.as_str(), "RESEND_FROM_EMAIL wins");
}

#[tokio::test]
async fn while_the_connector_is_down_the_old_key_stays_in_use() {
    let server = ScriptedResend::start().await;
    let mailer = connected(&server);
    assert!(is_sent(&mailer, 1).await);
    server.refuse_connection(Some(503));
    server.clock.advance(Duration::from_secs(3_600));
    assert!(is_sent(&mailer, 2).await);
    // It refuses: whoever asks has no right any more.
    server.refuse_connection(Some(401));
    assert_eq!(refused(&mailer, 3).await.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn m90_a_check_proves_the_key_and_says_what_is_wrong() {
    let server = ScriptedResend::start().await;
    let mailer = connected(&server);
    mailer.check().await.unwrap();
    for (refusal, kind, retry) in [
        (Refusal::new(400, "validation_error").saying("API key is invalid"), ErrorKind::Denied, Retry::No),
        (Refusal::new(401, "missing_api_key"), ErrorKind::Denied, Retry::No),
        (Refusal::new(403, "restricted_api_key"), ErrorKind::Denied, Retry::No),
        (
            Refusal::new(429, "rate_limit_exceeded").with("retry-after", "2"),
            ErrorKind::Throttled,
            Retry::After(Duration::from_secs(2)),
        ),
        (Refusal::new(429, "rate_limit_exceeded"), ErrorKind::Throttled, Retry::Safe),
        (Refusal::new(500, "application_error"), ErrorKind::Unavailable, Retry::Safe),
        (Refusal::new(200, "no list"), ErrorKind::Unavailable, Retry::Safe),
    ] {
        server.refuse_check(refusal.clone());
        let error = mailer.check().await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (kind, retry), "{refusal:?}");
    }
    server.restrict_key();
    mailer.check().await.unwrap();
    server.replace_key_silently("re_second");
    assert_eq!(mailer.check().await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(server.sendings(), 0);
}
