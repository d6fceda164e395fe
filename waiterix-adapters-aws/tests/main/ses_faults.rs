//! SES when it refuses, fails, falls silent or cannot be reached: what the answer says, and that no mail is sent twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use serde_json::json;
use waiterix_adapters_aws::ses::{SesMailer, SesSettings};
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_backends::proxy::{Mode, Proxy};
use waiterix_contract::ManualClock;
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_ports::{ErrorKind, Mail, MailId, MailKind, Mailer, Outcome, Retry};

use crate::scripted_ses::{FROM, Refusal, ScriptedSes};

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

fn settings() -> SesSettings {
    SesSettings { from: FROM.to_owned(), configuration_set: None }
}

async fn mailer(server: &ScriptedSes) -> SesMailer {
    SesMailer::open(&server.config().await, settings())
}

/// A mailer with a ledger, as the service has it.
fn ledgered(config: &SdkConfig) -> LedgeredMailer {
    let clock = Arc::new(ManualClock::default());
    let ledger = Arc::new(MemorySessionStore::new(clock.clone()));
    LedgeredMailer::new(Arc::new(SesMailer::open(config, settings())), ledger, clock)
}

fn in_a_hurry(config: &SdkConfig, attempt: Duration, all: Duration) -> SdkConfig {
    let time = TimeoutConfig::builder().operation_attempt_timeout(attempt).operation_timeout(all).build();
    config.to_builder().timeout_config(time).build()
}

const MILLIS_200: Duration = Duration::from_millis(200);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn g033_a_request_names_sender_recipient_both_parts_tags_and_the_configuration_set() {
    let server = ScriptedSes::start().await;
    server.add_configuration_set("events");
    let settings = SesSettings { configuration_set: Some("events".to_owned()), ..settings() };
    let mailer = SesMailer::open(&server.config().await, settings);
    let sent = mailer.send(&mail("support/\"1\"/{}")).await.unwrap();
    let taken = server.taken().remove(0);
    assert_eq!(sent, Outcome::Accepted { message_id: taken.message_id });
    let mut request = taken.request;
    let mail_tag = request["EmailTags"][1]["Value"].take();
    assert_eq!(mail_tag.as_str().unwrap().len(), 64, "a digest of the id");
    assert_eq!(
        request,
        json!({
            "FromEmailAddress": FROM,
            "Destination": { "ToAddresses": ["desk@example.net"] },
            "ReplyToAddresses": ["owner@example.org"],
            "Content": { "Simple": {
                "Subject": { "Data": "[Waiterix Support] Prïnter", "Charset": "UTF-8" },
                "Body": {
                    "Text": { "Data": "It burns", "Charset": "UTF-8" },
                    "Html": { "Data": "<p>It burns</p>", "Charset": "UTF-8" },
                },
            }},
            "EmailTags": [{ "Name": "kind", "Value": "support" }, { "Name": "mail", "Value": null }],
            "ConfigurationSetName": "events",
        })
    );
}

/// What a sending comes to.
#[derive(Debug, Clone, PartialEq)]
enum End {
    Rejected,
    Later(Option<u64>),
    Unknown,
    Denied,
}

#[tokio::test]
async fn g037_every_refusal_is_typed_and_none_is_repeated_by_the_sdk() {
    const UNVERIFIED: &str =
        "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: ";
    let message = |list: &str| -> &'static str { Box::leak(format!("{UNVERIFIED}{list}").into_boxed_str()) };
    let refuse = Refusal::new;
    let rejected = || refuse(400, "MessageRejected");
    let cases = [
        (rejected().saying(message("desk@example.net")), End::Rejected),
        (rejected().saying(message("x@waiterix.example.net, desk@example.net")), End::Rejected),
        (rejected().saying(message(FROM)), End::Denied),
        (rejected().saying(message("desk@example.net, NO-REPLY@waiterix.example")), End::Denied),
        (rejected().saying("Email address is not verified."), End::Rejected),
        (rejected().saying("Illegal content of desk@example.net"), End::Rejected),
        (refuse(400, "MailFromDomainNotVerifiedException"), End::Denied),
        (refuse(400, "AccountSuspendedException"), End::Denied),
        (refuse(400, "SendingPausedException"), End::Later(None)),
        (refuse(400, "LimitExceededException"), End::Later(None)),
        (refuse(429, "TooManyRequestsException"), End::Later(None)),
        (refuse(429, "TooManyRequestsException").with("retry-after", "7"), End::Later(Some(7_000))),
        (refuse(429, "TooManyRequestsException").with("x-amz-retry-after", "1500"), End::Later(Some(1_500))),
        (refuse(429, "TooManyRequestsException").with("retry-after", "tomorrow"), End::Later(None)),
        (refuse(400, "ThrottlingException").saying("Maximum sending rate exceeded"), End::Later(None)),
        (refuse(429, "SomethingNew"), End::Later(None)),
        (refuse(400, "BadRequestException"), End::Rejected),
        (refuse(404, "NotFoundException"), End::Denied),
        (refuse(403, "AccessDeniedException"), End::Denied),
        (refuse(403, "ExpiredTokenException"), End::Denied),
        (refuse(413, "RequestEntityTooLargeException"), End::Rejected),
        (refuse(408, "RequestTimeoutException"), End::Unknown),
        (refuse(500, "InternalFailure"), End::Unknown),
        (refuse(502, "BadGateway"), End::Unknown),
        (refuse(503, "ServiceUnavailable"), End::Unknown),
    ];
    let server = ScriptedSes::start().await;
    let mailer = mailer(&server).await;
    for (number, (refusal, end)) in cases.into_iter().enumerate() {
        server.refuse(refusal.clone());
        let answer = mailer.send(&mail(&format!("support/{number}"))).await;
        let shown = format!("{answer:?}");
        let found = match answer {
            Ok(Outcome::Rejected { .. }) => End::Rejected,
            Ok(Outcome::RetryLater { after }) => {
                End::Later(after.map(|after| u64::try_from(after.as_millis()).unwrap()))
            }
            Ok(Outcome::Unknown) => End::Unknown,
            Err(error) if error.kind() == ErrorKind::Denied => End::Denied,
            other => panic!("{other:?} for {refusal:?}"),
        };
        assert_eq!(found, end, "{refusal:?}");
        assert_eq!(server.sendings(), number + 1, "one request for {refusal:?}");
        assert!(!shown.contains('@') && !shown.contains("burns"), "nothing personal in {shown}");
    }
    assert!(server.taken().is_empty());
}

