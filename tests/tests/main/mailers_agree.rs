//! One mail, two providers: what arrives through SES and through Resend is the same, and so is what each says of whatever may
//! become of a mail; and of the two, over one ledger and one suppression list, one sends. SES is MiniStack and what it says
//! it sent; Resend is a scripted server; ledger and list are in Redis.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use serde_json::{Value, json};
use url::Url;
use waiterix_adapters_aws::elasticache::{RedisSessionStore, RedisSettings};
use waiterix_adapters_aws::ses::{SesMailer, SesSettings};
use waiterix_adapters_legacy::resend::ResendMailer;
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_backends::{Backend, Running, given, redis};
use waiterix_contract::mailer::Received;
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_ports::vars::Vars;
use waiterix_ports::{Mail, MailId, MailKind, Mailer, Outcome, SessionStore};
use waiterix_tests::client::http_client;

use crate::resend_scripted::{Refusal, ScriptedResend};

const REGION: &str = "us-east-1";
const GUEST: &str = "guest@example.org";

/// Both providers, composed as the service has them, each with a ledger of its own unless it is said to be shared.
struct Scene {
    emulator: Url,
    /// The emulator takes an access key of twelve digits for an account, and keeps accounts apart.
    account: String,
    ses: LedgeredMailer,
    server: ScriptedResend,
    resend: LedgeredMailer,
    _redis: Running,
}

impl Scene {
    async fn set(is_ledger_shared: bool) -> Option<Self> {
        let (emulator, _) = (given(Backend::Aws)?, given(Backend::Redis)?);
        // One of its own: ledgers of other tests know mails of the same ids.
        let redis = redis::start(&redis::Options::default()).unwrap();
        let account = format!("{:012}", RandomState::new().hash_one("account") % 1_000_000_000_000);
        let from = format!("waiterix@{account}.example");
        let signed = format!("AWS4-HMAC-SHA256 Credential={account}/20260101/{REGION}/ses/aws4_request");
        let identity = http_client().build().unwrap().post(emulator.join("v2/email/identities").unwrap());
        let identity =
            identity.header("authorization", signed).body(json!({ "EmailIdentity": from }).to_string());
        assert!(identity.send().await.unwrap().status().is_success());
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(&account, "test", None, None, "test"))
            .endpoint_url(emulator.as_str())
            .load()
            .await;
        let ses = Arc::new(SesMailer::open(&config, SesSettings { from, configuration_set: None }));
        let server = ScriptedResend::start().await;
        let resend = Arc::new(ResendMailer::open(server.settings(), server.clock.clone()).unwrap());

        let clock = server.clock.clone();
        let place = [
            ("REDIS_HOST".to_owned(), redis.url().host_str().unwrap().to_owned()),
            ("REDIS_PORT".to_owned(), redis.url().port().unwrap().to_string()),
        ];
        let settings = RedisSettings::read(&mut Vars::new(&BTreeMap::from(place)));
        let list: Arc<dyn SessionStore> = Arc::new(RedisSessionStore::new(&settings, clock.clone()).unwrap());
        let other: Arc<dyn SessionStore> = Arc::new(MemorySessionStore::new(clock.clone()));
        let ledger = if is_ledger_shared { list.clone() } else { other };
        let ses = Arc::new(SuppressingMailer::new(ses, list.clone()).with_list_of_provider());
        let ses = LedgeredMailer::new(ses, list.clone(), clock.clone());
        let resend = Arc::new(SuppressingMailer::new(resend, list));
        let resend = LedgeredMailer::new(resend, ledger, clock);
        Some(Self { emulator, account, ses, server, resend, _redis: redis })
    }

    /// What SES delivered, in the order of the subjects and texts. The emulator does not keep where answers go.
    async fn through_ses(&self) -> Vec<Received> {
        let mut url = self.emulator.join("/_ministack/ses/messages").unwrap();
        url.query_pairs_mut().append_pair("account", &self.account);
        let answer = http_client().build().unwrap().get(url).send().await.unwrap();
        let all: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let messages = all["messages"][&self.account].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
        let received = messages.iter().map(|message| Received {
            to: ["To", "CC", "BCC"].into_iter().flat_map(|kind| list(&message[kind])).collect(),
            reply_to: None,
            subject: text(&message["Subject"]),
            html: text(&message["BodyHtml"]),
            text: text(&message["BodyText"]),
        });
        sorted(received.collect())
    }

    async fn through_resend(&self) -> Vec<Received> {
        let messages = self.server.inbox().messages().await.into_iter();
        sorted(messages.map(|message| Received { reply_to: None, ..message }).collect())
    }
}

fn sorted(mut arrived: Vec<Received>) -> Vec<Received> {
    arrived.sort_by(|one, other| (&one.subject, &one.text).cmp(&(&other.subject, &other.text)));
    arrived
}

fn mail(id: &str) -> Mail {
    Mail {
        id: MailId::new(id).unwrap(),
        kind: MailKind::Receipt,
        to: GUEST.to_owned(),
        reply_to: None,
        subject: format!("Order Receipt {id:.60}"),
        html: "<p>Thank you</p>".to_owned(),
        text: "Thank you".to_owned(),
    }
}

