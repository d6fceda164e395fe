//! Sendings that fail before the mail can have left, without the look-up that usually fails before them; and what an
//! operator is warned of.

use std::sync::Arc;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{SharedCredentialsProvider, error::CredentialsError};
use aws_sdk_sesv2::types::{SendQuota, SuppressionAttributes};
use std::time::Duration;
use tokio::net::TcpListener;
use waiterix_ports::{MailId, MailKind, Retry};

use super::*;

fn mail() -> Mail {
    Mail {
        id: MailId::new("receipt/1").unwrap(),
        kind: MailKind::Receipt,
        to: "guest@example.org".to_owned(),
        reply_to: None,
        subject: "Order Receipt".to_owned(),
        html: "<p>Thank you</p>".to_owned(),
        text: "Thank you".to_owned(),
    }
}

async fn mailer(endpoint: &str, credentials: SharedCredentialsProvider) -> SesMailer {
    let time = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(300))
        .operation_timeout(Duration::from_secs(3))
        .build();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(credentials)
        .endpoint_url(endpoint)
        .timeout_config(time)
        .load()
        .await;
    SesMailer::open(&config, SesSettings { from: "a@b.example".to_owned(), configuration_set: None })
}

fn keys() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test"))
}

#[tokio::test]
async fn without_a_connection_the_mail_was_certainly_not_taken() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    // This one takes connections and says nothing that TLS would understand.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_tls = mute.local_addr().unwrap();
    let hangs_up = tokio::spawn(async move { while mute.accept().await.is_ok() {} });
    // And this one lets the handshake wait.
    let waiting = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let endpoints = [
        format!("http://{free}"),
        "http://mail.does-not-exist.invalid".to_owned(),
        format!("https://{no_tls}"),
        format!("https://{}", waiting.local_addr().unwrap()),
    ];
    for endpoint in endpoints {
        let mailer = mailer(&endpoint, keys()).await;
        let error = mailer.transmit(&mail(), "guest@example.org", None).await.unwrap_err();
        let advice = (error.kind(), error.retry_advice());
        assert_eq!(advice, (ErrorKind::Unavailable, Retry::Safe), "{endpoint}: {error}");
    }
    hangs_up.abort();
}

#[tokio::test]
async fn without_credentials_the_mail_was_certainly_not_taken() {
    #[derive(Debug)]
    struct None;

    impl aws_credential_types::provider::ProvideCredentials for None {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let none = Err(CredentialsError::not_loaded("there are none"));
            aws_credential_types::provider::future::ProvideCredentials::ready(none)
        }
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mailer = mailer(&endpoint, SharedCredentialsProvider::new(None)).await;
    let error = mailer.transmit(&mail(), "guest@example.org", Option::None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
}

fn healthy() -> aws_sdk_sesv2::operation::get_account::builders::GetAccountOutputBuilder {
    let reasons = SuppressionAttributes::builder()
        .suppressed_reasons(SuppressionListReason::Bounce)
        .suppressed_reasons(SuppressionListReason::Complaint)
        .build();
    GetAccountOutput::builder()
        .sending_enabled(true)
        .production_access_enabled(true)
        .enforcement_status("HEALTHY")
        .suppression_attributes(reasons)
}

fn quota(sent: f64, most: f64) -> SendQuota {
    SendQuota::builder().max24_hour_send(most).sent_last24_hours(sent).build()
}

#[test]
fn an_operator_is_told_what_keeps_mail_from_going_out() {
    assert_eq!(faults_of(&healthy().build()), Vec::<&str>::new());
    for (account, word) in [
        (healthy().sending_enabled(false), "paused"),
        (healthy().production_access_enabled(false), "sandbox"),
        (healthy().enforcement_status("SHUTDOWN"), "shut down"),
        (healthy().set_suppression_attributes(None), "suppression list"),
        (healthy().send_quota(quota(90.0, 100.0)), "quota"),
    ] {
        let faults = faults_of(&account.build());
        assert!(faults.len() == 1 && faults[0].contains(word), "{faults:?}");
    }
    for fine in [quota(89.0, 100.0), quota(1e9, -1.0), quota(0.0, 0.0)] {
        assert!(faults_of(&healthy().send_quota(fine).build()).is_empty());
    }
}

#[test]
fn m13_names_in_logs_are_digests() {
    let other = Mail { to: "guest@EXAMPLE.org".to_owned(), ..mail() };
    assert_eq!(recipient(&mail()), recipient(&other), "two spellings of one mailbox");
    assert_eq!((name(&mail()).len(), recipient(&mail()).len()), (64, 16));
    let settings = SesSettings { from: "secret-sender@b.example".to_owned(), configuration_set: None };
    let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
    assert!(!format!("{:?}", SesMailer::open(&config, settings)).contains("secret-sender"));
}