#[tokio::test]
async fn what_an_operator_can_mend_says_how() {
    let server = ScriptedSes::start().await;
    let with_set = SesSettings { configuration_set: Some("absent".to_owned()), ..settings() };
    let mailer = SesMailer::open(&server.config().await, with_set);
    let error = mailer.send(&mail("support/1")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Denied, Retry::No));
    assert!(error.to_string().contains("SES_CONFIGURATION_SET"), "{error}");

    let unverified = SesSettings { from: "other@waiterix.example".to_owned(), ..settings() };
    let mailer = SesMailer::open(&server.config().await, unverified);
    let error = mailer.send(&mail("support/1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("SES_FROM_EMAIL") && !error.to_string().contains('@'), "{error}");
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_said_to_be() {
    let server = ScriptedSes::start().await;
    let wrong = Credentials::new("key", "another secret", Some("token".to_owned()), None, "test");
    let config = server.config().await.to_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(wrong)).build();
    let mailer = SesMailer::open(&config, settings());
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(mailer.check().await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(mailer.is_suppressed("desk@example.net").await.unwrap_err().kind(), ErrorKind::Denied);
    let put = mailer.set_suppressed("desk@example.net", true).await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!((server.sendings(), server.suppressed().len()), (0, 0));
}

#[tokio::test]
async fn an_answer_without_message_id_is_no_success() {
    let server = ScriptedSes::start().await;
    let mailer = mailer(&server).await;
    for (number, body) in ["{}", "{\"MessageId\":\"\"}", "{\"MessageId\":\"01", "<html>"].iter().enumerate() {
        server.say(body);
        let outcome = mailer.send(&mail(&format!("support/{number}"))).await.unwrap();
        assert_eq!(outcome, Outcome::Unknown, "{body}");
        assert_eq!(server.sendings(), number + 1);
    }
}

#[tokio::test]
async fn m8_a_throttled_mail_can_be_sent_later_under_its_id() {
    let server = ScriptedSes::start().await;
    let mailer = ledgered(&server.config().await);
    server.refuse(Refusal::new(429, "TooManyRequestsException"));
    server.refuse(Refusal::new(400, "LimitExceededException"));
    for _ in 0..2 {
        assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::RetryLater { after: None });
    }
    assert!(matches!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Accepted { .. }));
    assert!(matches!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Duplicate { .. }));
    assert_eq!((server.taken().len(), server.sendings()), (1, 3));
}

#[tokio::test]
async fn fact15_a_lost_answer_is_unknown_and_no_second_mail_goes_out() {
    let server = ScriptedSes::start().await;
    let proxy = Proxy::to(&server.url).await.unwrap();
    let mailer = ledgered(&server.config_at(&proxy.url(&server.url)).await);
    proxy.cut_on("/v2/email/outbound-emails");
    for _ in 0..3 {
        assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Unknown);
    }
    assert!(proxy.has_cut());
    assert_eq!((server.taken().len(), server.sendings()), (1, 1), "the mail was taken, once");
    assert!(matches!(mailer.send(&mail("support/2")).await.unwrap(), Outcome::Accepted { .. }));
}