/// Every mail the service renders in its tests.
fn rendered() -> Vec<Mail> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../waiterix-app/tests/golden");
    let files = std::fs::read_dir(golden).unwrap().map(|file| file.unwrap().path());
    let pages = files.filter(|file| file.extension().is_some_and(|ending| ending == "html"));
    pages
        .map(|page| {
            let text = std::fs::read_to_string(page.with_extension("txt")).unwrap();
            let (subject, text) = text.split_once("\n\n").unwrap();
            Mail {
                subject: subject.strip_prefix("Subject: ").unwrap().to_owned(),
                html: std::fs::read_to_string(&page).unwrap(),
                text: text.to_owned(),
                ..mail(page.file_stem().unwrap().to_str().unwrap())
            }
        })
        .collect()
}

#[tokio::test]
async fn g036_the_same_mail_arrives_through_the_old_provider_and_the_new_one() {
    let Some(scene) = Scene::set(false).await else { return };
    let foreign = Mail { to: "guest@exämple.org".to_owned(), ..mail("foreign") };
    let odd = Mail {
        subject: "Ünïcödé 領収書 😀 ر.س \u{202e}x — =?utf-8?q?no?=".to_owned(),
        html: "<p>.\n..\nFrom here\n--boundary--</p>".to_owned(),
        text: "first\n.\n..\nFrom here\nBcc: x@example.com\n\n\nlast".to_owned(),
        ..mail("odd/../\"'\\%2F?*<>|:")
    };
    let mails = [rendered(), vec![foreign, odd]].concat();
    assert!(mails.len() >= 12, "only {} mails", mails.len());
    for mail in &mails {
        for mailer in [&scene.ses, &scene.resend] {
            let outcome = mailer.send(mail).await.unwrap();
            assert!(matches!(outcome, Outcome::Accepted { .. }), "{:?}: {outcome:?}", mail.id);
        }
    }
    let (ses, resend) = (scene.through_ses().await, scene.through_resend().await);
    assert_eq!(ses.len(), mails.len());
    assert_eq!(ses, resend);
}

/// An outcome without the ids that each provider gives.
fn plain(outcome: Outcome) -> String {
    match outcome {
        Outcome::Accepted { .. } => "accepted".to_owned(),
        Outcome::Duplicate { .. } => "duplicate".to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn g036_both_providers_say_the_same_of_whatever_may_become_of_a_mail() {
    let Some(scene) = Scene::set(false).await else { return };
    let first = mail("receipt/1");
    let sendings = [
        first.clone(),
        first.clone(),
        Mail { text: "Another".to_owned(), ..first.clone() },
        Mail { to: "other@example.org".to_owned(), ..first.clone() },
        Mail { to: "nobody".to_owned(), ..mail("receipt/2") },
        Mail { subject: "x\r\nBcc: mallory@example.com".to_owned(), ..mail("receipt/2") },
        Mail { html: String::new(), ..mail("receipt/2") },
        mail("receipt/2"),
        Mail { to: "guest@EXAMPLE.org".to_owned(), ..mail("receipt/3") },
        first,
    ];
    for (number, sending) in sendings.iter().enumerate() {
        let (ses, resend) =
            (scene.ses.send(sending).await.unwrap(), scene.resend.send(sending).await.unwrap());
        assert_eq!(plain(ses), plain(resend), "sending {number}");
    }
    // What was learnt from one holds for both.
    scene.resend.set_suppressed(GUEST, true).await.unwrap();
    for mailer in [&scene.ses, &scene.resend] {
        assert_eq!(mailer.send(&mail("receipt/4")).await.unwrap(), Outcome::Suppressed);
        assert!(mailer.is_suppressed("guest@EXAMPLE.org").await.unwrap());
    }
    scene.resend.set_suppressed(GUEST, false).await.unwrap();
    for mailer in [&scene.ses, &scene.resend] {
        assert_eq!(plain(mailer.send(&mail("receipt/4")).await.unwrap()), "accepted");
    }
    assert_eq!(scene.through_ses().await, scene.through_resend().await);
    assert_eq!(scene.through_ses().await.len(), 4);
}

#[tokio::test]
async fn m9_over_one_ledger_one_provider_sends() {
    let Some(scene) = Scene::set(true).await else { return };
    let (ses, resend, server) = (&scene.ses, &scene.resend, &scene.server);
    // Taken by one: the other knows its message id.
    let outcome = ses.send(&mail("receipt/1")).await.unwrap();
    let Outcome::Accepted { message_id } = outcome else { panic!("{outcome:?}") };
    assert_eq!(resend.send(&mail("receipt/1")).await.unwrap(), Outcome::Duplicate { message_id });
    // Certainly not taken by one: the other may.
    server.refuse(Refusal::new(429, "daily_quota_exceeded"));
    assert_eq!(plain(resend.send(&mail("receipt/2")).await.unwrap()), "RetryLater { after: None }");
    assert_eq!(plain(ses.send(&mail("receipt/2")).await.unwrap()), "accepted");
    assert_eq!(plain(resend.send(&mail("receipt/2")).await.unwrap()), "duplicate");
    // Perhaps taken by one: nobody sends it again.
    (0..4).for_each(|_| server.fail_after_taking(500));
    assert_eq!(resend.send(&mail("receipt/3")).await.unwrap(), Outcome::Unknown);
    assert_eq!(ses.send(&mail("receipt/3")).await.unwrap(), Outcome::Unknown);
    assert_eq!((scene.through_ses().await.len(), scene.through_resend().await.len()), (2, 1));
}
