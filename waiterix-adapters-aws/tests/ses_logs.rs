//! What the log says of mail: ids, kinds and digests, neither address nor content.

#![cfg(feature = "ses")]
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

mod scripted_ses;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use scripted_ses::{FROM, Refusal, ScriptedSes};
use serde_json::json;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;
use waiterix_adapters_aws::ses::{SesMailer, SesSettings};
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_contract::ManualClock;
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_ports::{Mail, MailId, MailKind, Mailer, Outcome};

/// A log that is kept in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Catches what this thread logs, the SDK's words included.
    fn catch(&self, level: Level) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_max_level(level).with_ansi(false);
        tracing::subscriber::set_default(subscriber.with_writer(self.clone()).finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn mail(id: &str, to: &str) -> Mail {
    Mail {
        id: MailId::new(id).unwrap(),
        kind: MailKind::SignInCode,
        to: to.to_owned(),
        reply_to: Some("zzowner@replies.example".to_owned()),
        subject: "zzsubject".to_owned(),
        html: "<p>zzhtml 048151</p>".to_owned(),
        text: "zztext 048151".to_owned(),
    }
}

/// Everything that can become of a mail, and every other operation.
async fn all_of_it(server: &ScriptedSes) {
    let clock = Arc::new(ManualClock::default());
    let settings = SesSettings { from: FROM.to_owned(), configuration_set: None };
    let ses = Arc::new(SesMailer::open(&server.config().await, settings));
    let mailer = LedgeredMailer::new(ses, Arc::new(MemorySessionStore::new(clock.clone())), clock);
    let guest = "zzguest@recipients.example";
    for _ in 0..2 {
        mailer.send(&mail("sign-in/accepted", guest)).await.unwrap();
    }
    let unverified =
        "Email address is not verified. The following identities failed the check in region EU: ";
    let words: &'static str = Box::leak(format!("{unverified}{guest}").into_boxed_str());
    for (number, (status, code)) in [
        (400, "MessageRejected"),
        (400, "AccountSuspendedException"),
        (429, "TooManyRequestsException"),
        (500, "InternalFailure"),
        (403, "AccessDeniedException"),
    ]
    .into_iter()
    .enumerate()
    {
        server.refuse(Refusal::new(status, code).saying(words));
        let _ = mailer.send(&mail(&format!("sign-in/refused/{number}"), guest)).await;
    }
    mailer.send(&mail("sign-in/malformed", "zzguest@")).await.unwrap();
    mailer.set_suppressed(guest, true).await.unwrap();
    assert_eq!(mailer.send(&mail("sign-in/suppressed", guest)).await.unwrap(), Outcome::Suppressed);
    mailer.set_suppressed(guest, false).await.unwrap();
    server.refuse_look_up(Refusal::new(403, "AccessDeniedException").saying(words));
    let error = mailer.send(&mail("sign-in/denied", guest)).await.unwrap_err();
    tracing::error!(%error, "as the service logs it");
    server.set_account(json!({ "SendingEnabled": false }));
    mailer.check().await.unwrap();
}

#[tokio::test]
async fn g037_the_log_names_mails_by_ids_and_digests_and_holds_neither_address_nor_content() {
    let log = Log::default();
    let server = ScriptedSes::start().await;
    let guard = log.catch(Level::INFO);
    all_of_it(&server).await;
    drop(guard);
    let text = log.text();
    let message_id = &server.taken()[0].message_id;
    for said in [
        message_id.as_str(),
        "kind=\"sign-in-code\"",
        "outcome=\"rejected\"",
        "outcome=\"denied\"",
        "outcome=\"unknown\"",
        "outcome=\"suppressed\"",
        "outcome=\"retry later\"",
        "recipient=",
        "SES_CONFIGURATION_SET is not set",
        "sandbox",
        "not verified",
        "suppression list",
    ] {
        assert!(text.contains(said), "{said} is missing in {text}");
    }
    for unsaid in ["zz", "048151", "recipients.example", "replies.example", "secret"] {
        assert!(!text.contains(unsaid), "{unsaid} in {text}");
    }
}

#[tokio::test]
async fn g037_not_even_what_the_sdk_says_for_debugging_holds_content() {
    let log = Log::default();
    let server = ScriptedSes::start().await;
    let guard = log.catch(Level::DEBUG);
    all_of_it(&server).await;
    drop(guard);
    let text = log.text();
    assert!(text.contains("DEBUG"), "the SDK says something");
    for unsaid in ["zz", "048151", "recipients.example", "replies.example"] {
        assert!(!text.contains(unsaid), "{unsaid} in {}", text.lines().find(|l| l.contains(unsaid)).unwrap());
    }
}