#[tokio::test]
async fn fact15_a_server_that_falls_silent_has_all_the_time_of_a_call_once() {
    let server = ScriptedSes::start().await;
    let config = in_a_hurry(&server.config().await, MILLIS_200, SECOND);
    let mailer = ledgered(&config);
    server.fall_silent();
    let began = Instant::now();
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Unknown);
    assert!(began.elapsed() >= SECOND, "one attempt has the time of all: {:?}", began.elapsed());
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Unknown);
    assert_eq!((server.taken().len(), server.sendings()), (1, 1));
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    let server = ScriptedSes::start().await;
    let proxy = Proxy::to(&server.url).await.unwrap();
    proxy.set(Mode::Slow(MILLIS_200));
    let mailer = ledgered(&server.config_at(&proxy.url(&server.url)).await);
    assert!(matches!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Accepted { .. }));
    assert_eq!(server.sendings(), 1);
}

#[tokio::test]
async fn a_refused_connection_is_certainly_no_mail() {
    let server = ScriptedSes::start().await;
    let proxy = Proxy::to(&server.url).await.unwrap();
    let mailer = ledgered(&server.config_at(&proxy.url(&server.url)).await);
    proxy.set(Mode::Refuse);
    while tokio::net::TcpStream::connect(proxy.address()).await.is_ok() {}
    let error = mailer.send(&mail("support/1")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe));
    assert_eq!(mailer.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    proxy.set(Mode::Pass);
    while tokio::net::TcpStream::connect(proxy.address()).await.is_err() {}
    assert!(matches!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::Accepted { .. }));
}

#[tokio::test]
async fn m4_without_the_suppression_list_nothing_is_sent() {
    let server = ScriptedSes::start().await;
    let mailer = mailer(&server).await;
    // Reading may be repeated, so what passes by itself is not noticed.
    server.refuse_look_up(Refusal::new(500, "InternalFailure"));
    assert!(matches!(mailer.send(&mail("support/0")).await.unwrap(), Outcome::Accepted { .. }));
    let attempts = 3;
    for (code, status, kind) in
        [("AccessDeniedException", 403, ErrorKind::Denied), ("InternalFailure", 500, ErrorKind::Unavailable)]
    {
        (0..attempts).for_each(|_| server.refuse_look_up(Refusal::new(status, code)));
        let error = mailer.send(&mail("support/1")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}");
        if kind == ErrorKind::Unavailable {
            assert_eq!(error.retry_advice(), Retry::Safe, "certainly not sent");
        }
        server.forget_look_ups();
    }
    (0..attempts).for_each(|_| server.refuse_look_up(Refusal::new(429, "TooManyRequestsException")));
    assert_eq!(mailer.send(&mail("support/1")).await.unwrap(), Outcome::RetryLater { after: None });
    assert_eq!(server.sendings(), 1);
}

#[tokio::test]
async fn a_look_up_whose_connection_is_cut_is_an_outage_and_no_matter_of_credentials() {
    let server = ScriptedSes::start().await;
    let proxy = Proxy::to(&server.url).await.unwrap();
    let config = server.config_at(&proxy.url(&server.url)).await;
    let config = config.to_builder().retry_config(RetryConfig::disabled()).build();
    let mailer = SesMailer::open(&config, settings());
    proxy.cut_on("/v2/email/suppression");
    let error = mailer.send(&mail("support/1")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Unavailable, Retry::Safe), "{error}");
    proxy.cut_on("/v2/email/suppression");
    assert_eq!(mailer.is_suppressed("desk@example.net").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(server.sendings(), 0);
}

#[tokio::test]
async fn m10_entries_of_the_suppression_list_have_a_reason_and_one_spelling() {
    let server = ScriptedSes::start().await;
    let mailer = mailer(&server).await;
    mailer.set_suppressed("Guest@EXAMPLE.org", true).await.unwrap();
    mailer.set_suppressed("guest@exämple.org", true).await.unwrap();
    let list: Vec<_> = server.suppressed().into_iter().collect();
    let entry = |address: &str| (address.to_owned(), "BOUNCE".to_owned());
    assert_eq!(list, [entry("Guest@example.org"), entry("guest@xn--exmple-cua.org")]);
    assert!(mailer.is_suppressed("guest@EXÄMPLE.org").await.unwrap());
    let refused = mailer.set_suppressed("gäst@example.org", true).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn addresses_outside_ascii_are_sent_to_where_ses_can() {
    let server = ScriptedSes::start().await;
    let mailer = mailer(&server).await;
    let foreign = Mail { to: "guest@exämple.org".to_owned(), reply_to: None, ..mail("support/1") };
    assert!(matches!(mailer.send(&foreign).await.unwrap(), Outcome::Accepted { .. }));
    let taken = server.taken().remove(0).request;
    assert_eq!(taken["Destination"]["ToAddresses"], json!(["guest@xn--exmple-cua.org"]));
    for impossible in [
        Mail { to: "gäst@example.org".to_owned(), ..mail("support/2") },
        Mail { reply_to: Some("gäst@example.org".to_owned()), ..mail("support/3") },
    ] {
        assert!(matches!(mailer.send(&impossible).await.unwrap(), Outcome::Rejected { .. }));
    }
    assert_eq!(server.sendings(), 1);
}
